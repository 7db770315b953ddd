//! From classes to positions: each position of an axis is a set of atoms, and stays if all of its atoms stay.
//!
//! A class that is a cat has the positions of its parts, one that is a merge the unions of its digits', and any other atoms of
//! its own. Where a class has several descriptions they must agree position by position: an atom that equals a
//! set is replaced by it, and what cannot be replaced remains as a [`Positions::ties`] that the solver keeps.

use std::rc::Rc;

use egg::Id;
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use super::ragged::{Context, Contexts};
use crate::axis::{Axes, Axis};

/// The smallest thing that stays or goes.
pub type Atom = u32;

/// An interned set of atoms.
pub type SetId = u32;

/// The empty set: a position that stays in any case.
pub const STAYS: SetId = 0;

type Set = SmallVec<[Atom; 2]>;

/// The positions of all classes of axes.
pub struct Positions {
    sets: Vec<Set>,
    index: FxHashMap<Set, SetId>,
    /// The sets of one atom, by it.
    single: Vec<SetId>,
    classes: FxHashMap<Id, Option<Rc<[SetId]>>>,
    locked: FxHashSet<Id>,
    atoms: Atom,
    /// The axes that depend on others.
    pub contexts: Contexts,
    /// Pairs of positions that stay or go together.
    pub ties: Vec<(SetId, SetId)>,
}

impl Positions {
    /// Works out the positions of the classes in `listed`, or of all; those of the others stay.
    pub fn new(axes: &Axes, contexts: Contexts, listed: Option<&FxHashSet<Id>>) -> Positions {
        let mut p = Positions {
            sets: vec![Set::new()],
            index: FxHashMap::from_iter([(Set::new(), STAYS)]),
            single: Vec::new(),
            classes: FxHashMap::default(),
            locked: FxHashSet::default(),
            atoms: 0,
            contexts,
            ties: Vec::new(),
        };
        p.locked = axes.locked_because().into_keys().collect();
        let classes: Vec<Id> = axes.classes().into_iter().filter(|c| listed.is_none_or(|l| l.contains(c))).collect();
        for class in &classes {
            p.expand(axes, *class);
        }
        let mut pairs = Vec::new();
        for class in &classes {
            p.compare(axes, *class, &mut pairs);
        }
        p.replace(pairs);
        p
    }

    fn intern(&mut self, set: Set) -> SetId {
        if let [atom] = set.as_slice() {
            return self.single[*atom as usize];
        }
        if let Some(id) = self.index.get(&set) {
            return *id;
        }
        let id = self.sets.len() as SetId;
        self.sets.push(set.clone());
        self.index.insert(set, id);
        id
    }

    /// New atoms, each a set of its own.
    fn new_atoms(&mut self, n: u32) -> std::ops::Range<SetId> {
        let first = self.sets.len() as SetId;
        self.sets.extend((self.atoms..self.atoms + n).map(|atom| Set::from_slice(&[atom])));
        self.single.extend(first..first + n);
        self.atoms += n;
        first..first + n
    }

    fn union(&mut self, a: SetId, b: SetId) -> SetId {
        if a == b || b == STAYS {
            return a;
        }
        if a == STAYS {
            return b;
        }
        let mut set: Set = self.sets[a as usize].iter().chain(&self.sets[b as usize]).copied().collect();
        set.sort_unstable();
        set.dedup();
        self.intern(set)
    }

    fn expand(&mut self, axes: &Axes, id: Id) -> Option<Rc<[SetId]>> {
        let class = axes.class(id);
        if let Some(known) = self.classes.get(&class) {
            return known.clone();
        }
        let positions = if self.locked.contains(&class) {
            None
        } else if let Some(parts) = axes.cat_parts(class) {
            self.join(axes, parts, self.contexts.of(axes, class))
        } else if let Some(parts) = axes.merge_parts(class) {
            self.product(axes, parts)
        } else {
            let n = axes.size(class).as_int().and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
            let context = self.contexts.of(axes, class);
            let outer = context.map(|c| (c.outer, self.expand(axes, c.class)));
            let mut all = Vec::new();
            for a in 0..outer.as_ref().map_or(1, |(n, _)| *n) {
                let around = outer.as_ref().and_then(|(_, list)| list.as_ref()?.get(a).copied()).unwrap_or(STAYS);
                for own in self.new_atoms(n) {
                    all.push(self.union(around, own));
                }
            }
            Some(all.into())
        };
        self.classes.insert(class, positions.clone());
        positions
    }

