//! One trial: positions are removed as a rule allows, and what is left is compared with what the whole operator computes.

use super::accept::Ready;
use super::array::{Array, Kept, places};
use super::example::{Example, Ints};
use super::flavour::{Domain, Flavour, fill};
use super::random::Random;
use crate::axis::{Call, Propagation, propagate, still_described};
use crate::model::{DType, Graph, ValueId};
use crate::plan::{self, Choices, Elements};
use crate::rule::{RuleSet, eval};
use crate::solve::rows;
use crate::solve::{FINITE, NONNEG, NONZERO, Solution, Trial, ValueFacts, ZERO, trial};

/// What a trial showed.
pub(super) enum Outcome {
    /// All is as the rule says; whether anything was removed.
    Agrees { removed: bool },
    /// It is not: what differs.
    Differs(String),
}

/// Relative to the numbers compared; nearly all is computed in 64 bits.
const TOLERANCE: f64 = 1e-6;
/// The same for operators that only compute in 32.
const TOLERANCE_32: f64 = 1e-4;

/// How far numbers of a type may be apart.
pub(super) fn tolerance(dtype: DType) -> f64 {
    if dtype == DType::F32 { TOLERANCE_32 } else { TOLERANCE }
}

/// Removes positions of these letters of the node's rule, and compares.
pub(super) fn prove(rules: &RuleSet, ready: &Ready, letters: &[u32], random: &mut Random) -> Outcome {
    let Ready { example, p, .. } = ready;
    let graph = &example.graph;
    let Some(bound) = example.bound(p) else { return Outcome::Agrees { removed: false } };
    let domain = if random.chance(0.5) { Domain::Signed } else { Domain::Unit };
    let listed = |k: usize| matches!(example.ints.get(k), Some(Some(Ints::List(_) | Ints::All(_))));
    let mut flavours: Vec<Flavour> =
        (0..graph.tensors.len()).map(|k| if listed(k) { Flavour::Any } else { Flavour::draw(random) }).collect();
    // Every other trial, one tensor holds what it did not hold before.
    let turn = random.turn();
    let at = turn / 2 / Flavour::ALL.len() % graph.tensors.len().max(1);
    if turn % 2 == 1 && at < flavours.len() && !listed(at) {
        flavours[at] = Flavour::ALL[turn / 2 % Flavour::ALL.len()];
    }
    let known = |k: usize| {
        let tensor = &graph.tensors[k];
        let mut known = flavours[k].known(tensor.dtype);
        if p.aliases.written(tensor.value) {
            known.all = 0;
        }
        known
    };
    let ids: Vec<egg::Id> = letters.iter().map(|l| bound.ids[*l as usize]).collect();
    let share = 0.25 + 0.4 * random.unit();
    let Trial { solution, facts } = trial(graph, rules, p, &ids, &mut || random.chance(share), &known, None);
    let kept: Vec<Kept> = graph.tensors.iter().map(|t| Kept::new(p, &solution, t.value, &t.shape)).collect();
    // What is infinite at a place that stays in one dimension and goes in another is no matter of the rule's.
    let cut_twice = |k: &Kept| {
        k.dims.iter().flatten().count() > 1 || k.dims.iter().flatten().any(|keep| matches!(keep, plan::Keep::By { .. }))
    };
    if kept.iter().zip(&flavours).any(|(k, f)| f.is_wild() && cut_twice(k)) {
        return Outcome::Agrees { removed: false };
    }
    let inputs: Vec<Array> = graph
        .tensors
        .iter()
        .enumerate()
        .map(|(k, t)| fill(&t.shape, t.dtype, example.ints[k].as_ref(), &kept[k], (flavours[k], domain), random))
        .collect();
    let wild = flavours.iter().any(|f| f.is_wild());
    let report = Report { example, kept: &kept, flavours: &flavours };
    let wrong = |facts: &ValueFacts, kept: &Kept, result: &Array| wrong_fact(facts, kept, result, wild);
    compare(rules, ready, (&solution, &facts), &inputs, &report, &wrong)
}

