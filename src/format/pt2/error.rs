//! What is wrong with an archive of `torch.export.save`.

use std::path::PathBuf;

use miette::Diagnostic;
use thiserror::Error;

use crate::format::named::saver;

/// What is wrong with an archive of `torch.export.save`.
#[derive(Debug, Error, Diagnostic)]
#[non_exhaustive]
pub enum Pt2Error {
    /// A layout of an older PyTorch.
    #[error("{} was written by an older torch (found {found})", path.display())]
    #[diagnostic(
        code(paring::pt2::older_torch),
        help("load and save it again with torch >= 2.9: torch.export.save(torch.export.load(path), path)")
    )]
    OlderTorch {
        /// The file.
        path: PathBuf,
        /// The member that tells.
        found: String,
    },
    /// The archive says that it is of another kind.
    #[error("{} is no .pt2 archive: {reason}", path.display())]
    #[diagnostic(code(paring::pt2::not_pt2), help("Paring reads what torch.export.save of torch >= 2.9 writes"))]
    NotPt2 {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The archive has another version of the container.
    #[error("{} has archive version {found:?}; this program knows version \"0\"", path.display())]
    #[diagnostic(
        code(paring::pt2::archive_version),
        help("save the model with a torch that writes archive version 0, such as 2.9")
    )]
    ArchiveVersion {
        /// The file.
        path: PathBuf,
        /// The version found.
        found: String,
    },
    /// The program has another major version of the schema.
    #[error("{} has schema version {found}; this program knows 8.x", path.display())]
    #[diagnostic(code(paring::pt2::schema_version), help("save the model with a torch whose export schema has major version 8"))]
    SchemaVersion {
        /// The file.
        path: PathBuf,
        /// The version found.
        found: String,
    },
    /// The archive holds several programs.
    #[error("{} holds several programs, none called \"model\": {}", path.display(), names.join(", "))]
    #[diagnostic(code(paring::pt2::several_models), help("save one program a file"))]
    SeveralModels {
        /// The file.
        path: PathBuf,
        /// Their names.
        names: Vec<String>,
    },
    /// The JSON is not as the schema says.
    #[error("{}: {member} is not as expected: {at}: {reason}", path.display())]
    #[diagnostic(
        code(paring::pt2::schema),
        help("the archive is damaged, or by a torch whose schema differs; save it again with {}", saver(path))
    )]
    Schema {
        /// The file.
        path: PathBuf,
        /// The member.
        member: String,
        /// The place in the JSON.
        at: String,
        /// What is wrong there.
        reason: String,
    },
    /// A name that nothing defines.
    #[error("{}: {at} refers to `{name}`, which nothing before it defines", path.display())]
    #[diagnostic(code(paring::pt2::unknown_name), help("the archive is damaged; save it again with {}", saver(path)))]
    UnknownName {
        /// The file.
        path: PathBuf,
        /// The place in the JSON.
        at: String,
        /// The name.
        name: String,
    },
    /// An element type that is not known.
    #[error("{}: {at} has the unknown element type {code}", path.display())]
    #[diagnostic(code(paring::pt2::dtype), help("the archive is damaged, or by a torch with newer element types"))]
    DType {
        /// The file.
        path: PathBuf,
        /// The tensor or the place in the JSON.
        at: String,
        /// The number in the file.
        code: i64,
    },
    /// A tensor that is stored as a pickle.
    #[error("{}: `{tensor}` is stored as a pickle, not as raw bytes", path.display())]
    #[diagnostic(code(paring::pt2::pickled), help("tensor subclasses are stored so; save the model with plain tensors"))]
    Pickled {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// Sizes, strides and offset of a stored tensor make no sense.
    #[error("{}: `{tensor}` cannot be laid out in memory: {reason}", path.display())]
    #[diagnostic(code(paring::pt2::bad_layout), help("the archive is damaged; save it again with {}", saver(path)))]
    BadLayout {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// What is wrong.
        reason: String,
    },
    /// A payload does not fit its tensor.
    #[error("{}: `{tensor}` needs {needed} bytes, but {member} has {found}", path.display())]
    #[diagnostic(code(paring::pt2::payload_too_short), help("the archive is damaged; save it again with {}", saver(path)))]
    PayloadTooShort {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The payload.
        member: String,
        /// Bytes that the tensor's sizes, strides and offset reach.
        needed: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// A program that was exported without its weights.
    #[error("{} holds no weights: it was exported on the meta device, or of fake tensors", path.display())]
    #[diagnostic(
        code(paring::pt2::no_data),
        help(
            "without -o everything else works, as in `paring speedup {} --masks masks.safetensors --plan plan.json`; `paring apply plan.json --weights model.safetensors -o small.safetensors` then cuts the weights where they are",
            path.display()
        )
    )]
    NoData {
        /// The file.
        path: PathBuf,
    },
    /// The signature names a tensor that no config holds.
    #[error("{}: the program reads `{tensor}`, which {config} does not list", path.display())]
    #[diagnostic(code(paring::pt2::unknown_tensor), help("the archive is incomplete; save it again with {}", saver(path)))]
    UnknownTensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The config.
        config: String,
    },
}
