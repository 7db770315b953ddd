//! Values of formulas.

use std::fmt::{self, Display, Formatter};

use crate::model::{Arg, Size};

/// What a formula, an argument or a default is worth.
#[derive(Clone, Debug, PartialEq)]
pub enum Val {
    /// No value: an argument that is missing or None.
    None,
    /// A truth value.
    Bool(bool),
    /// An integer, perhaps with dynamic sizes in it.
    Size(Size),
    /// A number with a fraction.
    Float(f64),
    /// A text, or a constant of PyTorch by its name.
    Str(String),
    /// A list.
    List(Vec<Val>),
}

impl Val {
    /// An integer.
    pub fn int(n: i64) -> Val {
        Val::Size(Size::int(n))
    }

    /// The integer, if it is one without dynamic sizes.
    pub fn as_int(&self) -> Option<i64> {
        self.as_size().and_then(|s| s.as_int())
    }

    /// The integer, dynamic or not; true counts as 1.
    pub fn as_size(&self) -> Option<Size> {
        match self {
            Val::Size(s) => Some(s.clone()),
            Val::Bool(b) => Some(Size::int(i64::from(*b))),
            _ => None,
        }
    }

    /// The number, if no dynamic size is in it.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Val::Float(x) => Some(*x),
            other => other.as_int().map(|n| n as f64),
        }
    }

    /// The same as an argument of a node; `None` if a dynamic size is in it.
    pub fn as_arg(&self) -> Option<Arg> {
        Some(match self {
            Val::None => Arg::None,
            Val::Bool(b) => Arg::Bool(*b),
            Val::Size(s) => Arg::Int(s.as_int()?),
            Val::Float(x) => Arg::Float(*x),
            Val::Str(s) => Arg::Str(s.clone()),
            Val::List(items) => Arg::List(items.iter().map(Val::as_arg).collect::<Option<_>>()?),
        })
    }

    /// The items of a list.
    pub fn list(&self) -> Option<&[Val]> {
        match self {
            Val::List(items) => Some(items),
            _ => None,
        }
    }

    /// The integers of a list; an integer alone counts as a list of one.
    pub fn sizes(&self) -> Option<Vec<Size>> {
        match self {
            Val::List(items) => items.iter().map(Val::as_size).collect(),
            other => other.as_size().map(|s| vec![s]),
        }
    }

    /// True if it is None.
    pub fn is_none(&self) -> bool {
        matches!(self, Val::None)
    }

    /// As in Python: None, false, 0 and what is empty count as false. A dynamic size counts by its example.
    pub fn truthy(&self) -> bool {
        match self {
            Val::None => false,
            Val::Bool(b) => *b,
            Val::Size(s) => s.hint() != Some(0),
            Val::Float(x) => *x != 0.0,
            Val::Str(s) => !s.is_empty(),
            Val::List(items) => !items.is_empty(),
        }
    }

    /// The name of its type, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Val::None => "the value",
            Val::Bool(_) => "the truth value",
            Val::Size(s) if s.as_int().is_none() => "the dynamic size",
            Val::Size(_) => "the integer",
            Val::Float(_) => "the number",
            Val::Str(_) => "the text",
            Val::List(_) => "the list",
        }
    }
}

impl From<usize> for Val {
    fn from(n: usize) -> Val {
        Val::Size(Size::from(n))
    }
}

impl From<Size> for Val {
    fn from(s: Size) -> Val {
        Val::Size(s)
    }
}

impl Display for Val {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Val::None => f.write_str("none"),
            Val::Bool(b) => b.fmt(f),
            Val::Size(s) => s.fmt(f),
            Val::Float(x) => write!(f, "{x:?}"),
            Val::Str(s) => write!(f, "'{s}'"),
            Val::List(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if i > 0 { ", " } else { "" })?;
                }
                f.write_str("]")
            }
        }
    }
}
