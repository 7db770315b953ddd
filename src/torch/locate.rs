//! Finding the first node of a small model whose result is not what it is in the masked original.

use std::collections::HashMap;

use tch::{Kind, Tensor};

use super::compare::distance;
use super::error::TorchError;
use super::inputs::Inputs;
use super::program::Program;
use super::setup::Precision;
use super::verdict::{Difference, Verify};
use crate::Error;
use crate::axis::Propagation;
use crate::model::{Graph, Node, ValueId};
use crate::solve::{Options, Solution, solve};

/// About so many values are looked at in one run.
const AT_ONCE: usize = 32;

/// A value that both models have: where it is made in the small one, and the kept positions of each dimension.
struct Pair {
    original: ValueId,
    small: ValueId,
    /// Its maker's place in the small graph.
    node: usize,
    kept: Vec<Option<Vec<i64>>>,
}

/// The first node that differs, or the first that fails.
pub(super) fn locate(v: &Verify<'_>, inputs: &Inputs) -> Result<Difference, Error> {
    let small = &v.small.graph;
    let fails = |outputs: &[ValueId]| -> Result<Option<String>, TorchError> {
        let program = Program::new(small, &v.small.archive, Some(outputs), &v.setup)?;
        Ok(program.run(inputs).err().map(|e| e.to_string()))
    };
    // Programs that end after the first n nodes: the first of them that fails ends with the node that does.
    let ends: Vec<(usize, ValueId)> =
        (0..small.nodes.len()).filter_map(|n| Some((n, *small.nodes[n].outputs.first()?))).collect();
    if let Some((_, last)) = ends.last()
        && let Some(reason) = fails(&[*last])?
    {
        let (mut low, mut high, mut why) = (0, ends.len() - 1, reason);
        while low < high {
            let middle = low + (high - low) / 2;
            match fails(&[ends[middle].1])? {
                Some(reason) => (high, why) = (middle, reason),
                None => low = middle + 1,
            }
        }
        return Ok(of(small, &small.nodes[ends[high].0], None, Some(why)));
    }
    let mut original = v.original.graph.clone();
    crate::axis::read_spellings(&mut original, v.rules);
    crate::axis::drop_unused(&mut original, v.rules);
    let axes = crate::axis::propagate(&original, v.rules, &[])?;
    let options = Options { lossless: v.lossless, ..Options::default() };
    let solution = solve(&original, v.rules, &axes, v.masks, &options, v.original)?;
    let pairs = pairs(&original, small, &axes, &solution);
    // Any wrong value, then from ancestor to ancestor, until all that a wrong one is made from directly are right.
    let ancestry = Ancestry::new(small, &pairs);
    let mut candidates: Vec<usize> = (0..pairs.len()).collect();
    let mut direct: Vec<usize> = pairs.len().checked_sub(1).into_iter().collect();
    let mut found = None;
    loop {
        let step = candidates.len().div_ceil(AT_ONCE).max(1);
        let mut looked: Vec<usize> = candidates.iter().copied().step_by(step).chain(direct.iter().copied()).collect();
        looked.sort_unstable();
        looked.dedup();
        if looked.is_empty() {
            break;
        }
        let found_now =
            looked.iter().zip(distances(v, inputs, &pairs, &looked)?).find(|(_, d)| d.is_some_and(|d| d > tolerance(v)));
        let Some((at, Some(distance))) = found_now else { break };
        found = Some((*at, distance));
        (candidates, direct) = ancestry.of(*at);
    }
    Ok(match found {
        Some((at, distance)) => of(small, &small.nodes[pairs[at].node], Some(distance), None),
        // No value that both have differs: it is what makes the result.
        None => match small.nodes.last() {
            Some(last) => of(small, last, None, None),
            None => return Err(TorchError::Incomparable { reason: "the small model computes nothing".to_owned() }.into()),
        },
    })
}

fn tolerance(v: &Verify<'_>) -> f64 {
    v.tolerance.unwrap_or(if v.setup.precision == Precision::Double { 1e-6 } else { 1e-3 })
}

fn of(graph: &Graph, node: &Node, relative: Option<f64>, reason: Option<String>) -> Difference {
    let line = node.source.line().or_else(|| {
        // A node that a plan added stands for the one whose place it took; its neighbours know the line.
        graph.nodes.iter().find(|n| n.name == node.name).and_then(|n| n.source.line())
    });
    Difference { node: node.name.clone(), op: node.target.clone(), line, relative, reason }
}

