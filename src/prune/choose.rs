//! Which units go, for a share of them.

use super::bundle::{Bundle, gcd};
use super::options::{Options, Scope};
use crate::solve::UnitGroup;

/// A bundle whose units are ordered: row r holds the r-th least of each outer position, and goes or stays as one.
pub struct Ordered {
    rows: Vec<Vec<u32>>,
    /// The score of each row, in multiples of the group's mean unless scores are raw.
    relative: Vec<f64>,
    /// Units in a row.
    each: usize,
    /// Number of rows with those that cannot go.
    width: usize,
    /// What stays is a multiple of this; `None` where there is no such number.
    step: Option<usize>,
    /// The share that goes, where it is said.
    share: Option<f64>,
    like: u64,
    /// How many times as many rows there were before earlier rounds.
    grown: f64,
}

/// The rows of a group, least first, and what each is in multiples of their mean; `raw`: as it is.
fn rows(group: &UnitGroup, scores: &[f64], stuck: &[bool], raw: bool) -> (Vec<Vec<u32>>, Vec<f64>) {
    let score = |u: &u32| scores[*u as usize];
    let sorted: Vec<Vec<u32>> = group
        .units
        .iter()
        .map(|units| {
            let mut units: Vec<u32> = units.iter().copied().filter(|u| !stuck[*u as usize]).collect();
            units.sort_by(|a, b| score(a).total_cmp(&score(b)).then(b.cmp(a)));
            units
        })
        .collect();
    let free = sorted.iter().map(Vec::len).min().unwrap_or(0);
    let rows: Vec<Vec<u32>> = (0..free).map(|r| sorted.iter().map(|units| units[r]).collect()).collect();
    let sums: Vec<f64> = rows.iter().map(|row| row.iter().map(score).sum()).collect();
    let mean = sums.iter().sum::<f64>() / free.max(1) as f64;
    let each = group.units.len().max(1) as f64;
    let relative = |s: &f64| match mean > 0.0 && mean.is_finite() {
        _ if raw => s / each,
        true => s / mean,
        false => 1.0,
    };
    let relative = sums.iter().map(relative).collect();
    (rows, relative)
}

impl Ordered {
    /// Orders a bundle by the scores; of equals the first stays. Units that are stuck are in no row. `step` tells of what the rows of a
    /// group that stay must be a multiple.
    pub fn new(
        bundle: &Bundle,
        (scores, raw): (&[f64], bool),
        stuck: &[bool],
        step: &dyn Fn(&UnitGroup) -> Option<usize>,
    ) -> Ordered {
        let parts: Vec<_> = bundle.parts.iter().map(|(g, per)| (rows(g, scores, stuck, raw), *per)).collect();
        let free = parts.iter().map(|((rows, _), per)| rows.len() / per).min().unwrap_or(0);
        let row = |r: usize| parts.iter().flat_map(move |((rows, _), per)| rows[r * per..(r + 1) * per].concat()).collect();
        let mean = |list: &[f64]| list.iter().sum::<f64>() / list.len().max(1) as f64;
        let relative = |r: usize| {
            let each: Vec<f64> = parts.iter().map(|((_, all), per)| mean(&all[r * per..(r + 1) * per])).collect();
            mean(&each)
        };
        let common = bundle.parts.iter().try_fold(1, |before, (g, per)| {
            let own = step(g)?;
            let own = own / gcd(own, *per);
            Some(before / gcd(before, own) * own)
        });
        let width = bundle.width();
        Ordered {
            rows: (0..free).map(row).collect(),
            relative: (0..free).map(relative).collect(),
            each: bundle.parts.iter().map(|(g, per)| g.units.len() * per).sum(),
            width,
            step: common.filter(|s| *s <= width),
            share: bundle.share,
            like: bundle.like,
            grown: bundle.grown,
        }
    }

    /// Number of units.
    pub fn len(&self) -> usize {
        self.width * self.each
    }

