//! Arguments of nodes: from the file's unions to [`Arg`], and back.

use super::tree::{Value, json};

use super::json::{Fault, Read, Under, float, integer, items, string, text, union};
use super::names::Named;
use crate::model::{Arg, ValueId};

/// Reads an argument. `value` finds the value of a name.
pub(super) fn read(argument: &Value, value: &dyn Fn(&str) -> Read<ValueId>) -> Read<Arg> {
    let (variant, inner) = union(argument)?;
    let tensor = |v: &Value| Ok(Arg::Tensor(value(text(v, "name")?)?));
    let optional = |v: &Value| match union(v)? {
        ("as_none", _) => Ok(Arg::None),
        ("as_tensor", t) => tensor(t),
        (other, _) => Err(Fault::schema(format!("an optional tensor cannot be {other}"))),
    };
    let scalar = |v: &Value| match union(v)? {
        ("as_name", name) => Ok(Arg::Scalar(value(string(name)?)?)),
        ("as_int", n) => int(n),
        ("as_float", x) => real(x),
        ("as_bool", b) => boolean(b),
        (other, _) => Err(Fault::schema(format!("a symbolic scalar cannot be {other}"))),
    };
    let ints = |v: &Value| each(v, &int);
    let read = match variant {
        "as_none" => Ok(Arg::None),
        "as_tensor" => tensor(inner),
        "as_tensors" => each(inner, &tensor),
        "as_optional_tensor" => optional(inner),
        "as_optional_tensors" => each(inner, &optional),
        "as_nested_tensors" => each(inner, &|v: &Value| each(v, &tensor)),
        "as_int" => int(inner),
        "as_ints" => ints(inner),
        "as_int_lists" => each(inner, &ints),
        "as_float" => real(inner),
        "as_floats" => each(inner, &real),
        "as_float_lists" => each(inner, &|v: &Value| each(v, &real)),
        "as_bool" => boolean(inner),
        "as_bools" => each(inner, &boolean),
        "as_string" => word(inner),
        "as_strings" => each(inner, &word),
        "as_sym_int" | "as_sym_float" | "as_sym_bool" => scalar(inner),
        "as_sym_ints" | "as_sym_floats" | "as_sym_bools" => each(inner, &scalar),
        _ => Ok(Arg::Opaque(argument.to_string())),
    };
    read.under(|| variant)
}

fn each(list: &Value, read: &dyn Fn(&Value) -> Read<Arg>) -> Read<Arg> {
    let each = items(list)?.iter().enumerate();
    each.map(|(i, v)| read(v).under(|| format!("[{i}]"))).collect::<Read<_>>().map(Arg::List)
}

fn int(v: &Value) -> Read<Arg> {
    integer(v).map(Arg::Int)
}

fn real(v: &Value) -> Read<Arg> {
    float(v).map(Arg::Float)
}

fn boolean(v: &Value) -> Read<Arg> {
    v.as_bool().map(Arg::Bool).ok_or_else(|| Fault::schema("true or false is expected"))
}

fn word(v: &Value) -> Read<Arg> {
    string(v).map(|s| Arg::Str(s.to_owned()))
}

/// What writing an argument needs to know of values: their names in the graph, and what the scalars are.
pub(super) struct Lookup<'a> {
    /// The name of a value.
    pub(super) name: &'a dyn Fn(ValueId) -> Option<String>,
    /// What a scalar is.
    pub(super) scalar: &'a dyn Fn(ValueId) -> Named,
}

/// Writes an argument; the variant of `old`, its JSON before, is kept where it fits. The error is the reason.
pub(super) fn write(arg: &Arg, old: Option<&Value>, lookup: &Lookup<'_>) -> Result<Value, String> {
    let old = old.and_then(|v| union(v).ok()).map_or("", |(variant, _)| variant);
    let (variant, inner) = match arg {
        Arg::None => ("as_none", json!(true)),
        Arg::Int(n) => match old {
            "as_sym_int" => (old, json!({"as_int": n})),
            "as_float" => (old, number(*n as f64)),
            _ => ("as_int", json!(n)),
        },
        Arg::Float(x) => match old {
            "as_sym_float" => (old, json!({"as_float": number(*x)})),
            _ => ("as_float", number(*x)),
        },
        Arg::Bool(b) => match old {
            "as_sym_bool" => (old, json!({"as_bool": b})),
            _ => ("as_bool", json!(b)),
        },
        Arg::Str(s) => ("as_string", json!(s)),
        Arg::Tensor(_) if old == "as_optional_tensor" => (old, json!({"as_tensor": tensor(arg, lookup)?})),
        Arg::Tensor(_) => ("as_tensor", tensor(arg, lookup)?),
        Arg::Scalar(v) => ((lookup.scalar)(*v).variants().0, scalar(arg, lookup)?),
        Arg::List(list) => many(list, old, lookup)?,
        Arg::Opaque(text) => {
            return serde_json::from_str(text).map_err(|e| format!("the opaque argument {text} is no JSON: {e}"));
        }
    };
    Ok(json!({ variant: inner }))
}