/// Runs the whole call and what is left of it. `wrong` finds what the facts say falsely of a result of the whole.
pub(super) fn compare(
    rules: &RuleSet,
    ready: &Ready,
    (solution, facts): (&Solution, &[ValueFacts]),
    inputs: &[Array],
    report: &Report,
    wrong: &dyn Fn(&ValueFacts, &Kept, &Array) -> Option<String>,
) -> Outcome {
    let Ready { example, program, p } = ready;
    let graph = &example.graph;
    let Some(bound) = example.bound(p) else { return Outcome::Agrees { removed: false } };
    let Ok(whole) = program.run(inputs) else { return Outcome::Agrees { removed: false } };
    let outputs = example.outputs();
    // Of results that the rule does not describe, nothing is said.
    let outputs = outputs.into_iter().take(bound.outputs.len()).collect::<Vec<_>>();
    let of_outputs: Vec<Kept> = outputs.iter().map(|v| Kept::new(p, solution, *v, &sizes(graph, *v))).collect();
    for ((v, kept), result) in outputs.iter().zip(&of_outputs).zip(&whole) {
        if let Some(wrong) = wrong(&facts[v.index()], kept, result) {
            return Outcome::Differs(format!("{}{wrong} in `{}`", report.removed(), graph.value(*v).name));
        }
    }
    let kept = report.kept;
    let removed = kept.iter().chain(&of_outputs).any(|k| !k.is_all());
    if kept.iter().chain(&of_outputs).any(Kept::is_crossed) {
        return Outcome::Agrees { removed: false };
    }
    if !removed || drawn_at_random(rules, example, p) {
        return Outcome::Agrees { removed };
    }
    let plan = match plan::plan(graph, rules, p, solution, Choices::default()) {
        Ok(plan) => plan,
        Err(e) => return Outcome::Differs(format!("{}{e}", report.removed())),
    };
    let small = plan::apply(graph, p, solution, &plan);
    let rewritten = |of: &Example| if plan.edits.is_empty() { String::new() } else { call_text(&small, of) };
    let checked = propagate(&small, rules, &[]).and_then(|again| still_described((graph, p), (&small, &again)));
    if let Err(e) = checked {
        return Outcome::Differs(format!("{}the call becomes {}, where {e}", report.removed(), rewritten(example)));
    }
    let mut cut: Vec<Array> = Vec::new();
    for (k, array) in inputs.iter().enumerate() {
        cut.push(array.cut(&kept[k].elements(&array.shape), kept[k].shape(&array.shape)));
    }
    for (scale, of) in plan.rescaled() {
        let rest = inputs[of].cut(&kept[of].elements(&inputs[of].shape), kept[of].shape(&inputs[of].shape));
        let norm = |array: &Array, small: &[usize]| {
            let mut squares = vec![0f64; small.iter().product::<usize>().max(1)];
            rows(&array.shape, small).iter().zip(&array.re).for_each(|(r, x)| squares[*r] += x * x);
            squares
        };
        let small = cut[scale].shape.clone();
        let whole = norm(&inputs[of], &inputs[scale].shape);
        let stays = kept[scale].elements(&inputs[scale].shape);
        let whole = whole.iter().zip(&stays).filter(|(_, stays)| **stays).map(|(x, _)| x);
        for ((x, before), after) in cut[scale].re.iter_mut().zip(whole).zip(norm(&rest, &small)) {
            *x *= (after / before).sqrt();
        }
    }
    cut.extend(plan.constants.iter().map(|c| Array {
        shape: c.shape.clone(),
        dtype: c.data.dtype(),
        re: match &c.data {
            Elements::Positions(list) => list.iter().map(|n| *n as f64).collect(),
            Elements::Numbers(_, list) => list.clone(),
        },
        im: None,
    }));
    let run = example.by.load(&small, &outputs).and_then(|small| small.run(&cut));
    let found = match run {
        Ok(found) => found,
        Err(why) => {
            return Outcome::Differs(format!(
                "{}{} does not take the rest, {}: {why}",
                report.removed(),
                example.by.name(),
                rewritten(example)
            ));
        }
    };
    for (at, (((v, kept), whole), small)) in outputs.iter().zip(&of_outputs).zip(&whole).zip(&found).enumerate() {
        if whole.shape.len() != kept.dims.len() {
            return Outcome::Differs(format!("`{}` has other sizes than before: {:?}", graph.value(*v).name, whole.shape));
        }
        if bound.rule.asks_for(at) && example.readers == 0 {
            continue; // the rule gives other numbers where nobody reads this result
        }
        let expected = whole.cut(&kept.elements(&whole.shape), kept.shape(&whole.shape));
        if let Some(difference) = difference(&expected, small) {
            return Outcome::Differs(format!("{}`{}` {difference}", report.removed(), graph.value(*v).name));
        }
    }
    Outcome::Agrees { removed: true }
}

/// The sizes of a value; 0 where one is not known.
fn sizes(graph: &Graph, v: ValueId) -> Vec<usize> {
    graph.shape(v).iter().map(|s| s.as_int().and_then(|n| usize::try_from(n).ok()).unwrap_or(0)).collect()
}

/// True where the rule says that its results are drawn at random.
fn drawn_at_random(rules: &RuleSet, example: &Example, p: &Propagation) -> bool {
    let (graph, Some(bound)) = (&example.graph, example.bound(p)) else { return false };
    let node = graph.node(bound.node);
    let call = Call { graph, node, schema: rules.schemas().get(&node.target), shapes: &p.shapes };
    bound.rule.facts.random.as_ref().is_some_and(|e| eval(e, &call).map_or(true, |v| v.truthy()))
}

