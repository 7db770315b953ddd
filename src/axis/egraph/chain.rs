//! Why two axes are the same: the shortest chain of what was said.

use std::collections::VecDeque;

use egg::Id;
use rustc_hash::FxHashMap;

use super::classes::{Axes, Reason};

/// A step of a chain: two axes, and who says that they are the same.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    /// One axis.
    pub from: Id,
    /// The other.
    pub to: Id,
    /// Who says so; `None` for two terms with the same parts.
    pub reason: Option<&'a Reason>,
}

/// All that was said of axes, as a graph to search.
pub struct Chains<'a> {
    axes: &'a Axes,
    next: FxHashMap<Id, Vec<(Id, Option<&'a Reason>)>>,
}

impl<'a> Chains<'a> {
    /// Of all axes. Two terms are the same, without anybody saying so, where all their parts are.
    pub fn new(axes: &'a Axes) -> Chains<'a> {
        let mut next: FxHashMap<Id, Vec<(Id, Option<&Reason>)>> = FxHashMap::default();
        let mut link = |a: Id, b: Id, reason| {
            next.entry(a).or_default().push((b, reason));
            next.entry(b).or_default().push((a, reason));
        };
        for (a, b, reason) in axes.ties() {
            link(a, b, Some(reason));
        }
        for equal in axes.congruent() {
            equal.windows(2).for_each(|w| link(w[0], w[1], None));
        }
        Chains { axes, next }
    }

    /// The shortest chain from one axis to another; `None` if they are not the same, empty if they are one.
    pub fn between(&self, from: Id, to: Id) -> Option<Vec<Link<'a>>> {
        if self.axes.class(from) != self.axes.class(to) {
            return None;
        }
        self.search(from, |id| id == to)
    }

    /// The shortest chain from an axis to one for which the test holds.
    pub fn search(&self, from: Id, found: impl Fn(Id) -> bool) -> Option<Vec<Link<'a>>> {
        let mut came: FxHashMap<Id, Option<Link<'a>>> = FxHashMap::from_iter([(from, None)]);
        let mut todo = VecDeque::from([from]);
        while let Some(at) = todo.pop_front() {
            if found(at) {
                let mut chain = Vec::new();
                let mut at = at;
                while let Some(link) = came.get(&at).copied().flatten() {
                    chain.push(link);
                    at = link.from;
                }
                chain.reverse();
                return Some(chain);
            }
            for (to, reason) in self.next.get(&at).into_iter().flatten() {
                came.entry(*to).or_insert_with(|| {
                    todo.push_back(*to);
                    Some(Link { from: at, to: *to, reason: *reason })
                });
            }
        }
        None
    }
}
