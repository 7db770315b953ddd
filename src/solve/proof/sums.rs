//! What the numbers at removed positions add up to.

use std::rc::Rc;

use egg::Id;

use super::exact::Exact;
use super::failure::Failure;
use super::site::{Factors, Fold, Window};
use crate::axis::{LetterId, Propagation};
use crate::model::{NodeId, ValueId};
use crate::solve::positions::{State, Why};

/// What the numbers at the removed positions add to the results of a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Folding {
    /// The node.
    pub node: NodeId,
    /// The argument that takes it up.
    pub into: String,
    /// What is added, for every position of the axis before the cut, and for each of those in `places`.
    pub add: Vec<f64>,
    /// Sizes of the dimensions after that axis, where what is added differs from place to place.
    pub places: Vec<usize>,
    /// Which positions of the axis stay; `None` if all do.
    pub kept: Option<Rc<[bool]>>,
    /// The stored tensor that only this node reads and that takes the sum up; else a new one has to.
    pub tensor: Option<usize>,
    /// What a new tensor holds besides: the values of a bias that others read too.
    pub base: Vec<f64>,
    /// A value with the element type of a new tensor.
    pub like: ValueId,
}

/// What a position of one dimension of a weight adds to other positions.
#[derive(Clone, Copy, Default)]
struct Place {
    bias: usize,
    input: usize,
    /// The position of the summed letter, and of the letter that tells its outer position.
    own: usize,
    outer: usize,
    /// The place of the window.
    window: usize,
}

impl Fold {
    /// All that was folded has to stay: the weights cannot be read.
    pub fn failures(&self, p: &Propagation, state: &State) -> Vec<Failure> {
        let list = p.bound_at(self.node).and_then(|b| state.of(b.ids[self.letter as usize]));
        let gone = list.iter().flat_map(|list| list.iter()).filter(|set| !state.keeps(**set));
        gone.map(|set| Failure { set: *set, why: Why::Constant { node: self.node, map: false } }).collect()
    }

    /// Adds up what the removed positions contribute. `None` if the weights cannot be read.
    pub fn add_up(&self, p: &Propagation, exact: &Exact, kept: &dyn Fn(Id) -> Option<Rc<[bool]>>) -> Option<Folding> {
        let (graph, site) = (exact.graph, &self.site);
        let bound = p.bound_at(self.node)?;
        let len = |l: LetterId| bound.letters[l as usize].len().max(1);
        let stays = kept(bound.ids[self.letter as usize])?;
        let step = |of: &Factors, l: LetterId| of.iter().find(|(k, _)| *k == l).map_or(0, |(_, step)| *step);
        let window_step = |l: LetterId| {
            let at = site.windows.iter().position(|w| w.k == l);
            at.map_or(0, |at| site.windows[at + 1..].iter().map(|w| w.places).product())
        };
        let weight = &graph.tensors[site.tensor];
        let table = |(factors, size): (&Factors, &usize)| -> Vec<Place> {
            let at = |p: usize| {
                let mut out = Place::default();
                for (l, s) in factors {
                    let c = p / s % len(*l);
                    out.bias += c * step(&site.made, *l);
                    out.input += c * step(&site.input, *l);
                    out.own += if *l == self.letter { c } else { 0 };
                    out.outer += if site.link.is_some_and(|k| k.at == *l) { c } else { 0 };
                    out.window += c * window_step(*l);
                }
                out
            };
            (0..*size).map(at).collect()
        };
        let tables: Vec<Vec<Place>> = site.weight.iter().zip(&weight.shape).map(table).collect();
        let steps: Vec<usize> = (0..weight.shape.len()).map(|d| weight.shape[d + 1..].iter().product()).collect();
        let n: usize = site.made.iter().map(|(l, _)| len(*l)).product();
        let window: usize = site.windows.iter().map(|w| w.places).product();
        let mut sums = vec![0.0; n * window];
        let read = exact.each(site.tensor, &mut |at, w| {
            let mut sum = Place::default();
            for (table, step) in tables.iter().zip(&steps) {
                let place = table[at / step % table.len()];
                sum.bias += place.bias;
                sum.input += place.input;
                sum.own += place.own;
                sum.outer += place.outer;
                sum.window += place.window;
            }
            let position = site.link.map_or(0, |k| k.outer_of(sum.outer) * len(self.letter)) + sum.own;
            if w != 0.0 && !stays[position] {
                let x = self.numbers[sum.input];
                // What has no number goes with another axis, or the proof would not rely on it.
                sums[sum.bias * window + sum.window] += if x.is_finite() { x * w } else { 0.0 };
            }
        });
        if !read {
            return None;
        }
        let (add, places) = spread(&sums, n, &site.windows);
        let mut base = vec![0.0; n];
        let tensor = match site.bias {
            _ if !places.is_empty() => None,
            Some(k) if site.own => Some(k),
            Some(k) => {
                exact.each(k, &mut |at, x| base[at] = x).then_some(())?;
                None
            }
            None => None,
        };
        let like = graph.tensors[site.bias.unwrap_or(site.tensor)].value;
        let (into, kept) = (site.into.clone(), kept(site.axis));
        Some(Folding { node: self.node, into, add, places, kept, tensor, base, like })
    }
}