    /// How many rows may go at most.
    fn most(&self, options: &Options) -> usize {
        let Some(step) = self.step else { return 0 };
        let of_all = (self.width as f64 * self.grown * (1.0 - options.max_ratio) - 1e-9).ceil().max(0.0) as usize;
        let least = options.min_keep.max(self.width - self.rows.len()).max(of_all.min(self.width));
        self.width.saturating_sub(least.max(1).next_multiple_of(step))
    }

    /// How many rows go if `want` should: bounded and rounded.
    fn allowed(&self, want: f64, options: &Options) -> usize {
        let Some(step) = self.step else { return 0 };
        let keep = (self.width as f64 - want).clamp(0.0, self.width as f64);
        // Rounding up may be more than there is; then it is the largest multiple below.
        let rounded = ((keep / step as f64).round() as usize * step).min(self.width / step * step);
        (self.width - rounded).min(self.most(options))
    }
}

/// How many rows of each group go, where a share of all units should, of those at least of which no other share is said.
pub fn counts(groups: &[Ordered], share: f64, options: &Options) -> Vec<usize> {
    let mut wants: Vec<f64> = groups.iter().map(|g| g.width as f64 * g.share.unwrap_or(share)).collect();
    if options.scope != Scope::Local {
        let kind: Vec<u64> = groups.iter().map(|g| if options.scope == Scope::Global { 0 } else { g.like }).collect();
        let free: Vec<usize> = (0..groups.len()).filter(|k| groups[*k].share.is_none()).collect();
        let mut kinds: Vec<u64> = free.iter().map(|k| kind[*k]).collect();
        kinds.sort_unstable();
        kinds.dedup();
        for one in kinds {
            let among: Vec<usize> = free.iter().copied().filter(|k| kind[*k] == one).collect();
            compete(groups, &among, share, options).into_iter().for_each(|(k, want)| wants[k] = want);
        }
    }
    let total = groups.iter().map(Ordered::len).sum::<usize>() as f64;
    let goal: f64 = groups.iter().map(|g| g.len() as f64 * g.share.unwrap_or(share)).sum();
    let plain: Vec<usize> = groups.iter().zip(&wants).map(|(g, want)| g.allowed(*want, options)).collect();
    let gone = |counts: &[usize]| groups.iter().zip(counts).map(|(g, n)| g.each * n).sum::<usize>() as f64;
    if options.round_to == 1 || (gone(&plain) - goal).abs() <= 0.01 * total {
        return plain; // groups of one size lose equally many
    }
    // What rounding takes from one group too much or too little, the next ones make up for.
    let mut debt = 0.0;
    let carried = groups.iter().zip(&wants).map(|(g, want)| {
        let step = (g.step.unwrap_or(0) * g.each) as f64;
        let more = if g.share.is_some() { 0.0 } else { f64::clamp(debt, -step, step) / g.each as f64 };
        let n = g.allowed(want + more, options);
        debt += (want - n as f64) * g.each as f64;
        n
    });
    let carried: Vec<usize> = carried.collect();
    if (gone(&carried) - goal).abs() < (gone(&plain) - goal).abs() { carried } else { plain }
}

/// The rows of each of these groups that are among the least of all of them.
fn compete(groups: &[Ordered], among: &[usize], share: f64, options: &Options) -> Vec<(usize, f64)> {
    let mut all: Vec<(f64, usize)> = among.iter().flat_map(|k| groups[*k].relative.iter().map(move |s| (*s, *k))).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let goal = among.iter().map(|k| groups[*k].len()).sum::<usize>() as f64 * share;
    let most: Vec<usize> = groups.iter().map(|g| g.most(options)).collect();
    let mut counts = vec![0; groups.len()];
    let mut gone = 0.0;
    for (_, k) in all {
        let each = groups[k].each as f64;
        if gone + each / 2.0 > goal {
            break;
        }
        // What a group may not lose, others do.
        if counts[k] < most[k] {
            counts[k] += 1;
            gone += each;
        }
    }
    among.iter().map(|k| (*k, counts[*k] as f64)).collect()
}

/// The units of the first rows of each group.
pub fn take(groups: &[Ordered], counts: &[usize]) -> Vec<u32> {
    groups.iter().zip(counts).flat_map(|(g, n)| g.rows[..(*n).min(g.rows.len())].concat()).collect()
}
