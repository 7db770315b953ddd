//! The recorded sizes of values in a graph of the file.

use rustc_hash::FxHashMap;

use super::tree::{Map, Value, json};

use super::dtype;
use super::sym::Symbols;
use super::visible::Visible;
use super::weights::meta;
use crate::format::FormatError;
use crate::model::{Graph, Size, Tensor, Value as ModelValue, ValueId};

/// Brings `tensor_values` and `sym_int_values` of a graph up to date.
pub(super) fn update(
    json: &mut Value,
    number: usize,
    visible: &Visible,
    original: &Graph,
    small: &Graph,
) -> Result<(), FormatError> {
    let scope = &visible.scopes.list[number];
    let symbols = &visible.scopes.symbols;
    let before: FxHashMap<ValueId, &Tensor> = original.tensors.iter().map(|t| (t.value, t)).collect();
    let gone = |name: &str| scope.find(name).is_some_and(|v| !visible.defined.contains(&v));

    if let Some(table) = json.get_mut("tensor_values").and_then(Value::as_object_mut) {
        table.retain(|name| !gone(name));
        for (name, entry) in table.iter_mut() {
            let Some(v) = scope.find(name) else { continue };
            let (Some(old), Some(new)) = (original.values.get(v.index()), small.values.get(v.index())) else { continue };
            match before.get(&v).and_then(|old| Some((*old, small.tensors.get(*visible.carriers.get(&v)?)?))) {
                Some((before, now)) => lay_out(before, now, entry),
                None if old.shape != new.shape => resize(entry, old, new, symbols)?,
                None => {}
            }
            if old.dtype != new.dtype {
                entry["dtype"] = json!(dtype::code(new.dtype));
            }
        }
        let device = table.iter().next().map(|(_, entry)| entry).and_then(|m| m.get("device")).cloned();
        for (name, v) in &scope.added {
            let value = small.value(*v);
            if value.shape.is_none() && value.scalar.is_some() {
                continue;
            }
            let mut made = match visible.carriers.get(v) {
                Some(at) => meta(&small.tensors[*at]),
                None => described(value, symbols)?,
            };
            if let Some(device) = &device {
                made["device"] = device.clone();
            }
            table.insert(name.clone(), made);
        }
    }
    if let Some(table) = json.get_mut("sym_int_values").and_then(Value::as_object_mut) {
        table.retain(|name| !gone(name));
        scalars(table, number, visible, original, small)?;
    }
    Ok(())
}

/// Sizes that scalars hold.
fn scalars(table: &mut Map, number: usize, visible: &Visible, original: &Graph, small: &Graph) -> Result<(), FormatError> {
    let scope = &visible.scopes.list[number];
    for (name, entry) in table.iter_mut() {
        let Some(v) = scope.find(name) else { continue };
        let new = small.values.get(v.index()).and_then(|x| x.scalar.as_ref());
        if let Some(size) = new
            && original.values.get(v.index()).and_then(|x| x.scalar.as_ref()) != new
        {
            *entry = write(size, &visible.scopes.symbols, name)?;
        }
    }
    for (name, v) in &scope.added {
        let value = small.value(*v);
        if let (None, Some(size)) = (&value.shape, &value.scalar) {
            table.insert(name.clone(), write(size, &visible.scopes.symbols, name)?);
        }
    }
    Ok(())
}

/// Writes the layout of a stored tensor where it differs.
fn lay_out(old: &Tensor, new: &Tensor, entry: &mut Value) {
    let made = meta(new);
    let parts = [
        ("sizes", old.shape != new.shape),
        ("strides", old.strides != new.strides),
        ("storage_offset", old.offset != new.offset),
    ];
    for (part, _) in parts.iter().filter(|(_, differs)| *differs) {
        entry[*part] = made[*part].clone();
    }
}

