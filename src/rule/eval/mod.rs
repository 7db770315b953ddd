//! Evaluates formulas.

mod error;
mod function;
mod number;
mod value;

pub use error::EvalError;
pub use value::Val;

use crate::model::Size;

use super::ast::{Binary, Expr, Unary};

/// Names of the functions that formulas may call anywhere.
pub const FUNCTIONS: [&str; 23] = [
    "min", "max", "abs", "sqrt", "exp", "log", "log1p", "sin", "cos", "tanh", "erf", "sigmoid", "len", "floor", "ceil", "int",
    "sum", "prod", "any", "all", "range", "shape", "rank",
];

/// What the names of a formula stand for.
pub trait Scope {
    /// The value of a letter, an argument or an operand that is a number.
    fn get(&self, name: &str) -> Option<Val>;

    /// All sizes of an ellipsis letter: `s...`.
    fn spread(&self, letter: &str) -> Option<Vec<Size>>;

    /// The sizes of an operand, for `shape(x)` and `rank(x)`.
    fn shape(&self, _operand: &str) -> Option<Vec<Size>> {
        None
    }

    /// A function that only this scope has, such as `old(letter)`; `None` if it has none of this name.
    fn call(&self, _function: &str, _args: &[Expr]) -> Option<Result<Val, EvalError>> {
        None
    }
}

/// The value of a formula.
pub fn eval(e: &Expr, scope: &dyn Scope) -> Result<Val, EvalError> {
    match e {
        Expr::None => Ok(Val::None),
        Expr::Bool(b) => Ok(Val::Bool(*b)),
        Expr::Int(n) => Ok(Val::int(*n)),
        Expr::Float(x) => Ok(Val::Float(*x)),
        Expr::Str(s) => Ok(Val::Str(s.clone())),
        Expr::Name(name) => scope.get(name).ok_or_else(|| EvalError::UnknownName(name.clone())),
        Expr::List(items) => items_of(items, scope).map(Val::List),
        Expr::Spread(letter) => spread(letter, scope).map(Val::List),
        Expr::Items(name, ..) => Err(EvalError::UnknownName(format!("{e}, which stands for several operands of `{name}`"))),
        Expr::Index(of, index) => item(&eval(of, scope)?, &eval(index, scope)?),
        Expr::Call(name, args) => call(name, args, scope),
        Expr::Unary(op, of) => unary(*op, &eval(of, scope)?),
        Expr::Binary(op, a, b) => binary(*op, a, b, scope),
        Expr::Compare(..) => compare(e, scope),
        Expr::If(then, condition, otherwise) => eval(if eval(condition, scope)?.truthy() { then } else { otherwise }, scope),
    }
}

fn spread(letter: &str, scope: &dyn Scope) -> Result<Vec<Val>, EvalError> {
    let sizes = scope.spread(letter).ok_or_else(|| EvalError::UnknownName(format!("{letter}...")))?;
    Ok(sizes.into_iter().map(Val::Size).collect())
}

/// The values of a list, with `s...` replaced by its sizes.
fn items_of(items: &[Expr], scope: &dyn Scope) -> Result<Vec<Val>, EvalError> {
    let mut out = Vec::with_capacity(items.len());
    for item in items {
        match item {
            Expr::Spread(letter) => out.extend(spread(letter, scope)?),
            item => out.push(eval(item, scope)?),
        }
    }
    Ok(out)
}

fn item(of: &Val, index: &Val) -> Result<Val, EvalError> {
    let list = of.list().ok_or_else(|| EvalError::wrong("a list", of))?;
    let index = index.as_int().ok_or_else(|| EvalError::wrong("an integer", index))?;
    let from_start = if index < 0 { index.saturating_add(list.len() as i64) } else { index };
    let found = usize::try_from(from_start).ok().and_then(|i| list.get(i));
    found.cloned().ok_or(EvalError::Index { index, len: list.len() })
}

fn call(name: &str, args: &[Expr], scope: &dyn Scope) -> Result<Val, EvalError> {
    if let Some(result) = scope.call(name, args) {
        return result;
    }
    if let ("shape" | "rank", [Expr::Name(operand)]) = (name, args) {
        let sizes = scope.shape(operand).ok_or_else(|| EvalError::UnknownName(operand.clone()))?;
        return Ok(match name {
            "rank" => Val::from(sizes.len()),
            _ => Val::List(sizes.into_iter().map(Val::Size).collect()),
        });
    }
    function::call(name, items_of(args, scope)?)
}

fn unary(op: Unary, of: &Val) -> Result<Val, EvalError> {
    match op {
        Unary::Not => Ok(Val::Bool(!of.truthy())),
        Unary::Neg => number::arithmetic(Binary::Sub, &Val::int(0), of),
    }
}

fn binary(op: Binary, a: &Expr, b: &Expr, scope: &dyn Scope) -> Result<Val, EvalError> {
    let left = eval(a, scope)?;
    match op {
        Binary::And if !left.truthy() => Ok(left),
        Binary::Or if left.truthy() => Ok(left),
        Binary::And | Binary::Or => eval(b, scope),
        op => number::arithmetic(op, &left, &eval(b, scope)?),
    }
}

/// Comparisons in a row hold if each does.
fn compare(e: &Expr, scope: &dyn Scope) -> Result<Val, EvalError> {
    let Expr::Compare(first, rest) = e else { return eval(e, scope) };
    let mut left = eval(first, scope)?;
    for (op, next) in rest {
        let right = eval(next, scope)?;
        if !number::compare(*op, &left, &right)? {
            return Ok(Val::Bool(false));
        }
        left = right;
    }
    Ok(Val::Bool(true))
}
