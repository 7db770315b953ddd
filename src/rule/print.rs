//! Writes patterns, formulas and statements as text; reading that text gives the same data again.

use std::fmt::{self, Display, Formatter};

use super::ast::{Binary, Comparison, Dim, Expr, LayoutCall, Letter, Operand, Pattern, Pick, Statement, Unary};

impl Display for Pattern {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_list(f, &self.operands)?;
        f.write_str(if self.operands.is_empty() { "-> " } else { " -> " })?;
        if self.outputs.is_empty() {
            return f.write_str("_");
        }
        for (i, dims) in self.outputs.iter().enumerate() {
            f.write_str(if i > 0 { ", [" } else { "[" })?;
            write_list(f, dims)?;
            f.write_str("]")?;
        }
        Ok(())
    }
}

impl Display for Operand {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label())?;
        match self.missing {
            None => {}
            Some(0.0) => f.write_str("?")?,
            Some(value) => write!(f, "?={value}")?,
        }
        f.write_str(if self.unread { "![" } else { "[" })?;
        write_list(f, &self.dims)?;
        f.write_str("]")
    }
}

impl Display for Dim {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Dim::Letter(letter) => letter.fmt(f),
            Dim::Number(n) => n.fmt(f),
            Dim::Product(factors) => {
                f.write_str("(")?;
                write_terms(f, factors, " ")?;
                f.write_str(")")
            }
            Dim::Sum(terms) => write_terms(f, terms, " + "),
        }
    }
}

fn write_terms(f: &mut Formatter<'_>, terms: &[Dim], between: &str) -> fmt::Result {
    for (i, term) in terms.iter().enumerate() {
        f.write_str(if i > 0 { between } else { "" })?;
        match term {
            Dim::Sum(_) => write!(f, "({term})")?,
            _ => term.fmt(f)?,
        }
    }
    Ok(())
}

impl Display for Letter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.name == "..." {
            return f.write_str("...");
        }
        f.write_str(&self.name)?;
        f.write_str(if self.broadcast { "~" } else { "" })?;
        f.write_str(if self.optional { "?" } else { "" })?;
        f.write_str(if self.ellipsis { "..." } else { "" })
    }
}

impl Display for Pick {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Pick::Letter(name) => f.write_str(name),
            Pick::Dims(argument) => write!(f, "@{argument}"),
            Pick::All => f.write_str("all"),
        }
    }
}

impl Display for LayoutCall {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.name)?;
        write_list(f, &self.args)?;
        f.write_str(")")
    }
}

impl Display for Statement {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}(", self.name, self.op)?;
        for (i, (name, value)) in self.args.iter().enumerate() {
            write!(f, "{}{name}={value}", if i > 0 { ", " } else { "" })?;
        }
        f.write_str(")")?;
        match &self.condition {
            Some(condition) => write!(f, " if {condition}"),
            None => Ok(()),
        }
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Expr::None => f.write_str("none"),
            Expr::Bool(b) => b.fmt(f),
            Expr::Int(n) => n.fmt(f),
            Expr::Float(x) => write!(f, "{x:?}"),
            Expr::Str(s) => write_str(f, s),
            Expr::Name(name) => f.write_str(name),
            Expr::Spread(name) => write!(f, "{name}..."),
            Expr::Items(name, from, step) => write!(f, "{name}[{from}::{step}]"),
            Expr::List(items) => {
                f.write_str("[")?;
                write_list(f, items)?;
                f.write_str("]")
            }
            Expr::Call(name, args) => {
                write!(f, "{name}(")?;
                write_list(f, args)?;
                f.write_str(")")
            }
            Expr::Index(of, index) => {
                at_least(f, of, Level::Postfix)?;
                write!(f, "[{index}]")
            }
            Expr::Unary(op, of) => {
                f.write_str(match op {
                    Unary::Neg => "-",
                    Unary::Not => "not ",
                })?;
                at_least(f, of, level(self))
            }
            Expr::Binary(op, a, b) => {
                let (left, right) = sides(*op);
                at_least(f, a, left)?;
                write!(f, " {op} ")?;
                at_least(f, b, right)
            }
            Expr::Compare(first, rest) => {
                at_least(f, first, Level::Add)?;
                for (op, next) in rest {
                    write!(f, " {op} ")?;
                    at_least(f, next, Level::Add)?;
                }
                Ok(())
            }
            Expr::If(then, condition, otherwise) => {
                at_least(f, then, Level::Or)?;
                f.write_str(" if ")?;
                at_least(f, condition, Level::Or)?;
                write!(f, " else {otherwise}")
            }
        }
    }
}

impl Display for Binary {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Binary::Add => "+",
            Binary::Sub => "-",
            Binary::Mul => "*",
            Binary::Div => "/",
            Binary::FloorDiv => "//",
            Binary::Mod => "%",
            Binary::Pow => "**",
            Binary::And => "and",
            Binary::Or => "or",
        })
    }
}

impl Display for Comparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Comparison::Eq => "==",
            Comparison::Ne => "!=",
            Comparison::Lt => "<",
            Comparison::Le => "<=",
            Comparison::Gt => ">",
            Comparison::Ge => ">=",
        })
    }
}

/// How tightly an expression holds together, loosest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    If,
    Or,
    And,
    Not,
    Compare,
    Add,
    Mul,
    Neg,
    Pow,
    Postfix,
}

fn level(e: &Expr) -> Level {
    match e {
        Expr::If(..) => Level::If,
        Expr::Unary(Unary::Not, _) => Level::Not,
        Expr::Compare(..) => Level::Compare,
        Expr::Unary(Unary::Neg, _) => Level::Neg,
        Expr::Int(n) if *n < 0 => Level::Neg,
        Expr::Float(x) if x.is_sign_negative() => Level::Neg,
        Expr::Binary(op, ..) => match op {
            Binary::Or => Level::Or,
            Binary::And => Level::And,
            Binary::Add | Binary::Sub => Level::Add,
            Binary::Mul | Binary::Div | Binary::FloorDiv | Binary::Mod => Level::Mul,
            Binary::Pow => Level::Pow,
        },
        _ => Level::Postfix,
    }
}

/// True for what needs no brackets as an operand.
pub(super) fn is_operand(e: &Expr) -> bool {
    level(e) == Level::Postfix
}

/// What the operands of an operator must at least be, left and right.
fn sides(op: Binary) -> (Level, Level) {
    match op {
        Binary::Or => (Level::Or, Level::And),
        Binary::And => (Level::And, Level::Not),
        Binary::Add | Binary::Sub => (Level::Add, Level::Mul),
        Binary::Mul | Binary::Div | Binary::FloorDiv | Binary::Mod => (Level::Mul, Level::Neg),
        Binary::Pow => (Level::Postfix, Level::Neg),
    }
}

/// Writes an expression, in brackets if it is looser than asked.
fn at_least(f: &mut Formatter<'_>, e: &Expr, least: Level) -> fmt::Result {
    if level(e) < least { write!(f, "({e})") } else { e.fmt(f) }
}

fn write_str(f: &mut Formatter<'_>, s: &str) -> fmt::Result {
    f.write_str("'")?;
    for c in s.chars() {
        if matches!(c, '\'' | '\\') {
            f.write_str("\\")?;
        }
        write!(f, "{c}")?;
    }
    f.write_str("'")
}

fn write_list<T: Display>(f: &mut Formatter<'_>, items: &[T]) -> fmt::Result {
    for (i, item) in items.iter().enumerate() {
        f.write_str(if i > 0 { ", " } else { "" })?;
        item.fmt(f)?;
    }
    Ok(())
}
