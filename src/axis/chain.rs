//! Runs of layout operators that take each dimension to itself, such as a channel shuffle: view, transpose, view.
//!
//! Where nobody else reads the values inside such a run, it is one map of positions from its first value to its last, which
//! ties positions one by one and not the coordinates that the inner views need.

use std::collections::HashMap;
use std::sync::Arc;

use super::alias::Aliases;
use super::bound::{DimExpr, Given};
use super::sketch::Sketch;
use crate::model::{Graph, NodeId, Size, ValueId};

/// A run and the map that it is.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its nodes, in order.
    pub nodes: Vec<NodeId>,
    /// What goes in.
    pub from: ValueId,
    /// What comes out.
    pub to: ValueId,
    /// For each dimension of the result: the dimension it comes from, and the positions in it, in the result's order.
    pub dims: Vec<Option<(usize, Option<Arc<[u32]>>)>>,
}

/// A dimension, or a digit of it: position = (digit's value) * div + ….
#[derive(Clone, Debug, PartialEq)]
struct Digit {
    dim: usize,
    div: i64,
    size: Size,
}

/// Finds all runs, longest first from each start; they do not overlap.
pub fn runs(graph: &Graph, sketches: &[Option<Sketch>], aliases: &Aliases) -> Vec<Run> {
    let mut readers: HashMap<ValueId, Vec<NodeId>> = HashMap::new();
    for id in graph.node_ids() {
        for v in graph.node(id).args.iter().flat_map(|(_, a)| a.tensors()) {
            readers.entry(v).or_default().push(id);
        }
    }
    graph.outputs.iter().for_each(|v| readers.entry(*v).or_default().push(NodeId(u32::MAX)));
    let mut taken = vec![false; graph.nodes.len()];
    let mut found = Vec::new();
    for start in graph.node_ids() {
        if taken[start.index()] {
            continue;
        }
        if let Some(run) = longest(graph, sketches, aliases, &readers, start) {
            run.nodes.iter().for_each(|n| taken[n.index()] = true);
            found.push(run);
        }
    }
    found
}

fn longest(
    graph: &Graph,
    sketches: &[Option<Sketch>],
    aliases: &Aliases,
    readers: &HashMap<ValueId, Vec<NodeId>>,
    start: NodeId,
) -> Option<Run> {
    let (from, _) = step(sketches[start.index()].as_ref()?)?;
    if aliases.written(from) || graph.node(start).graph != 0 {
        return None;
    }
    let sizes: Vec<Size> = {
        let sketch = sketches[start.index()].as_ref()?;
        let of = |l: u32| sketch.letters[l as usize].size.clone();
        sketch.operands[0].dims.iter().map(|d| d.size(&of)).collect()
    };
    let whole = |(dim, size): (usize, &Size)| {
        if size.is(1) { vec![] } else { vec![Digit { dim, div: 1, size: size.clone() }] }
    };
    let mut digits: Vec<Vec<Digit>> = sizes.iter().enumerate().map(whole).collect();
    let (mut node, mut value, mut nodes, mut cut, mut best) = (start, from, Vec::new(), false, None);
    loop {
        let Some((input, sketch)) = sketches[node.index()].as_ref().and_then(|s| step(s).map(|(v, _)| (v, s))) else { break };
        if input != value || graph.node(node).graph != 0 {
            break;
        }
        cut |= sketch.operands[0].dims.iter().any(|d| matches!(d, DimExpr::Product(_)));
        let Some(next) = apply(sketch, &digits) else { break };
        digits = next;
        nodes.push(node);
        value = graph.node(node).outputs[0];
        if cut && nodes.len() > 1 {
            best = whole_dims(&digits, &sizes).map(|dims| (nodes.len(), value, dims)).or(best);
        }
        match readers.get(&value).map(Vec::as_slice) {
            Some([only]) if only.index() < graph.nodes.len() => node = *only,
            _ => break,
        }
    }
    let (len, to, dims) = best?;
    nodes.truncate(len);
    Some(Run { nodes, from, to, dims })
}

