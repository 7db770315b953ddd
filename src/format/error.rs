//! Everything that can be wrong with a file.

use std::path::{Path, PathBuf};

use miette::{Diagnostic, NamedSource, SourceSpan};
use thiserror::Error;

use super::pickle::PickleError;

/// Why a file could not be read or written.
#[derive(Debug, Error, Diagnostic)]
#[non_exhaustive]
pub enum FormatError {
    /// The file system refused.
    #[error("cannot read {}", path.display())]
    #[diagnostic(code(paring::file::unreadable), help("check the path, and that you may read the file"))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Somebody wrote to the file while it was read.
    #[error("{} changed while it was read; nothing was written", path.display())]
    #[diagnostic(code(paring::file::changed), help("run again when nothing else writes to the file"))]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The file does not begin like a zip.
    #[error("{} is {}: it is no zip file", path.display(), no_archive(path))]
    #[diagnostic(code(paring::pt2::not_a_zip), help("write one with {}", writer(path)))]
    NotAZip {
        /// The file.
        path: PathBuf,
    },
    /// The file begins like a zip but its end is missing.
    #[error("{} is cut off: {reason}", path.display())]
    #[diagnostic(code(paring::pt2::truncated), help("the file was not copied or saved to its end; get it again"))]
    Truncated {
        /// The file.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// The zip cannot be understood.
    #[error("{} is a damaged zip file: {reason}", path.display())]
    #[diagnostic(code(paring::pt2::bad_zip), help("get the file again, or save it again with {}", saver(path)))]
    BadZip {
        /// The file.
        path: PathBuf,
        /// What the reader says.
        reason: String,
    },
    /// Two members that are one file to some readers.
    #[error("{} holds one file twice: {}", path.display(), names.join(" and "))]
    #[diagnostic(
        code(paring::zip::ambiguous),
        help("programs differ in which of the two they read, so it is not said what the model is; save it again")
    )]
    Ambiguous {
        /// The file.
        path: PathBuf,
        /// Their names, or the one that they share.
        names: Vec<String>,
    },
    /// The data of a member are not those that were written.
    #[error("{} is damaged: the checksum of {member} is not that of its data", path.display())]
    #[diagnostic(
        code(paring::zip::checksum),
        help(
            "get the file again. If it was saved with torch.serialization.set_crc32_options(False), it holds no checksums: save it again without"
        )
    )]
    Checksum {
        /// The file.
        path: PathBuf,
        /// The member.
        member: String,
    },
    /// The code of a TorchScript archive cannot be followed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Script(Box<super::torchscript::ScriptError>),
    /// An ONNX model that cannot be read or written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Onnx(Box<super::onnx::OnnxError>),
    /// The sizes of a TorchScript program's inputs.
    #[error("{}: {reason}", path.display())]
    #[diagnostic(
        code(paring::torchscript::inputs),
        help(
            "give the sizes of each input tensor in order: --input 1x3x224x224; with a type where it is none of floats: --input 1x128:int64"
        )
    )]
    InputSizes {
        /// The file.
        path: PathBuf,
        /// What is wrong with them.
        reason: String,
    },
    /// Sizes of inputs for a file that holds them.
    #[error("{} records the sizes of its inputs, and takes no others", path.display())]
    #[diagnostic(
        code(paring::pt2::inputs),
        help("leave --input out; for other sizes export the model with other inputs, or with dynamic_shapes")
    )]
    InputsRecorded {
        /// The file.
        path: PathBuf,
    },
    /// A format that a program cannot be turned into.
    #[error("{} is a TorchScript program and cannot be written as {}", from.display(), to.display())]
    #[diagnostic(
        code(paring::torchscript::to_pt2),
        help("give the output a name that ends in .pt, or export the model with torch.export.export")
    )]
    OtherFormat {
        /// The file that was read.
        from: PathBuf,
        /// The file to write.
        to: PathBuf,
    },
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
    /// A file that must be in the archive is not.
    #[error("{} has no member {member}", path.display())]
    #[diagnostic(code(paring::pt2::missing_member), help("the archive is incomplete; save it again with {}", saver(path)))]
    MissingMember {
        /// The file.
        path: PathBuf,
        /// The member.
        member: String,
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
    /// A text in the archive is no JSON.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Malformed(Box<Malformed>),
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
    /// The edited graph does not belong to the archive, or cannot be expressed in it.
    #[error("the edited graph cannot be written: {reason}")]
    #[diagnostic(code(paring::pt2::bad_edit), help("this is a fault in Paring; please report it"))]
    BadEdit {
        /// What does not fit.
        reason: String,
    },
    /// A program that TorchScript cannot express.
    #[error("{what} ({op}) cannot be written to TorchScript: {reason}")]
    #[diagnostic(
        code(paring::torchscript::not_expressible),
        help("a .pt2 archive holds it: give the output a name that ends in .pt2")
    )]
    NotInTorchScript {
        /// The node, or what else.
        what: String,
        /// Its operator.
        op: String,
        /// Why not.
        reason: String,
    },
    /// The output could not be written.
    #[error("cannot write {}", path.display())]
    #[diagnostic(code(paring::file::unwritable), help("does the folder exist, and may you write there?"))]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A masks file is no safetensors file.
    #[error("{} is not a safetensors file: {reason}", path.display())]
    #[diagnostic(
        code(paring::masks::not_safetensors),
        help("write masks with safetensors.torch.save_file({{name: mask, ...}}, \"masks.safetensors\")")
    )]
    NotSafetensors {
        /// The file.
        path: PathBuf,
        /// What the reader says.
        reason: String,
    },
    /// A pickle that cannot be read.
    #[error("cannot read the pickle in {}", path.display())]
    #[diagnostic(code(paring::pickle::unreadable))]
    Pickle {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        #[diagnostic_source]
        source: PickleError,
    },
    /// A tensor of a pickle whose data are not there.
    #[error("{}: {reason}", path.display())]
    #[diagnostic(code(paring::pickle::tensor), help("the file is damaged; save it again with torch.save"))]
    BadTensor {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A pickle with more than tensors and plain containers.
    #[error("{}: `{place}` is of {class}, which is neither a tensor nor a plain container", path.display())]
    #[diagnostic(
        code(paring::masks::object),
        help(
            "nothing in the file is executed; save only the masks: torch.save({{module: {{\"weight\": mask}}}}, path), or the model's state_dict()"
        )
    )]
    Object {
        /// The file.
        path: PathBuf,
        /// Where it stands.
        place: String,
        /// Its class.
        class: String,
    },
    /// A file of `torch.save` without masks.
    #[error("{} holds no masks: {reason}", path.display())]
    #[diagnostic(
        code(paring::masks::none_in_pickle),
        help(
            "masks are {{module: {{\"weight\": mask}}}} as NNI saves them, a state_dict with `*_mask` entries, or {{parameter: mask}}"
        )
    )]
    NoMasks {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// A mask of a type that cannot be a mask.
    #[error("{}: the mask `{name}` has type {dtype}", path.display())]
    #[diagnostic(code(paring::masks::dtype), help("masks may be bool, integers or floats of 8 bits or more"))]
    MaskType {
        /// The file.
        path: PathBuf,
        /// The mask.
        name: String,
        /// Its type.
        dtype: String,
    },
}

