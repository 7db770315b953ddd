//! Masks of weights that are computed from parameters (`torch.nn.utils.parametrize`, the older weight norm): such a mask reaches the
//! parameters behind the weight where masking these gives exactly the masked weight.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};

use super::positions::{Contexts, Frame};
use super::proof::{Clauses, FINITE, NONNEG, NONZERO, ValueFacts, ZERO};
use super::votes::{Computed, Given, Mask, Roles, behind};
use crate::axis::{Bound, BoundOperand, Call, DimExpr, Given as Operand, LetterId, Propagation};
use crate::model::{Graph, Role, ValueId};
use crate::rule::{Pick, RuleSet};

/// A mask that depends on some dimensions of a tensor only.
#[derive(Clone, Debug, PartialEq)]
struct Part {
    dims: Vec<usize>,
    sizes: Vec<usize>,
    keep: Vec<u8>,
}

/// Gives masks of computed weights to the parameters behind them. Returns the names of those that it cannot.
pub fn reach<'a>(
    graph: &Graph,
    rules: &RuleSet,
    p: &Propagation,
    roles: &Roles,
    masks: Computed<'a>,
    given: &mut [Option<Given<'a>>],
) -> Vec<String> {
    let tensor_of = graph.tensors.iter().enumerate().map(|(k, t)| (t.value, k)).collect();
    let walk = Walk { graph, rules, p, roles, tensor_of };
    let mut ignored = Vec::new();
    for (name, mask) in masks {
        let Some(found) = walk.parameters(&name, mask) else {
            ignored.push(name.into_owned());
            continue;
        };
        for (k, part) in found {
            let shape = &graph.tensors[k].shape;
            let mut keep = part.spread(shape);
            if let Some(other) = given[k].as_ref().filter(|g| g.mask.keep.len() == keep.len()) {
                keep.iter_mut().zip(other.mask.keep.iter()).for_each(|(k, other)| *k &= u8::from(*other != 0));
            }
            given[k] = Some(Given::whole(Mask { shape: shape.clone(), keep: Cow::Owned(keep) }));
        }
    }
    ignored
}

impl Part {
    /// Of a mask, the dimensions along which it varies.
    fn of(mask: &Mask) -> Part {
        let shape = &mask.shape;
        let step = |d: usize| shape[d + 1..].iter().product::<usize>().max(1);
        let at = |n: usize, d: usize| n / step(d) % shape[d].max(1);
        let keep: Vec<u8> = mask.keep.iter().map(|k| u8::from(*k != 0)).collect();
        let varies = |d: &usize| keep.iter().enumerate().any(|(n, k)| *k != keep[n - at(n, *d) * step(*d)]);
        let dims: Vec<usize> = (0..shape.len()).filter(varies).collect();
        let sizes: Vec<usize> = dims.iter().map(|d| shape[*d]).collect();
        let mut part = vec![1; sizes.iter().product()];
        for (n, k) in keep.iter().enumerate() {
            part[dims.iter().fold(0, |place, d| place * shape[*d] + at(n, *d))] = *k;
        }
        Part { dims, sizes, keep: part }
    }

    /// The mask of a whole tensor.
    fn spread(&self, shape: &[usize]) -> Vec<u8> {
        let step = |d: usize| shape[d + 1..].iter().product::<usize>().max(1);
        let place = |n: usize| self.dims.iter().fold(0, |place, d| place * shape[*d] + n / step(*d) % shape[*d].max(1));
        (0..shape.iter().product()).map(|n| self.keep[place(n)]).collect()
    }
}

struct Walk<'a> {
    graph: &'a Graph,
    rules: &'a RuleSet,
    p: &'a Propagation,
    roles: &'a Roles,
    tensor_of: FxHashMap<ValueId, usize>,
}

/// What masking some parameters changes of a value.
#[derive(Clone, Debug, PartialEq)]
enum Changed {
    Nothing,
    /// Elements at masked positions of these dimensions alone.
    At(Vec<usize>),
    /// Others too.
    More,
}

