//! Gathering elements by strides: neighbours together.

use super::places::Places;

/// Strides of a dense tensor.
pub fn dense(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for d in (0..shape.len().saturating_sub(1)).rev() {
        strides[d] = strides[d + 1] * shape[d + 1].max(1);
    }
    strides
}

/// The elements of a dense tensor at the kept places.
pub fn cut(bytes: &[u8], shape: &[usize], width: usize, places: &[Places]) -> Vec<u8> {
    let mut out = Vec::with_capacity(places.iter().map(Places::len).product::<usize>() * width);
    let whole = whole(shape, places);
    Strided { bytes, strides: &dense(shape), width, places, whole: &whole }.gather(&mut Vec::new(), 0, &mut out);
    out
}

/// For each dimension whether everything from there on stays.
pub fn whole(shape: &[usize], places: &[Places]) -> Vec<bool> {
    let mut whole = vec![true; shape.len() + 1];
    for d in (0..shape.len()).rev() {
        whole[d] = whole[d + 1] && matches!(&places[d], Places::Same(list) if list.len() == shape[d]);
    }
    whole
}

/// A tensor in memory, of which some places are kept.
pub struct Strided<'a> {
    /// The storage.
    pub bytes: &'a [u8],
    /// By dimension, in elements.
    pub strides: &'a [usize],
    /// Bytes of an element.
    pub width: usize,
    /// By dimension.
    pub places: &'a [Places],
    /// For each dimension whether everything from there on stays ([`whole`]).
    pub whole: &'a [bool],
}

impl Strided<'_> {
    /// Appends the elements at the kept places of the dimensions that `path` does not fix. Bounds were checked when the
    /// archive was opened; what lies outside all the same is left out, which the writer notices by the length.
    pub fn gather(&self, path: &mut Vec<usize>, at: usize, out: &mut Vec<u8>) {
        let d = path.len();
        if d == self.places.len() {
            out.extend_from_slice(self.slice(at, 1));
            return;
        }
        if self.whole[d] && self.is_dense(d) {
            out.extend_from_slice(self.slice(at, self.places[d..].iter().map(Places::len).product()));
            return;
        }
        let places = self.places[d].at(path);
        if d + 1 == self.places.len() && self.strides[d] == 1 {
            return self.last(places, at, out);
        }
        for p in places {
            path.push(*p);
            self.gather(path, at + p * self.strides[d], out);
            path.pop();
        }
    }

    /// Kept places of a dense last dimension, neighbours together.
    fn last(&self, places: &[usize], at: usize, out: &mut Vec<u8>) {
        let mut k = 0;
        while k < places.len() {
            let mut n = 1;
            while k + n < places.len() && places[k + n] == places[k] + n {
                n += 1;
            }
            out.extend_from_slice(self.slice(at + places[k], n));
            k += n;
        }
    }

    fn is_dense(&self, d: usize) -> bool {
        let mut expected = 1;
        for k in (d..self.places.len()).rev() {
            if self.places[k].len() != 1 && self.strides[k] != expected {
                return false;
            }
            expected *= self.places[k].len();
        }
        true
    }

    fn slice(&self, at: usize, n: usize) -> &[u8] {
        self.bytes.get(at * self.width..(at + n) * self.width).unwrap_or(&[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::solve::Link;

    fn gathered(shape: &[usize], strides: &[usize], width: usize, places: Vec<Places>) -> Vec<u8> {
        let bytes: Vec<u8> = (0..24).collect();
        let mut out = Vec::new();
        let whole = whole(shape, &places);
        Strided { bytes: &bytes, strides, width, places: &places, whole: &whole }.gather(&mut Vec::new(), 0, &mut out);
        out
    }

    #[test]
    fn gathers_strided_tensors() {
        let places = || vec![Places::Same(vec![0, 2]), Places::Same(vec![1, 2])];
        // [3, 4] transposed from [4, 3]
        assert_eq!(gathered(&[3, 4], &[1, 3], 2, places()), [6, 7, 12, 13, 10, 11, 16, 17]);
        assert_eq!(gathered(&[3, 4], &[4, 1], 2, places()), [2, 3, 4, 5, 18, 19, 20, 21]);
    }

    #[test]
    fn gathers_other_places_for_each_outer_position() {
        // [(2 groups, 2), 6]: columns 0, 1 in the first group, 3, 5 in the second.
        let link = Link { at: 0, div: 2, outer: 2 };
        let places = vec![Places::Same(vec![0, 3]), Places::By(link, vec![vec![0, 1], vec![3, 5]])];
        assert_eq!(gathered(&[4, 6], &[6, 1], 1, places), [0, 1, 21, 23]);
    }
}
