//! Trials where removed positions hold numbers, and only what tensors hold counts: whether `value:` clauses tell the numbers of
//! results, and whether `fold:` says rightly where they go.

use std::collections::HashMap;

use super::accept::Ready;
use super::array::{Array, Kept, places};
use super::flavour::{Domain, Flavour, fill};
use super::prove::{Outcome, Report, compare, tolerance};
use super::random::Random;
use crate::rule::RuleSet;
use crate::solve::{Data, FINITE, Known, NONNEG, Trial, ValueFacts, ZERO, trial};

/// Removes positions of these letters of the node's rule that hold zeros, numbers or anything, and compares.
pub(super) fn prove_numbers(rules: &RuleSet, ready: &Ready, letters: &[u32], random: &mut Random) -> Outcome {
    const NOTHING: Outcome = Outcome::Agrees { removed: false };
    let Ready { example, p, .. } = ready;
    let graph = &example.graph;
    let Some(bound) = example.bound(p) else { return NOTHING };
    let ids: Vec<egg::Id> = letters.iter().map(|l| bound.ids[*l as usize]).collect();
    // What could go if all that goes were zero tells what to fill with numbers.
    let share = 0.25 + 0.4 * random.unit();
    let mut chosen: Vec<bool> = Vec::new();
    let mut choose = || {
        chosen.push(random.chance(share));
        chosen.last() == Some(&true)
    };
    let zero = |_| Known { removed: ZERO | FINITE | NONNEG, all: 0 };
    let most = trial(graph, rules, p, &ids, &mut choose, &zero, None).solution;
    let of_tensors = |solution: &_| graph.tensors.iter().map(|t| Kept::new(p, solution, t.value, &t.shape)).collect::<Vec<_>>();
    let kept = of_tensors(&most);
    let flavours: Vec<Flavour> = graph.tensors.iter().map(|_| flavour(random)).collect();
    let domain = if random.chance(0.5) { Domain::Signed } else { Domain::Unit };
    let fill_one = |(k, t): (usize, &crate::model::Tensor)| {
        let mut array = fill(&t.shape, t.dtype, example.ints[k].as_ref(), &kept[k], (flavours[k], domain), random);
        if flavours[k] == Flavour::Number && example.ints[k].is_none() {
            level(&mut array, &kept[k]);
        }
        array
    };
    let inputs: Vec<Array> = graph.tensors.iter().enumerate().map(fill_one).collect();
    let mut chosen = chosen.into_iter();
    let nothing = |_| Known { removed: 0, all: 0 };
    let again = &mut || chosen.next().unwrap_or(false);
    let Trial { solution, facts } = trial(graph, rules, p, &ids, again, &nothing, Some(&Held(&inputs)));
    let report = Report { example, kept: &of_tensors(&solution), flavours: &flavours };
    compare(rules, ready, (&solution, &facts), &inputs, &report, &wrong_number)
}

/// What tensors hold at removed positions: zeros and numbers, mostly.
fn flavour(random: &mut Random) -> Flavour {
    use Flavour::{Any, Number, Zero};
    random.one(&[Zero, Zero, Number, Number, Number, Number, Any]).unwrap_or(Number)
}

/// Makes all elements of each removed position the same.
fn level(array: &mut Array, kept: &Kept) {
    let all: Vec<Vec<usize>> = places(&array.shape).collect();
    for d in 0..kept.dims.len() {
        let mut numbers: HashMap<(usize, usize), f64> = HashMap::new();
        for (at, place) in all.iter().enumerate().filter(|(_, place)| !kept.stays(d, place)) {
            array.re[at] = *numbers.entry((kept.outer(d, place), place[d])).or_insert(array.re[at]);
        }
    }
}

/// The values of small tensors. Complex ones are not known.
struct Held<'a>(&'a [Array]);

impl Data for Held<'_> {
    fn flags(&self, _: usize) -> u8 {
        0
    }

    fn infinite(&self, tensor: usize) -> bool {
        self.0[tensor].re.iter().any(|x| !x.is_finite())
    }

    fn each(&self, tensor: usize, f: &mut dyn FnMut(usize, f64)) -> bool {
        let array = &self.0[tensor];
        array.re.iter().enumerate().for_each(|(at, x)| f(at, *x));
        array.im.is_none()
    }
}

/// A number that the rules tell of a result and that is not there.
fn wrong_number(facts: &ValueFacts, kept: &Kept, result: &Array) -> Option<String> {
    // 0 * inf is no number: a fact is said of where there is one.
    let differs = |x: f64, y: f64| (x - y).abs() > tolerance(result.dtype) * x.abs().max(1e-3);
    for (at, place) in places(&result.shape).enumerate() {
        let y = result.re[at];
        if let Some(x) = facts.whole.filter(|x| differs(*x, y)) {
            return Some(format!("all elements are {x:.6} by `value:`, but {y:.6} stands at {place:?}"));
        }
        for (d, flags) in facts.dims.iter().enumerate().filter(|(d, _)| *d < place.len()) {
            let pair = kept.outer(d, &place) * result.shape[d] + place[d];
            let flag = flags.as_ref().and_then(|f| f.get(pair)).copied().unwrap_or(0);
            let number = facts.numbers.get(d).and_then(Option::as_ref).and_then(|n| n.get(pair)).copied();
            let told = if flag & ZERO != 0 { Some(0.0) } else { number.filter(|x| x.is_finite()) };
            let goes = !kept.stays(d, &place);
            if let Some(x) = told.filter(|x| goes && differs(*x, y)) {
                let clause = if flag & ZERO != 0 { "zero" } else { "value" };
                return Some(format!(
                    "position {} of dimension {d} is {x:.6} by `{clause}:`, but {y:.6} stands at {place:?}",
                    place[d]
                ));
            }
        }
    }
    None
}
