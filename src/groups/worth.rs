//! What the removal of one position saves.

use egg::Id;
use rustc_hash::FxHashMap;

use super::elements::Elements;
use super::group::Group;
use super::macs::node_macs;
use crate::axis::{Bound, Propagation};
use crate::model::{Graph, Role};
use crate::rule::RuleSet;

/// Works out what positions are worth.
pub fn weigh(groups: &mut [Group], (graph, p): (&Graph, &Propagation), rules: &RuleSet, parts: &mut Elements) {
    for group in groups.iter_mut() {
        let Some(positions) = group.positions().filter(|n| *n > 0) else { continue };
        let mut left: FxHashMap<usize, f64> = FxHashMap::default();
        for m in group.members.iter().filter(|m| m.same_as.is_none() && graph.tensors[m.tensor].role == Role::Parameter) {
            let size = graph.tensors[m.tensor].shape[m.dim].max(1) as f64;
            let each = m.indices.as_ref().map_or(size / positions as f64, |i| i.each() as f64);
            let outer = if m.within.is_some() { group.outer } else { 1 } as f64;
            *left.entry(m.tensor).or_insert(1.0) *= 1.0 - (each / size / outer).min(1.0);
        }
        let saved = left.into_iter().map(|(k, left)| graph.tensors[k].numel() as f64 * (1.0 - left));
        group.worth.parameters = saved.sum::<f64>().round() as u64;
    }
    let number: FxHashMap<Id, usize> = groups.iter().enumerate().map(|(k, g)| (g.class, k)).collect();
    let mut macs = vec![0.0; groups.len()];
    for bound in p.bounds() {
        let total = node_macs(graph, rules, p, bound);
        if total > 0 {
            share(bound, p, parts, &number, groups).into_iter().for_each(|(k, share)| macs[k] += total as f64 * share);
        }
    }
    groups.iter_mut().zip(macs).for_each(|(g, macs)| g.worth.macs = macs.round() as u64);
}

/// By group the share of an operator's work that one of its positions is.
fn share(
    bound: &Bound,
    p: &Propagation,
    parts: &mut Elements,
    number: &FxHashMap<Id, usize>,
    groups: &[Group],
) -> FxHashMap<usize, f64> {
    let mut left: FxHashMap<usize, f64> = FxHashMap::default();
    for (l, id) in bound.ids.iter().enumerate() {
        let len = bound.letters[l].len() as f64;
        let takes_part = bound.outputs.first().is_some_and(|o| o.dims.iter().any(|d| d.letters().contains(&(l as u32))));
        let summed = bound.summed().contains(&(l as u32)) && bound.tensors().filter(|(o, _)| o.holds(l as u32)).count() > 1;
        if len < 1.0 || !(takes_part || summed) {
            continue;
        }
        for element in parts.of(*id).iter() {
            let Some(k) = number.get(&element.class) else { continue };
            let Some(size) = groups[*k].size.as_int().filter(|n| *n > 0) else { continue };
            let each = element.even.map_or(len / size as f64, |e| (e.run * e.times) as f64);
            *left.entry(*k).or_insert(1.0) *= 1.0 - (each / len / groups[*k].outer as f64).min(1.0);
        }
    }
    let _ = p;
    left.into_iter().map(|(k, left)| (k, 1.0 - left)).collect()
}
