//! What can go wrong with a live module.

use miette::Diagnostic;
use thiserror::Error;

/// What can go wrong with a live module besides what can with a file.
#[derive(Debug, Error, Diagnostic)]
pub enum LiveError {
    /// A formula of an entry about a class of modules.
    #[error("`{attribute}` of {class} cannot be worked out: {reason}")]
    #[diagnostic(
        code(paring::live::attribute),
        help("`sizes:` of the entry for its class says what it is; rules/modules.yaml has examples")
    )]
    Attribute {
        /// The class.
        class: String,
        /// Its attribute.
        attribute: String,
        /// Why.
        reason: String,
    },
}
