//! Which units go, for a share of them.

use super::{Options, Scope};
use crate::solve::UnitGroup;

/// A group whose units are ordered: row r holds the r-th least of each outer position, and goes or stays as one.
pub struct Ordered {
    rows: Vec<Vec<u32>>,
    /// The score of each row, in multiples of the group's mean.
    relative: Vec<f64>,
    outer: usize,
    /// Number of rows with those that cannot go.
    width: usize,
    /// What stays is a multiple of this; `None` where there is no such number.
    step: Option<usize>,
}

impl Ordered {
    /// Orders a group by the scores; of equals the first stays. Units that are stuck are in no row.
    pub fn new(group: &UnitGroup, scores: &[f64], stuck: &[bool], step: Option<usize>) -> Ordered {
        let width = group.units[0].len();
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
        let relative = sums.iter().map(|s| if mean > 0.0 && mean.is_finite() { s / mean } else { 1.0 }).collect();
        Ordered { rows, relative, outer: group.units.len(), width, step }
    }

    /// Number of units.
    pub fn len(&self) -> usize {
        self.width * self.outer
    }

    /// How many rows may go at most.
    fn most(&self, options: &Options) -> usize {
        let Some(step) = self.step else { return 0 };
        let least = options.min_keep.max(self.width - self.rows.len()).max(1).next_multiple_of(step);
        self.width.saturating_sub(least)
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

/// How many rows of each group go, where a share of all units should.
pub fn counts(groups: &[Ordered], share: f64, options: &Options) -> Vec<usize> {
    let wants: Vec<f64> = match options.scope {
        Scope::Local => groups.iter().map(|g| g.width as f64 * share).collect(),
        Scope::Global => compete(groups, share, options),
    };
    let goal = groups.iter().map(Ordered::len).sum::<usize>() as f64 * share;
    let plain: Vec<usize> = groups.iter().zip(&wants).map(|(g, want)| g.allowed(*want, options)).collect();
    let gone = |counts: &[usize]| groups.iter().zip(counts).map(|(g, n)| g.outer * n).sum::<usize>() as f64;
    if options.round_to == 1 || (gone(&plain) - goal).abs() <= 0.01 * groups.iter().map(Ordered::len).sum::<usize>() as f64 {
        return plain; // groups of one size lose equally many
    }
    // What rounding takes from one group too much or too little, the next ones make up for.
    let mut debt = 0.0;
    let carried = groups.iter().zip(&wants).map(|(g, want)| {
        let step = (g.step.unwrap_or(0) * g.outer) as f64;
        let n = g.allowed(want + f64::clamp(debt, -step, step) / g.outer as f64, options);
        debt += (want - n as f64) * g.outer as f64;
        n
    });
    let carried: Vec<usize> = carried.collect();
    if (gone(&carried) - goal).abs() < (gone(&plain) - goal).abs() { carried } else { plain }
}

/// The rows of each group that are among the least of all.
fn compete(groups: &[Ordered], share: f64, options: &Options) -> Vec<f64> {
    let mut all: Vec<(f64, usize)> =
        groups.iter().enumerate().flat_map(|(k, g)| g.relative.iter().map(move |s| (*s, k))).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let goal = groups.iter().map(Ordered::len).sum::<usize>() as f64 * share;
    let most: Vec<usize> = groups.iter().map(|g| g.most(options)).collect();
    let mut counts = vec![0; groups.len()];
    let mut gone = 0.0;
    for (_, k) in all {
        let outer = groups[k].outer as f64;
        if gone + outer / 2.0 > goal {
            break;
        }
        // What a group may not lose, others do.
        if counts[k] < most[k] {
            counts[k] += 1;
            gone += outer;
        }
    }
    counts.into_iter().map(|n| n as f64).collect()
}

/// The units of the first rows of each group.
pub fn take(groups: &[Ordered], counts: &[usize]) -> Vec<u32> {
    groups.iter().zip(counts).flat_map(|(g, n)| g.rows[..(*n).min(g.rows.len())].concat()).collect()
}
