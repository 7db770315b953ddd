//! Errors of reports.

use std::path::PathBuf;

use miette::Diagnostic;
use thiserror::Error;

use crate::solve::closest_names;

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
    /// A name of no axis.
    #[error("`{name}` is no axis of the model")]
    #[diagnostic(
        code(paring::report::no_axis),
        help("an axis is a parameter or a value with a dimension, as in `conv1.weight[0]`; {}", closest_names(closest))
    )]
    NoAxis {
        /// The name.
        name: String,
        /// Similar names.
        closest: Vec<String>,
    },
    /// A dimension that a tensor does not have.
    #[error("`{name}` has {rank} dimensions; there is no dimension {dim}")]
    #[diagnostic(code(paring::report::no_dimension), help("dimensions count from 0: `{name}[0]` is the first"))]
    NoDimension {
        /// The tensor.
        name: String,
        /// Its number of dimensions.
        rank: usize,
        /// The dimension.
        dim: usize,
    },
    /// Two axes that nothing makes the same.
    #[error("`{a}` and `{b}` are not the same axis")]
    #[diagnostic(
        code(paring::report::not_the_same),
        help("each may lose positions without the other; `paring analyze MODEL --group {a}` shows what goes along with it")
    )]
    NotTheSame {
        /// One.
        a: String,
        /// The other.
        b: String,
    },
    /// Masks disagree, and the policy is `error`.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Conflicts(#[from] Box<super::Conflicts>),
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

impl ReportError {
    /// A name that is none of these.
    pub fn no_axis<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> ReportError {
        ReportError::NoAxis { name: name.to_owned(), closest: crate::solve::closest(name, known) }
    }
}
