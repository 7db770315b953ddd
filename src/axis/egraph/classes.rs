//! The e-graph of axes: making terms, saying that two are the same and why, locking.

use std::sync::Arc;

use egg::{EGraph, Id, Language};
use rustc_hash::{FxHashMap, FxHashSet};

use super::term::{Axis, Facts};
use crate::model::{NodeId, Size};
use crate::rule::Rule;

/// Why two axes are the same, or why one is locked.
#[derive(Clone, Debug)]
pub enum Reason {
    /// A rule says so of a node's operands and results.
    Rule {
        /// The node.
        node: NodeId,
        /// The rule.
        rule: Arc<Rule>,
        /// The letter, or another name of the axis in the rule.
        letter: String,
    },
    /// Layout operators that work as one say so.
    Composite {
        /// The first of them.
        node: NodeId,
    },
    /// Two names of one parameter.
    Tied {
        /// The names.
        names: [String; 2],
    },
    /// A law of the algebra, applied to two descriptions of one axis.
    Law {
        /// Its name.
        name: &'static str,
        /// One description.
        left: Id,
        /// The other.
        right: Id,
    },
    /// An input of the model.
    Input(String),
    /// An output of the model.
    Output(String),
    /// The user asked for it.
    Frozen(String),
    /// An operator that no rule describes.
    Unknown {
        /// The node.
        node: NodeId,
        /// What is missing.
        why: String,
    },
    /// Its size is not known while tracing.
    Dynamic,
    /// The two descriptions of the axis cannot be aligned.
    Unaligned,
    /// Its positions are too many to be listed.
    Long,
}

/// Two axes that a rule calls the same have different sizes.
#[derive(Clone, Debug)]
pub struct Mismatch {
    /// The first axis' size.
    pub left: Size,
    /// The other's.
    pub right: Size,
    /// Who says that they are the same.
    pub reason: Reason,
}

/// All axes of a graph and what is known of them.
pub struct Axes {
    pub(super) eg: EGraph<Axis, Facts>,
    reasons: Vec<Reason>,
    locks: Vec<(Id, usize)>,
    ties: Vec<(Id, Id, usize)>,
    terms: Vec<Id>,
    /// Ties that were refused.
    pub mismatches: Vec<Mismatch>,
    pub(super) depth: FxHashMap<Id, u32>,
    /// Digits that stand in no tensor by themselves: groups of a norm, and the channels in each.
    pub(in crate::axis) loose: FxHashSet<Id>,
}

impl Default for Axes {
    fn default() -> Self {
        Axes::new()
    }
}

impl Axes {
    /// An empty graph. Explanations are kept, without egg's length optimisation: with laws it makes proofs circular.
    pub fn new() -> Axes {
        let eg = EGraph::new(Facts::default()).with_explanations_enabled().without_explanation_length_optimization();
        Axes {
            eg,
            reasons: Vec::new(),
            locks: Vec::new(),
            ties: Vec::new(),
            terms: Vec::new(),
            mismatches: Vec::new(),
            depth: FxHashMap::default(),
            loose: FxHashSet::default(),
        }
    }

    /// A new axis of this size. One whose size is symbolic is locked.
    pub fn leaf(&mut self, size: Size) -> Id {
        let dynamic = size.as_int().is_none();
        let n = self.eg.analysis.leaves.len() as u32;
        self.eg.analysis.leaves.push(size);
        let id = self.eg.add_uncanonical(Axis::Leaf(n));
        if dynamic {
            self.lock(id, Reason::Dynamic);
        }
        id
    }

    /// The positions of the parts one after another. Parts without positions vanish; a single part is itself.
    pub fn cat(&mut self, parts: &[Id]) -> Id {
        let some: Vec<Id> = parts.iter().copied().filter(|p| !self.size(*p).is(0)).collect();
        match some.as_slice() {
            [] => parts.first().copied().unwrap_or_else(|| self.leaf(Size::int(0))),
            [one] => *one,
            _ => self.term(Axis::Cat(some.into())),
        }
    }

    /// All tuples of positions of the parts, row-major. Parts of one position vanish; a single part is itself.
    pub fn merge(&mut self, parts: &[Id]) -> Id {
        let some: Vec<Id> = parts.iter().copied().filter(|p| !self.size(*p).is(1)).collect();
        match some.as_slice() {
            [] => parts.first().copied().unwrap_or_else(|| self.leaf(Size::int(1))),
            [one] => *one,
            _ => self.term(Axis::Merge(some.into())),
        }
    }

    /// The listed positions of an axis, in this order.
    pub fn pick(&mut self, of: Id, list: Arc<[u32]>) -> Id {
        self.term(Axis::Pick([of], list))
    }

