//! Which units go, for a share of them.

use super::{Options, Scope};
use crate::solve::UnitGroup;

/// A group whose units are ordered: row r holds the r-th least of each outer position, and goes or stays as one.
pub struct Ordered {
    rows: Vec<Vec<u32>>,
    /// The score of each row, in multiples of the group's mean.
    relative: Vec<f64>,
    outer: usize,
}

impl Ordered {
    /// Orders a group by the scores; of equals the first stays.
    pub fn new(group: &UnitGroup, scores: &[f64]) -> Ordered {
        let width = group.units[0].len();
        let score = |u: &u32| scores[*u as usize];
        let sorted: Vec<Vec<u32>> = group
            .units
            .iter()
            .map(|units| {
                let mut units = units.clone();
                units.sort_by(|a, b| score(a).total_cmp(&score(b)).then(b.cmp(a)));
                units
            })
            .collect();
        let rows: Vec<Vec<u32>> = (0..width).map(|r| sorted.iter().map(|units| units[r]).collect()).collect();
        let sums: Vec<f64> = rows.iter().map(|row| row.iter().map(score).sum()).collect();
        let mean = sums.iter().sum::<f64>() / width.max(1) as f64;
        let relative = sums.iter().map(|s| if mean > 0.0 && mean.is_finite() { s / mean } else { 1.0 }).collect();
        Ordered { rows, relative, outer: group.units.len() }
    }

    /// Number of units.
    pub fn len(&self) -> usize {
        self.rows.len() * self.outer
    }

    /// How many rows go if `want` should: bounded and rounded.
    fn allowed(&self, want: f64, options: &Options) -> usize {
        let n = self.rows.len();
        let keep = (n as f64 - want).clamp(0.0, n as f64);
        let unit = (options.round_to / gcd(options.round_to, self.outer)).max(1);
        let rounded = ((keep / unit as f64).round() as usize).max(1) * unit;
        let least = options.min_keep.max(1).next_multiple_of(unit);
        n.saturating_sub(rounded.max(least))
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The units that go where a share of all should.
pub fn choose(groups: &[Ordered], share: f64, options: &Options) -> Vec<u32> {
    let wants: Vec<f64> = match options.scope {
        Scope::Local => groups.iter().map(|g| g.rows.len() as f64 * share).collect(),
        Scope::Global => {
            let mut all: Vec<(f64, usize)> =
                groups.iter().enumerate().flat_map(|(k, g)| g.relative.iter().map(move |s| (*s, k))).collect();
            all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            let goal = groups.iter().map(Ordered::len).sum::<usize>() as f64 * share;
            let mut wants = vec![0.0; groups.len()];
            let mut gone = 0.0;
            for (_, k) in all {
                let g = &groups[k];
                if gone >= goal {
                    break;
                }
                // What a group may not lose, others do.
                if wants[k] + 1.0 <= g.rows.len().saturating_sub(options.min_keep.max(1)) as f64 {
                    wants[k] += 1.0;
                    gone += g.outer as f64;
                }
            }
            wants
        }
    };
    let dropped = |(g, want): (&Ordered, f64)| g.rows[..g.allowed(want, options)].concat();
    groups.iter().zip(wants).flat_map(dropped).collect()
}
