//! Multiply-accumulate operations of a program, from its rules.

use crate::axis::{Bound, Call, LetterId, Propagation};
use crate::model::{Graph, Size};
use crate::rule::{RuleSet, Scope, Val, eval};

/// Multiply-accumulates of one forward pass (symbolic sizes as in the traced example). A rule's `macs:` says how many an element
/// of its first result takes; without one it is the number of terms in each sum of products: the sizes of the summed letters
/// that several operands share.
pub fn macs(graph: &Graph, rules: &RuleSet, p: &Propagation) -> u64 {
    p.bounds().map(|bound| node_macs(graph, rules, p, bound)).fold(0, u64::saturating_add)
}

/// Those of one operator.
pub fn node_macs(graph: &Graph, rules: &RuleSet, p: &Propagation, bound: &Bound) -> u64 {
    let elements = || bound.outputs.first().map_or(1, |o| o.dims.iter().map(|d| d.len(&bound.letters) as u64).product());
    if let Some(formula) = &bound.rule.macs {
        let node = graph.node(bound.node);
        let call = Call { graph, node, schema: rules.schemas().get(&node.target), shapes: &p.shapes };
        let each = eval(formula, &Lengths { bound, call: &call }).ok().and_then(|v| v.as_f64()).unwrap_or(0.0);
        return (each * elements() as f64).round() as u64; // a negative number or NaN is none
    }
    let holders = |l: &LetterId| bound.tensors().filter(|(o, _)| o.holds(*l)).count();
    let shared: Vec<LetterId> = bound.summed().into_iter().filter(|l| holders(l) > 1).collect();
    if shared.is_empty() {
        return 0;
    }
    shared.iter().map(|l| bound.letters[*l as usize].len() as u64).fold(elements(), u64::saturating_mul)
}

/// The letters' sizes and the arguments.
struct Lengths<'a> {
    bound: &'a Bound,
    call: &'a Call<'a>,
}

impl Scope for Lengths<'_> {
    fn get(&self, name: &str) -> Option<Val> {
        let letter = self.bound.letters.iter().find(|l| l.name == name);
        letter.map(|l| Val::from(l.len())).or_else(|| self.call.val(name))
    }

    fn spread(&self, letter: &str) -> Option<Vec<Size>> {
        Some(self.bound.letters.iter().filter(|l| l.name == letter).map(|l| l.len().into()).collect())
    }
}
