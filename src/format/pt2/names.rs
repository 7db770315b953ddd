//! Names of values in arguments that define or pass values: one walk for reading and one for rewriting, in the same order.

use super::tree::Value;

use super::json::{Fault, Read, union};

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// A tensor.
    Tensor,
    /// A symbolic integer.
    SymInt,
    /// A symbolic float.
    SymFloat,
    /// A symbolic boolean.
    SymBool,
}

impl Named {
    /// What the names in a variant of an argument stand for.
    fn of(variant: &str) -> Option<Named> {
        Some(match variant {
            "as_tensor" | "as_tensors" | "as_optional_tensor" | "as_optional_tensors" | "as_nested_tensors" => Named::Tensor,
            "as_sym_int" | "as_sym_ints" => Named::SymInt,
            "as_sym_float" | "as_sym_floats" => Named::SymFloat,
            "as_sym_bool" | "as_sym_bools" => Named::SymBool,
            _ => return None,
        })
    }

    /// The variant for one symbolic scalar, and for a list.
    pub(super) fn variants(self) -> (&'static str, &'static str) {
        match self {
            Named::Tensor => ("as_tensor", "as_tensors"),
            Named::SymInt => ("as_sym_int", "as_sym_ints"),
            Named::SymFloat => ("as_sym_float", "as_sym_floats"),
            Named::SymBool => ("as_sym_bool", "as_sym_bools"),
        }
    }
}

/// The names in an argument, in order. Literals have none.
pub(super) fn names(argument: &Value) -> Read<Vec<(Named, &str)>> {
    let (variant, inner) = union(argument)?;
    let Some(named) = Named::of(variant) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    collect(inner, named, &mut found);
    match found.is_empty() && variant == "as_tensor" {
        true => Err(Fault::schema("field `name` is missing").under(variant)),
        false => Ok(found),
    }
}

fn collect<'a>(value: &'a Value, named: Named, found: &mut Vec<(Named, &'a str)>) {
    match value {
        Value::Object(map) => {
            for (key, v) in map.iter() {
                match v {
                    Value::String(name) if is_name(key) => found.push((named, name)),
                    v => collect(v, named, found),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|v| collect(v, named, found)),
        _ => {}
    }
}

/// Writes other names in the places that [`names`] found, in the same order.
pub(super) fn rename(argument: &mut Value, new: &mut impl Iterator<Item = String>) {
    let Some((variant, inner)) = argument.as_object_mut().and_then(|o| o.iter_mut().next()) else { return };
    if Named::of(variant).is_some() {
        replace(inner, new);
    }
}

fn replace(value: &mut Value, new: &mut impl Iterator<Item = String>) {
    match value {
        Value::Object(map) => {
            for (key, v) in map.iter_mut() {
                match v {
                    Value::String(name) if is_name(key) => {
                        if let Some(new) = new.next() {
                            *name = new.into();
                        }
                    }
                    v => replace(v, new),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|v| replace(v, new)),
        _ => {}
    }
}

fn is_name(key: &str) -> bool {
    key == "name" || key == "as_name"
}
