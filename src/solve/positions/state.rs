//! What stays so far, and why. The solver only ever adds to what stays, so that it ends.

use std::rc::Rc;
use std::sync::Arc;

use egg::Id;
use rustc_hash::FxHashMap;

use super::sets::{Atom, Positions, SetId};
use crate::axis::Axes;
use crate::model::{NodeId, ValueId};

/// Why an atom stays although it could be asked to go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// A parameter that makes the axis has no mask that drops the position: its index.
    Maker(usize),
    /// No parameter makes the axis, and nothing says that it goes.
    NoMaker,
    /// A dimension of this value would be left without positions.
    Last(ValueId),
    /// At this node the position is summed over, and nothing is proven zero there.
    Unproven(NodeId),
    /// At this node the position is summed over, and holds a number other than zero that cannot be folded.
    Constant {
        /// The node.
        node: NodeId,
        /// A bias for each place of the result could take it up.
        map: bool,
    },
    /// The node's arguments cannot express what would be left.
    Inexpressible(NodeId),
    /// Another description of the same position stays.
    Tied,
    /// Parts that must lose equally many do not.
    Uneven(Uneven),
}

/// Parts of an axis (groups, heads) of which equally many positions must go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Uneven {
    /// Positions of a part.
    pub size: u32,
    /// For each part that stays, which it is, and how many of its positions could go; so many go of each as of the one with the fewest.
    pub parts: Arc<[(u32, u32)]>,
}

/// Atoms that stay.
pub struct State<'a> {
    /// The axes.
    pub axes: &'a Axes,
    /// The positions of every class.
    pub positions: &'a Positions,
    why: Vec<Option<Why>>,
    by_atom: FxHashMap<Atom, Vec<usize>>,
}

impl<'a> State<'a> {
    /// Nothing stays.
    pub fn new(axes: &'a Axes, positions: &'a Positions) -> State<'a> {
        let mut by_atom: FxHashMap<Atom, Vec<usize>> = FxHashMap::default();
        for (k, (a, b)) in positions.ties.iter().enumerate() {
            for atom in positions.atoms(*a).iter().chain(positions.atoms(*b)) {
                by_atom.entry(*atom).or_default().push(k);
            }
        }
        State { axes, positions, why: vec![None; positions.atom_count()], by_atom }
    }

    /// The other descriptions of a position.
    pub fn tied(&self, set: SetId) -> Vec<SetId> {
        let first = self.positions.atoms(set).first();
        let ties = first.and_then(|a| self.by_atom.get(a)).into_iter().flatten().map(|tie| self.positions.ties[*tie]);
        ties.flat_map(|(a, b)| [(a, b), (b, a)]).filter(|(one, _)| *one == set).map(|(_, other)| other).collect()
    }

    /// True if a position stays.
    pub fn keeps(&self, set: SetId) -> bool {
        self.positions.atoms(set).iter().all(|a| self.why[*a as usize].is_some())
    }

    /// Makes a position stay, and what is tied to it. True if that is new.
    pub fn keep(&mut self, set: SetId, why: Why) -> bool {
        let todo = self.positions.atoms(set).iter().map(|a| (*a, why.clone())).collect();
        self.keep_all(todo)
    }

    /// Makes an atom stay, and what is tied to it. True if that is new.
    pub fn keep_atom(&mut self, atom: Atom, why: Why) -> bool {
        self.keep_all(vec![(atom, why)])
    }

    fn keep_all(&mut self, mut todo: Vec<(Atom, Why)>) -> bool {
        let mut new = false;
        while let Some((atom, why)) = todo.pop() {
            if self.why[atom as usize].is_some() {
                continue;
            }
            new = true;
            self.why[atom as usize] = Some(why);
            for tie in self.by_atom.get(&atom).into_iter().flatten() {
                let (a, b) = self.positions.ties[*tie];
                for (one, other) in [(a, b), (b, a)] {
                    if self.keeps(one) && !self.keeps(other) {
                        todo.extend(self.positions.atoms(other).iter().map(|a| (*a, Why::Tied)));
                    }
                }
            }
        }
        new
    }

    /// By atom why it stays.
    pub fn into_whys(self) -> Vec<Option<Why>> {
        self.why
    }

    /// Why a position stays: a reason for each of its atoms, each once.
    pub fn why(&self, set: SetId) -> Vec<Why> {
        let mut found: Vec<Why> = Vec::new();
        for why in self.positions.atoms(set).iter().filter_map(|a| self.why[*a as usize].clone()) {
            if !found.contains(&why) {
                found.push(why);
            }
        }
        found
    }

    /// The positions of an axis; `None` where all of them stay in any case.
    pub fn of(&self, id: Id) -> Option<Rc<[SetId]>> {
        self.positions.of(self.axes, id)
    }

    /// For each position of an axis whether it stays; `None` where all do.
    pub fn kept(&self, id: Id) -> Option<Vec<bool>> {
        let list = self.of(id)?;
        let kept: Vec<bool> = list.iter().map(|s| self.keeps(*s)).collect();
        if kept.iter().all(|k| *k) { None } else { Some(kept) }
    }
}
