//! Errors of reports.

use miette::Diagnostic;
use thiserror::Error;

use super::conflict::Conflicts;
use super::explain::AxisError;

/// What can go wrong with a report.
#[derive(Debug, Error, Diagnostic)]
pub enum ReportError {
    /// A name of no axis.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Axis(#[from] AxisError),
    /// Masks disagree, and the policy is `error`.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Conflicts(#[from] Box<Conflicts>),
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