impl Walk<'_> {
    /// The masks of parameters that together are the mask of a computed weight.
    fn parameters(&self, name: &str, mask: &Mask) -> Option<BTreeMap<usize, Part>> {
        let sources: FxHashSet<ValueId> = behind(self.graph, name).map(|t| t.value).collect();
        let part = Part::of(mask);
        let mut found: Option<BTreeMap<usize, Part>> = None;
        for weight in self.weights(&sources, &mask.shape)? {
            let mut masks = BTreeMap::new();
            self.back(weight, &part, &mut masks).then_some(())?;
            let exact = self.changed(weight, &masks, &mut FxHashMap::default());
            let known = found.get_or_insert_with(|| masks.clone());
            if exact != Changed::At(part.dims.clone()) || *known != masks {
                return None;
            }
        }
        found
    }

    /// The computed values of these sizes that come from the tensors and meet activations, each before it is laid out anew.
    fn weights(&self, sources: &FxHashSet<ValueId>, shape: &[usize]) -> Option<Vec<ValueId>> {
        let constant = |v: &ValueId| self.roles.constant[v.index()];
        let mut found: Vec<ValueId> = Vec::new();
        for node in self.graph.nodes.iter().filter(|n| !n.outputs.iter().all(constant)) {
            for value in node.args.iter().flat_map(|(_, a)| a.tensors()).filter(constant) {
                if sources.contains(&value) || !self.comes_from(value, sources) {
                    continue;
                }
                let fits =
                    |v: &ValueId| self.graph.shape(*v).iter().map(|s| s.as_int()).eq(shape.iter().map(|n| Some(*n as i64)));
                let chain = std::iter::successors(Some(value), |v| self.copied(*v)).filter(|v| !self.tensor_of.contains_key(v));
                let fitting: Vec<ValueId> = chain.filter(fits).collect();
                // Of a square weight and its transpose, nobody knows which is meant.
                let [one] = fitting[..] else { return None };
                if !found.contains(&one) {
                    found.push(one);
                }
            }
        }
        Some(found)
    }

    fn bound(&self, value: ValueId) -> Option<&Bound> {
        self.roles.producer(value).and_then(|n| self.p.maker(value, n)).filter(|_| !self.p.aliases.written(value))
    }

    /// What a value is a copy of in another layout.
    fn copied(&self, value: ValueId) -> Option<ValueId> {
        let bound = self.bound(value).filter(|b| b.copies)?;
        let mut tensors = bound.tensors();
        let ((_, from), None) = (tensors.next()?, tensors.next()) else { return None };
        Some(from)
    }

    fn comes_from(&self, value: ValueId, sources: &FxHashSet<ValueId>) -> bool {
        let (mut todo, mut seen) = (vec![value], FxHashSet::default());
        while let Some(v) = todo.pop() {
            if sources.contains(&v) {
                return true;
            }
            if seen.insert(v)
                && let Some(node) = self.roles.producer(v)
            {
                todo.extend(self.graph.node(node).args.iter().flat_map(|(_, a)| a.tensors()));
            }
        }
        false
    }

    /// Finds parameters whose masks make the value zero where `part` does.
    fn back(&self, value: ValueId, part: &Part, masks: &mut BTreeMap<usize, Part>) -> bool {
        if let Some(k) = self.tensor_of.get(&value) {
            let parameter = self.graph.tensors[*k].role == Role::Parameter;
            let known = masks.get(k).is_none_or(|other| other == part);
            masks.insert(*k, part.clone());
            return parameter && known;
        }
        let Some(bound) = self.bound(value) else { return false };
        let Some(output) = bound.outputs.iter().position(|o| o.value == Some(value)) else { return false };
        let letters: Option<Vec<LetterId>> = part.dims.iter().map(|d| plain(bound, &bound.outputs[output].dims, *d)).collect();
        let Some(letters) = letters else { return false };
        // Each operand that has the axes, and where.
        let holds = |o: &BoundOperand| letters.iter().map(|l| at(&o.dims, *l)).collect::<Option<Vec<usize>>>();
        let all: Vec<(usize, ValueId, Vec<usize>)> = bound
            .operands
            .iter()
            .enumerate()
            .filter_map(|(n, o)| match o.given {
                Operand::Tensor(v) if o.read => Some((n, v, holds(o)?)),
                _ => None,
            })
            .collect();
        let mut pass = |chosen: &[&(usize, ValueId, Vec<usize>)]| {
            let mut next = masks.clone();
            let one = |(_, v, dims): &&(usize, ValueId, Vec<usize>)| {
                self.back(*v, &Part { dims: dims.clone(), ..part.clone() }, &mut next)
            };
            let fine = chosen.iter().all(one);
            if fine {
                *masks = next;
            }
            fine
        };
        // One operand that is zero is enough for a product; then each that can be masked is. Of a sum, all have to be.
        let alone: Vec<_> = all.iter().filter(|one| self.zero(bound, output, &[one.0])).collect();
        if !alone.is_empty() {
            return alone.into_iter().filter(|one| pass(&[*one])).count() > 0;
        }
        let together: Vec<usize> = all.iter().map(|(n, ..)| *n).collect();
        self.zero(bound, output, &together) && pass(&all.iter().collect::<Vec<_>>())
    }

    /// Whether a result is zero where these operands are.
    fn zero(&self, bound: &Bound, output: usize, operands: &[usize]) -> bool {
        let node = self.graph.node(bound.node);
        let call = Call { graph: self.graph, node, schema: self.rules.schemas().get(&node.target), shapes: &self.p.shapes };
        let (frame, kept) = (Frame::new(&self.p.axes, &Contexts::none(), bound), vec![None; bound.letters.len()]);
        let zero = ValueFacts { all: ZERO | FINITE | NONNEG, ..ValueFacts::default() };
        let other = ValueFacts { all: FINITE | NONZERO, ..ValueFacts::default() };
        let facts = (0..bound.operands.len()).map(|n| Some(if operands.contains(&n) { &zero } else { &other })).collect();
        let mut clauses = Clauses::new(bound, &call, &frame, &kept, facts);
        clauses.turn(output) && clauses.everywhere() & ZERO != 0
    }

    /// What these masks change of a value.
    fn changed(&self, value: ValueId, masks: &BTreeMap<usize, Part>, known: &mut FxHashMap<ValueId, Changed>) -> Changed {
        if let Some(k) = self.tensor_of.get(&value) {
            return masks.get(k).map_or(Changed::Nothing, |part| Changed::At(part.dims.clone()));
        }
        if let Some(changed) = known.get(&value) {
            return changed.clone();
        }
        let found = self.spread(value, masks, known);
        known.insert(value, found.clone());
        found
    }

    fn spread(&self, value: ValueId, masks: &BTreeMap<usize, Part>, known: &mut FxHashMap<ValueId, Changed>) -> Changed {
        let mut all = Changed::Nothing;
        let output = |bound: &Bound| bound.outputs.iter().find(|o| o.value == Some(value)).map(|o| o.dims.clone());
        let Some((bound, dims)) = self.bound(value).and_then(|b| Some((b, output(b)?))) else {
            // Without a rule anything may change, unless nothing that is read does.
            let node = self.roles.producer(value).map(|n| self.graph.node(n));
            let read = node.into_iter().flat_map(|n| &n.args).flat_map(|(_, a)| a.tensors());
            let same = |v: ValueId, known: &mut _| self.changed(v, masks, known) == Changed::Nothing;
            return if node.is_some() && read.into_iter().all(|v| same(v, known)) { all } else { Changed::More };
        };
        for operand in &bound.operands {
            let Operand::Tensor(v) = operand.given else { continue };
            let here = match self.changed(v, masks, known) {
                Changed::Nothing => continue,
                Changed::More => return Changed::More,
                Changed::At(from) => {
                    let place = |d: &usize| plain(bound, &operand.dims, *d).and_then(|l| at(&dims, l));
                    from.iter().map(place).collect::<Option<Vec<usize>>>()
                }
            };
            match (here, &all) {
                (Some(here), Changed::Nothing) => all = Changed::At(here),
                (Some(here), Changed::At(there)) if here == *there => {}
                _ => return Changed::More,
            }
        }
        all
    }
}

