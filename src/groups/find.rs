//! Finding the groups of a program.

use egg::Id;
use indexmap::IndexMap;
use rustc_hash::FxHashMap;

use super::elements::Elements;
use super::group::{Between, Group, Groups, Member, MemberRole, Part};
use super::index::Indices;
use super::{flow, worth};
use crate::axis::{Axes, Propagation};
use crate::model::{Graph, NodeId, Role};
use crate::rule::RuleSet;
use crate::solve::{Roles, Units};

impl Groups {
    /// Finds the groups of a program.
    pub fn find(graph: &Graph, p: &Propagation, rules: &RuleSet) -> Groups {
        let roles = Roles::new(graph, p);
        let units = Units::find(graph, p);
        let first = graph.first_names();
        let mut parts = Elements::new(&p.axes);
        let mut found: IndexMap<Id, Group> = IndexMap::new();
        let mut between: Vec<(Id, Id, usize)> = Vec::new();
        for (k, t) in graph.tensors.iter().enumerate() {
            let twin = first[k] != k;
            let (mut made, mut read) = (Vec::new(), Vec::new());
            for (d, id) in p.dims[t.value.index()].iter().flatten().enumerate() {
                let elements = parts.of(*id);
                for element in elements.iter().copied() {
                    let class = element.class;
                    let size = p.axes.size(class);
                    if size.is(1) {
                        continue;
                    }
                    let role = match (roles.makes[k][d], roles.reads[k][d] && !roles.joins[k][d]) {
                        (true, _) => MemberRole::Makes,
                        (_, true) => MemberRole::Reads,
                        _ => MemberRole::Follows,
                    };
                    match role {
                        MemberRole::Makes => made.push(class),
                        MemberRole::Reads => read.push(class),
                        MemberRole::Follows => {}
                    }
                    let group = found.entry(class).or_insert_with(|| Group::new(class, size));
                    if t.role == Role::Parameter && !twin {
                        group.parameters += along(&p.axes, t.numel() as u64, *id, class);
                    }
                    let part = match (elements.len(), element.start.and_then(|n| usize::try_from(n).ok())) {
                        (1, _) => Part::Whole,
                        (_, Some(from)) => Part::From(from),
                        _ => Part::Factor,
                    };
                    let indices = element.even.map(Indices::Even);
                    let same_as = twin.then_some(first[k]);
                    let gain = units.scales(k) && role == MemberRole::Follows;
                    group.members.push(Member {
                        tensor: k,
                        dim: d,
                        role,
                        part,
                        indices,
                        within: None,
                        same_as,
                        gain,
                        flow: None,
                    });
                }
            }
            let pairs = read.iter().flat_map(|r| made.iter().map(move |m| (*r, *m)));
            between.extend(pairs.map(|(r, m)| (r, m, k)));
        }
        found.retain(|_, g| g.parameters > 0);
        let mut nodes = couplings(graph, p, &roles, &mut parts);
        let mut of_unit = vec![None; units.groups.len()];
        for (u, unit) in units.groups.iter().enumerate() {
            if let Some((id, _, group)) = found.get_full_mut(&unit.class) {
                group.unit = Some(u);
                group.outer = unit.units.len();
                of_unit[u] = Some(id);
            }
        }
        for (class, group) in &mut found {
            group.members.sort_by_key(|m| m.role);
            group.nodes = nodes.remove(class).unwrap_or_default();
            if let Some(unit) = group.unit {
                group.locate(graph, p, &units, &units.groups[unit]);
            }
        }
        let number = |class: &Id| found.get_index_of(class);
        let between = between.into_iter();
        let between = between.filter_map(|(a, b, tensor)| Some(Between { from: number(&a)?, to: number(&b)?, tensor })).collect();
        let mut groups = Groups { list: found.into_values().collect(), between, units, of_unit };
        flow::find(&mut groups.list, graph, p, &roles, &mut parts);
        worth::weigh(&mut groups.list, (graph, p), rules, &mut parts);
        groups
    }
}

/// The share of a tensor's elements that lie along a class that is all of a dimension, or a part of it.
fn along(axes: &Axes, numel: u64, dim: Id, class: Id) -> u64 {
    let (Some(whole), Some(part)) = (axes.size(dim).as_int(), axes.size(class).as_int()) else { return 0 };
    let cat = axes.cat_parts(dim).is_some_and(|parts| parts.iter().any(|p| axes.class(*p) == class));
    if cat && whole > 0 { numel * part as u64 / whole as u64 } else { numel }
}

/// By class, the nodes in which several activations share it.
fn couplings(graph: &Graph, p: &Propagation, roles: &Roles, parts: &mut Elements) -> FxHashMap<Id, Vec<NodeId>> {
    let mut found: FxHashMap<Id, Vec<NodeId>> = FxHashMap::default();
    for bound in p.bounds() {
        let active: Vec<_> = bound.tensors().filter(|(_, v)| !roles.constant[v.index()]).map(|(o, _)| o).collect();
        if active.len() < 2 || graph.node(bound.node).outputs.is_empty() {
            continue;
        }
        let shared = (0..bound.ids.len()).filter(|l| active.iter().filter(|o| o.holds(*l as u32)).count() > 1);
        for element in shared.flat_map(|l| parts.of(bound.ids[l]).to_vec()) {
            let nodes = found.entry(element.class).or_default();
            if nodes.last() != Some(&bound.node) {
                nodes.push(bound.node);
            }
        }
    }
    found
}