    fn term(&mut self, axis: Axis) -> Id {
        let id = self.eg.add_uncanonical(axis);
        self.terms.push(id);
        id
    }

    /// Says that two axes are the same, position by position. `from` should be the newer term. Refused, and remembered
    /// as a [`Mismatch`], where the sizes differ.
    pub fn tie(&mut self, from: Id, to: Id, reason: Reason) {
        let (left, right) = (self.size(from), self.size(to));
        if left != right {
            if left.as_int().is_some() && right.as_int().is_some() {
                self.mismatches.push(Mismatch { left: left.clone(), right: right.clone(), reason });
            }
            return; // symbolic sizes that the algebra cannot compare are locked anyway
        }
        let index = self.reason_index(reason);
        self.eg.union_trusted(from, to, index.to_string());
        self.ties.push((from, to, index));
    }

    /// Keeps all positions of an axis.
    pub fn lock(&mut self, id: Id, reason: Reason) {
        let index = self.reason_index(reason);
        self.locks.push((id, index));
        self.eg[id].data.locked = true;
    }

    fn reason_index(&mut self, reason: Reason) -> usize {
        self.reasons.push(reason);
        self.reasons.len() - 1
    }

    /// Number of positions.
    pub fn size(&self, id: Id) -> Size {
        self.eg[id].data.size.clone()
    }

    /// The class that an axis belongs to.
    pub fn class(&self, id: Id) -> Id {
        self.eg.find(id)
    }

    /// True if the class as a whole is locked.
    pub fn locked(&self, id: Id) -> bool {
        self.eg[id].data.locked
    }

    /// All locks: an axis, and why it is locked.
    pub fn locks(&self) -> impl Iterator<Item = (Id, &Reason)> {
        self.locks.iter().map(|(id, r)| (*id, &self.reasons[*r]))
    }

    /// All pairs that somebody said to be the same, and who.
    pub fn ties(&self) -> impl Iterator<Item = (Id, Id, &Reason)> {
        self.ties.iter().map(|(a, b, r)| (*a, *b, &self.reasons[*r]))
    }

    /// Terms with equal parts, which are the same without anybody saying so.
    pub fn congruent(&self) -> impl Iterator<Item = Vec<Id>> {
        let mut groups: FxHashMap<Axis, Vec<Id>> = FxHashMap::default();
        for id in &self.terms {
            let mut node = self.eg.id_to_node(*id).clone();
            node.update_children(|part| self.class(part));
            groups.entry(node).or_default().push(*id);
        }
        groups.into_values().filter(|ids| ids.len() > 1)
    }

    /// The term as it was made: its own parts, not their classes.
    pub fn made(&self, id: Id) -> &Axis {
        self.eg.id_to_node(id)
    }

    /// The descriptions of a class as cat, merge or pick, with canonical parts.
    pub fn descriptions(&self, class: Id) -> Vec<&Axis> {
        let class = &self.eg[class];
        class.nodes.iter().filter(|n| !n.children().is_empty()).collect()
    }

    /// The parts of the class' cat, if it is one.
    pub fn cat_parts(&self, id: Id) -> Option<&[Id]> {
        self.eg[id].data.cat.map(|node| self.eg.id_to_node(node).children())
    }

    /// The parts of the class' merge, if it is one.
    pub fn merge_parts(&self, id: Id) -> Option<&[Id]> {
        self.eg[id].data.merge.map(|node| self.eg.id_to_node(node).children())
    }

    /// Number of e-nodes and classes, for reports.
    pub fn counts(&self) -> (usize, usize) {
        (self.eg.total_size(), self.eg.number_of_classes())
    }

    /// The reason with this index, as found in egg's explanations.
    pub fn reason(&self, index: usize) -> Option<&Reason> {
        self.reasons.get(index)
    }
}

impl Axes {
    /// All classes, in the order in which they were made.
    pub fn classes(&self) -> Vec<Id> {
        let mut ids: Vec<Id> = self.eg.classes().map(|c| c.id).collect();
        ids.sort_unstable();
        ids
    }

    /// The locked classes, each with one reason: its own, or that of an axis that it is a part of.
    pub fn locked_because(&self) -> FxHashMap<Id, &Reason> {
        let mut found = FxHashMap::default();
        let mut todo: Vec<(Id, &Reason)> = self.locks().map(|(id, r)| (self.class(id), r)).collect();
        todo.reverse();
        while let Some((class, reason)) = todo.pop() {
            if found.contains_key(&class) {
                continue;
            }
            found.insert(class, reason);
            for d in self.descriptions(class) {
                if let Axis::Cat(parts) | Axis::Merge(parts) = d {
                    todo.extend(parts.iter().map(|p| (self.class(*p), reason)));
                }
            }
        }
        found
    }
}
