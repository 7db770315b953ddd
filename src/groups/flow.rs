//! Where the activations are that a weight makes or reads.

use rustc_hash::FxHashMap;

use super::elements::Elements;
use super::group::{Flow, Group, MemberRole};
use crate::axis::Propagation;
use crate::model::{Graph, ValueId};
use crate::solve::Roles;

/// Notes with each weight what it first gives its axis to, or finds it in.
pub fn find(groups: &mut [Group], graph: &Graph, p: &Propagation, roles: &Roles, parts: &mut Elements) {
    let mut members: FxHashMap<ValueId, Vec<(usize, usize)>> = FxHashMap::default();
    for (g, group) in groups.iter().enumerate().filter(|(_, g)| g.outer == 1) {
        for (m, member) in group.members.iter().enumerate().filter(|(_, m)| m.role != MemberRole::Follows) {
            members.entry(graph.tensors[member.tensor].value).or_default().push((g, m));
        }
    }
    for bound in p.bounds() {
        for (_, weight) in bound.tensors() {
            for (g, m) in members.get(&weight).into_iter().flatten().copied() {
                if groups[g].members[m].flow.is_some() {
                    continue;
                }
                let class = groups[g].class;
                let values: Vec<ValueId> = match groups[g].members[m].role {
                    MemberRole::Makes => bound.outputs.iter().filter_map(|o| o.value).collect(),
                    _ => bound.tensors().map(|(_, v)| v).filter(|v| !roles.constant[v.index()]).collect(),
                };
                let mut dims =
                    values.iter().flat_map(|v| p.dims[v.index()].iter().flatten().enumerate().map(move |(d, id)| (*v, d, *id)));
                groups[g].members[m].flow = dims.find_map(|(value, dim, id)| {
                    let even = parts.of(id).iter().find(|e| e.class == class)?.even?;
                    Some(Flow { value, dim, even })
                });
            }
        }
    }
}
