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
    Strided::new(bytes, &dense(shape), width, shape, places).gather(0)
}

/// A tensor in memory, of which some places are kept.
pub struct Strided<'a> {
    /// The storage.
    bytes: &'a [u8],
    /// By dimension, in elements.
    strides: &'a [usize],
    /// Bytes of an element.
    width: usize,
    /// By dimension.
    places: &'a [Places],
    /// By dimension: elements of one position, where all dimensions after it stay whole and lie without gaps, so that neighbours
    /// are one run of bytes.
    runs: Vec<Option<usize>>,
    /// By dimension: hardly any kept places are neighbours.
    scattered: Vec<bool>,
}

impl<'a> Strided<'a> {
    /// Of a tensor of this shape, in a storage of elements of `width` bytes.
    pub fn new(bytes: &'a [u8], strides: &'a [usize], width: usize, shape: &[usize], places: &'a [Places]) -> Strided<'a> {
        let mut runs = vec![None; shape.len()];
        let mut inner = 1;
        for d in (0..shape.len()).rev() {
            if shape[d] != 1 && strides[d] != inner {
                break;
            }
            runs[d] = Some(inner);
            if !matches!(&places[d], Places::Same(list) if list.len() == shape[d]) {
                break;
            }
            inner *= shape[d];
        }
        let scattered = places.iter().map(scattered).collect();
        Strided { bytes, strides, width, places, runs, scattered }
    }

    /// The elements at the kept places; `offset` is that of the tensor's first element in the storage. Bounds were checked when the
    /// archive was opened; what lies outside all the same is left out, which the writer notices by the length.
    pub fn gather(&self, offset: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.places.iter().map(Places::len).product::<usize>() * self.width);
        self.inside(&mut Vec::with_capacity(self.places.len()), offset, &mut out);
        out
    }

    /// Appends what the dimensions have that `path` does not fix.
    fn inside(&self, path: &mut Vec<usize>, at: usize, out: &mut Vec<u8>) {
        let d = path.len();
        if d == self.places.len() {
            return out.extend_from_slice(self.slice(at, 1));
        }
        let places = self.places[d].at(path);
        if let Some(inner) = self.runs[d] {
            return match (self.scattered[d], inner * self.width) {
                (true, 1) => self.single::<1>(places, at, out),
                (true, 2) => self.single::<2>(places, at, out),
                (true, 4) => self.single::<4>(places, at, out),
                (true, 8) => self.single::<8>(places, at, out),
                _ => self.neighbours(places, inner, at, out),
            };
        }
        for p in places {
            path.push(*p);
            self.inside(path, at + p * self.strides[d], out);
            path.pop();
        }
    }

    /// Kept places of `inner` elements each, neighbours together.
    fn neighbours(&self, places: &[usize], inner: usize, at: usize, out: &mut Vec<u8>) {
        let mut k = 0;
        while k < places.len() {
            let mut n = 1;
            while k + n < places.len() && places[k + n] == places[k] + n {
                n += 1;
            }
            out.extend_from_slice(self.slice(at + places[k] * inner, n * inner));
            k += n;
        }
    }

    /// Kept places of `N` bytes each, one by one.
    fn single<const N: usize>(&self, places: &[usize], at: usize, out: &mut Vec<u8>) {
        let from = self.bytes.get(at * self.width..).unwrap_or(&[]).as_chunks::<N>().0;
        let start = out.len();
        out.resize(start + places.len() * N, 0);
        let mut found = 0;
        for (to, element) in out[start..].as_chunks_mut::<N>().0.iter_mut().zip(places.iter().filter_map(|p| from.get(*p))) {
            *to = *element;
            found += N;
        }
        out.truncate(start + found);
    }

    fn slice(&self, at: usize, n: usize) -> &[u8] {
        self.bytes.get(at * self.width..(at + n) * self.width).unwrap_or(&[])
    }
}

/// Whether most kept places have no neighbour before them.
fn scattered(places: &Places) -> bool {
    let lists = match places {
        Places::Same(list) => std::slice::from_ref(list),
        Places::By(_, lists) => lists,
    };
    let neighbours = |list: &Vec<usize>| list.windows(2).filter(|w| w[1] == w[0] + 1).count();
    2 * lists.iter().map(neighbours).sum::<usize>() < lists.iter().map(Vec::len).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::solve::Link;

    fn gathered(shape: &[usize], strides: &[usize], width: usize, places: Vec<Places>) -> Vec<u8> {
        let bytes: Vec<u8> = (0..24).collect();
        Strided::new(&bytes, strides, width, shape, &places).gather(0)
    }

    #[test]
    fn gathers_strided_tensors() {
        let places = || vec![Places::Same(vec![0, 2]), Places::Same(vec![1, 2])];
        // [3, 4] transposed from [4, 3]
        assert_eq!(gathered(&[3, 4], &[1, 3], 2, places()), [6, 7, 12, 13, 10, 11, 16, 17]);
        assert_eq!(gathered(&[3, 4], &[4, 1], 2, places()), [2, 3, 4, 5, 18, 19, 20, 21]);
    }

    #[test]
    fn what_stays_whole_inside_is_one_run() {
        let all = |n: usize| Places::Same((0..n).collect());
        let some = |list: &[usize]| Places::Same(list.to_vec());
        // [2, 3, 4]: kernels of 4 whole, of 3 the last two.
        let kept = gathered(&[2, 3, 4], &[12, 4, 1], 1, vec![all(2), some(&[1, 2]), all(4)]);
        assert_eq!(kept, (4..12).chain(16..24).collect::<Vec<u8>>());
        assert_eq!(gathered(&[2, 3, 4], &[12, 4, 1], 1, vec![all(2), all(3), all(4)]), (0..24).collect::<Vec<u8>>());
        // A dimension of one may have any stride; a gap ends the run.
        assert_eq!(gathered(&[4, 1], &[3, 99], 1, vec![some(&[0, 3]), all(1)]), [0, 9]);
        assert_eq!(gathered(&[2, 1, 3], &[3, 50, 1], 1, vec![some(&[1]), all(1), all(3)]), [3, 4, 5]);
        assert_eq!(gathered(&[], &[], 4, vec![]), [0, 1, 2, 3]);
    }

    #[test]
    fn gathers_other_places_for_each_outer_position() {
        // [(2 groups, 2), 6]: columns 0, 1 in the first group, 3, 5 in the second.
        let link = Link { at: 0, div: 2, outer: 2 };
        let places = vec![Places::Same(vec![0, 3]), Places::By(link, vec![vec![0, 1], vec![3, 5]])];
        assert_eq!(gathered(&[4, 6], &[6, 1], 1, places), [0, 1, 21, 23]);
    }
}
