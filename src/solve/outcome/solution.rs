//! What stays of every axis, and why.

use std::rc::Rc;

use egg::Id;
use rustc_hash::FxHashMap;

use super::stays::Stay;
use super::verdict::Verdict;
use crate::axis::Propagation;
use crate::model::{NodeId, ValueId};
use crate::solve::positions::{Contexts, Link, Why};
use crate::solve::proof::{Blame, Folding, Uniform};
use crate::solve::votes::{Aliased, Conflict, Given, Renamed};

/// Positions that stayed although a mask drops them, or although they could be asked to go.
#[derive(Clone, Debug)]
pub struct Obstacle {
    /// The node that stands in the way.
    pub node: NodeId,
    /// Number of positions.
    pub positions: usize,
    /// What it finds there.
    pub why: Hindrance,
    /// Parameters that stay with these positions, where the given masks alone count.
    pub parameters: u64,
    /// Of what is not proven to be zero: what makes the first of it something else.
    pub blame: Option<Blame>,
}

/// What stands in the way of a removal at a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hindrance {
    /// The positions are summed over, and nothing is proven zero there.
    Unproven,
    /// They are summed over and hold numbers that cannot be folded.
    Constant,
    /// They hold numbers that a bias map could take up.
    Border,
    /// The node's arguments cannot express what would be left.
    Inexpressible,
}

/// What stays of every axis.
pub struct Solution<'a> {
    /// The masks that were given, by tensor.
    pub given: Vec<Option<Given<'a>>>,
    /// By class: for each position whether it stays; `None` where all do.
    pub(in crate::solve) kept: FxHashMap<Id, Option<Rc<[bool]>>>,
    pub(in crate::solve) contexts: Contexts,
    /// What is equal at all removed positions though not zero.
    pub uniform: Uniform,
    /// Numbers at removed positions, added up for the biases that take them.
    pub folds: Vec<Folding>,
    /// Operands that are zero everywhere when a node reads them.
    pub absent: Vec<(NodeId, ValueId)>,
    /// Of the axis that `Options::explain` names.
    pub verdicts: Option<Vec<Verdict>>,
    /// By tensor and dimension: its mask, or that it has none, decides over the axis.
    pub makes: Vec<Vec<bool>>,
    /// By tensor: it is cut without being masked, since it is divided by its norm.
    pub unmasked: Vec<bool>,
    /// Masks that were ignored: of weights that are computed from other parameters.
    pub ignored: Vec<String>,
    /// How the masks' names became the model's, where they differ by a prefix.
    pub renamed: Option<Renamed>,
    /// Masks by names of the exported module.
    pub aliased: Aliased,
    /// Where masks disagree.
    pub conflicts: Vec<Conflict>,
    /// Where a removal could not be shown to be right.
    pub obstacles: Vec<Obstacle>,
    /// Values of which a dimension would be left without positions.
    pub last: Vec<ValueId>,
    /// Positions that a mask drops and that stay.
    pub stays: Vec<Stay>,
    /// How often the solver ran until the proof held.
    pub rounds: usize,
    /// The small model equals the original with the given masks.
    pub lossless: bool,
    /// By unit why it stays.
    pub(in crate::solve) whys: Vec<Option<Why>>,
}

impl Solution<'_> {
    /// Number of positions that stay (of a ragged axis: in each outer position); `None` where all do.
    pub fn size(&self, p: &Propagation, id: Id) -> Option<usize> {
        let total = self.kept(p, id)?.iter().filter(|k| **k).count();
        let context = self.contexts.of(&p.axes, id);
        let outer = context.map_or(1, |c| self.kept(p, c.class).map_or(c.outer, |k| k.iter().filter(|k| **k).count()));
        Some(total / outer.max(1))
    }

    /// Where a dimension of a value is ragged: which other dimension tells the outer position.
    pub fn ragged(&self, p: &Propagation, value: ValueId, dim: usize) -> Option<Link<usize>> {
        self.contexts.dim(&p.axes, p.dims[value.index()].as_deref()?, dim)
    }

    /// For each position of an axis whether it stays, of a ragged axis for each pair of an outer and an own position; `None`
    /// where all do.
    pub fn kept(&self, p: &Propagation, id: Id) -> Option<Rc<[bool]>> {
        self.kept.get(&p.axes.class(id)).cloned().flatten()
    }

    /// The same for a dimension of a value.
    pub fn dim(&self, p: &Propagation, value: ValueId, dim: usize) -> Option<Rc<[bool]>> {
        let id = *p.dims[value.index()].as_ref()?.get(dim)?;
        self.kept(p, id)
    }

    /// Why one of the units stays; `None` if it goes.
    pub fn why(&self, unit: u32) -> Option<&Why> {
        self.whys.get(unit as usize).and_then(Option::as_ref)
    }

    /// True if nothing goes.
    pub fn is_everything(&self) -> bool {
        self.kept.values().all(Option::is_none)
    }
}
