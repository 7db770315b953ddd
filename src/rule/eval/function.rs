//! The functions of formulas.

use std::cmp::Ordering;

use crate::model::Size;

use super::super::ast::Binary;
use super::error::EvalError;
use super::number::{MAX_LIST, arithmetic, float, order};
use super::value::Val;

/// Calls a function by its name.
pub(super) fn call(name: &str, args: Vec<Val>) -> Result<Val, EvalError> {
    match name {
        "min" => extreme("min", &numbers(args), Ordering::Less),
        "max" => extreme("max", &numbers(args), Ordering::Greater),
        "sum" => numbers(args).iter().try_fold(Val::int(0), |x, y| arithmetic(Binary::Add, &x, y)),
        "prod" => numbers(args).iter().try_fold(Val::int(1), |x, y| arithmetic(Binary::Mul, &x, y)),
        "any" => Ok(Val::Bool(numbers(args).iter().any(Val::truthy))),
        "all" => Ok(Val::Bool(numbers(args).iter().all(Val::truthy))),
        "len" => length(&one("len", "one list", args)?),
        "range" => range(&one("range", "one integer", args)?),
        "abs" => magnitude(one("abs", "one number", args)?),
        "sqrt" => {
            let x = float(&one("sqrt", "one number", args)?)?;
            if x < 0.0 { Err(EvalError::NotReal(format!("sqrt({x:?})"))) } else { Ok(Val::Float(x.sqrt())) }
        }
        "exp" => real("exp", args, f64::exp),
        "log" => real("log", args, f64::ln),
        "log1p" => real("log1p", args, f64::ln_1p),
        "sin" => real("sin", args, f64::sin),
        "cos" => real("cos", args, f64::cos),
        "tanh" => real("tanh", args, f64::tanh),
        "erf" => real("erf", args, libm::erf),
        "sigmoid" => real("sigmoid", args, |x| 1.0 / (1.0 + (-x).exp())),
        "floor" => round(one("floor", "one number", args)?, f64::floor),
        "ceil" => round(one("ceil", "one number", args)?, f64::ceil),
        "int" => round(one("int", "one number", args)?, f64::trunc),
        "shape" | "rank" => Err(EvalError::Arguments { function: "shape", takes: "the name of one operand" }),
        _ => Err(EvalError::UnknownFunction(name.to_owned())),
    }
}

/// The arguments, or the items of the list that is the only one.
fn numbers(mut args: Vec<Val>) -> Vec<Val> {
    match args.as_mut_slice() {
        [Val::List(items)] => std::mem::take(items),
        _ => args,
    }
}

fn one(function: &'static str, takes: &'static str, args: Vec<Val>) -> Result<Val, EvalError> {
    let mut args = args.into_iter();
    args.next().filter(|_| args.len() == 0).ok_or(EvalError::Arguments { function, takes })
}

/// A function of real numbers; an error where it has no real value.
fn real(function: &'static str, args: Vec<Val>, f: fn(f64) -> f64) -> Result<Val, EvalError> {
    let x = float(&one(function, "one number", args)?)?;
    let y = f(x);
    if y.is_nan() { Err(EvalError::NotReal(format!("{function}({x:?})"))) } else { Ok(Val::Float(y)) }
}

fn extreme(function: &'static str, values: &[Val], wanted: Ordering) -> Result<Val, EvalError> {
    let (first, rest) = values.split_first().ok_or(EvalError::Arguments { function, takes: "numbers or a list of them" })?;
    let mut best = first;
    order(first, first)?;
    for v in rest {
        if order(v, best)? == Some(wanted) {
            best = v;
        }
    }
    Ok(best.clone())
}

fn length(v: &Val) -> Result<Val, EvalError> {
    v.list().map(|items| Val::from(items.len())).ok_or_else(|| EvalError::wrong("a list", v))
}

fn range(v: &Val) -> Result<Val, EvalError> {
    let n = v.as_int().ok_or_else(|| EvalError::wrong("an integer", v))?;
    if n > MAX_LIST as i64 {
        return Err(EvalError::TooLarge);
    }
    Ok(Val::List((0..n).map(Val::int).collect()))
}

fn magnitude(v: Val) -> Result<Val, EvalError> {
    match order(&v, &Val::int(0))? {
        Some(Ordering::Less) => arithmetic(Binary::Sub, &Val::int(0), &v),
        _ => Ok(v),
    }
}

fn round(v: Val, how: fn(f64) -> f64) -> Result<Val, EvalError> {
    if let Some(n) = v.as_size() {
        return Ok(Val::Size(n));
    }
    let x = how(float(&v)?);
    let bound = i64::MAX as f64;
    if (-bound..bound).contains(&x) { Ok(Val::Size(Size::int(x as i64))) } else { Err(EvalError::TooLarge) }
}
