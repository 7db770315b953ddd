//! Errors of reports.

use std::path::PathBuf;

use miette::Diagnostic;
use thiserror::Error;

/// What can go wrong with a report.
#[derive(Debug, Error, Diagnostic)]
pub enum ReportError {
    /// One file for two purposes.
    #[error("{} cannot be both {first} and {second}", path.display())]
    #[diagnostic(code(paring::output::same_file), help("give every output a file of its own"))]
    SameFile {
        /// The file.
        path: PathBuf,
        /// One purpose.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// Operators without a rule, where the user insists.
    #[error("{} operators have no rule: {}", ops.len(), ops.join(", "))]
    #[diagnostic(
        code(paring::rule::unknown_operator),
        help("write rules for them (docs/writing-rules.md) and pass --rules DIR, or drop --on-unknown error")
    )]
    Unknown {
        /// The operators.
        ops: Vec<String>,
    },
}
