//! The groups to choose from, and what the solver makes of a choice.

use super::bundle::{Bundle, gcd};
use super::choose::{Ordered, counts, take};
use super::lost::Lost;
use super::mask;
use super::options::Options;
use crate::Error;
use rustc_hash::FxHashSet;

use crate::axis::Propagation;
use crate::groups::{Group, Groups};
use crate::load::Model;
use crate::model::Role;
use crate::rule::RuleSet;
use crate::solve::{self, Masks, Solution, UnitGroup, Units, Why};

/// How often a choice is made anew without what turned out to be stuck.
const ROUNDS: usize = 6;

/// A model and what could be removed of it.
pub struct Pool<'a> {
    pub model: &'a Model,
    pub p: &'a Propagation,
    pub rules: &'a RuleSet,
    pub units: &'a Units,
    pub options: &'a Options,
    pub scores: &'a [f64],
    pub groups: Vec<Bundle<'a>>,
    /// By unit whether it cannot go, whatever else does.
    pub stuck: Vec<bool>,
}

/// A choice of which all goes.
pub struct Choice {
    /// The units.
    pub dropped: Vec<u32>,
    /// Units that were chosen at first and stayed, and why.
    pub stayed: Vec<(u32, Why)>,
}

impl<'a> Pool<'a> {
    /// The groups with their units in order.
    pub fn ordered(&self, stuck: &[bool], round_to: usize) -> Vec<Ordered> {
        self.groups
            .iter()
            .map(|g| Ordered::new(g, (self.scores, self.options.raw), stuck, &|unit| self.step(unit, round_to)))
            .collect()
    }

    /// Of what the units that stay must be a multiple, so that along every parameter the positions that stay are one of
    /// `round_to`; `None` where the group is too small.
    fn step(&self, group: &UnitGroup, round_to: usize) -> Option<usize> {
        if round_to == 1 {
            return Some(1);
        }
        let graph = &self.model.graph;
        let (width, mut step) = (group.units[0].len(), None);
        let mut own = vec![false; self.units.count()];
        group.units.iter().flatten().for_each(|u| own[*u as usize] = true);
        for (k, t) in graph.tensors.iter().enumerate().filter(|(_, t)| t.role == Role::Parameter) {
            for d in (0..t.shape.len()).filter(|d| t.shape[*d] >= round_to) {
                let Some(of) = self.units.of(graph, self.p, k, d) else { continue };
                let here = of.list.iter().filter(|units| units.iter().any(|u| own[*u as usize])).count();
                // A row of units is so many positions of the dimension.
                let each = here / of.outer() / width;
                if each > 0 {
                    let unit = round_to / gcd(round_to, each);
                    let before: usize = step.unwrap_or(1);
                    step = Some(before / gcd(before, unit) * unit);
                }
            }
        }
        step.filter(|s| *s <= width)
    }

    /// Masks of the parameters that make what goes.
    pub fn masks(&self, dropped: &[u32]) -> Masks<'static> {
        masks(self.model, self.p, self.units, dropped)
    }

    /// Calls `then` with what the solver makes of a choice.
    pub fn solve<T>(&self, dropped: &[u32], then: impl FnOnce(&Solution) -> T) -> Result<T, Error> {
        let masks = self.masks(dropped);
        let options = solve::Options::default();
        Ok(then(&solve::solve(&self.model.graph, self.rules, self.p, &masks, &options, self.model)?))
    }

    /// Chooses by a share. What stays nevertheless is replaced by others, or if none are left, is not asked to go.
    pub fn choose(&self, share: f64, options: &Options) -> Result<Choice, Error> {
        self.settle(options.round_to, &|groups| counts(groups, share, options))
    }

    /// Chooses so many rows of each group.
    pub fn settle(&self, round_to: usize, counts: &dyn Fn(&[Ordered]) -> Vec<usize>) -> Result<Choice, Error> {
        let mut stuck = self.stuck.clone();
        let mut stayed: Vec<(u32, Why)> = Vec::new();
        let mut dropped = Vec::new();
        for round in 0..2 * ROUNDS {
            if round < ROUNDS {
                let ordered = self.ordered(&stuck, round_to);
                dropped = take(&ordered, &counts(&ordered));
            }
            let why = |s: &Solution| dropped.iter().filter_map(|u| Some((*u, s.why(*u)?.clone()))).collect::<Vec<_>>();
            let new = self.solve(&dropped, why)?;
            if new.is_empty() {
                break;
            }
            new.iter().for_each(|(u, _)| stuck[*u as usize] = true);
            dropped.retain(|u| !stuck[*u as usize]);
            stayed.extend(new);
        }
        Ok(Choice { dropped, stayed })
    }

    /// What the groups lose by a choice.
    pub fn lost(&self, groups: &Groups, dropped: &[u32]) -> Vec<Lost> {
        let graph = &self.model.graph;
        let gone: FxHashSet<u32> = dropped.iter().copied().collect();
        let of = |(id, group): (usize, &Group)| {
            let unit = groups.unit(group)?;
            let places = unit.units.iter().zip(&unit.places).enumerate();
            let removed = places.flat_map(|(a, (own, at))| {
                own.iter().zip(at).filter(|(u, _)| gone.contains(u)).map(move |(_, i)| a * unit.width + *i as usize)
            });
            let removed: Vec<usize> = removed.collect();
            let lost = Lost { group: id, name: groups.name(graph, group), positions: unit.width * group.outer, removed };
            (!lost.removed.is_empty()).then_some(lost)
        };
        groups.list.iter().enumerate().filter_map(of).collect()
    }

    /// Number of units.
    pub fn positions(&self) -> usize {
        self.groups.iter().map(|g| g.units().count()).sum()
    }
}

/// Masks of the parameters that make what goes.
pub fn masks(model: &Model, p: &Propagation, units: &Units, dropped: &[u32]) -> Masks<'static> {
    let graph = &model.graph;
    let mut gone = vec![false; units.count()];
    dropped.iter().for_each(|u| gone[*u as usize] = true);
    let mut masks = Masks::new();
    for (k, t) in graph.tensors.iter().enumerate().filter(|(_, t)| t.role == Role::Parameter) {
        for d in (0..t.shape.len()).filter(|d| units.makes(k, *d)) {
            let Some(of) = units.of(graph, p, k, d) else { continue };
            let drop: Vec<bool> = of.list.iter().map(|units| units.iter().any(|u| gone[*u as usize])).collect();
            if !drop.contains(&true) || mask::drop(&mut masks, model, t, d, &drop) || of.within().is_none() {
                continue;
            }
            // Other positions in each outer one: of each element it is told.
            let Some(mask) = mask::whole(&mut masks, model, t) else { continue };
            let keep = mask.keep.to_mut();
            of.each(&t.shape, d, |n, at| keep[n] &= u8::from(!drop[at]));
        }
    }
    masks
}
