//! The facts of stored tensors, with which a proof starts.

use std::rc::Rc;

use super::facts::{FINITE, NONNEG, NONZERO, ORDINARY, ValueFacts, ZERO};
use super::scene::Scene;
use crate::solve::positions::Link;

/// What is known of a stored tensor.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known {
    /// Flags of its removed positions.
    pub removed: u8,
    /// Flags that hold for all elements.
    pub all: u8,
}

/// What stored tensors hold at the start.
pub struct Sources<'a> {
    /// Of each tensor.
    pub known: &'a dyn Fn(usize) -> Known,
    /// Whether a mask makes all of a tensor zero, and it stays so.
    pub zero: &'a dyn Fn(usize) -> bool,
    /// Of a tensor that is cut without being masked: for each position of a dimension whether the given mask makes it zero.
    pub masked: &'a Masked<'a>,
}

/// Of so many whole numbers it is known what they have in common.
const FEW: usize = 1 << 14;

type Masked<'a> = dyn Fn(usize, usize, Option<Link<usize>>) -> Option<Vec<bool>> + 'a;

impl Scene<'_> {
    /// Fills in the facts of all stored tensors.
    pub fn sources(&mut self, Sources { known, zero, masked }: &Sources) {
        for (k, t) in self.graph.tensors.iter().enumerate() {
            let Some(ids) = &self.p.dims[t.value.index()] else { continue };
            let kept: Vec<_> = ids.iter().map(|id| self.snapshot.kept(*id)).collect();
            // A number is there at every position; of others, what loses none needs no look at its data, unless they are few whole
            // numbers, as zero points are.
            let few = !t.dtype.is_float() && t.numel() <= FEW;
            let untouched = t.numel() > 1 && !few && kept.iter().all(Option::is_none);
            let zero = if zero(k) { ZERO | FINITE | NONNEG } else { 0 };
            if let Some(exact) = self.exact {
                let links: Vec<_> = (0..ids.len()).map(|d| self.state.positions.contexts.dim(&self.p.axes, ids, d)).collect();
                let mut facts = exact.source(k, &kept, &links);
                if known(k).removed & (ZERO | NONZERO) == NONZERO {
                    facts.numbers.clear();
                    let flags = facts.dims.iter_mut().flatten();
                    flags.for_each(|f| *f = f.iter().map(|f| if f & ZERO != 0 { *f } else { f | NONZERO }).collect());
                }
                facts.all = zero | if !exact.fixed[k] || untouched { 0 } else { known(k).all };
                self.facts[t.value.index()] = facts;
                continue;
            }
            if untouched {
                self.facts[t.value.index()].all = zero;
                continue;
            }
            let Known { removed, all } = known(k);
            let flags = |(d, stays): (usize, Option<Rc<[bool]>>)| {
                let zero = masked(k, d, self.state.positions.contexts.dim(&self.p.axes, ids, d));
                let zero = |at: usize| zero.as_ref().is_some_and(|z| z.get(at) == Some(&true));
                let flag = |(at, kept): (usize, &bool)| match kept {
                    true => ORDINARY,
                    false if zero(at) => ZERO | FINITE | NONNEG,
                    false => removed,
                };
                Some(stays?.iter().enumerate().map(flag).collect())
            };
            let dims = kept.into_iter().enumerate().map(flags).collect();
            self.facts[t.value.index()] = ValueFacts { dims, all: all | zero, ..ValueFacts::default() };
        }
    }
}
