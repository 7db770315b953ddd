//! Values that are not zero at the removed positions of a dimension but equal at all of them, so that one position says
//! what all of them hold: `x - mean(x)` where x is zero.
//!
//! Of an operator that treats the positions of a letter alike and each by itself, one position can be computed alone. A
//! result is uniform where every operand that has the letter is zero there or uniform itself. Where such a value is
//! averaged, the plan computes that one position again, the *ghost*, and adds what went (`uniform:` in rules).

use rustc_hash::{FxHashMap, FxHashSet};

use super::facts::{Kept, ValueFacts, ZERO};
use crate::axis::{Bound, Call, DimExpr, Given, LetterId, Propagation, Step};
use crate::model::{Arg, NodeId, Origin, ValueId};
use crate::rule::eval;

/// A dimension of a value of which the plan needs one removed position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ghost {
    /// The value.
    pub value: ValueId,
    /// Its dimension.
    pub dim: usize,
    /// The letter of that dimension in the rule of the node that needs it.
    pub letter: LetterId,
}

/// What is uniform, and which nodes rely on it.
#[derive(Clone, Debug, Default)]
pub struct Uniform {
    dims: FxHashMap<(ValueId, usize), usize>,
    ghosts: FxHashMap<NodeId, Ghost>,
}

impl Uniform {
    /// True if the removed positions of a dimension are equal but perhaps not zero.
    pub fn holds(&self, value: ValueId, dim: usize) -> bool {
        self.dims.contains_key(&(value, dim))
    }

    /// What a node relies on.
    pub fn ghost(&self, node: NodeId) -> Option<Ghost> {
        self.ghosts.get(&node).copied()
    }

    /// Finds the dimensions of a node's result that are uniform.
    pub(super) fn result(&mut self, p: &Propagation, bound: &Bound, call: &Call, kept: &Kept, facts: &[ValueFacts]) {
        let Some(value) = alone(p, bound, call) else { return };
        if bound.over.iter().any(|l| kept[*l as usize].is_some()) {
            return; // it is repaired itself
        }
        let output = &bound.outputs[0];
        for (d, dim) in output.dims.iter().enumerate() {
            let DimExpr::Letter(l) = dim else { continue };
            let (Some(stays), false) = (&kept[*l as usize], zero(facts, value, d, kept, *l)) else { continue };
            let fixed = |list: &[LetterId]| list.contains(l);
            let here = output.dims.iter().filter(|d| d.letters().contains(l)).count();
            if fixed(&bound.locked) || fixed(&bound.over) || fixed(&bound.at_least_two) || fixed(&output.at) || here != 1 {
                continue;
            }
            let Some(holders) = holders(bound, *l) else { continue };
            let alike = |(v, j): &(ValueId, usize)| {
                let known = self.dims.get(&(*v, *j)).is_some_and(|graph| *graph == call.node.graph);
                facts[v.index()].dims.get(*j).and_then(Option::as_ref).is_some_and(|f| f.len() == stays.len())
                    && (known || zero(facts, *v, *j, kept, *l))
            };
            if !holders.is_empty() && holders.iter().all(alike) {
                self.dims.insert((value, d), call.node.graph);
            }
        }
    }

    /// Whether a sum over a letter is right because its operand is uniform there and the rule says what to add. Then the node
    /// relies on that.
    pub(super) fn rely(&mut self, bound: &Bound, call: &Call, kept: &Kept, letter: LetterId) -> bool {
        let offered = bound.rule.statistic.as_ref().is_some_and(|s| !s.uniform.is_empty()) && bound.over.contains(&letter);
        let summed = bound.summed();
        let mut loses = summed.iter().copied().chain(bound.over.iter().copied()).filter(|l| kept[*l as usize].is_some());
        if !offered
            || loses.any(|l| l != letter)
            || (1..call.node.outputs.len()).any(|k| call.used(k))
            || call.node.origin == Origin::Implied
        {
            return false;
        }
        let first = bound.operands.first().map(|o| o.given);
        let holders = holders(bound, letter).unwrap_or_default();
        // Of an axis that the result has too, the first operand alone is averaged; the others have it position by position.
        let averaged = if summed.contains(&letter) { &holders[..] } else { &holders[..holders.len().min(1)] };
        let &[(value, dim)] = averaged else { return false };
        let known = self.dims.get(&(value, dim)).is_some_and(|graph| *graph == call.node.graph);
        if known && first == Some(Given::Tensor(value)) {
            self.ghosts.insert(bound.node, Ghost { value, dim, letter });
            return true;
        }
        false
    }
}

