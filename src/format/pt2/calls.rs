//! The signatures of module calls that an export was told to preserve.

use std::collections::HashSet;

use super::names::names;
use super::tree::Value;

/// Takes away the signatures of modules that name values which the program no longer has, which the loader would refuse, and of those
/// that call nothing any more, which `unflatten` would look for.
pub(super) fn forget_dangling(module: &mut Value) {
    let Some(calls) = module.get("module_call_graph").and_then(Value::as_array) else { return };
    if !calls.iter().any(|call| is_inner(call) && call.get("signature").is_some_and(|s| *s != Value::Null)) {
        return;
    }
    let known = known(module);
    let dangling = |call: &Value| {
        let lists = ["inputs", "outputs"].into_iter().filter_map(|list| call.at(&["signature", list])?.as_array());
        lists.flatten().filter_map(|argument| names(argument).ok()).flatten().any(|(_, name)| !known.contains(name))
    };
    let called = called(module);
    // A further call of a module is `name@1`, and its nodes are in `name`.
    let name = |call: &Value| call.get("fqn").and_then(Value::as_str).and_then(|n| n.split('@').next()).unwrap_or("").to_owned();
    let idle = |call: &Value| !called.contains(name(call).as_str());
    let lost: Vec<usize> =
        (0..calls.len()).filter(|k| is_inner(&calls[*k]) && (dangling(&calls[*k]) || idle(&calls[*k]))).collect();
    if let Some(calls) = module.get_mut("module_call_graph").and_then(Value::as_array_mut) {
        for k in lost {
            calls[k]["signature"] = Value::Null;
        }
    }
}

/// Whether the call is of a module below the root, whose signature the program can do without.
fn is_inner(call: &Value) -> bool {
    call.get("fqn").and_then(Value::as_str) != Some("")
}

/// The names of all inputs of the program and all results of its nodes.
fn known(module: &Value) -> HashSet<&str> {
    let results = list_at(module, &["graph", "nodes"]).iter().flat_map(|node| list_at(node, &["outputs"]));
    let all = list_at(module, &["graph", "inputs"]).iter().chain(results);
    all.filter_map(|argument| names(argument).ok()).flatten().map(|(_, name)| name).collect()
}

fn list_at<'a>(of: &'a Value, path: &[&str]) -> &'a [Value] {
    of.at(path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The modules in which a node is.
fn called(module: &Value) -> HashSet<&str> {
    let nodes = list_at(module, &["graph", "nodes"]).iter();
    let stacks = nodes.filter_map(|node| node.at(&["metadata", "nn_module_stack"])?.as_str());
    stacks.flat_map(|stack| stack.split(';')).filter_map(|entry| entry.split(',').nth(1)?.split('@').next()).collect()
}
