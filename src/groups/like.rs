//! Groups of like structure.

use std::hash::{Hash, Hasher};

use rustc_hash::FxHasher;

use super::group::{Groups, MemberRole};
use crate::model::{Graph, Role};

impl Groups {
    /// A number that groups of like structure share: what kinds of tensors make, follow and read them, with kernels of the same sizes, by which operators
    /// these are joined, and whether their positions are heads. How many of each there are does not count.
    pub fn likeness(&self, graph: &Graph, id: usize) -> u64 {
        let group = &self.list[id];
        let unit = self.unit(group);
        let mut kinds: Vec<(MemberRole, usize, usize, Vec<usize>, bool)> = Vec::new();
        for m in group.members.iter().filter(|m| m.same_as.is_none()) {
            let t = &graph.tensors[m.tensor];
            let kernel = t.shape.iter().skip(2).copied().collect();
            kinds.push((m.role, m.dim, t.shape.len(), kernel, t.role == Role::Parameter));
        }
        kinds.sort_unstable();
        kinds.dedup();
        let mut joined: Vec<&str> = group.nodes.iter().map(|n| graph.node(*n).target.as_str()).collect();
        joined.sort_unstable();
        joined.dedup();
        let mut hasher = FxHasher::default();
        (kinds, joined, unit.map(|u| (u.outer, u.inner))).hash(&mut hasher);
        hasher.finish()
    }
}
