//! Runs that take each dimension to itself, such as a channel shuffle: view, transpose, view.

use std::collections::HashMap;
use std::sync::Arc;

use super::digits::{Digit, letters, result, whole};
use super::{Composite, Search};
use crate::axis::layout::can_list;
use crate::axis::node::Sketch;
use crate::axis::node::{DimExpr, LetterId};
use crate::model::{NodeId, Size};

impl Search<'_> {
    /// The longest run that begins with this node.
    pub(super) fn run(&self, start: NodeId) -> Option<Composite> {
        let (from, first) = self.mover(start)?;
        let of = |l: LetterId| first.letters[l as usize].size.clone();
        let sizes: Vec<Size> = first.operands[0].dims.iter().map(|d| d.size(&of)).collect();
        let mut digits = whole(&sizes);
        let (mut node, mut value, mut nodes, mut cut, mut best) = (start, from, Vec::new(), false, None);
        let mut by_node = HashMap::new();
        while let Some((input, sketch)) = self.mover(node) {
            if input != value {
                break;
            }
            cut |= sketch.operands[0].dims.iter().any(|d| matches!(d, DimExpr::Product(_)));
            let Some(of) = letters(sketch, &digits) else { break };
            digits = result(sketch, &of);
            by_node.insert(node, of);
            nodes.push(node);
            let Some(output) = self.graph.node(node).outputs.first() else { break };
            value = *output;
            if cut && nodes.len() > 1 {
                best = maps(&digits, &sizes).map(|maps| (nodes.len(), value, maps)).or(best);
            }
            let Some(next) = self.only_reader(value) else { break };
            node = next;
        }
        let (len, to, maps) = best?;
        nodes.truncate(len);
        let mut sketch = Sketch { copies: true, ..Sketch::default() };
        let dims: Vec<DimExpr> =
            sizes.iter().enumerate().map(|(k, s)| DimExpr::Letter(sketch.letter(format!("d{k}"), s.clone()))).collect();
        let out = maps.into_iter().enumerate().map(|(k, map)| match map {
            _ if sizes[k].is(1) => DimExpr::One,
            Some(map) => DimExpr::Pick(k as LetterId, map),
            None => DimExpr::Letter(k as LetterId),
        });
        let out = out.collect();
        sketch.operand("self", from, dims);
        sketch.output(Some(to), out);
        Some(Composite { nodes, from, results: vec![to], sketch, digits: by_node, split: None })
    }
}

/// For each dimension the positions of the same dimension of the input, in the result's order (`None`: the same), if every
/// dimension comes from all of itself.
fn maps(digits: &[Vec<Digit>], sizes: &[Size]) -> Option<Vec<Option<Arc<[u32]>>>> {
    if digits.len() != sizes.len() {
        return None;
    }
    digits.iter().enumerate().map(|(k, list)| map(k, list, &sizes[k])).collect()
}

fn map(dim: usize, list: &[Digit], size: &Size) -> Option<Option<Arc<[u32]>>> {
    let product = list.iter().fold(Size::int(1), |n, d| n.mul(&d.size));
    if list.iter().any(|d| d.dim != dim) || product != *size {
        return None;
    }
    if list.len() <= 1 {
        return Some(None);
    }
    let sizes: Vec<i64> = list.iter().map(|d| d.size.as_int()).collect::<Option<_>>()?;
    let position = |mut p: i64| {
        let mut at = 0;
        for (d, n) in list.iter().zip(&sizes).rev() {
            at += (p % n) * d.div;
            p /= n;
        }
        at as u32
    };
    if !can_list(size) {
        return None;
    }
    let map: Arc<[u32]> = (0..sizes.iter().product()).map(position).collect();
    let same = map.iter().enumerate().all(|(k, p)| k == *p as usize);
    Some((!same).then_some(map))
}
