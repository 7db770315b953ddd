//! Parameters that are divided by their norm: what goes of one is taken up by the scale beside it, and no row is left without a norm.

use super::planner::Planner;
use crate::axis::Bound;
use crate::plan::change::{Change, Edit};

impl Planner<'_> {
    /// Where a parameter that a node divides by its norm loses some of what the norm is over.
    pub(super) fn rescale(&mut self, bound: &Bound) {
        let Some(normed) = self.p.normed(self.graph, bound).filter(|_| bound.rule.norm.is_some()) else { return };
        let (of, scale) = (&self.graph.tensors[normed.of], &self.graph.tensors[normed.scale]);
        let over = |d: &usize| scale.shape.get(*d).is_none_or(|n| *n != of.shape[*d]);
        let cut = (0..of.shape.len()).filter(over).any(|d| self.solution.dim(self.p, of.value, d).is_some());
        let change = Change::Rescale { tensor: normed.scale, of: normed.of };
        let known = |e: &Edit| matches!(e.change, Change::Rescale { tensor, .. } if tensor == normed.scale);
        if cut && !self.plan.edits.iter().any(known) {
            self.push(change, "the other tensor is divided by its norm, which is that of what stays now");
        }
    }
}
