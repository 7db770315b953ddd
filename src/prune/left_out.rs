//! Groups of which nothing goes, and what stands in the way.

use rustc_hash::FxHashSet;
use serde::Serialize;

use super::bundle::Bundle;
use super::pool::Pool;
use crate::model::{Graph, NodeId};
use crate::report::{obstacle, place};
use crate::solve::{UnitGroup, Why};

/// Groups that are left out for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// What stands in the way.
    pub why: String,
    /// How many groups.
    pub groups: usize,
    /// Parameters that make them.
    pub makers: Vec<String>,
}

/// Groups left out so far, by reason.
pub struct List<'a> {
    graph: &'a Graph,
    /// The reasons, in the order in which they came up.
    pub found: Vec<LeftOut>,
}

impl<'a> List<'a> {
    /// Begins with the axes that may lose nothing.
    pub fn new(pool: &Pool<'a>) -> List<'a> {
        let (graph, p) = (&pool.model.graph, pool.p);
        let mut list = List { graph, found: Vec::new() };
        let reasons = p.axes.locked_because();
        for (class, makers) in pool.units.locked(graph, p) {
            if let Some(reason) = reasons.get(&class) {
                let obstacle = obstacle(graph, reason);
                let at = obstacle.place.map(|p| format!(" at {}", p.node)).unwrap_or_default();
                list.note(format!("locked{at}: {}", obstacle.why), &makers);
            }
        }
        list
    }

    /// Notes a group.
    pub fn group(&mut self, why: impl Into<String>, group: &UnitGroup) {
        self.note(why.into(), &group.makers);
    }

    /// Notes groups of which units stayed.
    pub fn stayed(&mut self, bundle: &Bundle, stayed: &[(u32, Why)]) {
        let own: FxHashSet<u32> = bundle.units().collect();
        let why = stayed.iter().find(|(u, _)| own.contains(u)).map(|(_, why)| why);
        let at = |node: &NodeId| place(self.graph, *node).node;
        let text = match why {
            Some(Why::Unproven(node)) => format!("summed over at {}, and not proven to add zero", at(node)),
            Some(Why::Constant { node, .. }) => format!("summed over at {}, where no bias can take up what is added", at(node)),
            Some(Why::Inexpressible(node)) => format!("the arguments of {} could not say what would be left", at(node)),
            Some(Why::Maker(k)) => format!("{} cannot lose them", self.graph.tensors[*k].name),
            Some(Why::Uneven(_)) => "equally many must stay of each group (head)".into(),
            Some(Why::Tied) => "in one with positions that stay, by another view of the axis".into(),
            Some(Why::NoMaker) => "no parameter alone makes them".into(),
            Some(Why::Last(_)) | None => "too few positions".into(),
        };
        bundle.parts.iter().for_each(|(group, _)| self.note(text.clone(), &group.makers));
    }

    /// The reasons of the most groups, in a line.
    pub fn summary(&self) -> String {
        let mut all: Vec<&LeftOut> = self.found.iter().collect();
        all.sort_by_key(|l| std::cmp::Reverse(l.groups));
        let say = |l: &&LeftOut| format!("{} of {} group{}", l.why, l.groups, if l.groups == 1 { "" } else { "s" });
        let text: Vec<String> = all.iter().take(3).map(say).collect();
        if text.is_empty() { "no parameter makes an axis that may shrink".into() } else { text.join("; ") }
    }

    fn note(&mut self, why: String, makers: &[usize]) {
        let makers = makers.iter().map(|k| self.graph.tensors[*k].name.clone());
        match self.found.iter_mut().find(|l| l.why == why) {
            Some(l) => {
                l.groups += 1;
                l.makers.extend(makers);
            }
            None => self.found.push(LeftOut { why, groups: 1, makers: makers.collect() }),
        }
    }
}
