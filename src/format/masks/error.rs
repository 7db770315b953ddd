//! What is wrong with a file of masks.

use std::path::PathBuf;

use miette::Diagnostic;
use thiserror::Error;

/// What is wrong with a file of masks.
#[derive(Debug, Error, Diagnostic)]
#[non_exhaustive]
pub enum MaskFileError {
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
    /// A pickle with more than tensors and plain containers.
    #[error("{}: `{place}` is of {class}, which is neither a tensor nor a plain container", path.display())]
    #[diagnostic(code(paring::masks::object), help("{}", without(class)))]
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
    /// A mask with something that is no number.
    #[error("{}: the mask `{name}` has NaN, which neither keeps nor drops", path.display())]
    #[diagnostic(
        code(paring::masks::nan),
        help("where do they come from? Scores divided by zero do it. Write 0 where an element goes and 1 where it stays")
    )]
    NotANumber {
        /// The file.
        path: PathBuf,
        /// The mask.
        name: String,
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

fn without(class: &str) -> &'static str {
    match class.contains("sparse") {
        true => "save sparse masks as dense ones: torch.save({name: mask.to_dense() for name, mask in masks.items()}, path)",
        false => {
            "nothing in the file is executed; save only the masks: torch.save({module: {\"weight\": mask}}, path), or the model's state_dict()"
        }
    }
}