/// Writes new sizes and the dense strides that go with them in the old order.
fn resize(entry: &mut Value, old: &ModelValue, new: &ModelValue, symbols: &Symbols) -> Result<(), FormatError> {
    let Some(shape) = &new.shape else { return Ok(()) };
    let read = |entry: &Value, part: &str| -> Vec<Size> {
        let list = entry.get(part).and_then(Value::as_array);
        let mut scratch = symbols.clone();
        list.map_or(Vec::new(), |l| l.iter().map(|s| scratch.read(s).unwrap_or_else(|_| Size::int(1))).collect())
    };
    let old_strides = read(entry, "strides");
    let strides = strides(old.shape.as_deref().unwrap_or(&[]), &old_strides, shape);
    for (part, before, now) in [("sizes", old.shape.clone().unwrap_or_default(), shape), ("strides", old_strides, &strides)] {
        let kept = entry.get(part).and_then(Value::as_array).filter(|l| l.len() == before.len() && l.len() == now.len());
        let each = now.iter().enumerate().map(|(i, size)| match kept {
            Some(list) if before[i] == *size => Ok(list[i].clone()),
            _ => write(size, symbols, &new.name),
        });
        entry[part] = Value::Array(each.collect::<Result<_, _>>()?);
    }
    Ok(())
}

/// The description of a new value.
fn described(value: &ModelValue, symbols: &Symbols) -> Result<Value, FormatError> {
    let Some(shape) = &value.shape else {
        return Err(FormatError::edit(format!("the new value `{}` has no shape", value.name)));
    };
    let sizes = |list: &[Size]| list.iter().map(|s| write(s, symbols, &value.name)).collect::<Result<Vec<_>, _>>();
    Ok(json!({
        "dtype": dtype::code(value.dtype),
        "sizes": sizes(shape)?,
        "requires_grad": false,
        "device": {"type": "cpu", "index": null},
        "strides": sizes(&strides(&[], &[], shape))?,
        "storage_offset": {"as_int": 0},
        "layout": 7,
    }))
}

fn write(size: &Size, symbols: &Symbols, of: &str) -> Result<Value, FormatError> {
    symbols.write(size).ok_or_else(|| FormatError::edit(format!("the size {size} of `{of}` cannot be written")))
}

/// Dense strides in the order of the old ones; a broadcast dimension stays one.
fn strides(old_shape: &[Size], old: &[Size], shape: &[Size]) -> Vec<Size> {
    let same_rank = old.len() == shape.len() && old_shape.len() == shape.len();
    let before = |i: usize| if same_rank { old[i].hint().unwrap_or(i64::MAX) } else { i64::MAX };
    let broadcast = |i: usize| same_rank && before(i) == 0 && !old_shape[i].is(1);
    let mut order: Vec<usize> = (0..shape.len()).collect();
    order.sort_by_key(|i| std::cmp::Reverse(before(*i)));
    let mut strides = vec![Size::int(0); shape.len()];
    let mut step = Size::int(1);
    for i in order.into_iter().rev().filter(|i| !broadcast(*i)) {
        strides[i] = step.clone();
        if !shape[i].is(0) {
            step = step.mul(&shape[i]);
        }
    }
    strides
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ints(list: &[i64]) -> Vec<Size> {
        list.iter().map(|n| Size::int(*n)).collect()
    }

    #[test]
    fn strides_keep_their_order() {
        let dense = strides(&ints(&[2, 8, 4]), &ints(&[32, 4, 1]), &ints(&[2, 5, 4]));
        assert_eq!(dense, ints(&[20, 4, 1]));
        let channels_last = strides(&ints(&[2, 8, 4, 4]), &ints(&[128, 1, 32, 8]), &ints(&[2, 5, 4, 4]));
        assert_eq!(channels_last, ints(&[80, 1, 20, 5]));
        let expanded = strides(&ints(&[2, 8, 4]), &ints(&[4, 0, 1]), &ints(&[2, 5, 3]));
        assert_eq!(expanded, ints(&[3, 0, 1]));
        let new_rank = strides(&ints(&[2, 8]), &ints(&[1, 2]), &ints(&[2, 3, 4]));
        assert_eq!(new_rank, ints(&[12, 4, 1]));
        let batch = Size::symbol("s0", Some(3));
        let symbolic = strides(&[Size::int(8), batch.clone()], &[batch.clone(), Size::int(1)], &[Size::int(5), batch.clone()]);
        assert_eq!(symbolic, [batch, Size::int(1)]);
        assert_eq!(strides(&[], &[], &ints(&[3, 0, 2])), ints(&[2, 2, 1]));
    }
}
