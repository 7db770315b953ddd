//! Clauses: what is known of a result where positions go, and what is done then.

use super::formula::{Expr, Statement};

/// A set of axes in `lock:` and `statistic: over:`.
#[derive(Clone, Debug, PartialEq)]
pub enum Pick {
    /// A letter (all of an ellipsis).
    Letter(String),
    /// `@dim`: the dimensions of the first operand that this argument names; all, where it is missing or None.
    Dims(String),
    /// `all`: every axis of every operand and output.
    All,
}

/// **Clauses** on values at removed positions, each an expression over operands (see the guide).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// The output is zero there.
    pub zero: Option<Expr>,
    /// The output is neither infinite nor NaN there. Default: where all operands are finite.
    pub finite: Option<Expr>,
    /// The output is not negative there.
    pub nonneg: Option<Expr>,
    /// The output is not zero there.
    pub nonzero: Option<Expr>,
    /// What a loop starts with and what a run ends with: a fact of the first that is `assumed` has to hold for the second.
    pub sustain: Option<Vec<String>>,
    /// Facts that a removed position of a result must have, or it stays. The clauses then speak of all results.
    pub require: Option<Vec<String>>,
    /// A removed position of a summed letter contributes nothing where this is zero. Default: where any operand is.
    pub summed: Option<Expr>,
    /// The number that the output is there, where the operands that it names are numbers.
    pub value: Option<Expr>,
    /// Where this holds, the result is drawn at random: equal operands do not give equal results.
    pub random: Option<Expr>,
    /// Where this holds, the call does what is meant for training alone.
    pub training: Option<Expr>,
}

impl Facts {
    /// The four facts, by name.
    pub fn all(&self) -> [(&'static str, &Option<Expr>); 4] {
        [("zero", &self.zero), ("finite", &self.finite), ("nonneg", &self.nonneg), ("nonzero", &self.nonzero)]
    }
}

/// `statistic:`
#[derive(Clone, Debug, PartialEq)]
pub struct Statistic {
    /// The axes that are averaged over.
    pub over: Vec<Pick>,
    /// Calls that compute the exact result from the cut tensors; the last assigns `out`.
    pub repair: Vec<Statement>,
    /// The same where what went is not zero but equal at all positions; `ghost(x)` is one position of that.
    pub uniform: Vec<Statement>,
}

/// `{ of: s, when: k == 1 }`: the letter of a result is an operand's, position by position, where the condition holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Through {
    /// The operand's letter.
    pub of: String,
    /// Where it is; of ellipses, asked of each dimension.
    pub when: Expr,
}

/// `fold:`: the operand that is added to the output after the sum, for each position of the axis that the weight makes.
#[derive(Clone, Debug, PartialEq)]
pub struct FoldInto {
    /// The operand.
    pub into: String,
    /// Whether every output sums over all of the weight, as without padding.
    pub when: Option<Expr>,
    /// Where not: a letter that slides, and its position for those of the others.
    pub window: Option<(String, Expr)>,
}

/// `norm:`: the operator divides an operand by its Euclidean norm over some letters and multiplies by another operand that lacks
/// them. What goes of the former is taken up by the latter, and is never made zero.
#[derive(Clone, Debug, PartialEq)]
pub struct Normed {
    /// The operand that is divided by its norm.
    pub of: String,
    /// The letters of that norm.
    pub over: Vec<Pick>,
    /// The operand that it is multiplied by.
    pub scale: String,
}
