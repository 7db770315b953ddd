//! Why a formula has no value.

use super::value::Val;

/// Why a formula has no value.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EvalError {
    /// A name that the scope does not know.
    #[error("`{0}` is not known here")]
    UnknownName(String),
    /// A function that neither the language nor the scope has.
    #[error("there is no function `{0}`")]
    UnknownFunction(String),
    /// A value of the wrong type.
    #[error("expected {expected}, found {found}")]
    Type {
        /// What the operator or function takes.
        expected: &'static str,
        /// The value it was given.
        found: String,
    },
    /// `x / 0`
    #[error("division by zero")]
    DivisionByZero,
    /// A result that depends on sizes which are unknown before the model runs.
    #[error("`{0}` depends on a dynamic size")]
    Dynamic(String),
    /// `x[5]` of a list with fewer items.
    #[error("no item {index} in a list of {len}")]
    Index {
        /// The item asked for.
        index: i64,
        /// How many there are.
        len: usize,
    },
    /// A number beyond 64 bits, or a list too long to be meant.
    #[error("the result is too large")]
    TooLarge,
    /// `sqrt(-1)`
    #[error("{0} is not a real number")]
    NotReal(String),
    /// A wrong number of arguments.
    #[error("`{function}` takes {takes}")]
    Arguments {
        /// The function.
        function: &'static str,
        /// What it takes.
        takes: &'static str,
    },
}

impl EvalError {
    pub(super) fn wrong(expected: &'static str, found: &Val) -> EvalError {
        EvalError::Type { expected, found: format!("{} `{found}`", found.kind()) }
    }
}