/// The letter of a dimension, if its positions do not meet there.
fn plain(bound: &Bound, dims: &[DimExpr], d: usize) -> Option<LetterId> {
    let Some(DimExpr::Letter(l)) = dims.get(d) else { return None };
    let name = &bound.letters[*l as usize].name;
    let normed = bound.rule.norm.as_ref().is_some_and(|n| n.over.iter().any(|pick| matches!(pick, Pick::Letter(l) if l == name)));
    let fixed = normed || bound.locked.contains(l) || bound.over.contains(l) || bound.at_least_two.contains(l);
    let once = dims.iter().filter(|d| d.letters().contains(l)).count() == 1;
    (!fixed && once).then_some(*l)
}

/// The dimension that is a letter.
fn at(dims: &[DimExpr], letter: LetterId) -> Option<usize> {
    dims.iter().position(|d| *d == DimExpr::Letter(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_varies_along_some_dimensions() {
        let mask = Mask { shape: vec![2, 3, 2], keep: vec![1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1].into() };
        let part = Part::of(&mask);
        assert_eq!(part, Part { dims: vec![1], sizes: vec![3], keep: vec![1, 0, 1] });
        assert_eq!(part.spread(&[3, 2]).len(), 6);
        assert_eq!(Part { dims: vec![0], ..part }.spread(&[3, 2]), [1, 1, 0, 0, 1, 1]);
        let ones = Part::of(&Mask { shape: vec![2, 2], keep: vec![1; 4].into() });
        assert_eq!(ones.spread(&[2]), [1, 1]);
    }
}
