//! Whether a mask makes anything zero of what stays, many elements at a time.

use super::places::Places;
use super::strided::dense;

/// Elements that are looked at together.
const BLOCK: usize = 128;

/// True if a mask of these sizes has a zero at some kept place. What lies elsewhere is covered by ones, so that whole rows can be looked at.
pub fn drops(mask: &[u8], shape: &[usize], places: &[Places]) -> bool {
    let whole = |d: &usize| matches!(&places[*d], Places::Same(list) if list.len() == shape[*d]);
    let Some(last) = (0..shape.len()).rev().find(|d| !whole(d)) else { return mask.contains(&0) };
    let inner: usize = shape[last + 1..].iter().product();
    let cover = |list: &Vec<usize>| {
        let mut cover = vec![1u8; shape[last] * inner];
        list.iter().for_each(|p| cover[p * inner..(p + 1) * inner].fill(0));
        cover
    };
    let covers = match &places[last] {
        Places::Same(list) => vec![cover(list)],
        Places::By(_, lists) => lists.iter().map(cover).collect(),
    };
    Rows { mask, strides: &dense(shape), places, last, covers }.any(&mut Vec::with_capacity(shape.len()), 0)
}

struct Rows<'a> {
    mask: &'a [u8],
    strides: &'a [usize],
    places: &'a [Places],
    /// The last dimension that is cut.
    last: usize,
    /// Of that one: ones at what goes; for each outer position where it is cut otherwise in each.
    covers: Vec<Vec<u8>>,
}

impl Rows<'_> {
    fn any(&self, path: &mut Vec<usize>, at: usize) -> bool {
        let d = path.len();
        if d == self.last {
            let outer = if let Places::By(link, _) = &self.places[d] { link.outer_of(path[link.at]) } else { 0 };
            return self.covers.get(outer).is_some_and(|cover| blank(self.mask.get(at..at + cover.len()).unwrap_or(&[]), cover));
        }
        self.places[d].at(path).iter().any(|p| {
            path.push(*p);
            let found = self.any(path, at + p * self.strides[d]);
            path.pop();
            found
        })
    }
}

/// True if a zero of the row is not covered.
fn blank(row: &[u8], cover: &[u8]) -> bool {
    let block = |(row, cover): (&[u8], &[u8])| row.iter().zip(cover).fold(false, |found, (m, c)| found | (m | c == 0));
    row.chunks(BLOCK).zip(cover.chunks(BLOCK)).any(block)
}

#[cfg(test)]
mod tests {
    use super::super::strided::cut;
    use super::*;
    use crate::solve::Link;

    #[test]
    fn finds_what_gathering_finds() {
        let same = |list: &[usize]| Places::Same(list.to_vec());
        let by = || Places::By(Link { at: 0, div: 2, outer: 2 }, vec![vec![0, 1], vec![3, 5]]);
        let cases: [(&[usize], Vec<Places>); 6] = [
            (&[4, 6], vec![same(&[0, 3]), same(&[1, 2, 5])]),
            (&[4, 6], vec![same(&[0, 3]), same(&[0, 1, 2, 3, 4, 5])]),
            (&[4, 6], vec![same(&[0, 1, 2, 3]), same(&[0, 1, 2, 3, 4, 5])]),
            (&[4, 6], vec![same(&[0, 3]), by()]),
            (&[2, 3, 4], vec![same(&[1]), same(&[0, 2]), same(&[0, 1, 2, 3])]),
            (&[24], vec![same(&[7, 23])]),
        ];
        for (shape, places) in cases {
            for at in 0..24 {
                let mut mask = vec![3u8; 24];
                mask[at] = 0;
                assert_eq!(drops(&mask, shape, &places), cut(&mask, shape, 1, &places).contains(&0), "{shape:?} at {at}");
            }
            assert!(!drops(&[1; 24], shape, &places) && drops(&[0; 24], shape, &places));
        }
        assert!(!drops(&[1], &[], &[]) && drops(&[0], &[], &[]) && !drops(&[], &[2, 0], &[same(&[0]), same(&[])]));
    }
}
