//! Where a fact was lost.

use super::facts::FINITE;
use super::scene::Scene;
use crate::axis::{Bound, LetterId};
use crate::model::{NodeId, Role, ValueId};

/// What makes a removed position something else than zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// A stored tensor that is no parameter.
    Tensor(usize),
    /// A stored tensor that is no parameter and holds infinity or NaN.
    Infinite(usize),
    /// A node that makes something that may be infinite.
    Overflow(NodeId),
    /// A node whose operands are zero there, or lack the axis.
    Node(NodeId),
}

impl Scene<'_> {
    /// Where a removed position of a letter lost a fact: the way back along the axis, as far as it is easy to follow.
    pub fn blame(&self, bound: &Bound, (letter, at): (LetterId, usize), lacks: u8) -> Option<Blame> {
        let class = self.p.axes.class(bound.ids[letter as usize]);
        let holds = |v: ValueId| {
            let ids = self.p.dims[v.index()].as_deref().unwrap_or(&[]);
            let here = ids.iter().position(|id| self.p.axes.class(*id) == class)?;
            let flags = self.facts[v.index()].dims.get(here).and_then(Option::as_ref)?;
            Some(flags.get(at)? & lacks != 0)
        };
        let other = |bound: &Bound| bound.tensors().map(|(_, v)| v).find(|v| holds(*v) == Some(false));
        let mut value = other(bound)?;
        for _ in 0..64 {
            if let Some(k) = self.graph.tensors.iter().position(|t| t.value == value) {
                let blame = if lacks == FINITE { Blame::Infinite(k) } else { Blame::Tensor(k) };
                return (self.graph.tensors[k].role != Role::Parameter).then_some(blame);
            }
            let node = self.graph.node_ids().find(|n| self.graph.node(*n).outputs.contains(&value))?;
            if self.p.aliases.written(value) {
                return None;
            }
            match other(self.p.maker(value, node)?) {
                Some(next) => value = next,
                None => return Some(if lacks == FINITE { Blame::Overflow(node) } else { Blame::Node(node) }),
            }
        }
        None
    }
}
