//! Which indices of a tensor's dimension the positions of a group are.

use serde::Serialize;

/// For each position of a group its indices in a dimension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Indices {
    /// In equal steps.
    Even(Even),
    /// One by one.
    Lists {
        /// For each position its indices; none where it is not known to be free.
        lists: Vec<Vec<u32>>,
    },
}

impl Indices {
    /// The first index of the first position, and how far the first of the second is from it.
    pub fn steps(&self) -> Option<(usize, usize)> {
        match self {
            Indices::Even(e) => Some((e.start, e.step)),
            Indices::Lists { lists } => {
                let first = |k: usize| lists.get(k).and_then(|l| l.first()).map(|i| *i as usize);
                let (start, next) = (first(0)?, first(1)?);
                Some((start, next.checked_sub(start)?))
            }
        }
    }
}

/// Position j has the indices `start + j * step + k + t * every` for each k below `run` and each t below `times`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Even {
    /// The first index of the first position.
    pub start: usize,
    /// From one position to the next.
    pub step: usize,
    /// Indices that follow each other.
    pub run: usize,
    /// How often that is repeated.
    pub times: usize,
    /// From one repetition to the next.
    pub every: usize,
}

impl Even {
    /// All of a dimension.
    pub const WHOLE: Even = Even { start: 0, step: 1, run: 1, times: 1, every: 0 };

    /// The indices of a position.
    pub fn at(&self, position: usize) -> impl Iterator<Item = usize> + use<> {
        let Even { start, step, run, times, every } = *self;
        (0..times).flat_map(move |t| (0..run).map(move |k| start + position * step + k + t * every))
    }

    /// A part of a cat that begins at `from`.
    pub(super) fn part(self, from: usize) -> Even {
        Even { start: self.start + from * self.step, ..self }
    }

    /// A factor of a product: `before` and `after` are the products of the sizes around it, `size` its own. `None` where steps are no longer even.
    pub(super) fn factor(self, before: usize, size: usize, after: usize) -> Option<Even> {
        let block = size.checked_mul(after)?.checked_mul(self.step)?;
        let (times, every) = match (self.times, before) {
            (times, 1) => (times, self.every),
            (1, _) => (before, block),
            (times, _) if self.every == block.checked_mul(before)? => (times.checked_mul(before)?, block),
            _ => return None,
        };
        let step = after.checked_mul(self.step)?;
        Some(Even { start: self.start, step, run: step, times, every })
    }
}

impl Indices {
    /// From the indices of each position, in order; those of some may be unknown. `None` if all are.
    pub fn of(lists: Vec<Vec<u32>>) -> Option<Indices> {
        let known: Vec<usize> = (0..lists.len()).filter(|j| !lists[*j].is_empty()).collect();
        let first = *known.first()?;
        let even = known.get(1).map_or(Even::fit(&lists, first, None), |next| Even::fit(&lists, first, Some(*next)));
        let holds = |e: &Even| known.iter().all(|j| e.at(*j).map(|i| i as u32).eq(lists[*j].iter().copied()));
        Some(even.filter(holds).map_or(Indices::Lists { lists }, Indices::Even))
    }

    /// The indices of a position.
    pub fn at(&self, position: usize) -> Vec<usize> {
        match self {
            Indices::Even(even) => even.at(position).collect(),
            Indices::Lists { lists } => lists.get(position).into_iter().flatten().map(|i| *i as usize).collect(),
        }
    }

    /// How many indices a position has.
    pub fn each(&self) -> usize {
        match self {
            Indices::Even(even) => even.run * even.times,
            Indices::Lists { lists } => lists.iter().map(Vec::len).max().unwrap_or(0),
        }
    }
}

impl Even {
    /// The steps that two positions suggest.
    fn fit(lists: &[Vec<u32>], first: usize, next: Option<usize>) -> Option<Even> {
        let list = &lists[first];
        let run = (1..list.len()).find(|k| list[*k] != list[*k - 1] + 1).unwrap_or(list.len());
        let (times, every) = if run == list.len() { (1, 0) } else { (list.len() / run, (list[run] - list[0]) as usize) };
        let step = match next {
            Some(next) => (lists[next].first()?.checked_sub(list[0])? as usize) / (next - first),
            None => run,
        };
        let start = (list[0] as usize).checked_sub(first * step)?;
        Some(Even { start, step, run, times, every })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_found_and_lists_kept() {
        let even = |start, step, run, times, every| Indices::Even(Even { start, step, run, times, every });
        let table = [
            (vec![vec![0], vec![1], vec![2]], even(0, 1, 1, 1, 0)),
            (vec![vec![8], vec![], vec![10]], even(8, 1, 1, 1, 0)),
            (vec![vec![0, 1], vec![2, 3]], even(0, 2, 2, 1, 0)),
            (vec![vec![0, 4, 8], vec![1, 5, 9]], even(0, 1, 1, 3, 4)),
            (vec![vec![3], vec![1]], Indices::Lists { lists: vec![vec![3], vec![1]] }),
        ];
        for (lists, want) in table {
            assert_eq!(Indices::of(lists.clone()), Some(want.clone()));
            lists.iter().enumerate().filter(|(_, l)| !l.is_empty()).for_each(|(j, l)| {
                assert_eq!(want.at(j), l.iter().map(|i| *i as usize).collect::<Vec<_>>());
            });
        }
        assert_eq!(Indices::of(vec![vec![], vec![]]), None);
    }

    #[test]
    fn factors_of_parts() {
        // cat(4, merge(2, 3, 5)): the factor of 3.
        let even = Even::WHOLE.part(4).factor(2, 3, 5).unwrap();
        assert_eq!(even, Even { start: 4, step: 5, run: 5, times: 2, every: 15 });
        assert_eq!(even.at(1).collect::<Vec<_>>(), [9, 10, 11, 12, 13, 24, 25, 26, 27, 28]);
    }
}