/// The result of a node that can be computed once more for other operands with the same arguments: nothing that it reads
/// or gives is written in place, no argument depends on sizes, and nothing is drawn at random.
fn alone(p: &Propagation, bound: &Bound, call: &Call) -> Option<ValueId> {
    let node = call.node;
    let (Step::Bound(_), [value]) = (&p.steps[bound.node.index()], node.outputs.as_slice()) else { return None };
    let tensor = |ty: &str| ty == "Tensor" || ty.starts_with("Tensor<");
    let one = call.schema.is_some_and(|s| s.returns.len() == 1 && tensor(&s.returns[0].ty) && !s.returns[0].writes);
    let rule = &bound.rule;
    let fixed = bound.edits.is_empty() && rule.default.is_empty() && rule.sizes.is_empty() && rule.facts.sustain.is_none();
    if !one || !fixed || bound.outputs.len() != 1 || node.origin == Origin::Implied {
        return None;
    }
    if rule.facts.random.as_ref().is_some_and(|e| eval(e, call).map_or(true, |v| v.truthy())) {
        return None;
    }
    let read: FxHashSet<ValueId> = bound.tensors().map(|(_, v)| v).collect();
    let tensors: Vec<ValueId> = node.args.iter().flat_map(|(_, a)| a.tensors()).collect();
    // A stored number is in the place of its tensor.
    let number = |v: ValueId| call.number(v).is_some() && call.graph.tensors.iter().any(|t| t.value == v);
    let operand = |v: ValueId| bound.operands.iter().any(|o| o.given == Given::Tensor(v));
    let known = |v: &ValueId| (operand(*v) || number(*v)) && !p.aliases.written(*v);
    let whole = node.args.iter().all(|(_, a)| !matches!(a, Arg::List(items) if items.iter().any(|i| matches!(i, Arg::List(_)))));
    (!read.is_empty() && whole && tensors.iter().all(known) && !p.aliases.written(*value)).then_some(*value)
}

/// The operands that have a letter, each with its dimension; `None` where one has it in another way than as that dimension.
fn holders(bound: &Bound, letter: LetterId) -> Option<Vec<(ValueId, usize)>> {
    let mut found: Vec<(ValueId, usize)> = Vec::new();
    for operand in &bound.operands {
        let Given::Tensor(value) = operand.given else { continue };
        if !operand.holds(letter) {
            continue;
        }
        let mut at = (0..operand.dims.len()).filter(|d| operand.dims[*d].letters().contains(&letter));
        let (Some(dim), None) = (at.next(), at.next()) else { return None };
        if !operand.read || operand.dims[dim] != DimExpr::Letter(letter) || operand.at.contains(&letter) {
            return None;
        }
        if !found.contains(&(value, dim)) {
            found.push((value, dim));
        }
    }
    // One tensor in two places has the letter in the same dimension in both, or it could not be replaced by one.
    let values: Vec<ValueId> = found.iter().map(|(v, _)| *v).collect();
    let elsewhere =
        |o: &crate::axis::BoundOperand| matches!(o.given, Given::Tensor(v) if values.contains(&v)) && !o.holds(letter);
    let twice = (0..values.len()).any(|k| values[..k].contains(&values[k]));
    (!twice && !bound.operands.iter().any(elsewhere)).then_some(found)
}

/// Zero at all removed positions of a dimension.
fn zero(facts: &[ValueFacts], value: ValueId, dim: usize, kept: &Kept, letter: LetterId) -> bool {
    let (facts, Some(stays)) = (&facts[value.index()], &kept[letter as usize]) else { return false };
    if facts.all & ZERO != 0 {
        return true;
    }
    let Some(flags) = facts.dims.get(dim).and_then(Option::as_ref) else { return false };
    flags.len() == stays.len() && stays.iter().zip(flags.iter()).all(|(stays, f)| *stays || f & ZERO != 0)
}