/// A list: its variant follows from what is in it, or from what it was where it is empty.
fn many(list: &[Arg], old: &str, lookup: &Lookup<'_>) -> Result<(&'static str, Value), String> {
    const LISTS: [&str; 13] = [
        "as_tensors",
        "as_optional_tensors",
        "as_nested_tensors",
        "as_ints",
        "as_int_lists",
        "as_floats",
        "as_float_lists",
        "as_bools",
        "as_strings",
        "as_sym_ints",
        "as_sym_floats",
        "as_sym_bools",
        "as_none",
    ];
    let was = LISTS.iter().find(|v| **v == old).copied();
    let has = |test: fn(&Arg) -> bool| list.iter().any(test);
    let named = list.iter().find_map(|a| if let Arg::Scalar(v) = a { Some((lookup.scalar)(*v).variants().1) } else { None });
    let variant = if let Some(named) = named {
        named
    } else if let Some(Arg::List(first)) = list.first() {
        match first.first() {
            Some(Arg::Tensor(_)) => "as_nested_tensors",
            Some(Arg::Float(_)) => "as_float_lists",
            _ => was.filter(|w| w.ends_with("_lists") || *w == "as_nested_tensors").unwrap_or("as_int_lists"),
        }
    } else if has(|a| matches!(a, Arg::None)) {
        "as_optional_tensors"
    } else if has(|a| matches!(a, Arg::Tensor(_))) {
        was.filter(|w| *w == "as_optional_tensors").unwrap_or("as_tensors")
    } else if has(|a| matches!(a, Arg::Float(_))) {
        was.filter(|w| *w == "as_sym_floats").unwrap_or("as_floats")
    } else if has(|a| matches!(a, Arg::Bool(_))) {
        was.filter(|w| *w == "as_sym_bools").unwrap_or("as_bools")
    } else if has(|a| matches!(a, Arg::Str(_))) {
        "as_strings"
    } else if has(|a| matches!(a, Arg::Int(_))) {
        was.filter(|w| matches!(*w, "as_sym_ints" | "as_floats")).unwrap_or("as_ints")
    } else {
        was.filter(|w| *w != "as_none").unwrap_or("as_ints")
    };
    let item = |a: &Arg| match (variant, a) {
        ("as_tensors", a) => tensor(a, lookup),
        ("as_optional_tensors", Arg::None) => Ok(json!({"as_none": true})),
        ("as_optional_tensors", a) => Ok(json!({"as_tensor": tensor(a, lookup)?})),
        ("as_sym_ints" | "as_sym_floats" | "as_sym_bools", a) => scalar(a, lookup),
        ("as_floats", Arg::Int(n)) => Ok(number(*n as f64)),
        ("as_nested_tensors", Arg::List(inner)) => {
            Ok(Value::Array(inner.iter().map(|a| tensor(a, lookup)).collect::<Result<_, _>>()?))
        }
        (_, Arg::List(inner)) => Ok(Value::Array(inner.iter().map(plain).collect::<Result<_, _>>()?)),
        (_, a) => plain(a),
    };
    Ok((variant, Value::Array(list.iter().map(item).collect::<Result<_, String>>()?)))
}

fn tensor(arg: &Arg, lookup: &Lookup<'_>) -> Result<Value, String> {
    match arg {
        Arg::Tensor(v) => Ok(json!({"name": name(*v, lookup)?})),
        other => Err(format!("{other:?} stands in a list of tensors")),
    }
}

fn scalar(arg: &Arg, lookup: &Lookup<'_>) -> Result<Value, String> {
    match arg {
        Arg::Scalar(v) => Ok(json!({"as_name": name(*v, lookup)?})),
        Arg::Int(n) => Ok(json!({"as_int": n})),
        Arg::Float(x) => Ok(json!({"as_float": number(*x)})),
        Arg::Bool(b) => Ok(json!({"as_bool": b})),
        other => Err(format!("{other:?} stands in a list of scalars")),
    }
}

fn plain(arg: &Arg) -> Result<Value, String> {
    match arg {
        Arg::Int(n) => Ok(json!(n)),
        Arg::Float(x) => Ok(number(*x)),
        Arg::Bool(b) => Ok(json!(b)),
        Arg::Str(s) => Ok(json!(s)),
        other => Err(format!("{other:?} stands in a list of another kind")),
    }
}

fn name(value: ValueId, lookup: &Lookup<'_>) -> Result<String, String> {
    (lookup.name)(value).ok_or_else(|| format!("value {} has no name in this graph", value.0))
}

/// A float as the schema writes it.
fn number(x: f64) -> Value {
    match x {
        f64::INFINITY => json!("Infinity"),
        f64::NEG_INFINITY => json!("-Infinity"),
        x if x.is_nan() => json!("NaN"),
        x => json!(x),
    }
}
