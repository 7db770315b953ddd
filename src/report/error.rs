//! Errors of reports.

use std::path::PathBuf;

use miette::Diagnostic;
use thiserror::Error;

/// What can go wrong with a report.
#[derive(Debug, Error, Diagnostic)]
pub enum ReportError {
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    #[diagnostic(code(paring::output::unwritable), help("does the folder exist, and may you write there?"))]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
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
