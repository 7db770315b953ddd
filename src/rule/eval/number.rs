//! Arithmetic and comparisons, as in Python, over integers that may be dynamic sizes.

use std::cmp::Ordering;

use crate::model::Size;

use super::super::ast::{Binary, Comparison};
use super::error::EvalError;
use super::value::Val;

/// Longest list that `[0] * n` makes.
pub(super) const MAX_LIST: usize = 1 << 16;

/// `a op b` for the arithmetic operators.
pub(super) fn arithmetic(op: Binary, a: &Val, b: &Val) -> Result<Val, EvalError> {
    match (op, a, b) {
        (Binary::Add, Val::List(x), Val::List(y)) => Ok(Val::List([x.as_slice(), y].concat())),
        (Binary::Mul, Val::List(x), n) | (Binary::Mul, n, Val::List(x)) => repeat(x, n),
        _ => match (a.as_size(), b.as_size()) {
            (Some(x), Some(y)) => integers(op, &x, &y),
            _ => floats(op, float(a)?, float(b)?).map(Val::Float),
        },
    }
}

fn repeat(list: &[Val], times: &Val) -> Result<Val, EvalError> {
    let n = times.as_int().ok_or_else(|| EvalError::wrong("an integer", times))?;
    let n = usize::try_from(n).unwrap_or(0);
    match list.len().checked_mul(n) {
        Some(len) if len <= MAX_LIST => Ok(Val::List(list.iter().cycle().take(len).cloned().collect())),
        _ => Err(EvalError::TooLarge),
    }
}

/// The number as a float; an error for what is no number or dynamic.
pub(super) fn float(v: &Val) -> Result<f64, EvalError> {
    match v {
        Val::Size(s) => s.as_int().map(|n| n as f64).ok_or_else(|| EvalError::Dynamic(s.to_string())),
        other => other.as_f64().ok_or_else(|| EvalError::wrong("a number", other)),
    }
}

fn integers(op: Binary, a: &Size, b: &Size) -> Result<Val, EvalError> {
    let known = a.as_int().zip(b.as_int());
    match op {
        Binary::Add => exact(known.map(|(a, b)| a.checked_add(b)), || a.add(b)),
        Binary::Sub => exact(known.map(|(a, b)| a.checked_sub(b)), || a.add(&b.scale(-1))),
        Binary::Mul => exact(known.map(|(a, b)| a.checked_mul(b)), || a.mul(b)),
        Binary::Div => ratio(a, b).map(Val::Float),
        Binary::FloorDiv => floor_div(a, b).map(Val::Size),
        Binary::Mod => {
            let whole = floor_div(a, b)?.mul(b);
            Ok(Val::Size(a.add(&whole.scale(-1))))
        }
        Binary::Pow => power(a, b),
        Binary::And | Binary::Or => Ok(Val::Bool(false)),
    }
}

/// A result over plain integers, which may overflow; over dynamic ones otherwise.
fn exact(known: Option<Option<i64>>, dynamic: impl FnOnce() -> Size) -> Result<Val, EvalError> {
    match known {
        Some(n) => n.map(Val::int).ok_or(EvalError::TooLarge),
        None => Ok(Val::Size(dynamic())),
    }
}

fn floor_div(a: &Size, b: &Size) -> Result<Size, EvalError> {
    if b.is(0) {
        return Err(EvalError::DivisionByZero);
    }
    let Some((x, y)) = a.as_int().zip(b.as_int()) else { return Ok(a.floor_div(b)) };
    let q = x.checked_div(y).ok_or(EvalError::TooLarge)?;
    let down = x % y != 0 && (x < 0) != (y < 0);
    Ok(Size::int(q - i64::from(down)))
}

/// The quotient, if it is the same whatever the dynamic sizes are.
fn ratio(a: &Size, b: &Size) -> Result<f64, EvalError> {
    if b.is(0) {
        return Err(EvalError::DivisionByZero);
    }
    if let Some((x, y)) = a.as_int().zip(b.as_int()) {
        return Ok(x as f64 / y as f64);
    }
    let (above, below) = (a.terms(), b.terms());
    let (Some((mono, y)), dynamic) = (below.iter().next(), || EvalError::Dynamic(format!("({a}) / ({b})"))) else {
        return Err(EvalError::DivisionByZero);
    };
    let x = *above.get(mono).ok_or_else(dynamic)?;
    if a.scale(*y) == b.scale(x) { Ok(x as f64 / *y as f64) } else { Err(dynamic()) }
}

