//! Constant indices: lists that a program stores, copies or counts out before it picks by them.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::node::Call;
use crate::model::{DType, Graph, Node, Size, ValueId};
use crate::rule::{Body, Dim, Expr, LayoutCall, Pattern, Rule, RuleSet, Scope, Val, eval};

/// Longer lists are not worked out by formulas.
const LONGEST: i64 = 1 << 12;

/// Notes in a graph which values are short lists of integers or truth values whenever they are read: stored ones, copies of these,
/// and what the rules' `value:` makes of them element by element. Only what picks by them reads them, so that nobody writes them.
pub fn follow_lists(graph: &mut Graph, rules: &RuleSet) {
    let mut other = vec![false; graph.values.len()];
    for node in graph.nodes.iter().rev() {
        let passes = picks(node, rules) || (making(node, rules).is_some() && node.outputs.iter().all(|v| !other[v.index()]));
        if !passes {
            node.args.iter().flat_map(|(_, a)| a.tensors()).for_each(|v| other[v.index()] = true);
        }
    }
    let stored = graph.tensors.iter().filter_map(|t| Some((t.value, t.list.clone()?)));
    let mut lists: FxHashMap<ValueId, Arc<[i64]>> = stored.filter(|(v, _)| !other[v.index()]).collect();
    let shapes: Vec<Option<Vec<Size>>> = graph.values.iter().map(|v| v.shape.clone()).collect();
    for node in &graph.nodes {
        let ([to], Some(making)) = (&node.outputs[..], making(node, rules)) else { continue };
        if other[to.index()] {
            continue;
        }
        let call = Call { graph, node, schema: rules.schemas().get(&node.target), shapes: &shapes };
        if let Some(list) = making.list(&call, *to, &lists) {
            lists.insert(*to, list);
        }
    }
    graph.lists = lists;
}

/// How an operator makes a list.
enum Making<'a> {
    /// It is that of this operand.
    Copy(ValueId),
    /// Each element is given by a formula over those of the operands in its place.
    Each(&'a Pattern, &'a Expr),
    /// Each element is given by a formula over its place, which is called so.
    Count(&'a str, &'a Rule, &'a Expr),
}

fn making<'a>(node: &Node, rules: &'a RuleSet) -> Option<Making<'a>> {
    let [rule] = rules.for_target(&node.target) else { return None };
    let patterns = match &rule.body {
        Body::Patterns(patterns) => patterns,
        Body::Layout(call) => match call.args.as_slice() {
            [Expr::Name(name)] if call.name == "same" => return Some(Making::Copy(one(node, name)?)),
            _ => return None,
        },
    };
    let ([pattern], Some(value)) = (&patterns[..], &rule.facts.value) else { return None };
    let writes = rules.schemas().get(&node.target).is_none_or(|s| !s.written().is_empty());
    let [output] = &pattern.outputs[..] else { return None };
    let [Dim::Letter(letter)] = &output[..] else { return None };
    if rule.when.is_some() || writes {
        None
    } else if pattern.operands.is_empty() && !letter.ellipsis {
        Some(Making::Count(&letter.name, rule, value))
    } else {
        let all = letter.name == "..." && pattern.operands.iter().all(|o| o.dims == *output && o.index.is_none());
        all.then_some(Making::Each(pattern, value))
    }
}

impl Making<'_> {
    /// The list, where it is one of the kind that picks.
    fn list(&self, call: &Call, to: ValueId, lists: &FxHashMap<ValueId, Arc<[i64]>>) -> Option<Arc<[i64]>> {
        let mask = |v: ValueId| call.graph.value(v).dtype == DType::Bool;
        let integers = matches!(call.graph.value(to).dtype, DType::I64 | DType::I32);
        match self {
            Making::Copy(from) => lists.get(from).filter(|_| mask(*from) == mask(to) && (mask(to) || integers)).cloned(),
            Making::Count(letter, rule, value) => {
                let size =
                    call.eval(rule.sizes.get(*letter)?).ok()?.as_int().filter(|n| integers && (0..=LONGEST).contains(n))?;
                (0..size).map(|at| number(value, &Place { call, lists: Vec::new(), letter, at })).collect()
            }
            Making::Each(pattern, value) => {
                let tensors = pattern.operands.iter().filter_map(|o| Some((o.name.as_str(), one(call.node, &o.name)?)));
                let tensors: Vec<(&str, ValueId)> = tensors.collect();
                if !integers || tensors.iter().any(|(_, v)| mask(*v)) {
                    return None;
                }
                let known = tensors.iter().map(|(name, v)| Some((*name, &**lists.get(v)?)));
                let known: Vec<(&str, &[i64])> = known.collect::<Option<_>>()?;
                let n = known.first()?.1.len();
                if n as i64 > LONGEST || known.iter().any(|(_, list)| list.len() != n) {
                    return None;
                }
                (0..n as i64).map(|at| number(value, &Place { call, lists: known.clone(), letter: "", at })).collect()
            }
        }
    }
}

/// The tensor that an argument is.
fn one(node: &Node, name: &str) -> Option<ValueId> {
    let [value] = node.arg(name)?.tensors()[..] else { return None };
    Some(value)
}

fn number(formula: &Expr, place: &Place) -> Option<i64> {
    let x = eval(formula, place).ok()?.as_f64()?;
    (x.fract() == 0.0 && x.abs() < 1e15).then_some(x as i64)
}

/// Names in a formula for one element.
struct Place<'a> {
    call: &'a Call<'a>,
    lists: Vec<(&'a str, &'a [i64])>,
    letter: &'a str,
    at: i64,
}

impl Scope for Place<'_> {
    fn get(&self, name: &str) -> Option<Val> {
        let listed = self.lists.iter().find(|(known, _)| *known == name);
        match listed {
            Some((_, list)) => usize::try_from(self.at).ok().and_then(|at| list.get(at)).copied().map(Val::int),
            None => self.call.val(name).or_else(|| (name == self.letter).then(|| Val::int(self.at))),
        }
    }

    fn spread(&self, _: &str) -> Option<Vec<Size>> {
        None
    }
}

/// Whether an operator only picks by the lists that it is given.
fn picks(node: &Node, rules: &RuleSet) -> bool {
    let layout = |call: &LayoutCall| matches!(call.name.as_str(), "index" | "take");
    let entries = rules.for_target(&node.target);
    !entries.is_empty() && entries.iter().all(|r| matches!(&r.body, Body::Layout(call) if layout(call)))
}
