//! What arguments that are lists or numbers can say of positions and parts.

use crate::axis::{Parts, evenly, sections};

/// The places, among the positions that stay, of the listed ones that stay.
pub fn ranks(kept: &[bool], list: &[u32]) -> Vec<u32> {
    let mut rank = Vec::with_capacity(kept.len());
    let mut next = 0;
    for k in kept {
        rank.push(k.then_some(next));
        next += u32::from(*k);
    }
    list.iter().filter_map(|p| rank.get(*p as usize).copied().flatten()).collect()
}

/// Start and step, if the numbers rise evenly.
pub fn progression(list: &[u32]) -> Option<(u32, u32)> {
    let first = *list.first()?;
    let Some(second) = list.get(1) else { return Some((first, 1)) };
    let step = second.checked_sub(first).filter(|s| *s > 0)?;
    list.windows(2).all(|w| w[1] > w[0] && w[1] - w[0] == step).then_some((first, step))
}

/// What an argument says of parts with these sizes: a list, or one number. `None` if it cannot.
pub fn parts_value(sizes: &[i64], kind: Parts) -> Option<Vec<i64>> {
    let total: i64 = sizes.iter().sum();
    let n = sizes.len() as i64;
    match kind {
        Parts::Listed => Some(sizes.to_vec()),
        Parts::Each => evenly(total, sizes[0]).ok().filter(|e| e == sizes).map(|_| vec![sizes[0]]),
        Parts::Chunks => evenly(total, (total + n - 1) / n.max(1)).ok().filter(|e| e == sizes).map(|_| vec![n]),
        Parts::Sections => (sections(total, n.max(1)) == sizes).then(|| vec![n]),
        Parts::Borders => {
            let ends = sizes.iter().scan(0, |at, s| {
                *at += s;
                Some(*at)
            });
            let mut ends: Vec<i64> = ends.collect();
            ends.pop();
            Some(ends)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_and_progressions() {
        let kept = [true, false, true, true, false, true];
        assert_eq!(ranks(&kept, &[0, 2, 4]), [0, 1]);
        assert_eq!(progression(&ranks(&kept, &[1, 3, 5])), Some((2, 1)));
        assert_eq!(progression(&[0, 2, 3]), None);
        assert_eq!(progression(&[4]), Some((4, 1)));
    }

    #[test]
    fn parts_that_a_number_can_say() {
        assert_eq!(parts_value(&[4, 4, 2], Parts::Each), Some(vec![4]));
        assert_eq!(parts_value(&[4, 2, 4], Parts::Each), None);
        assert_eq!(parts_value(&[4, 4, 2], Parts::Chunks), Some(vec![3]));
        assert_eq!(parts_value(&[3, 5], Parts::Chunks), None);
        assert_eq!(parts_value(&[3, 2], Parts::Sections), Some(vec![2]));
        assert_eq!(parts_value(&[3, 2, 4], Parts::Borders), Some(vec![3, 5]));
    }
}
