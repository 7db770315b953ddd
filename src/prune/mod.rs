//! Pruning without masks: importance of coupled groups, and masks that drop the least of them.
//!
//! [`prune`] scores every [unit](crate::solve::Units) by all that is coupled to it, chooses a share, and gives masks for the
//! parameters that make the axes. From there on everything is as with masks that somebody else made.

mod choose;
mod error;
mod file;
mod glob;
mod score;

use choose::{Ordered, choose};
pub use error::PruneError;
pub use file::{FileError, masks as masks_of_yaml};

use crate::Error;
use crate::axis::{Propagation, propagate};
use crate::load::Model;
use crate::model::{Graph, Role};
use crate::plan;
use crate::report::macs;
use crate::rule::RuleSet;
use crate::solve::{self, Mask, Masks, UnitGroup, Units};

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

/// What was chosen.
pub struct Pruned {
    /// Masks for the parameters that make what goes.
    pub masks: Masks<'static>,
    /// Groups that can be pruned.
    pub groups: usize,
    /// Positions of these.
    pub positions: usize,
    /// Those that go.
    pub removed: usize,
}

/// Chooses masks.
///
/// # Errors
/// Patterns that match nothing, weights that cannot be read, and models in which nothing can be pruned.
pub fn prune(model: &Model, p: &Propagation, rules: &RuleSet, options: &Options) -> Result<Pruned, Error> {
    let (Target::Ratio(share) | Target::Parameters(share) | Target::Macs(share)) = options.target;
    if !(0.0..=1.0).contains(&share) {
        return Err(PruneError::Share { share }.into());
    }
    let graph = &model.graph;
    let units = Units::find(graph, p);
    let excluded = excluded(graph, &options.exclude)?;
    let scores = score::scores(model, p, &units, options.by, options.seed)?;
    let wanted = |g: &&UnitGroup| {
        let size = if options.heads { !g.inner } else { !g.outer };
        size && g.units[0].len() > options.min_keep.max(1) && !g.makers.iter().any(|k| excluded[*k])
    };
    let mut groups: Vec<&UnitGroup> = units.groups.iter().filter(wanted).collect();
    let run = Run { model, p, rules, units: &units };
    // What does not go when half of everything should cannot be pruned: the solver knows why.
    for _ in 0..8 {
        let ordered: Vec<Ordered> = groups.iter().map(|g| Ordered::new(g, &scores)).collect();
        let trial = Options { round_to: 1, scope: Scope::Local, ..options.clone() };
        let before = groups.len();
        let gone = run.gone(&choose(&ordered, 0.5, &trial), &groups)?;
        groups = groups.into_iter().zip(gone).filter(|(_, gone)| *gone > 0).map(|(g, _)| g).collect();
        if groups.len() == before {
            break;
        }
    }
    if groups.is_empty() {
        return Err(PruneError::Nothing.into());
    }
    let ordered: Vec<Ordered> = groups.iter().map(|g| Ordered::new(g, &scores)).collect();
    let dropped = match options.target {
        Target::Ratio(share) => choose(&ordered, share, options),
        _ => run.bisect(&ordered, share, options)?,
    };
    let removed = run.gone(&dropped, &groups)?.iter().sum();
    let positions = ordered.iter().map(Ordered::len).sum();
    Ok(Pruned { masks: run.masks(&dropped), groups: groups.len(), positions, removed })
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

struct Run<'a> {
    model: &'a Model,
    p: &'a Propagation,
    rules: &'a RuleSet,
    units: &'a Units,
}

impl Run<'_> {
    /// Masks of the parameters that make what goes.
    fn masks(&self, dropped: &[u32]) -> Masks<'static> {
        let graph = &self.model.graph;
        let mut gone = vec![false; self.units.count()];
        dropped.iter().for_each(|u| gone[*u as usize] = true);
        let mut masks = Masks::new();
        for (k, t) in graph.tensors.iter().enumerate().filter(|(_, t)| t.role == Role::Parameter) {
            let mut keep: Option<Vec<u8>> = None;
            for d in (0..t.shape.len()).filter(|d| self.units.makes(k, *d)) {
                let Some(of) = self.units.of(graph, self.p, k, d) else { continue };
                let drop: Vec<bool> = of.list.iter().map(|units| units.iter().any(|u| gone[*u as usize])).collect();
                if drop.contains(&true) {
                    let keep = keep.get_or_insert_with(|| vec![1; t.numel()]);
                    of.each(&t.shape, d, |n, at| keep[n] &= u8::from(!drop[at]));
                }
            }
            if let Some(keep) = keep {
                masks.insert(t.name.clone(), Mask { shape: t.shape.clone(), keep: keep.into() });
            }
        }
        masks
    }

    fn solve<'m>(&self, masks: &'m Masks<'m>) -> Result<solve::Solution<'m>, Error> {
        let (model, options) = (self.model, solve::Options::default());
        Ok(solve::solve(&model.graph, self.rules, self.p, masks, &options, model)?)
    }

    /// How many positions of each group the solver lets go.
    fn gone(&self, dropped: &[u32], groups: &[&UnitGroup]) -> Result<Vec<usize>, Error> {
        let masks = self.masks(dropped);
        let solution = self.solve(&masks)?;
        let count = |g: &&UnitGroup| solution.kept(self.p, g.class).map_or(0, |kept| kept.iter().filter(|k| !**k).count());
        Ok(groups.iter().map(count).collect())
    }

    /// The share of parameters or multiply-accumulates that is left.
    fn left(&self, dropped: &[u32], target: Target) -> Result<f64, Error> {
        let graph = &self.model.graph;
        let masks = self.masks(dropped);
        let solution = self.solve(&masks)?;
        let plan = plan::plan(graph, self.rules, self.p, &solution, plan::Statistics::Exact)?;
        let small = plan::apply(graph, self.p, &solution, &plan);
        if let Target::Macs(_) = target {
            let again = propagate(&small, self.rules, &[]).map_err(Error::Check)?;
            let (after, before) = (macs(&small, self.rules, &again), macs(graph, self.rules, self.p));
            return Ok(after as f64 / before.max(1) as f64);
        }
        let first = graph.first_names();
        let count = |of: &Graph| -> usize {
            let own = |k: &usize| first[*k] == *k && graph.tensors[*k].role == Role::Parameter;
            (0..first.len()).filter(own).map(|k| of.tensors[k].numel()).sum()
        };
        Ok(count(&small) as f64 / count(graph).max(1) as f64)
    }

    /// The choice that comes closest to a budget: the more units go, the less is left.
    fn bisect(&self, groups: &[Ordered], goal: f64, options: &Options) -> Result<Vec<u32>, Error> {
        const CLOSE: f64 = 0.001;
        let (mut low, mut high) = (0.0, 1.0);
        let mut best: (f64, Vec<u32>) = (f64::INFINITY, Vec::new());
        for _ in 0..14 {
            let share = (low + high) / 2.0;
            let dropped = choose(groups, share, options);
            let left = self.left(&dropped, options.target)?;
            if (left - goal).abs() < best.0 {
                best = ((left - goal).abs(), dropped);
            }
            if best.0 < CLOSE {
                break;
            }
            if left > goal { low = share } else { high = share }
        }
        Ok(best.1)
    }
}
