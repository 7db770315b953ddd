//! What the program is given besides its inputs: placeholders of stored tensors, and what its signature calls them.

use rustc_hash::{FxHashMap, FxHashSet};

use super::names::names;
use super::parts::{drop_marked, list, missing};
use super::tree::{Value, json};
use crate::format::FormatError;
use crate::model::{Graph, ValueId};

/// Brings the placeholders up to date: new constants, tensors that are stored no more, and those that have other names. `name` gives the
/// names of values in the outermost graph, `constants` those of the new constants in the config.
pub(super) fn placeholders(
    module: &mut Value,
    (original, small): (&Graph, &Graph),
    name: &dyn Fn(ValueId) -> Result<String, FormatError>,
    constants: &[String],
) -> Result<(), FormatError> {
    let old: FxHashSet<ValueId> = original.tensors.iter().map(|t| t.value).collect();
    let new = small.tensors.iter().filter(|t| !old.contains(&t.value));
    for (tensor, constant) in new.zip(constants) {
        add(module, &name(tensor.value)?, constant)?;
    }
    let left: FxHashMap<ValueId, &str> = small.tensors.iter().map(|t| (t.value, t.name.as_str())).collect();
    let mut gone = FxHashSet::default();
    for tensor in &original.tensors {
        match left.get(&tensor.value) {
            None => _ = gone.insert(name(tensor.value)?),
            Some(now) if **now != tensor.name => {
                specs(module)?.iter_mut().for_each(|spec| call(spec, &tensor.name, now));
            }
            Some(_) => {}
        }
    }
    if !gone.is_empty() {
        let is_gone = |argument: &Value| names(argument).is_ok_and(|found| found.iter().any(|(_, n)| gone.contains(*n)));
        let inputs = inputs(module)?;
        let marks: Vec<bool> = inputs.iter().map(is_gone).collect();
        drop_marked(inputs, &marks);
        drop_marked(specs(module)?, &marks);
    }
    Ok(())
}

/// A placeholder of a new constant: before what the caller passes in.
fn add(module: &mut Value, name: &str, constant: &str) -> Result<(), FormatError> {
    let specs = specs(module)?;
    let passed = |s: &Value| s.get("user_input").or(s.get("constant_input")).is_some();
    let at = specs.iter().position(passed).unwrap_or(specs.len());
    specs.insert(at, json!({"tensor_constant": {"arg": {"name": name}, "tensor_constant_name": constant}}));
    inputs(module)?.insert(at, json!({"as_tensor": {"name": name}}));
    Ok(())
}

/// Gives the stored tensor of a spec another name.
fn call(spec: &mut Value, old: &str, new: &str) {
    let Value::Object(kinds) = spec else { return };
    for (_, tensor) in kinds.iter_mut() {
        for key in ["parameter_name", "buffer_name", "tensor_constant_name"] {
            if let Some(name) = tensor.get_mut(key).filter(|name| name.as_str() == Some(old)) {
                *name = Value::String(new.into());
            }
        }
    }
}

fn specs(module: &mut Value) -> Result<&mut Vec<Value>, FormatError> {
    list(module.get_mut("signature").ok_or_else(|| missing("signature"))?, "input_specs")
}

fn inputs(module: &mut Value) -> Result<&mut Vec<Value>, FormatError> {
    list(module.get_mut("graph").ok_or_else(|| missing("graph"))?, "inputs")
}