fn power(a: &Size, b: &Size) -> Result<Val, EvalError> {
    let exponent = b.as_int().ok_or_else(|| EvalError::Dynamic(b.to_string()))?;
    match (a.as_int(), u32::try_from(exponent)) {
        (Some(base), Ok(n)) => base.checked_pow(n).map(Val::int).ok_or(EvalError::TooLarge),
        (Some(base), Err(_)) => floats(Binary::Pow, base as f64, exponent as f64).map(Val::Float),
        (None, Ok(n)) if n <= 8 => Ok(Val::Size((0..n).fold(Size::int(1), |x, _| x.mul(a)))),
        (None, _) => Err(EvalError::Dynamic(format!("({a}) ** {exponent}"))),
    }
}

fn floats(op: Binary, a: f64, b: f64) -> Result<f64, EvalError> {
    if b == 0.0 && matches!(op, Binary::Div | Binary::FloorDiv | Binary::Mod) || a == 0.0 && b < 0.0 && op == Binary::Pow {
        return Err(EvalError::DivisionByZero);
    }
    Ok(match op {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div => a / b,
        Binary::FloorDiv => (a / b).floor(),
        Binary::Mod => a - b * (a / b).floor(),
        Binary::Pow if a < 0.0 && b.fract() != 0.0 => return Err(EvalError::NotReal(format!("{a:?} ** {b:?}"))),
        Binary::Pow => a.powf(b),
        Binary::And | Binary::Or => f64::from(a != 0.0 && b != 0.0),
    })
}

/// Whether `a op b` holds.
pub(super) fn compare(op: Comparison, a: &Val, b: &Val) -> Result<bool, EvalError> {
    Ok(match op {
        Comparison::Eq => equal(a, b),
        Comparison::Ne => !equal(a, b),
        Comparison::Lt => order(a, b)? == Some(Ordering::Less),
        Comparison::Le => matches!(order(a, b)?, Some(Ordering::Less | Ordering::Equal)),
        Comparison::Gt => order(a, b)? == Some(Ordering::Greater),
        Comparison::Ge => matches!(order(a, b)?, Some(Ordering::Greater | Ordering::Equal)),
    })
}

fn equal(a: &Val, b: &Val) -> bool {
    match (a, b) {
        (Val::List(x), Val::List(y)) => x.len() == y.len() && x.iter().zip(y).all(|(a, b)| equal(a, b)),
        (Val::Str(x), Val::Str(y)) => x == y,
        (Val::None, Val::None) => true,
        _ => order(a, b).is_ok_and(|o| o == Some(Ordering::Equal)),
    }
}

/// The order of two numbers; `None` for NaN. Dynamic sizes that the algebra cannot compare count by their examples.
pub(super) fn order(a: &Val, b: &Val) -> Result<Option<Ordering>, EvalError> {
    let (Some(x), Some(y)) = (a.as_size(), b.as_size()) else { return Ok(example(a)?.partial_cmp(&example(b)?)) };
    if x == y {
        return Ok(Some(Ordering::Equal));
    }
    let difference = x.add(&y.scale(-1));
    let known = x.as_int().zip(y.as_int()).map(|(x, y)| x.cmp(&y)).or_else(|| difference.as_int().map(|d| d.cmp(&0)));
    let by_example = || x.hint().zip(y.hint()).map(|(x, y)| x.cmp(&y));
    known.or_else(by_example).map(Some).ok_or_else(|| EvalError::Dynamic(format!("{x} < {y}")))
}

fn example(v: &Val) -> Result<f64, EvalError> {
    match v {
        Val::Size(s) => s.hint().map(|n| n as f64).ok_or_else(|| EvalError::Dynamic(s.to_string())),
        other => float(other),
    }
}
