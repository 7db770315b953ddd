//! What the code of an archive says, as far as traces say it.

use std::ops::Range;

/// An expression with its place in the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Expr {
    /// What it is.
    pub(super) kind: Kind,
    /// Its bytes in the file.
    pub(super) span: Range<usize>,
}

/// The kinds of expressions.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A variable, or the first word of a path.
    Name(String),
    /// `3`
    Int(i64),
    /// `0.5`, `-inf`
    Float(f64),
    /// `True`
    Bool(bool),
    /// `"cpu"`
    Str(String),
    /// `None`
    None,
    /// `[a, b]`
    List(Vec<Expr>),
    /// `(a, b)`
    Tuple(Vec<Expr>),
    /// `{"a": b}`
    Dict(Vec<(Expr, Expr)>),
    /// `a.b`
    Attribute(Box<Expr>, String),
    /// `a[b]`
    Item(Box<Expr>, Box<Expr>),
    /// `f(a, b, c=d)`
    Call(Box<Expr>, Vec<Expr>, Vec<(String, Expr)>),
    /// `-a`
    Negative(Box<Expr>),
    /// `a // b`
    Binary(&'static str, Box<Expr>, Box<Expr>),
}

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Statement {
    /// `a, b, = expression`; no names where only the effect counts.
    Assign {
        /// The names on the left.
        names: Vec<String>,
        /// True if the right side is taken apart, be it for one name.
        unpacks: bool,
        /// The right side.
        value: Expr,
    },
    /// `return expression`
    Return(Expr),
}

/// A function of a class, not yet read: where its body stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Method {
    /// Its name: `forward`, `forward1`.
    pub(super) name: String,
    /// Names of its parameters, without `self`, and their types as written.
    pub(super) parameters: Vec<(String, String)>,
    /// Its statements' bytes in the file.
    pub(super) body: Range<usize>,
}

/// A class, or the functions that stand outside of classes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Class {
    /// Its name in its file; empty for functions.
    pub(super) name: String,
    /// Its lists of names: `__parameters__`.
    pub(super) parameters: Vec<String>,
    /// `__buffers__`.
    pub(super) buffers: Vec<String>,
    /// Its methods.
    pub(super) methods: Vec<Method>,
}