/// The operand of a layout that only moves elements.
fn step(sketch: &Sketch) -> Option<(ValueId, ())> {
    let ([operand], [output]) = (sketch.operands.as_slice(), sketch.outputs.as_slice()) else { return None };
    let plain = |d: &DimExpr| match d {
        DimExpr::One | DimExpr::Letter(_) => true,
        DimExpr::Product(parts) => parts.iter().all(|p| matches!(p, DimExpr::Letter(_))),
        _ => false,
    };
    let moves = sketch.copies
        && sketch.locked.is_empty()
        && sketch.letters.iter().all(|l| !l.made)
        && operand.at.is_empty()
        && output.at.is_empty()
        && operand.dims.iter().chain(&output.dims).all(plain);
    let count = |dims: &[DimExpr]| dims.iter().map(|d| d.letters().len()).sum::<usize>();
    match operand.given {
        Given::Tensor(v) if moves && count(&operand.dims) == count(&output.dims) => Some((v, ())),
        _ => None,
    }
}

fn apply(sketch: &Sketch, digits: &[Vec<Digit>]) -> Option<Vec<Vec<Digit>>> {
    let mut of: Vec<Vec<Digit>> = vec![Vec::new(); sketch.letters.len()];
    for (d, list) in sketch.operands[0].dims.iter().zip(digits) {
        match d {
            DimExpr::Letter(l) => of[*l as usize] = list.clone(),
            DimExpr::Product(parts) => {
                let mut rest = list.clone();
                for part in parts {
                    let DimExpr::Letter(l) = part else { return None };
                    of[*l as usize] = take(&mut rest, &sketch.letters[*l as usize].size)?;
                }
            }
            _ => {}
        }
    }
    let gather = |d: &DimExpr| d.letters().iter().flat_map(|l| of[*l as usize].clone()).collect();
    Some(sketch.outputs[0].dims.iter().map(gather).collect())
}

/// Takes digits with this product from the outer end, splitting the last one if need be.
fn take(rest: &mut Vec<Digit>, size: &Size) -> Option<Vec<Digit>> {
    let mut taken = Vec::new();
    let mut left = size.clone();
    while !left.is(1) {
        if rest.is_empty() {
            return None;
        }
        if let Some(quotient) = left.div_exact(&rest[0].size) {
            left = quotient;
            taken.push(rest.remove(0));
            continue;
        }
        let (whole, part) = (rest[0].size.as_int()?, left.as_int()?);
        if part == 0 || whole % part != 0 {
            return None;
        }
        let first = rest[0].clone();
        taken.push(Digit { dim: first.dim, div: first.div * (whole / part), size: left });
        rest[0].size = Size::int(whole / part);
        left = Size::int(1);
    }
    Some(taken)
}

/// The map of positions, if every dimension comes from all of one dimension.
fn whole_dims(digits: &[Vec<Digit>], sizes: &[Size]) -> Option<Vec<Option<(usize, Option<Arc<[u32]>>)>>> {
    if digits.len() != sizes.len() {
        return None;
    }
    let mut seen = vec![false; sizes.len()];
    let mut out = Vec::new();
    for (k, list) in digits.iter().enumerate() {
        if list.iter().any(|d| d.dim != k) {
            return None;
        }
        let Some(first) = list.first() else {
            out.push(None);
            continue;
        };
        let product = list.iter().fold(Size::int(1), |n, d| n.mul(&d.size));
        if product != sizes[first.dim] || std::mem::replace(&mut seen[first.dim], true) {
            return None;
        }
        if list.len() == 1 {
            out.push(Some((first.dim, None)));
            continue;
        }
        let sizes: Vec<i64> = list.iter().map(|d| d.size.as_int()).collect::<Option<_>>()?;
        let total: i64 = sizes.iter().product();
        let map: Arc<[u32]> = (0..total)
            .map(|mut p| {
                let mut at = 0;
                for (d, n) in list.iter().zip(&sizes).rev() {
                    at += (p % n) * d.div;
                    p /= n;
                }
                at as u32
            })
            .collect();
        let same = map.iter().enumerate().all(|(k, p)| k == *p as usize);
        out.push(Some((first.dim, (!same).then_some(map))));
    }
    let complete = sizes.iter().enumerate().all(|(k, s)| seen[k] || s.is(1));
    complete.then_some(out)
}
