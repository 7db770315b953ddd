//! Names that mean no axis.

use miette::Diagnostic;
use thiserror::Error;

use crate::solve::{closest, closest_names};

/// What is wrong with the axes that a user names.
#[derive(Debug, Error, Diagnostic)]
pub enum AxisError {
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
    /// A number of no group.
    #[error("there is no group {number}")]
    #[diagnostic(
        code(paring::report::no_group),
        help("{}", match groups {
            0 => "the model has no groups: none of its axes has a parameter".to_owned(),
            n => format!("the {n} groups of this model are 0 to {}; `paring analyze MODEL` lists them, `--all` with those of one tensor alone", n - 1),
        })
    )]
    NoGroup {
        /// The number.
        number: usize,
        /// How many groups there are.
        groups: usize,
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
}

impl AxisError {
    /// A name that is none of these.
    pub fn no_axis<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> AxisError {
        AxisError::NoAxis { name: name.to_owned(), closest: closest(name, known) }
    }
}
