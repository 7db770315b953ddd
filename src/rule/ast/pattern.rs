//! Patterns: how the axes of operands and results correspond.

use std::ops::Range;

/// A **pattern**: `input[n, (g i)], weight[(g o), i] -> [n, (g o)]`. A letter in two places is one axis. Equality of patterns and their parts leaves out where they stand.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// Left of the arrow.
    pub operands: Vec<Operand>,
    /// Right of the arrow: a list of dimensions for every output.
    pub outputs: Vec<Vec<Dim>>,
    /// Where the text stands in the rule's file.
    pub span: Range<usize>,
}

/// An **operand**: a tensor that the operator reads, by its argument's name and its dimensions.
#[derive(Clone, Debug)]
pub struct Operand {
    /// The argument's name in the operator's schema.
    pub name: String,
    /// `params[0][...]`: which item of a list.
    pub index: Option<usize>,
    /// `params[4::2][...]`: every so many items, from `index` on, as many as there are.
    pub step: Option<usize>,
    /// `bias?[c]` or `weight?=1[c]`: may be missing, and the number that then stands in its place.
    pub missing: Option<f64>,
    /// `self![...]`: the operator reads no values of it (only dtype, device or sizes).
    pub unread: bool,
    /// The dimensions of its tensor.
    pub dims: Vec<Dim>,
    /// Where it stands in the rule's file.
    pub span: Range<usize>,
}

impl Operand {
    /// What clauses call it: `x`, `params[0]`, `params[4::2]`.
    pub fn label(&self) -> String {
        match (self.index, self.step) {
            (Some(from), Some(step)) => format!("{}[{from}::{step}]", self.name),
            (Some(index), None) => format!("{}[{index}]", self.name),
            _ => self.name.clone(),
        }
    }
}

/// One dimension of a tensor in a pattern.
#[derive(Clone, Debug, PartialEq)]
pub enum Dim {
    /// A letter.
    Letter(Letter),
    /// `(a b)`: all pairs, row-major.
    Product(Vec<Dim>),
    /// `a + b`: the positions of a, then those of b. Inside a product it needs parentheses: `((a + b) c)`.
    Sum(Vec<Dim>),
    /// A number: an axis of that many positions that stay.
    Number(u64),
}

/// A letter of a pattern.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Its name; `...` for the nameless ellipsis.
    pub name: String,
    /// `s...`: any number of dimensions, one letter each.
    pub ellipsis: bool,
    /// `b~` or `b~...`: may be 1, or (ellipsis) have fewer dimensions, where other operands have more. Also set for the
    /// nameless ellipsis, which always broadcasts.
    pub broadcast: bool,
    /// `n?`: the dimension may be missing from all tensors.
    pub optional: bool,
    /// Where it stands in the rule's file.
    pub span: Range<usize>,
}

eq_without_span! {
    Pattern: operands, outputs;
    Operand: name, index, step, missing, unread, dims;
    Letter: name, ellipsis, broadcast, optional;
}