    fn count(axes: &Axes, id: Id) -> usize {
        axes.size(id).hint().and_then(|n| usize::try_from(n).ok()).unwrap_or(1)
    }

    /// Of an axis with a context: for each outer position the parts one after another.
    fn join(&mut self, axes: &Axes, parts: &[Id], context: Option<Context>) -> Option<Rc<[SetId]>> {
        let lists: Vec<Option<Rc<[SetId]>>> = parts.iter().map(|p| self.expand(axes, *p)).collect();
        if lists.iter().all(Option::is_none) {
            return None;
        }
        let mut all = Vec::new();
        for a in 0..context.map_or(1, |c| c.outer) {
            for (list, part) in lists.iter().zip(parts) {
                let n = Self::count(axes, *part);
                match list {
                    Some(list) if list.len() != n => all.extend_from_slice(&list[a * n..(a + 1) * n]),
                    Some(list) => all.extend_from_slice(list),
                    None => all.extend(std::iter::repeat_n(STAYS, n)),
                }
            }
        }
        Some(all.into())
    }

    fn product(&mut self, axes: &Axes, parts: &[Id]) -> Option<Rc<[SetId]>> {
        let lists: Vec<Option<Rc<[SetId]>>> = parts.iter().map(|p| self.expand(axes, *p)).collect();
        if lists.iter().all(Option::is_none) {
            return None;
        }
        if parts.iter().any(|p| self.contexts.of(axes, *p).is_some()) {
            return Some(self.ragged_product(axes, parts, &lists));
        }
        let mut all = vec![STAYS];
        for (list, part) in lists.iter().zip(parts) {
            let n = list.as_ref().map_or_else(|| Self::count(axes, *part), |l| l.len());
            let mut next = Vec::with_capacity(all.len() * n);
            for outer in &all {
                match list {
                    Some(list) => next.extend(list.iter().map(|inner| self.union(*outer, *inner))),
                    None => next.extend(std::iter::repeat_n(*outer, n)),
                }
            }
            all = next;
        }
        Some(all.into())
    }

    /// All tuples, where the positions of some parts depend on those of others.
    fn ragged_product(&mut self, axes: &Axes, parts: &[Id], lists: &[Option<Rc<[SetId]>>]) -> Rc<[SetId]> {
        let sizes: Vec<usize> = parts.iter().map(|p| Self::count(axes, *p)).collect();
        let links: Vec<_> = (0..parts.len()).map(|t| self.contexts.dim(axes, parts, t)).collect();
        let mut coords = vec![0; parts.len()];
        let mut all = Vec::with_capacity(sizes.iter().product());
        for position in 0..sizes.iter().product() {
            let mut rest: usize = position;
            for t in (0..parts.len()).rev() {
                coords[t] = rest % sizes[t];
                rest /= sizes[t];
            }
            let mut set = STAYS;
            for (t, list) in lists.iter().enumerate() {
                let outer = links[t].map_or(0, |link| link.outer_of(coords[link.at]));
                let own = list.as_ref().and_then(|l| l.get(outer * sizes[t] + coords[t]).copied());
                set = self.union(set, own.unwrap_or(STAYS));
            }
            all.push(set);
        }
        all.into()
    }