/// From sums for each place of the windows to sums for each place of the result, of which each sees some places of the
/// windows. Without sizes where the result is the same at all places.
fn spread(sums: &[f64], n: usize, windows: &[Window]) -> (Vec<f64>, Vec<usize>) {
    if windows.is_empty() {
        return (sums.to_vec(), Vec::new());
    }
    // Dimension by dimension, the first first: [bias, done results…, window, other windows…].
    let mut values = sums.to_vec();
    let mut outer = n;
    for (d, w) in windows.iter().enumerate() {
        let inner: usize = windows[d + 1..].iter().map(|w| w.places).product();
        let mut next = vec![0.0; outer * w.size * inner];
        for o in 0..outer {
            for t in 0..w.size {
                for k in (0..w.places).filter(|k| w.inside[t * w.places + k]) {
                    let (from, to) = ((o * w.places + k) * inner, (o * w.size + t) * inner);
                    for i in 0..inner {
                        next[to + i] += values[from + i];
                    }
                }
            }
        }
        values = next;
        outer *= w.size;
    }
    let sizes: Vec<usize> = windows.iter().map(|w| w.size).collect();
    let all: usize = sizes.iter().product();
    if all > 0 && values.chunks(all).all(|places| places.iter().all(|x| *x == places[0])) {
        return (values.iter().step_by(all).copied().collect(), Vec::new());
    }
    (values, sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A window of three that slides over four positions, padded by one.
    fn window(k: LetterId) -> Window {
        let inside = (0..4).flat_map(|t| (0..3).map(move |k| (0..4).contains(&(t + k - 1)))).collect();
        Window { k, places: 3, inside, size: 4 }
    }

    #[test]
    fn a_border_sees_less_of_the_window() {
        let (add, places) = spread(&[1.0, 10.0, 100.0, 2.0, 0.0, 0.0], 2, &[window(0)]);
        assert_eq!(places, [4]);
        assert_eq!(add, [110.0, 111.0, 111.0, 11.0, 0.0, 2.0, 2.0, 2.0]);
    }

    #[test]
    fn two_dimensions_are_a_product() {
        let one: Vec<f64> = vec![1.0; 9];
        let (add, places) = spread(&one, 1, &[window(0), window(1)]);
        assert_eq!(places, [4, 4]);
        assert_eq!(add, [4.0, 6.0, 6.0, 4.0, 6.0, 9.0, 9.0, 6.0, 6.0, 9.0, 9.0, 6.0, 4.0, 6.0, 6.0, 4.0]);
    }

    #[test]
    fn what_is_the_same_everywhere_needs_no_map() {
        // Only the middle of the window has weights.
        assert_eq!(spread(&[0.0, 3.0, 0.0], 1, &[window(0)]), (vec![3.0], vec![]));
    }
}
