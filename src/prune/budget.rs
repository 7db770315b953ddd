//! A budget: the choice that leaves a share of the parameters or multiply-accumulates.

use super::choose::counts;
use super::error::PruneError;
use super::options::{Options, Target};
use super::pool::Pool;
use crate::Error;
use crate::axis::propagate;
use crate::model::{Graph, Role};
use crate::plan;
use crate::report::macs;
use crate::solve::Solution;

/// What is left is not looked for more closely.
const CLOSE: f64 = 0.001;

/// The closest choices found so far on either side of a budget, and what they leave.
struct Nearest {
    goal: f64,
    above: Option<(f64, Vec<u32>)>,
    below: Option<(f64, Vec<u32>)>,
}

impl Nearest {
    fn note(&mut self, left: f64, dropped: Vec<u32>) -> f64 {
        let side = if left > self.goal { &mut self.above } else { &mut self.below };
        if side.as_ref().is_none_or(|(best, _)| (left - self.goal).abs() < (best - self.goal).abs()) {
            *side = Some((left, dropped));
        }
        left
    }

    /// By how much the best stays below the budget.
    fn miss(&self) -> f64 {
        self.below.as_ref().map_or(f64::INFINITY, |(left, _)| (left - self.goal).abs())
    }

    /// The closest that is not above: a budget is what may be left at most.
    fn best(self, what: &'static str) -> Result<(Vec<u32>, f64), PruneError> {
        let percent = |left: f64| format!("{:.1} %", 100.0 * left);
        match (self.below, self.above) {
            (Some((left, dropped)), _) => Ok((dropped, left)),
            (None, above) => {
                let reachable = above.map_or("nothing".into(), |(least, _)| format!("{} at least", percent(least)));
                Err(PruneError::Budget { what, goal: percent(self.goal), reachable })
            }
        }
    }
}

/// The choice that comes closest to a budget without leaving more, and what it leaves.
pub fn bisect(pool: &Pool, goal: f64, options: &Options) -> Result<(Vec<u32>, f64), Error> {
    let mut nearest = Nearest { goal, above: None, below: None };
    let measure = |nearest: &mut Nearest, dropped: Vec<u32>| -> Result<f64, Error> {
        let left = pool.solve(&dropped, |solution| left(pool, solution, options.target))??;
        Ok(nearest.note(left, dropped))
    };
    let at = |nearest: &mut Nearest, share: f64| measure(nearest, pool.choose(share, options)?.dropped);
    let (mut low, mut high) = (0.0, 1.0);
    for step in 0..14 {
        let share = (low + high) / 2.0;
        if at(&mut nearest, share)? > goal {
            low = share
        } else {
            high = share
        }
        // At one end the rest of the way is one step.
        if step == 4 && (low == 0.0 || high == 1.0) {
            let end = if low == 0.0 { 0.0 } else { 1.0 };
            let left = at(&mut nearest, end)?;
            if (left > goal) == (end == 1.0) {
                break;
            }
        }
        if nearest.miss() < CLOSE {
            break;
        }
    }
    // Between two shares the first groups lose as by the larger one, the others as by the smaller.
    let (mut less, mut more) = (0, pool.groups.len());
    while nearest.miss() > CLOSE && more - less > 1 && nearest.above.is_some() && nearest.below.is_some() {
        let middle = (less + more) / 2;
        let mix = |groups: &[_]| {
            let (few, many) = (counts(groups, low, options), counts(groups, high, options));
            few.into_iter().zip(many).enumerate().map(|(k, (few, many))| if k < middle { many } else { few }).collect()
        };
        let dropped = pool.settle(options.round_to, &mix)?.dropped;
        if measure(&mut nearest, dropped)? > goal { less = middle } else { more = middle }
    }
    Ok(nearest.best(options.target.what())?)
}

/// The share of parameters or multiply-accumulates that is left.
pub fn left(pool: &Pool, solution: &Solution, target: Target) -> Result<f64, Error> {
    let (graph, p, rules) = (&pool.model.graph, pool.p, pool.rules);
    let plan = plan::plan(graph, rules, p, solution, plan::Choices::default())?;
    let small = plan::apply(graph, p, solution, &plan);
    if let Target::Macs(_) = target {
        let again = propagate(&small, rules, &[]).map_err(Error::Check)?;
        let (after, before) = (macs(&small, rules, &again), macs(graph, rules, p));
        return Ok(after as f64 / before.max(1) as f64);
    }
    let first = graph.first_names();
    let used = used(graph);
    let count = |of: &Graph| -> usize {
        let own = |k: &usize| first[*k] == *k && graph.tensors[*k].role == Role::Parameter && used[*k];
        (0..first.len()).filter(own).map(|k| of.tensors[k].numel()).sum()
    };
    Ok(count(&small) as f64 / count(graph).max(1) as f64)
}

/// By tensor whether the program reads it, under one of its names.
fn used(graph: &Graph) -> Vec<bool> {
    let first = graph.first_names();
    let mut read = vec![false; graph.values.len()];
    graph.nodes.iter().flat_map(|n| n.reads()).chain(graph.outputs.iter().copied()).for_each(|v| read[v.index()] = true);
    let mut used = vec![false; graph.tensors.len()];
    graph.tensors.iter().enumerate().filter(|(_, t)| read[t.value.index()]).for_each(|(k, _)| used[first[k]] = true);
    used
}
