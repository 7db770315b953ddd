//! Plans that do not fit a state dict.

use std::path::PathBuf;
use std::sync::Arc;

use miette::{Diagnostic, NamedSource, SourceSpan};
use thiserror::Error;

use crate::format::FormatError;
use crate::format::checkpoint::CheckpointError;
use crate::solve::closest_names;

/// Why a plan could not be applied to a state dict.
#[derive(Debug, Error, Diagnostic)]
pub enum TransferError {
    /// Reading or writing a file.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Format(#[from] FormatError),
    /// Reading or writing a state dict.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The plan cannot be understood.
    #[error("{} is no plan: {reason}", path.display())]
    #[diagnostic(
        code(paring::transfer::bad_plan),
        help("`paring speedup --plan FILE` of this version writes plans (docs/plan.schema.json)")
    )]
    BadPlan {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
        /// The text.
        #[source_code]
        text: Arc<NamedSource<String>>,
        /// The place.
        #[label("here")]
        span: SourceSpan,
    },
    /// The plan contradicts itself.
    #[error("the plan {} cannot be followed: {reason}", path.display())]
    #[diagnostic(code(paring::transfer::plan_contradicts), help("it was changed by hand, or is damaged; write it again"))]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A tensor to cut is not there.
    #[error("the plan cuts `{name}`, which is not in {}{}", weights.display(), more(*others))]
    #[diagnostic(
        code(paring::transfer::missing),
        help("{}; names that differ by a prefix alone are matched with --strip-prefix and --add-prefix", closest_names(closest))
    )]
    Missing {
        /// The name looked for.
        name: String,
        /// How many more are missing.
        others: usize,
        /// The weights.
        weights: PathBuf,
        /// Similar names.
        closest: Vec<String>,
    },
    /// A tensor has other sizes.
    #[error("`{name}` has sizes {found:?} in {}; the plan was made for {expected:?}", weights.display())]
    #[diagnostic(code(paring::transfer::shape), help("are these the weights of the model that the plan was made for?"))]
    Shape {
        /// The tensor.
        name: String,
        /// The plan's sizes.
        expected: Vec<usize>,
        /// The file's sizes.
        found: Vec<usize>,
        /// The weights.
        weights: PathBuf,
    },
    /// Several prefixes fit.
    #[error("the plan's `{name}` could be any of {} in {}", found.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", "), weights.display())]
    #[diagnostic(code(paring::transfer::ambiguous), help("say which with --strip-prefix and --add-prefix"))]
    Ambiguous {
        /// A name of the plan.
        name: String,
        /// What it could be.
        found: Vec<String>,
        /// The weights.
        weights: PathBuf,
    },
    /// A prefix that a name does not have.
    #[error("the plan's `{name}` does not begin with `{prefix}`")]
    #[diagnostic(
        code(paring::transfer::prefix),
        help("--strip-prefix names what all names of the plan begin with, as in `model.`")
    )]
    Prefix {
        /// The name.
        name: String,
        /// The prefix.
        prefix: String,
    },
    /// A mask does not fit.
    #[error("the unified mask of `{name}` has sizes {found:?} instead of {expected:?}")]
    #[diagnostic(
        code(paring::transfer::mask),
        help("take the unified masks that `paring speedup --plan … --unified-masks FILE` wrote together with the plan")
    )]
    Mask {
        /// The tensor.
        name: String,
        /// The plan's sizes.
        expected: Vec<usize>,
        /// The mask's sizes.
        found: Vec<usize>,
    },
    /// A mask is not there.
    #[error("there is no unified mask for `{name}`, of which the plan says that it holds masked elements")]
    #[diagnostic(
        code(paring::transfer::no_mask),
        help("take the unified masks that `paring speedup --plan … --unified-masks FILE` wrote together with the plan")
    )]
    NoMask {
        /// The tensor.
        name: String,
    },
    /// An output whose name says another format.
    #[error("{} would hold safetensors under the name of a file of torch.save", path.display())]
    #[diagnostic(
        code(paring::transfer::format),
        help(
            "give the output a name that ends in .safetensors; the shards of an index are called as they were: let model.save_pretrained(folder) write them as safetensors first"
        )
    )]
    OtherFormat {
        /// The output.
        path: PathBuf,
    },
    /// A part of what has no parts.
    #[error("`--shard {part}` asks for a part of the files of an index, and the weights are one file")]
    #[diagnostic(
        code(paring::transfer::no_shards),
        help("give the index of a sharded checkpoint (model.safetensors.index.json), or leave --shard out")
    )]
    NoShards {
        /// The part.
        part: String,
    },
    /// One file for two purposes.
    #[error("{} cannot be both read and written", path.display())]
    #[diagnostic(code(paring::transfer::same_file), help("give the output another name"))]
    SameFile {
        /// The file.
        path: PathBuf,
    },
}

fn more(others: usize) -> String {
    if others == 0 { String::new() } else { format!(", and {others} more that are not") }
}
