//! A rule applied to one node: its letters with their axes.

use std::ops::Deref;
use std::sync::Arc;

use egg::Id;

use super::letters::{BoundOperand, DimExpr, Given, LetterId};
use super::sketch::Sketch;
use crate::model::{NodeId, Size, ValueId};
use crate::rule::Rule;

/// A rule applied to a node: a [`Sketch`] whose letters have axes.
#[derive(Clone, Debug)]
pub struct Bound {
    /// The node.
    pub node: NodeId,
    /// The rule.
    pub rule: Arc<Rule>,
    /// What the rule makes of the node.
    pub sketch: Sketch,
    /// The letters' terms in the e-graph, parallel to them.
    pub ids: Vec<Id>,
    /// Letters whose number of positions matters for the values.
    pub over: Vec<LetterId>,
}

impl Deref for Bound {
    type Target = Sketch;

    fn deref(&self) -> &Sketch {
        &self.sketch
    }
}

impl Bound {
    /// The letter's size.
    pub fn size(&self, letter: LetterId) -> Size {
        self.letters[letter as usize].size.clone()
    }

    /// Letters that some result has.
    pub fn in_outputs(&self) -> Vec<bool> {
        let mut found = vec![false; self.letters.len()];
        for out in &self.outputs {
            out.dims.iter().flat_map(DimExpr::letters).chain(out.at.iter().copied()).for_each(|l| found[l as usize] = true);
        }
        found
    }

    /// Letters that are summed over: read, in no result, and not merely cut off.
    pub fn summed(&self) -> Vec<LetterId> {
        if self.copies {
            return Vec::new();
        }
        let kept = self.in_outputs();
        let mut read = vec![false; self.letters.len()];
        for operand in self.operands.iter().filter(|o| o.read) {
            operand.dims.iter().flat_map(DimExpr::letters).for_each(|l| read[l as usize] = true);
        }
        (0..self.letters.len() as LetterId).filter(|l| read[*l as usize] && !kept[*l as usize]).collect()
    }

    /// The operands that are tensors whose values are read.
    pub fn tensors(&self) -> impl Iterator<Item = (&BoundOperand, ValueId)> {
        self.operands.iter().filter(|o| o.read).filter_map(|o| match o.given {
            Given::Tensor(v) => Some((o, v)),
            Given::Number(_) => None,
        })
    }
}
