//! Sums over some of a weight only, as at a padded border: which places of a window lie on the input.

use super::site::Window;
use crate::axis::{Bound, Call, DimExpr, LetterId};
use crate::model::Size;
use crate::rule::{FoldInto, Scope, Val, eval};

/// The windows of a sum: each letter `k` of the weight that the result lacks, with the letters of its dimension in the
/// input and in the result.
pub fn windows(
    bound: &Bound,
    call: &Call,
    fold: &FoldInto,
    (letter, input, weight): (LetterId, &[DimExpr], &[LetterId]),
    (made, results): (&[LetterId], &[DimExpr]),
) -> Option<Vec<Window>> {
    let (computed, formula) = fold.window.as_ref()?;
    let count = |l: LetterId| bound.size(l).as_int().and_then(|n| usize::try_from(n).ok());
    let mut out = Vec::new();
    for (item, result) in results.iter().enumerate() {
        let DimExpr::Letter(t) = result else { return None };
        let name = |l: LetterId| bound.letters[l as usize].name.as_str();
        let here = |l: &LetterId| {
            bound.letters[*l as usize].item == item && (name(*l) == computed || formula.names().contains(&name(*l)))
        };
        let k = weight.iter().copied().find(here)?;
        if input.contains(result) {
            // A window of one, which leaves the dimension as it is.
            let size = count(*t).filter(|_| count(k) == Some(1))?;
            out.push(Window { k, places: 1, inside: vec![true; size], size });
            continue;
        }
        let mut slides = input.iter().filter_map(|d| if let DimExpr::Letter(l) = d { Some(*l) } else { None });
        let s = slides.find(here).filter(|_| here(t))?;
        let (size, places, extent) = (count(*t)?, count(k)?, count(s)?);
        // One of the input's and the result's positions is computed from the other.
        let (from, from_size, to_size) = if name(s) == computed { (*t, size, extent) } else { (s, extent, size) };
        let mut inside = vec![false; size * places];
        for a in 0..from_size {
            for place in 0..places {
                let names = Places { call, item, at: [(name(from), a), (name(k), place)] };
                let b = eval(formula, &names).ok()?.as_int()?;
                if let Some(b) = usize::try_from(b).ok().filter(|b| *b < to_size) {
                    let position = if from == *t { a } else { b };
                    inside[position * places + place] = true;
                }
            }
        }
        out.push(Window { k, places, inside, size });
    }
    // Letters of the weight that are in neither have to be those of the windows.
    let other = |l: &LetterId| *l != letter && !made.contains(l) && !out.iter().any(|w| w.k == *l);
    (!weight.iter().any(other)).then_some(out)
}

/// Names in a `window:` formula: letters are positions, and a list stands for its item of the same dimension.
struct Places<'a> {
    call: &'a Call<'a>,
    item: usize,
    at: [(&'a str, usize); 2],
}

impl Scope for Places<'_> {
    fn get(&self, name: &str) -> Option<Val> {
        if let Some((_, at)) = self.at.iter().find(|(n, _)| *n == name) {
            return Some(Val::from(*at));
        }
        match self.call.val(name)? {
            Val::List(items) => items.get(self.item).or(items.first().filter(|_| items.len() == 1)).cloned(),
            one => Some(one),
        }
    }

    fn spread(&self, _: &str) -> Option<Vec<Size>> {
        None
    }
}
