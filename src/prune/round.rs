//! Given masks, evened out: what stays of each axis becomes a multiple.

use rustc_hash::FxHashSet;
use serde::Serialize;

use super::options::By;
use super::score;
use crate::Error;
use crate::axis::Propagation;
use crate::groups::Groups;
use crate::load::Model;
use crate::rule::RuleSet;
use crate::solve::{self, Mask, Masks, Options};

/// What was evened out of a group.
#[derive(Clone, Debug, Serialize)]
pub struct Rounded {
    /// Its name.
    pub group: String,
    /// Positions that would have stayed.
    pub before: usize,
    /// Positions that stay.
    pub after: usize,
}

/// Keeps the most important of what masks drop, so that what stays of each axis is a multiple of `to`, or all of it.
///
/// # Errors
/// Masks that do not fit, and weights that cannot be read.
pub fn round<'m>(
    model: &Model,
    p: &Propagation,
    rules: &RuleSet,
    masks: &Masks<'m>,
    (to, options): (usize, &Options),
) -> Result<(Masks<'m>, Vec<Rounded>), Error> {
    let graph = &model.graph;
    let groups = Groups::find(graph, p, rules);
    let solution = solve::solve(graph, rules, p, masks, options, model)?;
    let by = if model.archive.is_bare() { By::Random } else { By::L1 };
    let scores = score::scores(model, p, &groups.units, by, 0)?;
    let (mut back, mut goes, mut rounded) = (FxHashSet::default(), FxHashSet::default(), Vec::new());
    for group in &groups.list {
        let Some(unit) = groups.unit(group) else { continue };
        let Some(kept) = solution.kept(p, unit.class) else { continue };
        let mut counts = (0, 0);
        for (a, (own, at)) in unit.units.iter().zip(&unit.places).enumerate() {
            let stays = |i: u32| kept.get(a * unit.width + i as usize).copied().unwrap_or(true);
            let mut gone: Vec<u32> = own.iter().zip(at).filter(|(_, i)| !stays(**i)).map(|(u, _)| *u).collect();
            gone.sort_by(|x, y| scores[*y as usize].total_cmp(&scores[*x as usize]).then(x.cmp(y)));
            let before = unit.width - gone.len();
            let after = if gone.is_empty() { before } else { before.next_multiple_of(to).min(unit.width) };
            back.extend(gone.iter().take(after - before));
            goes.extend(gone.iter().skip(after - before));
            counts = (before, after);
        }
        if counts.0 != counts.1 {
            rounded.push(Rounded { group: groups.name(graph, group), before: counts.0, after: counts.1 });
        }
    }
    let mut out = Masks::new();
    for (name, mask) in masks {
        let Some(k) = graph.tensors.iter().position(|t| t.name == *name) else {
            out.insert(name.clone(), Mask { shape: mask.shape.clone(), keep: mask.keep.clone() });
            continue;
        };
        let t = &graph.tensors[k];
        let full = mask.shape == t.shape;
        let (mut lift, mut stay) = (vec![false; mask.keep.len()], vec![false; mask.keep.len()]);
        // A mask of one number a channel may have all dimensions, with 1 in the others.
        let dim = mask.shape.iter().position(|n| *n != 1).filter(|_| mask.shape.len() == t.shape.len()).unwrap_or(0);
        let dims = if full { 0..t.shape.len() } else { dim..dim + 1 };
        for d in dims {
            let Some(of) = groups.units.of(graph, p, k, d) else { continue };
            let has =
                |at: usize, set: &FxHashSet<u32>| of.list.get(at).is_some_and(|units| units.iter().any(|u| set.contains(u)));
            if full {
                of.each(&t.shape, d, |n, at| {
                    lift[n] |= has(at, &back);
                    stay[n] |= has(at, &goes);
                });
            } else if of.outer() == 1 && of.list.len() == mask.keep.len() {
                (0..lift.len()).for_each(|n| (lift[n], stay[n]) = (has(n, &back), has(n, &goes)));
            }
        }
        let keep: Vec<u8> =
            mask.keep.iter().zip(lift.iter().zip(&stay)).map(|(k, (l, s))| if *l && !*s { 1 } else { *k }).collect();
        out.insert(name.clone(), Mask { shape: mask.shape.clone(), keep: keep.into() });
    }
    Ok((out, rounded))
}
