//! Functions of a model: where one is called, its nodes stand, for all that looks at the graph.

use rustc_hash::FxHashMap;

use super::archive::Source;
use super::operator::operator;
use super::proto::{Attribute, DEEPEST, GraphProto, NodeProto, Setting, opset, text};
use super::units::{Message, Unfolded};
use super::wire::{Fault, fields, put_bytes};
use crate::format::FormatError;

/// More nodes than these do not come out of functions.
const MOST: usize = 100_000;

/// A function of a model.
#[derive(Default)]
struct Function<'a> {
    inputs: Vec<&'a str>,
    outputs: Vec<&'a str>,
    nodes: Vec<&'a [u8]>,
    opsets: Vec<(String, i64)>,
    /// Attributes with what they are if a call gives none.
    defaults: Vec<Attribute<'a>>,
}

impl<'a> Function<'a> {
    fn read(bytes: &'a [u8]) -> Result<Function<'a>, Fault> {
        let mut function = Function::default();
        for field in fields(bytes) {
            let field = field?;
            match field.number {
                4 => function.inputs.push(text(field.value)),
                5 => function.outputs.push(text(field.value)),
                7 => function.nodes.push(field.value.bytes()),
                9 => function.opsets.push(opset(field.value.bytes())?),
                11 => function.defaults.push(Attribute::read(field.value.bytes())?),
                _ => {}
            }
        }
        Ok(function)
    }
}

/// What comes of a call.
#[derive(Default)]
struct Made {
    list: Vec<Vec<u8>>,
    /// Nodes of functions that were looked at.
    calls: usize,
}

/// The nodes of a model's graph.
pub(super) fn unfold(source: &Source) -> Result<Unfolded, FormatError> {
    let graph = GraphProto::read(source.graph_bytes()).map_err(|f| source.fault(f))?;
    let mut unfolded = Unfolded::default();
    let mut made = 0;
    for (at, range) in graph.nodes.iter().enumerate() {
        unfolded.begins.push(unfolded.list.len());
        let mut nodes = Made::default();
        let whole = match source.model.functions.is_empty() {
            true => true,
            false => {
                let bytes = source.part(range);
                let called = NodeProto::read(bytes).map_err(|f| source.fault(f))?;
                unfolded.results.insert(at, called.outputs.iter().map(|n| (*n).to_owned()).collect());
                !is_function(source, &called) || !nodes_of(source, &called, 0, &mut nodes).map_err(|f| source.fault(f))?
            }
        };
        if whole {
            unfolded.list.push(Message::There(range.clone()));
            continue;
        }
        made += nodes.calls;
        if made > MOST {
            let what = format!("functions that unfold to more than {MOST} nodes");
            return Err(source.unsupported(&what, "onnx.inliner.inline_local_functions shows what they are"));
        }
        unfolded.list.extend(nodes.list.into_iter().map(Message::Made));
    }
    unfolded.begins.push(unfolded.list.len());
    Ok(unfolded)
}

fn is_function(source: &Source, call: &NodeProto) -> bool {
    source.model.functions.iter().any(|f| f.is(call.domain, call.op, call.overload))
}

/// Appends the nodes that a call stands for; false if they cannot stand in the graph.
fn nodes_of(source: &Source, call: &NodeProto, depth: usize, out: &mut Made) -> Result<bool, Fault> {
    let Some(found) = source.model.functions.iter().find(|f| f.is(call.domain, call.op, call.overload)) else { return Ok(false) };
    if depth > DEEPEST {
        return Ok(false);
    }
    let function = Function::read(source.bytes.get(found.at.clone()).unwrap_or(&[]))?;
    let prefix = match (call.name, call.outputs.first()) {
        ("", Some(output)) => output,
        (name, _) => name,
    };
    let mut names: FxHashMap<&str, String> = FxHashMap::default();
    for (k, name) in function.inputs.iter().enumerate() {
        names.insert(name, call.inputs.get(k).copied().unwrap_or("").to_owned());
    }
    for (k, name) in function.outputs.iter().enumerate() {
        let outer = call.outputs.get(k).copied().filter(|n| !n.is_empty());
        if let Some(outer) = outer {
            if let Some(given) = names.get(name) {
                out.list.push(copy(given, outer)); // an input that is a result
            } else {
                names.insert(name, outer.to_owned());
            }
        }
    }
    let named = |name: &str| match names.get(name) {
        _ if name.is_empty() => String::new(),
        Some(outer) => outer.clone(),
        None => format!("{prefix}/{name}"),
    };
    for (k, bytes) in function.nodes.iter().enumerate() {
        out.calls += 1;
        if out.calls > MOST {
            return Ok(true); // an error, for whoever asked
        }
        let inner = NodeProto::read(bytes)?;
        let own = is_function(source, &inner);
        let meant = |opsets| operator(opsets, inner.domain, inner.op, false);
        if !own && meant(&function.opsets) != meant(&source.model.opsets) {
            return Ok(false); // other versions of operators than the graph's
        }
        let mut message = Vec::with_capacity(bytes.len() + 32);
        for part in fields(bytes) {
            let part = part?;
            match part.number {
                1 | 2 => put_bytes(&mut message, part.number, named(text(part.value)).as_bytes()),
                3 => {}
                5 => match attribute(part.value.bytes(), call, &function)? {
                    Set::As(bytes) => put_bytes(&mut message, 5, &bytes),
                    Set::No => {}
                    Set::Graph => return Ok(false),
                },
                _ => message.extend_from_slice(&bytes[part.span.clone()]),
            }
        }
        let name = if inner.name.is_empty() { format!("{}_{k}", inner.op) } else { inner.name.to_owned() };
        put_bytes(&mut message, 3, format!("{prefix}/{name}").as_bytes());
        match own {
            false => out.list.push(message),
            true => {
                if !nodes_of(source, &NodeProto::read(&message)?, depth + 1, out)? {
                    return Ok(false);
                }
            }
        }
    }
    Ok(true)
}

/// A node that gives its input another name.
fn copy(from: &str, to: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for (field, text) in [(1, from), (2, to), (3, to), (4, "Identity")] {
        put_bytes(&mut out, field, text.as_bytes());
    }
    out
}

/// What an attribute in a function is in a call of it.
enum Set {
    As(Vec<u8>),
    No,
    /// It has a graph, whose names would be others.
    Graph,
}

fn attribute(bytes: &[u8], call: &NodeProto, function: &Function) -> Result<Set, Fault> {
    let own = Attribute::read(bytes)?;
    let graphs = |a: &Attribute| matches!(a.value, Setting::Graphs(_));
    if own.refers.is_empty() {
        return Ok(if graphs(&own) { Set::Graph } else { Set::As(bytes.to_vec()) });
    }
    let Some(given) = call.attributes.iter().chain(&function.defaults).find(|a| a.name == own.refers) else { return Ok(Set::No) };
    if graphs(given) {
        return Ok(Set::Graph);
    }
    let mut out = Vec::with_capacity(given.message.len());
    put_bytes(&mut out, 1, own.name.as_bytes());
    for field in fields(given.message) {
        let field = field?;
        if field.number != 1 {
            out.extend_from_slice(&given.message[field.span]);
        }
    }
    Ok(Set::As(out))
}