fn difference(expected: &Array, found: &Array) -> Option<String> {
    if expected.shape != found.shape {
        return Some(format!("should have the sizes {:?}, and has {:?}", expected.shape, found.shape));
    }
    let tolerance = tolerance(expected.dtype);
    let largest =
        expected.re.iter().chain(expected.im.iter().flatten()).filter(|x| x.is_finite()).fold(0f64, |m, x| m.max(x.abs()));
    let same = |a: f64, b: f64| a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance * largest.max(1e-3);
    for (at, place) in places(&expected.shape).enumerate() {
        for (a, b) in expected.parts(at).zip(found.parts(at)) {
            if !same(a, b) {
                return Some(format!("should be {a:.6} at {place:?} of what stays, as in the whole, and is {b:.6}"));
            }
        }
    }
    None
}

/// A fact that the rule states and that does not hold for a result.
fn wrong_fact(facts: &ValueFacts, kept: &Kept, result: &Array, wild: bool) -> Option<String> {
    // Of operands for which the function is not defined where they stay, nothing is said.
    let mut stays = kept.elements(&result.shape).into_iter().enumerate().filter(|(_, stays)| *stays);
    let defined = stays.all(|(at, _)| result.parts(at).all(f64::is_finite));
    let holds = |flag: u8, x: f64| match flag {
        // 0 * inf is no number: that a value is zero is said of where it is one.
        ZERO => x == 0.0 || x.is_nan() || (wild && x.is_infinite()),
        FINITE => x.is_finite() || !defined,
        NONNEG => x.is_nan() || x >= 0.0,
        _ => x != 0.0,
    };
    let named = [(ZERO, "zero"), (FINITE, "finite"), (NONNEG, "nonneg"), (NONZERO, "nonzero")];
    let wrong = |flags: u8, at: usize| -> Option<(&str, f64)> {
        let parts: Vec<f64> = result.parts(at).collect();
        let one = |(flag, _): &&(u8, &str)| {
            let all = parts.iter().all(|x| holds(*flag, *x));
            // A complex number is not zero if one of its parts is not.
            flags & *flag != 0 && !(all || *flag == NONZERO && parts.iter().any(|x| holds(*flag, *x)))
        };
        named.iter().find(one).map(|(_, name)| (*name, parts.first().copied().unwrap_or(0.0)))
    };
    for (at, place) in places(&result.shape).enumerate() {
        if let Some((name, x)) = wrong(facts.all, at) {
            return Some(format!("`{name}:` holds for all elements by the rule, but {x:.6} stands at {place:?}"));
        }
        for (d, flags) in facts.dims.iter().enumerate() {
            let (Some(flags), false) = (flags, d >= place.len() || kept.stays(d, &place)) else { continue };
            if (0..place.len()).any(|other| other != d && !kept.stays(other, &place)) {
                continue; // the facts speak of what stays in the other dimensions
            }
            let flags = flags.get(kept.outer(d, &place) * result.shape[d] + place[d]).copied().unwrap_or(0);
            if let Some((name, x)) = wrong(flags, at) {
                return Some(format!(
                    "`{name}:` holds at position {} of dimension {d} by the rule, but {x:.6} stands at {place:?}",
                    place[d]
                ));
            }
        }
    }
    None
}

/// What was removed, for messages.
pub(super) struct Report<'a> {
    pub example: &'a Example,
    pub kept: &'a [Kept],
    pub flavours: &'a [Flavour],
}

impl Report<'_> {
    /// `with positions 0, 2 of self[1] (zeros) removed: `
    fn removed(&self) -> String {
        let mut list = Vec::new();
        for ((t, kept), flavour) in self.example.graph.tensors.iter().zip(self.kept).zip(self.flavours) {
            for (d, keep) in kept.dims.iter().enumerate() {
                let gone = match keep {
                    Some(plan::Keep::Same(stay)) => {
                        let gone: Vec<String> =
                            (0..t.shape[d] as u32).filter(|at| !stay.contains(at)).map(|at| at.to_string()).collect();
                        gone.join(", ")
                    }
                    Some(plan::Keep::By { .. }) => "some in each outer one".to_owned(),
                    None => continue,
                };
                let held = match flavour {
                    Flavour::Zero | Flavour::ZeroAmongNegative => "all zero there",
                    Flavour::Any => "anything there",
                    Flavour::Nonzero => "not zero there",
                    Flavour::Nonneg | Flavour::NonnegEverywhere => "not negative there",
                    Flavour::Positive => "positive there",
                    Flavour::Wild | Flavour::WildNonneg => "infinite there",
                    Flavour::Number => "one number there",
                };
                list.push(format!("`{}[{d}]` without {gone} ({held})", t.name));
            }
        }
        if list.is_empty() { String::new() } else { format!("with {}, ", list.join(", ")) }
    }
}

/// The last calls of a graph, as text.
fn call_text(graph: &Graph, of: &Example) -> String {
    let node = |n: &crate::model::Node| {
        let graph = Graph { nodes: vec![n.clone()], ..graph.clone() };
        let example = Example { graph, ints: Vec::new(), ..of.clone() };
        format!("{}{}", n.target, example.text())
    };
    graph.nodes.iter().map(node).collect::<Vec<_>>().join("; ")
}
