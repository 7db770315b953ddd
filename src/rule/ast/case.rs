//! Tests of an entry.

use std::ops::Range;

use indexmap::IndexMap;

use super::formula::Expr;

/// An item of `tests:`: a call of the operator, and which sizes and axes its results have.
#[derive(Clone, Debug)]
pub struct Case {
    /// The overload to call, where the entry is for several.
    pub op: Option<String>,
    /// Argument → its value; for a tensor its sizes, for a list of tensors a list of sizes.
    pub inputs: IndexMap<String, Expr>,
    /// What tensors hold, for `rules test`: integers below a number, listed integers, or (a number with a fraction) this number.
    pub values: IndexMap<String, Expr>,
    /// Sizes of the result, or of each result.
    pub out: Option<Claim>,
    /// Axes that are the same: `x[1] == out[1]`, `out[0] == a[0] + b[0]` (one after the other), `out[0] == x[0] * x[1]` (all pairs).
    pub same: Vec<Claim>,
    /// Axes that are not the same.
    pub apart: Vec<Claim>,
    /// Axes all of whose positions stay.
    pub locked: Vec<Claim>,
    /// Axes that may lose positions.
    pub free: Vec<Claim>,
    /// Where it stands in the rule's file.
    pub span: Range<usize>,
}

/// Something that a test expects.
#[derive(Clone, Debug)]
pub struct Claim {
    /// What is expected.
    pub expr: Expr,
    /// Where it stands in the rule's file.
    pub span: Range<usize>,
}

eq_without_span! {
    Claim: expr;
    Case: op, inputs, values, out, same, apart, locked, free;
}
