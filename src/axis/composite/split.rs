//! Splits: a dimension is viewed as `(parts, rest)`, perhaps moved, and each part is selected: fused queries, keys, values.
//!
//! Each part is then an axis of its own, as if it had been sliced off, and may lose other positions than the others.

use std::collections::HashMap;

use super::digits::{Digit, letters, result, whole};
use super::{Composite, Search, Split};
use crate::axis::node::Sketch;
use crate::axis::node::{DimExpr, LetterId};
use crate::model::{NodeId, Size, ValueId};

/// A node that takes single positions of one dimension: which dimension, and for each result which position.
struct Selects {
    dim: usize,
    results: Vec<(ValueId, usize)>,
}

impl Search<'_> {
    /// The split that begins with this node.
    pub(super) fn split(&self, start: NodeId) -> Option<Composite> {
        let (from, first) = self.mover(start)?;
        let of = |l: LetterId| first.letters[l as usize].size.clone();
        let sizes: Vec<Size> = first.operands[0].dims.iter().map(|d| d.size(&of)).collect();
        let mut digits = whole(&sizes);
        let (mut node, mut value, mut nodes) = (start, from, Vec::new());
        let mut by_node = HashMap::new();
        loop {
            let (input, sketch) = self.mover(node)?;
            if input != value {
                return None;
            }
            let of = letters(sketch, &digits)?;
            digits = result(sketch, &of);
            by_node.insert(node, of);
            nodes.push(node);
            value = *self.graph.node(node).outputs.first()?;
            if let Some(Selectors { nodes: selectors, dim, results, cut }) = self.selectors(value) {
                let split = apart(&digits, dim, &sizes, &results)?;
                nodes.extend(&selectors);
                nodes.sort_unstable();
                let (sketch, mut split) = split.sketch(from, &sizes, &digits, dim, &results);
                split.cut = cut.into_iter().map(|node| (node, dim)).collect();
                let values = results.iter().map(|(v, _, _)| *v).collect();
                return Some(Composite { nodes, from, results: values, sketch, digits: by_node, split: Some(split) });
            }
            node = self.only_reader(value)?;
        }
    }

    /// All readers of a value, if each takes single positions of the same dimension.
    fn selectors(&self, value: ValueId) -> Option<Selectors> {
        let mut nodes: Vec<NodeId> = self.readers.get(&value)?.clone();
        nodes.dedup();
        let mut all = Selectors { nodes: nodes.clone(), dim: 0, results: Vec::new(), cut: Vec::new() };
        for (k, node) in nodes.into_iter().enumerate() {
            if node.index() >= self.graph.nodes.len() || self.graph.node(node).graph != 0 {
                return None;
            }
            let sketch = self.sketches[node.index()]?;
            let (dim, results) = match selects(sketch) {
                Some(Selects { dim, results }) => (dim, results.into_iter().map(|(v, at)| (v, at, node)).collect()),
                None => {
                    let (dim, results) = self.cuts(sketch)?;
                    all.cut.push(node);
                    all.nodes.extend(results.iter().map(|(_, _, squeeze)| *squeeze));
                    (dim, results)
                }
            };
            if (k > 0 && dim != all.dim) || results.iter().any(|(v, _, _)| self.aliases.written(*v)) {
                return None;
            }
            all.dim = dim;
            all.results.extend(results);
        }
        (!all.results.is_empty()).then_some(all)
    }

    /// A node that cuts off single positions of a dimension, where the one node that reads each leaves the dimension out.
    #[allow(clippy::type_complexity)]
    fn cuts(&self, sketch: &Sketch) -> Option<(usize, Vec<(ValueId, usize, NodeId)>)> {
        let [operand] = sketch.operands.as_slice() else { return None };
        let dim = operand.dims.iter().position(|d| matches!(d, DimExpr::Sum(_)))?;
        let DimExpr::Sum(parts) = &operand.dims[dim] else { return None };
        let mut results = Vec::new();
        for output in &sketch.outputs {
            let mut rest = output.dims.clone();
            let part = if dim < rest.len() { std::mem::replace(&mut rest[dim], operand.dims[dim].clone()) } else { return None };
            let DimExpr::Letter(one) = part else { return None };
            let known = sketch.copies && sketch.locked.is_empty() && output.at.is_empty() && rest == operand.dims;
            if !known || !sketch.letters[one as usize].size.is(1) {
                return None;
            }
            let before = parts.iter().take_while(|p| **p != DimExpr::Letter(one));
            let position = before.map(|p| p.len(&sketch.letters)).sum();
            let squeeze = self.only_reader(output.value?)?;
            let (_, left) = self.mover(squeeze)?;
            let mut dims = left.operands[0].dims.clone();
            if dims.remove(dim) != DimExpr::One || dims != left.outputs[0].dims {
                return None;
            }
            results.push((left.outputs[0].value?, position, squeeze));
        }
        Some((dim, results))
    }
}

/// Nodes that take single positions of a dimension.
struct Selectors {
    nodes: Vec<NodeId>,
    dim: usize,
    /// Results, with their position and their node.
    results: Vec<(ValueId, usize, NodeId)>,
    /// Those that leave a dimension of one, which another node leaves out.
    cut: Vec<NodeId>,
}

