//! Pruning without masks: importance of coupled groups, and masks that drop the least of them.
//!
//! [`prune`] scores every [unit](crate::solve::Units) by all that is coupled to it, chooses a share, and gives masks for the
//! parameters that make the axes. From there on everything is as with masks that somebody else made.

mod budget;
mod bundle;
mod choose;
mod coupled;
mod error;
mod fault;
mod file;
mod given;
mod left_out;
mod pool;
mod ratios;
mod round;
mod score;

pub use error::PruneError;
pub use file::{FileError, masks as masks_of_yaml};
pub use given::Scores;
pub use left_out::LeftOut;
pub use ratios::Ratios;
pub use round::{Rounded, round};

use bundle::{Bundle, bundles};
use pool::Pool;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::axis::Propagation;
use crate::groups::Groups;
use crate::load::Model;
use crate::rule::RuleSet;
use crate::solve::{Masks, Why};

/// What makes a position important.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The sum of magnitudes.
    #[default]
    L1,
    /// The root of the sum of squares.
    L2,
    /// The gain of the norms that follow; without any as `L1`.
    Bn,
    /// The sum of distances to the other positions' weights.
    Fpgm,
    /// Chance.
    Random,
}

/// Where positions compete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Each group loses the same share.
    #[default]
    Local,
    /// The least important of all go, in multiples of their group's mean.
    Global,
    /// The same, but groups compete only with those of like structure (isomorphic pruning, Fang et al. 2024).
    Isomorphic,
}

/// How much goes.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// This share of the positions of all groups that can be pruned.
    Ratio(f64),
    /// So much that this share of the parameters stays.
    Parameters(f64),
    /// So much that this share of the multiply-accumulates stays.
    Macs(f64),
}

/// How to choose.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// How much goes.
    pub target: Target,
    /// What makes a position important.
    pub by: By,
    /// Scores from elsewhere, in the place of that.
    #[serde(skip)]
    pub scores: Option<Scores>,
    /// Where positions compete.
    pub scope: Scope,
    /// Patterns of groups, parameters or modules: what alone may go. Empty: all.
    pub include: Vec<String>,
    /// Patterns of what stays.
    pub exclude: Vec<String>,
    /// Patterns with the share that goes of what they mean, whatever else goes.
    pub ratios: Vec<(String, f64)>,
    /// What at most goes of a group.
    pub max_ratio: f64,
    /// What at least stays of each axis.
    pub min_keep: usize,
    /// What stays of an axis that is cut is a multiple of this.
    pub round_to: usize,
    /// Whole heads go, not positions inside each.
    pub heads: bool,
    /// This share of the heads goes, besides what goes inside each.
    pub head_ratio: Option<f64>,
    /// The seed of chance.
    pub seed: u64,
    /// Where all groups compete, scores are compared as they are, not in multiples of their group's mean.
    pub raw: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            target: Target::Ratio(0.5),
            by: By::L1,
            scores: None,
            scope: Scope::Local,
            include: Vec::new(),
            exclude: Vec::new(),
            ratios: Vec::new(),
            max_ratio: 1.0,
            min_keep: 1,
            round_to: 1,
            heads: false,
            head_ratio: None,
            seed: 0,
            raw: false,
        }
    }
}

impl Target {
    /// What is counted.
    fn what(self) -> &'static str {
        match self {
            Target::Ratio(_) => "channels",
            Target::Parameters(_) => "parameters",
            Target::Macs(_) => "multiply-accumulates",
        }
    }
}

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

/// What a group loses.
#[derive(Clone, Debug, Serialize)]
pub struct Lost {
    /// Its number.
    pub group: usize,
    /// Its name.
    pub name: String,
    /// Its positions.
    pub positions: usize,
    /// Those that go: of an axis in heads, position a * size + i is the i-th of head a.
    pub removed: Vec<usize>,
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
