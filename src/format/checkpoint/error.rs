//! State dicts that cannot be read.

use std::path::PathBuf;
use std::sync::Arc;

use miette::{Diagnostic, NamedSource, SourceSpan};
use thiserror::Error;

use crate::format::FormatError;

/// Why a state dict could not be read or written.
#[derive(Debug, Error, Diagnostic)]
pub enum CheckpointError {
    /// The file system refused.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Format(#[from] FormatError),
    /// A file of weights is no safetensors file.
    #[error("{} is not a safetensors file: {reason}", path.display())]
    #[diagnostic(
        code(paring::weights::not_safetensors),
        help(
            "write one with safetensors.torch.save_file(model.state_dict(), \"model.safetensors\"), or model.save_pretrained(folder)"
        )
    )]
    NotSafetensors {
        /// The file.
        path: PathBuf,
        /// What the reader says.
        reason: String,
    },
    /// A file of `torch.save` without a state dict.
    #[error("{} holds no tensors by name: it is {what}", path.display())]
    #[diagnostic(
        code(paring::weights::none_in_pickle),
        help(
            "save the state dict: torch.save(model.state_dict(), path); it may be under `state_dict`, `model_state_dict` or `model`"
        )
    )]
    NoTensors {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// The index of a sharded checkpoint cannot be understood.
    #[error("{} is no index of shards: {reason}", path.display())]
    #[diagnostic(
        code(paring::weights::bad_index),
        help("an index is JSON with a `weight_map` from each tensor's name to a file beside the index; get it again")
    )]
    BadIndex {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
        /// The text.
        #[source_code]
        text: Arc<NamedSource<String>>,
        /// The place, where there is one.
        #[label("here")]
        span: Option<SourceSpan>,
    },
    /// The index promises a tensor that its shard does not hold.
    #[error("`{name}` is not in {}, where {} says it is", shard.display(), index.display())]
    #[diagnostic(code(paring::weights::not_in_shard), help("the shards are not those of this index; get both again"))]
    NotInShard {
        /// The tensor.
        name: String,
        /// The shard.
        shard: PathBuf,
        /// The index.
        index: PathBuf,
    },
    /// Elements smaller than a byte cannot be cut.
    #[error("`{name}` has elements of type {dtype}, which are smaller than a byte and cannot be cut")]
    #[diagnostic(code(paring::weights::dtype), help("cut the weights before they are quantised"))]
    DType {
        /// The tensor.
        name: String,
        /// Its type.
        dtype: String,
    },
    /// The tensors are too large to be written.
    #[error("cannot write {}: {reason}", path.display())]
    #[diagnostic(code(paring::weights::unwritable), help("this is a fault in Paring; please report it"))]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}
