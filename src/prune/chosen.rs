//! Choosing masks.

use serde::Serialize;

use super::bundle::{Bundle, bundles};
use super::error::PruneError;
use super::left_out::{self, LeftOut};
use super::lost::Lost;
use super::options::{By, Options, Scope, Target};
use super::pool::Pool;
use super::{budget, given, score};
use crate::Error;
use crate::axis::Propagation;
use crate::groups::Groups;
use crate::load::Model;
use crate::rule::RuleSet;
use crate::solve::{Masks, Why};

/// What was chosen.
#[derive(Serialize)]
pub struct Pruned {
    /// Masks for the parameters that make what goes.
    #[serde(skip)]
    pub masks: Masks<'static>,
    /// Groups that can be pruned.
    pub groups: usize,
    /// Positions of these.
    pub positions: usize,
    /// Those that go.
    pub removed: usize,
    /// Their share.
    pub ratio: f64,
    /// The share of parameters or multiply-accumulates that is left, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<f64>,
    /// What each group loses, by its name.
    pub lost: Vec<Lost>,
    /// Groups of which nothing can go.
    pub left_out: Vec<LeftOut>,
}

/// Chooses masks.
///
/// # Errors
/// Shares and patterns that mean nothing, weights that cannot be read, models in which nothing can be pruned, and budgets that
/// cannot be met.
pub fn prune(model: &Model, p: &Propagation, rules: &RuleSet, options: &Options) -> Result<Pruned, Error> {
    match options.target {
        Target::Ratio(share) if !(0.0..1.0).contains(&share) => return Err(PruneError::Ratio { share }.into()),
        Target::Parameters(share) | Target::Macs(share) if !(share > 0.0 && share <= 1.0) => {
            return Err(PruneError::Share { share }.into());
        }
        _ => {}
    }
    let said = options.ratios.iter().map(|(_, r)| *r).chain(options.head_ratio).chain([options.max_ratio.min(0.0)]);
    if let Some(share) = said.into_iter().find(|r| !(0.0..1.0).contains(r)) {
        return Err(PruneError::Ratio { share }.into());
    }
    if options.by != By::Random && options.scores.is_none() {
        model.archive.check_data()?;
    }
    let graph = &model.graph;
    let groups = Groups::find(graph, p, rules);
    let units = &groups.units;
    for (option, patterns) in [("include", &options.include), ("exclude", &options.exclude)] {
        let means = |pattern: &&String| (0..groups.list.len()).any(|id| groups.means(graph, pattern, id));
        if let Some(pattern) = patterns.iter().find(|p| !means(p)) {
            return Err(PruneError::Pattern { option, pattern: pattern.clone() }.into());
        }
    }
    let (candidates, out) = bundles(graph, &groups, options)?;
    let scores = match &options.scores {
        Some(given) => given::scores(given, model, p, &groups)?,
        None => score::scores(model, p, units, options.by, options.seed)?,
    };
    let stuck = vec![false; units.count()];
    let mut pool = Pool { model, p, rules, units, options, scores: &scores, groups: Vec::new(), stuck };
    let mut left_out = left_out::List::new(&pool);
    out.into_iter().for_each(|(why, group)| left_out.group(why, group));
    for bundle in candidates {
        let why = if bundle.width() <= options.min_keep.max(1) {
            "no more channels than are to be kept"
        } else if bundle.share == Some(0.0) {
            "its ratio is 0"
        } else if bundle.units().any(|u| scores[u as usize].is_nan()) {
            "no scores are given for it"
        } else {
            pool.groups.push(bundle);
            continue;
        };
        bundle.parts.iter().for_each(|(group, _)| left_out.group(why, group));
    }
    try_all(&mut pool, &mut left_out)?;
    if pool.groups.is_empty() {
        return Err(PruneError::Nothing { why: left_out.summary() }.into());
    }
    let (dropped, left) = match options.target {
        Target::Ratio(share) => (pool.choose(share, options)?.dropped, None),
        Target::Parameters(goal) | Target::Macs(goal) => {
            let (dropped, left) = budget::bisect(&pool, goal, options)?;
            (dropped, Some(left))
        }
    };
    let (count, positions, removed) = (pool.groups.iter().map(|b| b.parts.len()).sum(), pool.positions(), dropped.len());
    let ratio = removed as f64 / positions.max(1) as f64;
    let lost = pool.lost(&groups, &dropped);
    Ok(Pruned { masks: pool.masks(&dropped), groups: count, positions, removed, ratio, left, lost, left_out: left_out.found })
}

/// Leaves out the groups of which nothing goes when half of everything should: the solver knows why.
fn try_all(pool: &mut Pool, left_out: &mut left_out::List) -> Result<(), Error> {
    let trial = Options { round_to: 1, scope: Scope::Local, max_ratio: 1.0, scores: None, ..pool.options.clone() };
    // What ratio is said of a group does not count here.
    pool.groups.iter_mut().for_each(|b| std::mem::swap(&mut b.share, &mut b.said));
    for _ in 0..8 {
        let choice = pool.choose(0.5, &trial)?;
        let mut gone = vec![false; pool.units.count()];
        choice.dropped.iter().for_each(|u| gone[*u as usize] = true);
        let goes = |b: &Bundle| b.parts.iter().all(|(g, _)| g.units.iter().flatten().any(|u| gone[*u as usize]));
        let (some, none): (Vec<Bundle>, Vec<Bundle>) = std::mem::take(&mut pool.groups).into_iter().partition(goes);
        pool.groups = some;
        none.iter().for_each(|g| left_out.stayed(g, &choice.stayed));
        if none.is_empty() {
            let for_good = |why: &Why| matches!(why, Why::Unproven(_) | Why::Inexpressible(_) | Why::Tied);
            choice.stayed.iter().filter(|(_, why)| for_good(why)).for_each(|(u, _)| pool.stuck[*u as usize] = true);
            break;
        }
    }
    pool.groups.iter_mut().for_each(|b| std::mem::swap(&mut b.share, &mut b.said));
    Ok(())
}