fn selects(sketch: &Sketch) -> Option<Selects> {
    let [operand] = sketch.operands.as_slice() else { return None };
    let is_sum = |d: &DimExpr| matches!(d, DimExpr::Sum(_));
    let dim = operand.dims.iter().position(is_sum)?;
    let DimExpr::Sum(parts) = &operand.dims[dim] else { return None };
    let mut rest = operand.dims.clone();
    rest.remove(dim);
    let mut results = Vec::new();
    for output in &sketch.outputs {
        let [at] = output.at.as_slice() else { return None };
        if output.dims != rest || rest.iter().any(is_sum) || !sketch.copies {
            return None;
        }
        let mut position = 0;
        for part in parts {
            let DimExpr::Letter(l) = part else { return None };
            if l == at {
                break;
            }
            position += sketch.letters[*l as usize].len();
        }
        results.extend(output.value.map(|v| (v, position)));
    }
    (!results.is_empty()).then_some(Selects { dim, results })
}

/// The digit that is taken apart, and the others of its dimension.
struct Apart {
    dim: usize,
    parts: usize,
    /// The digits of every source dimension, outermost first; without the one that is taken apart.
    digits: Vec<Vec<Digit>>,
}

/// Checks that the selected dimension is the outermost digit of one of the input's.
fn apart(digits: &[Vec<Digit>], dim: usize, sizes: &[Size], results: &[(ValueId, usize, NodeId)]) -> Option<Apart> {
    let [digit] = digits[dim].as_slice() else { return None };
    let (n, step) = (digit.size.as_int()?, digit.div);
    if sizes[digit.dim].as_int()? != n * step || step < 2 || results.iter().any(|(_, at, _)| *at as i64 >= n) {
        return None;
    }
    let mut of: Vec<Vec<Digit>> = vec![Vec::new(); sizes.len()];
    for d in digits.iter().enumerate().filter(|(k, _)| *k != dim).flat_map(|(_, list)| list) {
        of[d.dim].push(d.clone());
    }
    of.iter_mut().for_each(|list| list.sort_by_key(|d| std::cmp::Reverse(d.div)));
    Some(Apart { dim: digit.dim, parts: n as usize, digits: of })
}

impl Apart {
    fn sketch(
        self,
        from: ValueId,
        sizes: &[Size],
        digits: &[Vec<Digit>],
        selected: usize,
        results: &[(ValueId, usize, NodeId)],
    ) -> (Sketch, Split) {
        let mut sketch = Sketch { copies: true, ..Sketch::default() };
        let join = |mut list: Vec<DimExpr>| if list.len() == 1 { list.remove(0) } else { DimExpr::Product(list) };
        let mut plain: Vec<(Digit, LetterId)> = Vec::new();
        let mut slots: Vec<(Digit, Vec<LetterId>)> = self.digits[self.dim].iter().map(|d| (d.clone(), Vec::new())).collect();
        let mut dims = Vec::new();
        for (k, list) in self.digits.iter().enumerate() {
            if k == self.dim {
                let part = |sketch: &mut Sketch, p: usize, slots: &mut Vec<(Digit, Vec<LetterId>)>| {
                    let letter = |(t, (d, letters)): (usize, &mut (Digit, Vec<LetterId>))| {
                        letters.push(sketch.letter(format!("part{p}.{t}"), d.size.clone()));
                        DimExpr::Letter(letters[p])
                    };
                    join(slots.iter_mut().enumerate().map(letter).collect())
                };
                dims.push(DimExpr::Sum((0..self.parts).map(|p| part(&mut sketch, p, &mut slots)).collect()));
                continue;
            }
            let letter = |d: &Digit| {
                let l = sketch.letter(format!("d{k}.{}", d.div), d.size.clone());
                plain.push((d.clone(), l));
                DimExpr::Letter(l)
            };
            let letters: Vec<DimExpr> = list.iter().map(letter).collect();
            dims.push(if sizes[k].is(1) { DimExpr::One } else { join(letters) });
        }
        sketch.operand("self", from, dims);
        for (value, part, _) in results {
            let of = |d: &Digit| {
                let slot = slots.iter().find(|(s, _)| s == d).map(|(_, letters)| letters[*part]);
                slot.or_else(|| plain.iter().find(|(p, _)| p == d).map(|(_, l)| *l)).map_or(DimExpr::One, DimExpr::Letter)
            };
            let dim = |list: &Vec<Digit>| if list.is_empty() { DimExpr::One } else { join(list.iter().map(of).collect()) };
            let rest = digits.iter().enumerate().filter(|(k, _)| *k != selected);
            let dims = rest.map(|(_, list)| dim(list)).collect();
            sketch.output(Some(*value), dims);
        }
        let leaves = results.iter().map(|(_, part, node)| (*node, *part)).collect();
        let split = Split { dim: self.dim, slots, plain, leaves, parts: self.parts, cut: Vec::new() };
        (sketch, split)
    }
}