/// A text that is no JSON, with the place.
#[derive(Debug, Error, Diagnostic)]
#[error("{}: {member} is malformed JSON: {reason}", path.display())]
#[diagnostic(code(paring::pt2::malformed_json), help("the archive is damaged; save it again with {}", saver(path)))]
pub struct Malformed {
    /// The file.
    pub path: PathBuf,
    /// The member.
    pub member: String,
    /// What the parser says.
    pub reason: String,
    /// The text around the place.
    #[source_code]
    excerpt: NamedSource<String>,
    /// The place in the excerpt.
    #[label("here")]
    span: SourceSpan,
}

/// What writes a file of this name.
fn saver(path: &Path) -> &'static str {
    match kind(path) {
        Kind::Script => "torch.jit.save, or with torch.save where it holds masks",
        Kind::Saved => "torch.save",
        Kind::Exported => "torch.export.save",
    }
}

/// The same as a line to write.
fn writer(path: &Path) -> &'static str {
    match kind(path) {
        Kind::Script => "torch.jit.save(torch.jit.trace(model, args), \"model.pt\")",
        Kind::Saved => "torch.save, of torch 1.6 or newer",
        Kind::Exported => "torch.export.save(torch.export.export(model, args), \"model.pt2\")",
    }
}

fn no_archive(path: &Path) -> &'static str {
    match kind(path) {
        Kind::Script => "no TorchScript archive",
        Kind::Saved => "no file of torch.save",
        Kind::Exported => "not a .pt2 archive",
    }
}

/// What a file is, by its name.
enum Kind {
    Exported,
    Script,
    Saved,
}

fn kind(path: &Path) -> Kind {
    let end = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    match end.as_deref() {
        Some("pth" | "bin" | "ckpt") => Kind::Saved,
        Some("pt" | "ts" | "torchscript") => Kind::Script,
        _ => Kind::Exported,
    }
}

impl FormatError {
    /// An error at reading `path`.
    pub(crate) fn reading(path: &Path) -> impl FnOnce(std::io::Error) -> FormatError + use<> {
        let path = path.to_path_buf();
        move |source| FormatError::Unreadable { path, source }
    }

    /// An error at writing `path`.
    pub(crate) fn writing(path: &Path) -> impl FnOnce(std::io::Error) -> FormatError + use<> {
        let path = path.to_path_buf();
        move |source| FormatError::Unwritable { path, source }
    }

    /// A fault in the code of an archive.
    pub(super) fn script(fault: super::torchscript::ScriptError) -> FormatError {
        FormatError::Script(Box::new(fault))
    }

    /// A fault of the edited graph.
    pub(super) fn edit(reason: impl Into<String>) -> FormatError {
        FormatError::BadEdit { reason: reason.into() }
    }

    /// A JSON error of serde, with the text around it.
    pub(super) fn malformed(path: &Path, member: &str, text: &[u8], error: &serde_json::Error) -> FormatError {
        const AROUND: usize = 60;
        let line_start =
            text.split_inclusive(|&b| b == b'\n').take(error.line().saturating_sub(1)).map(<[u8]>::len).sum::<usize>();
        let at = (line_start + error.column().saturating_sub(1)).min(text.len());
        let before = String::from_utf8_lossy(&text[at.saturating_sub(AROUND)..at]).replace('\n', " ");
        let after = String::from_utf8_lossy(&text[at..(at + AROUND).min(text.len())]).replace('\n', " ");
        let span = SourceSpan::new(before.len().into(), after.chars().next().map_or(0, char::len_utf8));
        FormatError::Malformed(Box::new(Malformed {
            path: path.to_path_buf(),
            member: member.to_owned(),
            reason: error.to_string(),
            excerpt: NamedSource::new(member, before + &after),
            span,
        }))
    }
}
