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
    #[error("{}: {}", if ops.len() == 1 { "an operator has no rule".to_owned() } else { format!("{} operators have no rule", ops.len()) }, ops.join(", "))]
    #[diagnostic(
        code(paring::rule::unknown_operator),
        help(
            "`paring rules new {} --model MODEL` proposes a rule (docs/writing-rules.md); pass its folder with --rules DIR, or drop --on-unknown error, and their axes stay",
            ops.first().map_or("OP", |op| op.strip_suffix(".default").unwrap_or(op))
        )
    )]
    Unknown {
        /// The operators.
        ops: Vec<String>,
    },
}
