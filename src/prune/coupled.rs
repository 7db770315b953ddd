//! Ratios of a mask file: all that is coupled is ranked as one.

use std::collections::HashMap;
use std::ops::Range;

use super::fault::Fault;
use super::options::By;
use super::{pool, score};
use crate::axis::Propagation;
use crate::groups::Groups;
use crate::load::Model;
use crate::model::Tensor;
use crate::rule::RuleSet;
use crate::solve::Masks;

/// The groups that a file names by ratio.
pub struct Coupled<'a> {
    model: &'a Model,
    p: &'a Propagation,
    groups: Groups,
    /// By group its ratio, and where the file says so.
    ratios: HashMap<usize, (f64, Range<usize>)>,
}

impl<'a> Coupled<'a> {
    /// No group so far.
    pub fn new(model: &'a Model, p: &'a Propagation, rules: &RuleSet) -> Coupled<'a> {
        Coupled { model, p, groups: Groups::find(&model.graph, p, rules), ratios: HashMap::new() }
    }

    /// Notes the ratio of the groups that a dimension of a tensor has a part in, without heads where it has positions in them; false if there are none.
    pub fn note(&mut self, tensor: &Tensor, dim: usize, ratio: f64, at: &Range<usize>) -> Result<bool, Fault> {
        let graph = &self.model.graph;
        let mut found = false;
        for (id, group) in self.groups.list.iter().enumerate() {
            let has = group.members.iter().any(|m| m.dim == dim && graph.tensors[m.tensor].name == tensor.name);
            if !has || self.groups.unit(group).is_none_or(|u| u.outer) {
                continue;
            }
            found = true;
            if let Some((before, place)) = self.ratios.insert(id, (ratio, at.clone()))
                && before != ratio
            {
                let name = self.groups.name(graph, group);
                let message = format!("two ratios for the group {name}: {before} and {ratio}; its layers are coupled");
                let mut fault = Fault::new(message, at.clone());
                fault.also = Some(place);
                return Err(fault);
            }
        }
        Ok(found)
    }

    /// Adds the masks of what goes; one row of each group at least stays.
    pub fn add_to(self, masks: &mut Masks<'static>) -> Result<(), Fault> {
        if self.ratios.is_empty() {
            return Ok(());
        }
        let units = &self.groups.units;
        let place = self.ratios.values().next().map_or(0..0, |(_, at)| at.clone());
        let scores = score::scores(self.model, self.p, units, By::L1, 0);
        let scores = scores.map_err(|e| Fault::new(e.to_string(), place.clone()))?;
        let mut dropped = Vec::new();
        for (id, (ratio, _)) in &self.ratios {
            let Some(unit) = self.groups.unit(&self.groups.list[*id]) else { continue };
            let count = ((unit.width as f64 * ratio).round() as usize).min(unit.width.saturating_sub(1));
            for own in &unit.units {
                let mut order = own.clone();
                order.sort_by(|a, b| scores[*a as usize].total_cmp(&scores[*b as usize]).then(b.cmp(a)));
                dropped.extend(order.into_iter().take(count));
            }
        }
        for (name, mask) in pool::masks(self.model, self.p, units, &dropped) {
            match masks.entry(name) {
                indexmap::map::Entry::Occupied(mut known) if known.get().shape == mask.shape => {
                    known.get_mut().keep.to_mut().iter_mut().zip(mask.keep.iter()).for_each(|(a, b)| *a &= b);
                }
                indexmap::map::Entry::Occupied(known) => {
                    let message = format!("the ratio and another entry speak of `{}` in other forms", known.key());
                    return Err(Fault::new(message, place));
                }
                indexmap::map::Entry::Vacant(free) => {
                    free.insert(mask);
                }
            }
        }
        Ok(())
    }
}
