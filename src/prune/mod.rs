//! Pruning without masks: importance of coupled groups, and masks that drop the least of them.
//!
//! [`prune`] scores every [unit](crate::solve::Units) by all that is coupled to it, chooses a share, and gives masks for the
//! parameters that make the axes. From there on everything is as with masks that somebody else made.

mod budget;
mod choose;
mod error;
mod file;
mod glob;
mod left_out;
mod pool;
mod score;

pub use error::PruneError;
pub use file::{FileError, masks as masks_of_yaml};
pub use left_out::LeftOut;

use pool::Pool;
use serde::Serialize;

use crate::Error;
use crate::axis::Propagation;
use crate::load::Model;
use crate::model::{Graph, Role};
use crate::rule::RuleSet;
use crate::solve::{Masks, UnitGroup, Units, Why};

/// What makes a position important.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Each group loses the same share.
    #[default]
    Local,
    /// The least important of all go, in multiples of their group's mean.
    Global,
}

/// How much goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// This share of the positions of all groups that can be pruned.
    Ratio(f64),
    /// So much that this share of the parameters stays.
    Parameters(f64),
    /// So much that this share of the multiply-accumulates stays.
    Macs(f64),
}

/// How to choose.
#[derive(Clone, Debug)]
pub struct Options {
    /// How much goes.
    pub target: Target,
    /// What makes a position important.
    pub by: By,
    /// Where positions compete.
    pub scope: Scope,
    /// Patterns of parameters or modules whose output positions stay.
    pub exclude: Vec<String>,
    /// What at least stays of each axis.
    pub min_keep: usize,
    /// What stays of an axis that is cut is a multiple of this.
    pub round_to: usize,
    /// Whole heads go, not positions inside each.
    pub heads: bool,
    /// The seed of chance.
    pub seed: u64,
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
    if options.by != By::Random {
        model.archive.check_data()?;
    }
    let graph = &model.graph;
    let units = Units::find(graph, p);
    let excluded = excluded(graph, &options.exclude)?;
    let scores = score::scores(model, p, &units, options.by, options.seed)?;
    let stuck = vec![false; units.count()];
    let mut pool = Pool { model, p, rules, units: &units, options, scores: &scores, groups: Vec::new(), stuck };
    let mut left_out = left_out::List::new(&pool);
    for group in units.groups.iter().filter(|g| if options.heads { !g.inner } else { !g.outer }) {
        if group.makers.iter().any(|k| excluded[*k]) {
            left_out.group("excluded", group);
        } else if group.units[0].len() <= options.min_keep.max(1) {
            left_out.group("no more channels than are to be kept", group);
        } else {
            pool.groups.push(group);
        }
    }
    try_all(&mut pool, &mut left_out)?;
    if pool.groups.is_empty() {
        return Err(PruneError::Nothing.into());
    }
    let (dropped, left) = match options.target {
        Target::Ratio(share) => (pool.choose(share, options)?.dropped, None),
        Target::Parameters(goal) | Target::Macs(goal) => {
            let (dropped, left) = budget::bisect(&pool, goal, options)?;
            (dropped, Some(left))
        }
    };
    let (groups, positions, removed) = (pool.groups.len(), pool.positions(), dropped.len());
    let ratio = removed as f64 / positions.max(1) as f64;
    Ok(Pruned { masks: pool.masks(&dropped), groups, positions, removed, ratio, left, left_out: left_out.found })
}

/// Leaves out the groups of which nothing goes when half of everything should: the solver knows why.
fn try_all(pool: &mut Pool, left_out: &mut left_out::List) -> Result<(), Error> {
    let trial = Options { round_to: 1, scope: Scope::Local, ..pool.options.clone() };
    for _ in 0..8 {
        let choice = pool.choose(0.5, &trial)?;
        let mut gone = vec![false; pool.units.count()];
        choice.dropped.iter().for_each(|u| gone[*u as usize] = true);
        let goes = |g: &&UnitGroup| g.units.iter().flatten().any(|u| gone[*u as usize]);
        let (some, none): (Vec<&UnitGroup>, Vec<&UnitGroup>) = pool.groups.iter().partition(|g| goes(g));
        pool.groups = some;
        none.iter().for_each(|g| left_out.stayed(g, &choice.stayed));
        if none.is_empty() {
            let for_good = |why: &Why| matches!(why, Why::Unproven(_) | Why::Inexpressible(_) | Why::Tied);
            choice.stayed.iter().filter(|(_, why)| for_good(why)).for_each(|(u, _)| pool.stuck[*u as usize] = true);
            break;
        }
    }
    Ok(())
}

/// By tensor whether a pattern means it.
fn excluded(graph: &Graph, patterns: &[String]) -> Result<Vec<bool>, PruneError> {
    let mut excluded = vec![false; graph.tensors.len()];
    for pattern in patterns {
        let means = |k: &usize| graph.tensors[*k].role == Role::Parameter && glob::means(pattern, &graph.tensors[*k].name);
        let found: Vec<usize> = (0..excluded.len()).filter(means).collect();
        if found.is_empty() {
            return Err(PruneError::Exclude { pattern: pattern.clone() });
        }
        found.into_iter().for_each(|k| excluded[k] = true);
    }
    Ok(excluded)
}
