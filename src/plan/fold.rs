//! Biases that take up what removed positions added.

use super::build::Planner;
use super::{Change, Elements, NewConstant};
use crate::model::Arg;
use crate::solve::Folding;

impl Planner<'_> {
    /// The edits of all folds: numbers added to a bias that only one node reads, or a new bias.
    pub(super) fn folds(&mut self) {
        for folding in &self.solution.folds {
            if folding.add.iter().all(|x| *x == 0.0) {
                continue;
            }
            let reason = "removed positions held numbers, which the weights took to these sums";
            match folding.tensor {
                Some(tensor) => self.push(Change::Fold { tensor, add: folding.add.clone() }, reason),
                None => self.new_bias(folding, reason),
            }
        }
    }

    fn new_bias(&mut self, folding: &Folding, reason: &str) {
        let name = format!("paring_bias_{}", self.plan.constants.len());
        let value = self.value(format!("c_{name}"), folding.like);
        let dtype = self.graph.value(folding.like).dtype;
        let sums = folding.base.iter().zip(&folding.add).zip(&folding.kept);
        let data = sums.filter(|(_, kept)| **kept).map(|((base, add), _)| base + add).collect();
        self.plan.constants.push(NewConstant { name, value, data: Elements::Numbers(dtype, data) });
        self.push(Change::Set { node: folding.node, arg: folding.into.clone(), to: Arg::Tensor(value) }, reason);
    }
}
