//! Formulas, and the calls that they stand in.

use std::ops::Range;

/// A formula.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// `none`
    None,
    /// `true`, `false`
    Bool(bool),
    /// `3`
    Int(i64),
    /// `0.5`
    Float(f64),
    /// `'valid'`
    Str(String),
    /// A letter, an argument or an operand.
    Name(String),
    /// `[n, g, -1]`; an ellipsis letter, written `s...`, stands for all its sizes.
    List(Vec<Expr>),
    /// `s...` inside a list or as a function's argument.
    Spread(String),
    /// `padding[0]`
    Index(Box<Expr>, Box<Expr>),
    /// `params[4::2]`: in a clause, all these items of a list of operands.
    Items(String, usize, usize),
    /// `max(a, b)`
    Call(String, Vec<Expr>),
    /// `-x`, `not x`
    Unary(Unary, Box<Expr>),
    /// `a + b`, `a & b`
    Binary(Binary, Box<Expr>, Box<Expr>),
    /// `min <= 0 <= max`: the first operand, then comparisons in a row.
    Compare(Box<Expr>, Vec<(Comparison, Expr)>),
    /// `a if c else b`
    If(Box<Expr>, Box<Expr>, Box<Expr>),
}

/// Operators with one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Unary {
    Neg,
    Not,
}

/// Operators with two operands; `&` is `and`, `|` is `or`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Mod,
    Pow,
    And,
    Or,
}

/// Comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// A call of a layout function.
#[derive(Clone, Debug)]
pub struct LayoutCall {
    /// Its name.
    pub name: String,
    /// Arguments: names of operands and formulas over the operator's arguments.
    pub args: Vec<Expr>,
    /// Where it stands in the rule's file.
    pub span: Range<usize>,
}

/// `name = aten.mul.Scalar(self=out, other=kept / total) if condition`
#[derive(Clone, Debug)]
pub struct Statement {
    /// What the result is called; `out` in a `becomes:` that gives no name.
    pub name: String,
    /// The operator, with its overload.
    pub op: String,
    /// Arguments by schema name.
    pub args: Vec<(String, Expr)>,
    /// Skip the statement where this does not hold.
    pub condition: Option<Expr>,
    /// Where it stands in the rule's file.
    pub span: Range<usize>,
}

eq_without_span! {
    LayoutCall: name, args;
    Statement: name, op, args, condition;
}