    /// Every other description of the class says the same of each position.
    fn compare(&mut self, axes: &Axes, class: Id, pairs: &mut Vec<(SetId, SetId)>) {
        for d in axes.descriptions(class) {
            let other: Option<Rc<[SetId]>> = match d {
                Axis::Cat(parts) => self.join(axes, parts, self.contexts.of(axes, class)),
                Axis::Merge(parts) => self.product(axes, parts),
                Axis::Pick([of], list) => {
                    let whole = self.expand(axes, *of);
                    whole.map(|w| list.iter().map(|k| w.get(*k as usize).copied().unwrap_or(STAYS)).collect())
                }
                Axis::Leaf(_) => continue,
            };
            match (self.expand(axes, class), other) {
                (Some(a), Some(b)) => pairs.extend(a.iter().copied().zip(b.iter().copied()).filter(|(x, y)| x != y)),
                (Some(a), None) | (None, Some(a)) => pairs.extend(a.iter().filter(|x| **x != STAYS).map(|x| (*x, STAYS))),
                (None, None) => {}
            }
        }
    }

    /// Replaces atoms that equal a set by that set.
    fn replace(&mut self, mut pairs: Vec<(SetId, SetId)>) {
        let mut by: FxHashMap<Atom, SetId> = FxHashMap::default();
        let mut memo: FxHashMap<SetId, SetId> = FxHashMap::default();
        loop {
            let mut rest = Vec::new();
            let before = by.len();
            for (a, b) in pairs {
                let (a, b) = (self.resolve(a, &by), self.resolve(b, &by));
                if a == b {
                    continue;
                }
                let single = |p: &Positions, s: SetId, other: SetId| match p.sets[s as usize].as_slice() {
                    [one] if !p.sets[other as usize].contains(one) => Some(*one),
                    _ => None,
                };
                if let Some(atom) = single(self, a, b) {
                    by.insert(atom, b);
                } else if let Some(atom) = single(self, b, a) {
                    by.insert(atom, a);
                } else if a == STAYS || b == STAYS {
                    for atom in self.sets[a.max(b) as usize].clone() {
                        by.insert(atom, STAYS);
                    }
                } else {
                    rest.push((a, b));
                }
            }
            pairs = rest;
            if by.len() == before || pairs.is_empty() {
                break;
            }
        }
        self.ties = pairs;
        if by.is_empty() {
            return;
        }
        let mut classes = std::mem::take(&mut self.classes);
        for list in classes.values_mut().flatten() {
            let new: Vec<SetId> = list
                .iter()
                .map(|s| match memo.get(s) {
                    Some(known) => *known,
                    None => {
                        let resolved = self.resolve(*s, &by);
                        memo.insert(*s, resolved);
                        resolved
                    }
                })
                .collect();
            *list = new.into();
        }
        self.classes = classes;
        let ties = std::mem::take(&mut self.ties);
        self.ties = ties.into_iter().map(|(a, b)| (self.resolve(a, &by), self.resolve(b, &by))).filter(|(a, b)| a != b).collect();
    }

    /// The set with all replaced atoms replaced. Replacements never form a ring: an atom is not replaced by a set with itself.
    fn resolve(&mut self, set: SetId, by: &FxHashMap<Atom, SetId>) -> SetId {
        let atoms = self.sets[set as usize].clone();
        if !atoms.iter().any(|a| by.contains_key(a)) {
            return set;
        }
        let mut out = STAYS;
        for atom in atoms {
            let part = match by.get(&atom) {
                Some(to) => self.resolve(*to, by),
                None => self.single[atom as usize],
            };
            out = self.union(out, part);
        }
        out
    }

    /// The positions of an axis, for each outer position if it has a context; `None` where all of them stay in any case.
    pub fn of(&self, axes: &Axes, id: Id) -> Option<Rc<[SetId]>> {
        self.classes.get(&axes.class(id)).cloned().flatten()
    }

    /// The atoms of a position.
    pub fn atoms(&self, set: SetId) -> &[Atom] {
        &self.sets[set as usize]
    }

    /// Number of atoms.
    pub fn atom_count(&self) -> usize {
        self.atoms as usize
    }
}
