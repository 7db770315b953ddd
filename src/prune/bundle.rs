//! What competes: groups, and those that must lose equally many.
//!
//! The head sizes of queries, keys and values stay alike, so that a configuration can say what is left: their axes are several groups (of
//! rotary halves, of what is not rotated, of values), which lose the same share of their positions.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use super::error::PruneError;
use super::options::Options;
use crate::groups::{Group, Groups, MemberRole, axis_name};
use crate::model::Graph;
use crate::solve::UnitGroup;

/// Groups that lose equally many, in multiples.
#[derive(Clone)]
pub struct Bundle<'a> {
    /// Each with how many of its rows are a row of the bundle.
    pub parts: Vec<(&'a UnitGroup, usize)>,
    /// The share that goes, where it is said.
    pub share: Option<f64>,
    /// Where that is kept while it does not count.
    pub said: Option<f64>,
    /// Bundles with the same number have like structure.
    pub like: u64,
    /// How many times as wide it was before earlier rounds.
    pub grown: f64,
}

impl<'a> Bundle<'a> {
    /// All units.
    pub fn units(&self) -> impl Iterator<Item = u32> + use<'_, 'a> {
        self.parts.iter().flat_map(|(g, _)| g.units.iter().flatten().copied())
    }

    /// Number of rows.
    pub fn width(&self) -> usize {
        self.parts.iter().map(|(g, per)| g.width / per).min().unwrap_or(0)
    }
}

/// What is not chosen from, and why.
pub type Out<'a> = Vec<(&'static str, &'a UnitGroup)>;

/// All that may compete, and the groups that are left out.
pub fn bundles<'a>(graph: &Graph, groups: &'a Groups, options: &Options) -> Result<(Vec<Bundle<'a>>, Out<'a>), PruneError> {
    let shares = shares(graph, groups, options)?;
    let matched = |patterns: &[String]| -> Vec<bool> {
        (0..groups.list.len()).map(|id| patterns.iter().any(|p| groups.means(graph, p, id))).collect()
    };
    let (included, excluded) = (matched(&options.include), matched(&options.exclude));
    let mut out = Vec::new();
    let mut chosen: Vec<(usize, &UnitGroup, Option<f64>)> = Vec::new();
    for (id, group) in groups.list.iter().enumerate() {
        let Some(unit) = groups.unit(group) else { continue };
        let share = shares[id].or(if unit.outer && !options.heads { options.head_ratio } else { None });
        let kind = match (unit.outer, unit.inner) {
            (false, inner) => !(inner && options.heads),
            // Of heads in heads (queries that share keys) whole outer ones go.
            (true, false) => options.heads || options.head_ratio.is_some(),
            (true, true) => false,
        };
        if excluded[id] {
            out.push(("excluded", unit));
        } else if !options.include.is_empty() && !included[id] {
            if kind {
                out.push(("not included", unit));
            }
        } else if shares[id].is_some() || kind {
            chosen.push((id, unit, share));
        }
    }
    let mut bundles: Vec<Bundle> = Vec::new();
    let mut done = vec![false; chosen.len()];
    let grown = grown(graph, groups, &options.widths);
    let alike = siblings(groups, &chosen.iter().map(|(id, ..)| *id).collect::<Vec<_>>());
    for k in 0..chosen.len() {
        if std::mem::replace(&mut done[k], true) {
            continue;
        }
        let (id, unit, share) = chosen[k];
        let like = groups.likeness(graph, id);
        let members = alike.iter().find(|set| set.contains(&k));
        let Some(members) = members else {
            bundles.push(Bundle { parts: vec![(unit, 1)], share, said: None, like, grown: grown[id] });
            continue;
        };
        members.iter().for_each(|m| done[*m] = true);
        let said: Vec<&(usize, &UnitGroup, Option<f64>)> =
            members.iter().map(|m| &chosen[*m]).filter(|c| shares[c.0].is_some()).collect();
        if let Some(other) = said.iter().find(|c| c.2 != said[0].2) {
            return Err(conflict(graph, groups, options, said[0].0, other.0));
        }
        let share = said.first().map_or(share, |c| c.2);
        let grown = members.iter().map(|m| grown[chosen[*m].0]).fold(1.0, f64::max);
        let units: Vec<&UnitGroup> = members.iter().map(|m| chosen[*m].1).collect();
        let common = units.iter().map(|u| u.width).fold(0, gcd);
        if common > 1 {
            let parts = units.iter().map(|u| (*u, u.width / common)).collect();
            bundles.push(Bundle { parts, share, said: None, like, grown });
        } else {
            // Halves that cannot lose the same share stay as they are.
            let (plain, paired): (Vec<&UnitGroup>, Vec<&UnitGroup>) = units.into_iter().partition(|u| u.each == 1);
            out.extend(paired.into_iter().map(|u| ("its head size must stay that of others", u)));
            if plain.len() > 1 {
                let parts = plain.into_iter().map(|u| (u, 1)).collect();
                bundles.push(Bundle { parts, share, said: None, like, grown });
            }
        }
    }
    Ok((bundles, out))
}

