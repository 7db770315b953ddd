//! Which overload of an operator a call means, and its arguments by the names of its schema.

use super::element::exported;
use super::item::{Item, Wrapped};
use crate::rule::{Schema, Schemas};

/// A call's arguments with the schema's names and types.
pub(super) struct Chosen<'a> {
    /// The overload.
    pub(super) schema: &'a Schema,
    /// Name, type, item.
    pub(super) args: Vec<(&'a str, &'a str, Item)>,
}

/// Finds the overload of `base` (`aten.add`) whose types fit best.
pub(super) fn choose<'a>(
    schemas: &'a Schemas,
    base: &str,
    args: &[Item],
    named: &[(String, Item)],
    number: &dyn Fn(usize) -> bool,
) -> Option<Chosen<'a>> {
    let mut best: Option<(u32, &Schema)> = None;
    for schema in schemas.overloads(base) {
        if let Some(cost) = cost(schema, args, named, number)
            && best.is_none_or(|(least, _)| cost < least)
        {
            best = Some((cost, schema));
        }
    }
    let (_, schema) = best?;
    let given = schema.args.iter().filter_map(|a| {
        let at = schema.args.iter().filter(|b| !b.kwarg_only).position(|b| b.name == a.name);
        let item = at.and_then(|at| args.get(at)).or_else(|| named.iter().find(|(n, _)| *n == a.name).map(|(_, item)| item));
        item.map(|item| (a.name.as_str(), a.ty.as_str(), item.clone()))
    });
    Some(Chosen { schema, args: given.collect() })
}

/// How far the arguments are from the schema's types; `None` if they do not fit.
fn cost(schema: &Schema, args: &[Item], named: &[(String, Item)], number: &dyn Fn(usize) -> bool) -> Option<u32> {
    let positional: Vec<_> = schema.args.iter().filter(|a| !a.kwarg_only).collect();
    if args.len() > positional.len() {
        return None;
    }
    let mut total = 0;
    for declared in &schema.args {
        let place = if declared.kwarg_only { None } else { positional.iter().position(|p| p.name == declared.name) };
        let by_place = place.and_then(|p| args.get(p));
        let by_name = named.iter().find(|(n, _)| *n == declared.name).map(|(_, item)| item);
        match (by_place, by_name) {
            (Some(_), Some(_)) => return None,
            (None, None) if declared.default.is_none() => return None,
            (None, None) => {}
            (Some(item), None) | (None, Some(item)) => total += fits(item, &declared.ty, number)?,
        }
    }
    let known = |name: &String| schema.args.iter().any(|a| a.name == *name);
    named.iter().all(|(n, _)| known(n)).then_some(total)
}

/// What it costs to pass an item as an argument of a type.
fn fits(item: &Item, ty: &str, number: &dyn Fn(usize) -> bool) -> Option<u32> {
    if let Some(inner) = ty.strip_suffix('?') {
        return if *item == Item::None { Some(0) } else { fits(item, inner, number) };
    }
    if let Some((element, length)) = ty.strip_suffix(']').and_then(|t| t.rsplit_once('[')) {
        return match item {
            Item::List(items) => items.iter().map(|i| fits(i, element, number)).sum(),
            Item::Results(_) if element.starts_with("Tensor") => Some(0),
            Item::Sizes(_) | Item::Tuple(_) => None,
            // One number for each of a fixed number.
            one if !length.is_empty() && element != "Tensor" => fits(one, element, number).map(|c| c + 1),
            _ => None,
        };
    }
    match (ty, item) {
        ("Tensor", Item::Tensor(_) | Item::Constant(_)) => Some(0),
        ("Tensor", Item::Number(_, Wrapped::Tensor)) => Some(1),
        ("Tensor", Item::Number(..) | Item::Int(_) | Item::Float(_)) => Some(10),
        ("int" | "SymInt", Item::Int(_) | Item::Number(_, Wrapped::Plain)) => Some(0),
        ("Scalar", Item::Int(_) | Item::Float(_) | Item::Bool(_) | Item::Number(_, Wrapped::Plain)) => Some(0),
        ("int" | "SymInt" | "Scalar" | "float", Item::Number(_, Wrapped::Tensor)) => Some(2),
        ("int" | "SymInt" | "Scalar" | "float", Item::Constant(n)) if number(*n) => Some(2),
        ("float", Item::Float(_)) => Some(0),
        ("float", Item::Int(_) | Item::Number(..)) => Some(1),
        ("bool" | "SymBool", Item::Bool(_)) => Some(0),
        ("str", Item::Str(_)) => Some(0),
        ("ScalarType", Item::Int(n)) => exported(*n).map(|_| 0),
        ("Layout" | "MemoryFormat", Item::Int(_)) => Some(0),
        ("Device", Item::Device(_)) => Some(0),
        ("Device", Item::Str(_)) => Some(1),
        _ => None,
    }
}
