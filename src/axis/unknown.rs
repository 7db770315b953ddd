//! Where a size comes from that cannot be worked out.

use crate::model::{Arg, Graph, Node, NodeId, Size, ValueId};

/// How deep arithmetic is written out.
const DEPTH: usize = 6;

/// A size that a node needs and that nothing tells: the arithmetic that gives it, and its line.
pub(super) fn unknown_size(graph: &Graph, shapes: &[Option<Vec<Size>>], id: NodeId) -> Option<(String, Option<String>)> {
    let unknown = |v: &ValueId| graph.value(*v).scalar.as_ref().is_some_and(open);
    let node = graph.node(id);
    let mut named = Vec::new();
    node.args.iter().for_each(|(_, arg)| scalars(arg, &mut named));
    let own = named.into_iter().find(|v| unknown(v));
    let found = own.or_else(|| {
        let operands = node.args.iter().flat_map(|(_, a)| a.tensors());
        let sizes: Vec<String> =
            operands.filter_map(|v| shapes.get(v.index())?.as_ref()).flatten().filter(|s| open(s)).map(Size::to_string).collect();
        let word = |c: char| !(c.is_alphanumeric() || c == '_');
        let mentions = |name: &str| sizes.iter().any(|s| s.split(word).any(|part| part == name));
        let made = graph.nodes[..id.index()].iter().flat_map(|n| n.outputs.iter().copied());
        made.filter(|v| unknown(v)).find(|v| mentions(&graph.value(*v).name))
    })?;
    let line = maker(graph, found).and_then(|n| n.source.line());
    Some((arithmetic(graph, found, DEPTH), line))
}

/// Neither a number nor a symbol that the file tells the size of.
fn open(size: &Size) -> bool {
    size.as_int().is_none() && size.hint().is_none()
}

fn scalars(arg: &Arg, found: &mut Vec<ValueId>) {
    match arg {
        Arg::Scalar(v) => found.push(*v),
        Arg::List(items) => items.iter().for_each(|a| scalars(a, found)),
        _ => {}
    }
}

fn maker(graph: &Graph, v: ValueId) -> Option<&Node> {
    graph.nodes.iter().find(|n| n.outputs.contains(&v))
}

/// `item(div(size(x, 2), 3))`: what gives a number, or a tensor of one.
fn arithmetic(graph: &Graph, v: ValueId, depth: usize) -> String {
    let value = graph.value(v);
    let one = value.scalar.is_some() || value.shape.as_ref().is_some_and(Vec::is_empty);
    let known = value.scalar.as_ref().and_then(Size::as_int);
    match maker(graph, v).filter(|_| one && depth > 0) {
        Some(node) => {
            let arg = |a: &Arg| match a {
                Arg::Tensor(v) | Arg::Scalar(v) => Some(arithmetic(graph, *v, depth - 1)),
                Arg::Int(n) => Some(n.to_string()),
                Arg::Float(x) => Some(x.to_string()),
                Arg::Str(s) => Some(format!("'{s}'")),
                _ => None,
            };
            let args: Vec<String> = node.args.iter().filter_map(|(_, a)| arg(a)).take(4).collect();
            let op = node.target.split('.').nth(1).unwrap_or(&node.target).trim_start_matches("sym_");
            format!("{op}({})", args.join(", "))
        }
        None => known.map_or_else(|| value.name.clone(), |n| n.to_string()),
    }
}