/// Values of one name in both models whose sizes agree once the original's are cut.
fn pairs(original: &Graph, small: &Graph, axes: &Propagation, solution: &Solution<'_>) -> Vec<Pair> {
    let made = original.nodes.iter().flat_map(|n| &n.outputs);
    let by_name: HashMap<&str, ValueId> = made.map(|v| (original.value(*v).name.as_str(), *v)).collect();
    let mut pairs = Vec::new();
    for (n, node) in small.nodes.iter().enumerate() {
        for v in &node.outputs {
            let value = small.value(*v);
            let Some(old) = by_name.get(value.name.as_str()) else { continue };
            let rank = match &value.shape {
                Some(shape) if value.dtype.is_float() => shape.len(),
                _ => continue,
            };
            if original.shape(*old).len() != rank || (0..rank).any(|d| solution.ragged(axes, *old, d).is_some()) {
                continue;
            }
            let kept = |d: usize| {
                let kept = solution.dim(axes, *old, d)?;
                Some(kept.iter().enumerate().filter(|(_, k)| **k).map(|(at, _)| at as i64).collect())
            };
            pairs.push(Pair { original: *old, small: *v, node: n, kept: (0..rank).map(kept).collect() });
        }
    }
    pairs
}

/// From which comparable values each is made.
struct Ancestry {
    /// For each pair the pairs that it is made from with no other pair between, by their places.
    direct: Vec<Vec<usize>>,
}

impl Ancestry {
    fn new(graph: &Graph, pairs: &[Pair]) -> Ancestry {
        let place: HashMap<ValueId, usize> = pairs.iter().enumerate().map(|(k, p)| (p.small, k)).collect();
        // What reaches a value without passing another pair.
        let mut reach: Vec<Vec<usize>> = vec![Vec::new(); graph.values.len()];
        let mut direct = vec![Vec::new(); pairs.len()];
        for node in &graph.nodes {
            let mut from: Vec<usize> =
                node.args.iter().flat_map(|(_, a)| a.tensors()).flat_map(|v| reach[v.index()].iter().copied()).collect();
            from.sort_unstable();
            from.dedup();
            for v in &node.outputs {
                match place.get(v) {
                    Some(k) => {
                        direct[*k].clone_from(&from);
                        reach[v.index()] = vec![*k];
                    }
                    None => reach[v.index()].clone_from(&from),
                }
            }
        }
        Ancestry { direct }
    }

    /// All ancestors of a pair in order, and the direct ones.
    fn of(&self, pair: usize) -> (Vec<usize>, Vec<usize>) {
        let mut seen = vec![false; self.direct.len()];
        let mut open = self.direct[pair].clone();
        while let Some(k) = open.pop() {
            if !std::mem::replace(&mut seen[k], true) {
                open.extend(&self.direct[k]);
            }
        }
        ((0..seen.len()).filter(|k| seen[*k]).collect(), self.direct[pair].clone())
    }
}

/// How far the listed values are apart; nothing where their sizes differ: then other positions stayed than the masks alone
/// would leave, which is not wrong by itself.
fn distances(v: &Verify<'_>, inputs: &Inputs, pairs: &[Pair], looked: &[usize]) -> Result<Vec<Option<f64>>, TorchError> {
    let values = |side: fn(&Pair) -> ValueId| looked.iter().map(|at| side(&pairs[*at])).collect::<Vec<_>>();
    let masked = Program::new(&v.original.graph, &v.original.archive, Some(&values(|p| p.original)), &v.setup)?;
    masked.mask(v.masks)?;
    let cut = Program::new(&v.small.graph, &v.small.archive, Some(&values(|p| p.small)), &v.setup)?;
    let (want, got) = (masked.run(inputs)?, cut.run(inputs)?);
    let mut found = Vec::with_capacity(looked.len());
    for ((at, want), got) in looked.iter().zip(want).zip(got) {
        let mut want: Tensor = want;
        for (d, kept) in pairs[*at].kept.iter().enumerate() {
            if let Some(kept) = kept {
                let index = Tensor::from_slice(kept).to_kind(Kind::Int64).to_device(want.device());
                want = want.index_select(d as i64, &index);
            }
        }
        let same = want.size() == got.size();
        found.push(same.then(|| distance(&want, &got, None).relative));
    }
    Ok(found)
}
