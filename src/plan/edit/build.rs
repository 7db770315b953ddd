//! From what stays to edits.

use super::numbers::Numbers;
use super::orphan;
use super::planner::{Choices, Planner};
use crate::axis::{Propagation, Step};
use crate::model::Graph;
use crate::plan::change::{Change, Keep, Plan};
use crate::plan::error::PlanError;
use crate::rule::RuleSet;
use crate::solve::Solution;

/// Makes the plan.
///
/// # Errors
/// Where an argument would have to change that is computed from symbolic sizes, or a rule cannot be worked out.
pub fn plan(graph: &Graph, rules: &RuleSet, p: &Propagation, solution: &Solution, choices: Choices) -> Result<Plan, PlanError> {
    let numbers = Numbers::new(graph, rules, p, solution);
    let (plan, taken) = (Plan::default(), graph.values.iter().map(|v| v.name.clone()).collect());
    let mut planner = Planner { graph, rules, p, solution, plan, taken, statistics: choices.statistics, numbers };
    planner.slices();
    for step in &p.steps {
        if let Step::Bound(bound) = step {
            planner.node(bound)?;
        }
    }
    for joint in &p.joint {
        planner.composite(joint)?;
    }
    planner.folds()?;
    if !choices.keep_branches {
        planner.branches()?;
    }
    let Planner { mut plan, numbers, .. } = planner;
    numbers.freeze(graph, rules, &mut plan);
    plan.numbers = numbers.values().collect();
    plan.contents = numbers.contents().collect();
    orphan::drop(graph, rules, p, solution, &mut plan);
    Ok(plan)
}

impl Planner<'_> {
    /// What each stored tensor keeps.
    fn slices(&mut self) {
        for (k, t) in self.graph.tensors.iter().enumerate() {
            for d in 0..t.shape.len() {
                let Some(kept) = self.solution.dim(self.p, t.value, d) else { continue };
                let list = |from: usize| (from..from + t.shape[d]).filter(|at| kept[*at]).map(|at| (at - from) as u32).collect();
                let keep = match self.solution.ragged(self.p, t.value, d) {
                    None => Keep::Same(list(0)),
                    Some(link) => Keep::By { link, lists: (0..link.outer).map(|a| list(a * t.shape[d])).collect() },
                };
                let each = if matches!(keep, Keep::By { .. }) { " in each outer position" } else { "" };
                let reason = format!("{} of {} positions of dimension {d} stay{each}", keep.len(), t.shape[d]);
                self.push(Change::Slice { tensor: k, dim: d, keep }, reason);
            }
        }
    }
}
