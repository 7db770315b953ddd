//! Conditions and loops: what their graphs read, and what they tell of the results. Nothing in them is changed, and what they read stays whole.

use std::collections::HashSet;

use super::proto::{DEEPEST, Dim, GraphProto, NodeProto, Setting, TensorProto, ValueInfo};
use super::wire::Fault;

/// A result's element type and sizes, as far as they are told.
pub(super) type Told<'a> = (i64, Option<Vec<Dim<'a>>>);

/// What is told of the results of a node with graphs, in order; nothing of other nodes.
pub(super) fn results<'a>(node: &NodeProto<'a>) -> Result<Vec<Told<'a>>, Fault> {
    let mut graphs = Vec::new();
    for attribute in &node.attributes {
        if let Setting::Graphs(list) = &attribute.value {
            for bytes in list {
                graphs.push(outputs(bytes)?);
            }
        }
    }
    Ok(match (node.op, graphs.as_slice()) {
        ("If", [yes, no]) => yes.iter().zip(no).map(|(a, b)| (a.0, either(&a.1, &b.1))).collect(),
        // The first result of a loop's body says whether it goes on; values that it carries come before those that are stacked.
        ("Loop", [body]) => {
            let carried = node.inputs.len().saturating_sub(2);
            let stack =
                |(k, (kind, dims)): (usize, &Told<'a>)| (*kind, if k < carried { dims.clone() } else { stacked(dims, 0) });
            body.iter().skip(1).enumerate().map(stack).collect()
        }
        ("Scan", [body]) => {
            let number = |name: &str| node.attributes.iter().find(|a| a.name == name).map(|a| &a.value);
            let scanned = if let Some(Setting::Int(n)) = number("num_scan_inputs") { *n } else { 0 };
            let carried = node.inputs.len().saturating_sub(usize::try_from(scanned).unwrap_or(0));
            let axis = |k: usize| match number("scan_output_axes") {
                Some(Setting::Ints(list)) => list.get(k).copied().unwrap_or(0),
                _ => 0,
            };
            let stack = |(k, (kind, dims)): (usize, &Told<'a>)| {
                (*kind, if k < carried { dims.clone() } else { stacked(dims, axis(k - carried)) })
            };
            body.iter().enumerate().map(stack).collect()
        }
        _ => Vec::new(),
    })
}

fn outputs<'a>(bytes: &'a [u8]) -> Result<Vec<Told<'a>>, Fault> {
    let graph = GraphProto::read(bytes)?;
    let read = |at: &std::ops::Range<usize>| ValueInfo::read(&bytes[at.clone()]);
    let known = graph.values.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    graph
        .outputs
        .iter()
        .map(|at| {
            let own = read(at)?;
            let told = known.iter().find(|i| i.name == own.name && own.dims.is_none());
            Ok(told.map_or((own.kind, own.dims.clone()), |i| (i.kind, i.dims.clone())))
        })
        .collect()
}

/// Sizes that two have in common.
fn either<'a>(a: &Option<Vec<Dim<'a>>>, b: &Option<Vec<Dim<'a>>>) -> Option<Vec<Dim<'a>>> {
    let (a, b) = (a.as_ref()?, b.as_ref()?);
    let one = |(a, b): (&Dim<'a>, &Dim<'a>)| if a == b { *a } else { Dim::Unknown };
    (a.len() == b.len()).then(|| a.iter().zip(b).map(one).collect())
}

/// With a dimension more.
fn stacked<'a>(dims: &Option<Vec<Dim<'a>>>, axis: i64) -> Option<Vec<Dim<'a>>> {
    let mut dims = dims.clone()?;
    let rank = dims.len() as i64 + 1;
    let at = usize::try_from(if axis < 0 { axis + rank } else { axis }).ok().filter(|at| *at <= dims.len())?;
    dims.insert(at, Dim::Unknown);
    Some(dims)
}

/// The names that subgraphs read from outside, and those of all their nodes: what a node with such attributes reads beside its inputs.
pub(super) fn captured<'a>(node: &NodeProto<'a>, depth: usize, found: &mut Vec<&'a str>) -> Result<(), Fault> {
    if depth > DEEPEST {
        return Err(Fault { at: 0, reason: "subgraphs are nested too deeply" });
    }
    for attribute in &node.attributes {
        let Setting::Graphs(graphs) = &attribute.value else { continue };
        for bytes in graphs {
            let graph = GraphProto::read(bytes)?;
            let mut own: Vec<&str> = Vec::new();
            for at in &graph.inputs {
                own.push(ValueInfo::read(&bytes[at.clone()])?.name);
            }
            for at in &graph.initializers {
                own.push(TensorProto::read(&bytes[at.clone()])?.name);
            }
            let mut inner = Vec::new();
            for at in &graph.nodes {
                let inside = NodeProto::read(&bytes[at.clone()])?;
                inner.extend(inside.inputs.iter().copied());
                captured(&inside, depth + 1, &mut inner)?;
                own.extend(inside.outputs);
            }
            for at in &graph.outputs {
                inner.push(ValueInfo::read(&bytes[at.clone()])?.name);
            }
            let own: HashSet<&str> = own.into_iter().collect();
            found.extend(inner.into_iter().filter(|name| !name.is_empty() && !own.contains(name)));
        }
    }
    Ok(())
}
