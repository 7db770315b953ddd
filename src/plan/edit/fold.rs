//! Biases that take up what removed positions added.

use super::planner::{Planner, add};
use crate::model::{Arg, ValueId};
use crate::plan::change::{Change, Elements, NewConstant, NewValue};
use crate::plan::error::PlanError;
use crate::solve::Folding;

/// The operator, described in the rules, that adds one tensor to another.
const ADD: &str = "paring.add";

impl Planner<'_> {
    /// The edits of all folds: numbers added to a bias that only one node reads, a new bias, or a tensor that is added to
    /// the result where it differs from place to place.
    pub fn folds(&mut self) -> Result<(), PlanError> {
        for folding in &self.solution.folds {
            if folding.add.iter().all(|x| *x == 0.0) {
                continue;
            }
            let reason = "removed positions held numbers, which the weights took to these sums";
            match folding.tensor {
                Some(tensor) => self.push(Change::Fold { tensor, add: folding.add.clone() }, reason),
                None if folding.places.is_empty() => {
                    let value = self.numbers("bias", folding);
                    let change = Change::Set { node: folding.node, arg: folding.into.clone(), to: Arg::Tensor(value) };
                    self.push(change, reason);
                }
                None => self.map(folding, reason)?,
            }
        }
        Ok(())
    }

    /// A constant with what is added at the positions that stay.
    fn numbers(&mut self, kind: &str, folding: &Folding) -> ValueId {
        let name = format!("paring_{kind}_{}", self.plan.constants.len());
        let value = self.value(format!("c_{name}"), folding.like);
        let dtype = self.graph.value(folding.like).dtype;
        let places = folding.places.iter().product::<usize>().max(1);
        let stays = |at: usize| folding.kept.as_ref().is_none_or(|k| k[at]);
        let sums = folding.base.iter().zip(folding.add.chunks(places)).enumerate().filter(|(at, _)| stays(*at));
        let data: Vec<f64> = sums.flat_map(|(_, (base, add))| add.iter().map(move |x| base + x)).collect();
        let shape = std::iter::once(data.len() / places).chain(folding.places.iter().copied()).collect();
        self.plan.constants.push(NewConstant { name, value, shape, data: Elements::Numbers(dtype, data) });
        value
    }

    fn map(&mut self, folding: &Folding, reason: &str) -> Result<(), PlanError> {
        let (Some(bound), Some(out)) = (self.p.bound_at(folding.node), self.graph.node(folding.node).outputs.first().copied())
        else {
            return Ok(());
        };
        let map = self.numbers("bias_map", folding);
        let name = format!("{}_cut", self.graph.value(out).name);
        let original = add(self.graph, &mut self.plan, &mut self.taken, NewValue { name, like: out });
        let node = self.own(bound, ADD, &[("x", original), ("other", map)], &[], out)?;
        self.push(Change::Insert { node: folding.node, original: Some(original), nodes: vec![node] }, reason);
        self.plan.maps.push((folding.node, map));
        Ok(())
    }
}