/// The groups, of those that are listed, that are one head size: of as many positions in the same heads, where no parameter reads some of them (queries
/// and keys are multiplied with each other).
fn siblings(groups: &Groups, ids: &[usize]) -> Vec<Vec<usize>> {
    let mut sets: Vec<Vec<usize>> = Vec::new();
    let mut of: FxHashMap<(usize, usize), usize> = FxHashMap::default();
    for (k, id) in ids.iter().enumerate() {
        let Some(unit) = groups.unit(&groups.list[*id]).filter(|u| !u.outer) else { continue };
        // One axis may lie in the heads of several layers (rotary angles), and joins what lies in each of them.
        let keys = || unit.heads.iter().map(|head| (*head, unit.span));
        let mut joined: Vec<usize> = keys().filter_map(|key| of.get(&key).copied()).collect();
        joined.sort_unstable();
        joined.dedup();
        let set = joined.first().copied().unwrap_or_else(|| {
            sets.push(Vec::new());
            sets.len() - 1
        });
        for other in joined.iter().skip(1) {
            let moved = std::mem::take(&mut sets[*other]);
            sets[set].extend(moved);
            of.values_mut().filter(|s| **s == *other).for_each(|s| *s = set);
        }
        keys().for_each(|key| _ = of.insert(key, set));
        sets[set].push(k);
    }
    sets.iter_mut().for_each(|set| set.sort_unstable());
    let unread = |k: &usize| !groups.list[ids[*k]].members.iter().any(|m| m.role == MemberRole::Reads);
    let mut found: Vec<Vec<usize>> = sets.into_iter().filter(|set| set.len() > 1 && set.iter().any(unread)).collect();
    found.sort_unstable();
    found
}

/// How many times as wide each group was, as [`Options::widths`] say it.
fn grown(graph: &Graph, groups: &Groups, widths: &[(String, usize)]) -> Vec<f64> {
    let mut before: FxHashMap<&str, VecDeque<usize>> = FxHashMap::default();
    widths.iter().for_each(|(axis, n)| before.entry(axis).or_default().push_back(*n));
    let of = |group: &Group| {
        let first = group.members.first().map(|m| axis_name(graph, m))?;
        let (then, now) = (before.get_mut(first.as_str())?.pop_front()?, group.positions()?);
        Some(then as f64 / now.max(1) as f64)
    };
    groups.list.iter().map(of).map(|times| times.unwrap_or(1.0).max(1.0)).collect()
}

/// For each group the ratio that an entry asks for.
fn shares(graph: &Graph, groups: &Groups, options: &Options) -> Result<Vec<Option<f64>>, PruneError> {
    let mut found: Vec<Option<usize>> = vec![None; groups.list.len()];
    for (k, (pattern, _)) in options.ratios.iter().enumerate() {
        let mut any = false;
        for (id, group) in groups.list.iter().enumerate() {
            if !groups.means(graph, pattern, id) {
                continue;
            }
            any = true;
            match found[id] {
                Some(before) if options.ratios[before].1 != options.ratios[k].1 => {
                    let name = groups.name(graph, group);
                    let say = |k: usize| format!("{} of `{}`", options.ratios[k].1, options.ratios[k].0);
                    return Err(PruneError::Conflict { group: name, first: say(before), second: say(k) });
                }
                _ => found[id] = Some(k),
            }
        }
        if !any {
            return Err(PruneError::Pattern { option: "ratio", pattern: pattern.clone() });
        }
    }
    Ok(found.into_iter().map(|k| k.map(|k| options.ratios[k].1)).collect())
}

/// Two groups that must lose the same share are to lose different ones.
fn conflict(graph: &Graph, groups: &Groups, options: &Options, a: usize, b: usize) -> PruneError {
    let say = |id: usize| {
        let entry = options.ratios.iter().find(|(pattern, _)| groups.means(graph, pattern, id));
        entry.map(|(pattern, ratio)| format!("{ratio} of `{pattern}`")).unwrap_or_default()
    };
    PruneError::Conflict { group: groups.name(graph, &groups.list[a]), first: say(a), second: say(b) }
}

pub(super) fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
