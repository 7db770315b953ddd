//! Cutting the weights: each stored tensor is gathered from the mapped file into its new place, once.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::HashMap;

use super::rescale::Norms;
use super::{Change, Elements, Keep, Plan, Unified};
use crate::format::{Archive, FormatError, Payload};
use crate::model::{DType, Graph, Role, Tensor};
use crate::solve::Link;

/// Decides for every storage whether it stays as it is or is cut, and sets storages, strides and offsets of the small graph's
/// tensors accordingly.
///
/// # Errors
/// Where a payload cannot be read.
pub fn payloads<'a>(
    archive: &'a Archive,
    graph: &'a Graph,
    small: &mut Graph,
    plan: &'a Plan,
    masks: &'a Unified<'a>,
) -> Result<Vec<Payload<'a>>, FormatError> {
    let mut out: Vec<Payload> = Vec::new();
    let mut stored: HashMap<usize, usize> = HashMap::new();
    let mut cut: HashMap<usize, usize> = HashMap::new();
    let first = graph.first_names();
    let kept = slices(plan);
    let (added, rescaled) = (added(plan), plan.rescaled());
    let touched = |k: usize| {
        let t = &graph.tensors[k];
        small_shape(small, k) != t.shape.as_slice()
            || added.contains_key(&k)
            || rescaled.iter().any(|(scale, of)| [scale, of].contains(&&k))
            || (t.role == Role::Parameter && masks.masked(k))
    };
    let touched: Vec<bool> = (0..graph.tensors.len()).map(touched).collect();
    for (k, t) in graph.tensors.iter().enumerate() {
        if !touched[k] {
            let at = *stored.entry(t.storage).or_insert_with(|| {
                out.push(Payload::Stored(t.storage));
                out.len() - 1
            });
            small.tensors[k].storage = at;
            continue;
        }
        let twin = cut.get(&first[k]).copied();
        let at = match twin {
            Some(at) => at,
            None => {
                let bytes = archive.storage(t.storage)?;
                let places = places_of(&kept, graph, k);
                let rescale = match rescaled.iter().find(|(scale, of)| [*scale, *of].contains(&k)) {
                    Some((scale, of)) => {
                        let (scale, of) = (&graph.tensors[*scale], *of);
                        let (bytes, places) = (archive.storage(graph.tensors[of].storage)?, places_of(&kept, graph, of));
                        Some(Rescaled { of, tensor: &graph.tensors[of], bytes, places, small: &scale.shape })
                    }
                    None => None,
                };
                let job =
                    Job { tensor: t, bytes, places, masks, index: k, add: added.get(&k).copied(), rescale, order: order(t) };
                let len = small.tensors[k].numel() * t.dtype.bytes();
                out.push(Payload::Write { len: len as u64, write: Box::new(move |to| to.write_all(&job.run())) });
                out.len() - 1
            }
        };
        cut.insert(first[k], at);
        let s = &mut small.tensors[k];
        (s.storage, s.offset) = (at, 0);
        s.strides = in_order(&s.shape, &order(t));
    }
    for (c, t) in plan.constants.iter().zip(small.tensors.iter_mut().skip(graph.tensors.len())) {
        let bytes = constant_bytes(&c.data);
        out.push(Payload::Bytes(Cow::Owned(bytes)));
        t.storage = out.len() - 1;
    }
    Ok(out)
}

/// The elements of a new constant as the file has them.
pub fn constant_bytes(data: &Elements) -> Vec<u8> {
    match data {
        Elements::Positions(list) => list.iter().flat_map(|n| n.to_le_bytes()).collect(),
        Elements::Numbers(dtype, list) => {
            let mut out = vec![0; list.len() * dtype.bytes()];
            out.chunks_exact_mut(dtype.bytes()).zip(list).for_each(|(element, x)| add_to(element, *dtype, *x));
            out
        }
    }
}

fn small_shape(small: &Graph, k: usize) -> &[usize] {
    &small.tensors[k].shape
}

/// Strides of a dense tensor.
pub(super) fn dense(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for d in (0..shape.len().saturating_sub(1)).rev() {
        strides[d] = strides[d + 1] * shape[d + 1].max(1);
    }
    strides
}

/// The dimensions of a tensor from the outermost in memory to the innermost, where they lie there without gaps, as in PyTorch's
/// `channels_last`; as they come, where not.
fn order(t: &Tensor) -> Vec<usize> {
    let own: Vec<usize> = (0..t.shape.len()).collect();
    let mut order = own.clone();
    order.sort_by_key(|d| (Reverse(t.strides[*d]), Reverse(t.shape[*d])));
    let strides = in_order(&t.shape, &order);
    if own.iter().all(|d| t.shape[*d] == 1 || strides[*d] == t.strides[*d]) { order } else { own }
}

/// Strides of a tensor without gaps whose dimensions lie in this order.
fn in_order(shape: &[usize], order: &[usize]) -> Vec<usize> {
    let sizes: Vec<usize> = order.iter().map(|d| shape[*d]).collect();
    let mut strides = vec![1; shape.len()];
    order.iter().zip(dense(&sizes)).for_each(|(d, stride)| strides[*d] = stride);
    strides
}

/// The elements of a dense tensor with its dimensions in another order.
fn reordered(bytes: &[u8], shape: &[usize], order: &[usize], width: usize) -> Vec<u8> {
    let (sizes, old): (Vec<usize>, Vec<usize>) = order.iter().map(|d| (shape[*d], dense(shape)[*d])).unzip();
    let places: Vec<Places> = sizes.iter().map(|n| Places::Same((0..*n).collect())).collect();
    let mut out = Vec::with_capacity(bytes.len());
    let whole = vec![true; sizes.len() + 1];
    Strided { bytes, strides: &old, width, places: &places, whole: &whole }.gather(&mut Vec::new(), 0, &mut out);
    out
}

/// The kept places of one dimension of a tensor.
pub(super) enum Places {
    Same(Vec<usize>),
    /// A list for each outer position.
    By(Link<usize>, Vec<Vec<usize>>),
}

impl Places {
    pub(super) fn len(&self) -> usize {
        match self {
            Places::Same(list) => list.len(),
            Places::By(_, lists) => lists.iter().map(Vec::len).max().unwrap_or(0),
        }
    }

    fn at(&self, path: &[usize]) -> &[usize] {
        match self {
            Places::Same(list) => list,
            Places::By(link, lists) => lists.get(link.outer_of(path[link.at])).map(Vec::as_slice).unwrap_or(&[]),
        }
    }
}

/// The kept places of all dimensions of a tensor.
fn places_of(kept: &HashMap<(usize, usize), &Keep>, graph: &Graph, k: usize) -> Vec<Places> {
    let shape = &graph.tensors[k].shape;
    (0..shape.len()).map(|d| places(kept.get(&(k, d)).copied(), shape[d])).collect()
}

/// What each dimension that is cut keeps.
fn slices(plan: &Plan) -> HashMap<(usize, usize), &Keep> {
    let mut found = HashMap::new();
    for edit in &plan.edits {
        if let Change::Slice { tensor, dim, keep } = &edit.change {
            found.insert((*tensor, *dim), keep);
        }
    }
    found
}

/// What is added to tensors.
fn added(plan: &Plan) -> HashMap<usize, &[f64]> {
    let fold = |change: &'_ Change| matches!(change, Change::Fold { .. });
    let folds = plan.edits.iter().map(|e| &e.change).filter(|c| fold(c));
    folds.filter_map(|c| if let Change::Fold { tensor, add } = c { Some((*tensor, add.as_slice())) } else { None }).collect()
}

fn places(found: Option<&Keep>, size: usize) -> Places {
    let wide = |list: &Vec<u32>| list.iter().map(|p| *p as usize).collect();
    match found {
        None => Places::Same((0..size).collect()),
        Some(Keep::Same(list)) => Places::Same(wide(list)),
        Some(Keep::By { link, lists }) => Places::By(*link, lists.iter().map(wide).collect()),
    }
}

/// The elements of a dense tensor at the kept places.
pub(super) fn cut(bytes: &[u8], shape: &[usize], width: usize, places: &[Places]) -> Vec<u8> {
    let mut out = Vec::with_capacity(places.iter().map(Places::len).product::<usize>() * width);
    let whole = whole(shape, places);
    Strided { bytes, strides: &dense(shape), width, places, whole: &whole }.gather(&mut Vec::new(), 0, &mut out);
    out
}

/// For each tensor whether a given mask makes some of what stays of it zero.
pub(super) fn zeroed(graph: &Graph, plan: &Plan, masks: &Unified) -> Vec<bool> {
    let kept = slices(plan);
    (0..graph.tensors.len()).map(|k| zeroed_one(graph, &kept, masks, k)).collect()
}

/// Whether a given mask makes some of what stays of a tensor zero.
pub(super) fn is_zeroed(graph: &Graph, plan: &Plan, masks: &Unified, k: usize) -> bool {
    zeroed_one(graph, &slices(plan), masks, k)
}

fn zeroed_one(graph: &Graph, kept: &HashMap<(usize, usize), &Keep>, masks: &Unified, k: usize) -> bool {
    let t = &graph.tensors[k];
    let Some(mask) = (t.role == Role::Parameter).then(|| masks.given_mask(k)).flatten() else { return false };
    let places = places_of(kept, graph, k);
    cut(&mask, &t.shape, 1, &places).contains(&0)
}

/// One tensor to cut.
struct Job<'a> {
    tensor: &'a Tensor,
    bytes: Cow<'a, [u8]>,
    places: Vec<Places>,
    masks: &'a Unified<'a>,
    index: usize,
    /// What is added to each element before the cut.
    add: Option<&'a [f64]>,
    rescale: Option<Rescaled<'a>>,
    /// How its dimensions lie in memory.
    order: Vec<usize>,
}

/// A tensor that is divided by its norm.
struct Rescaled<'a> {
    of: usize,
    tensor: &'a Tensor,
    bytes: Cow<'a, [u8]>,
    places: Vec<Places>,
    /// The sizes of its scale.
    small: &'a [usize],
}

impl Rescaled<'_> {
    fn norms(&self, masks: &Unified) -> Norms {
        let (t, width) = (self.tensor, self.tensor.dtype.bytes());
        let mut whole = Vec::with_capacity(t.numel() * width);
        let all: Vec<Places> = t.shape.iter().map(|n| Places::Same((0..*n).collect())).collect();
        let dense =
            Strided { bytes: &self.bytes, strides: &t.strides, width, places: &all, whole: &vec![true; t.shape.len() + 1] };
        dense.gather(&mut Vec::new(), t.offset, &mut whole);
        let mut values = floats(&mut whole, t.dtype);
        if let Some(mask) = masks.given_mask(self.of) {
            values.iter_mut().zip(mask.iter()).filter(|(_, k)| **k == 0).for_each(|(x, _)| *x = 0.0);
        }
        Norms::new(&values, &t.shape, self.small, &self.places)
    }
}

impl Job<'_> {
    fn run(&self) -> Vec<u8> {
        let (t, width) = (self.tensor, self.tensor.dtype.bytes());
        let elements = self.places.iter().map(Places::len).product::<usize>();
        let mut out = Vec::with_capacity(elements * width);
        let whole = whole(&t.shape, &self.places);
        Strided { bytes: &self.bytes, strides: &t.strides, width, places: &self.places, whole: &whole }.gather(
            &mut Vec::new(),
            t.offset,
            &mut out,
        );
        if t.role == Role::Parameter
            && let Some(mask) = self.masks.given_mask(self.index)
        {
            let keep = cut(&mask, &t.shape, 1, &self.places);
            if keep.contains(&0) {
                for (element, k) in out.chunks_exact_mut(width).zip(keep) {
                    if k == 0 {
                        mask_element(element, t.dtype);
                    }
                }
            }
        }
        if let Some(add) = self.add {
            let bytes: Vec<u8> = add.iter().flat_map(|x| x.to_le_bytes()).collect();
            let mut cut = Vec::with_capacity(elements * 8);
            Strided { bytes: &bytes, strides: &dense(&t.shape), width: 8, places: &self.places, whole: &whole }.gather(
                &mut Vec::new(),
                0,
                &mut cut,
            );
            for (element, x) in out.chunks_exact_mut(width).zip(cut.as_chunks::<8>().0) {
                add_to(element, t.dtype, f64::from_le_bytes(*x));
            }
        }
        if let Some(rescale) = &self.rescale {
            let norms = rescale.norms(self.masks);
            match rescale.of == self.index {
                true => norms.revive(&mut out, t.dtype),
                false => norms.scale(&mut out, t.dtype, &t.shape, &self.places),
            }
        }
        if self.order.is_sorted() {
            return out;
        }
        reordered(&out, &self.places.iter().map(Places::len).collect::<Vec<_>>(), &self.order, width)
    }
}

/// For each dimension whether everything from there on stays.
fn whole(shape: &[usize], places: &[Places]) -> Vec<bool> {
    let mut whole = vec![true; shape.len() + 1];
    for d in (0..shape.len()).rev() {
        whole[d] = whole[d + 1] && matches!(&places[d], Places::Same(list) if list.len() == shape[d]);
    }
    whole
}

struct Strided<'a> {
    bytes: &'a [u8],
    strides: &'a [usize],
    width: usize,
    places: &'a [Places],
    whole: &'a [bool],
}

impl Strided<'_> {
    /// Appends the elements at the kept places of the dimensions that `path` does not fix. Bounds were checked when the
    /// archive was opened; what lies outside all the same is left out, which the writer notices by the length.
    fn gather(&self, path: &mut Vec<usize>, at: usize, out: &mut Vec<u8>) {
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

/// Multiplies an element by zero: zero of its sign, but NaN and infinity give NaN, as they would in PyTorch.
pub(super) fn mask_element(element: &mut [u8], dtype: DType) {
    let exponent: Option<(u64, u64)> = match dtype {
        DType::F64 => Some((0x7ff0_0000_0000_0000, 0x7ff8_0000_0000_0000)),
        DType::F32 => Some((0x7f80_0000, 0x7fc0_0000)),
        DType::F16 => Some((0x7c00, 0x7e00)),
        DType::BF16 => Some((0x7f80, 0x7fc0)),
        _ => None,
    };
    let Some((infinite, nan)) = exponent else { return element.fill(0) };
    let mut bits = [0u8; 8];
    bits[..element.len()].copy_from_slice(element);
    let bits = u64::from_le_bytes(bits);
    let sign = 1u64 << (element.len() * 8 - 1);
    let result = if bits & infinite == infinite { nan } else { bits & sign };
    element.copy_from_slice(&result.to_le_bytes()[..element.len()]);
}

/// Adds a number to an element of a floating point type, in double precision.
pub(super) fn add_to(element: &mut [u8], dtype: DType, x: f64) {
    map_float(element, dtype, |y| y + x);
}

/// Gives an element of a floating point type another value, in double precision.
pub(super) fn map_float(element: &mut [u8], dtype: DType, f: impl Fn(f64) -> f64) {
    match (dtype, &mut *element) {
        (DType::F64, [a, b, c, d, e, g, h, i]) => {
            let x = f(f64::from_le_bytes([*a, *b, *c, *d, *e, *g, *h, *i]));
            element.copy_from_slice(&x.to_le_bytes());
        }
        (DType::F32, [a, b, c, d]) => {
            let x = f(f64::from(f32::from_le_bytes([*a, *b, *c, *d])));
            element.copy_from_slice(&(x as f32).to_le_bytes());
        }
        (DType::F16, [a, b]) => {
            let x = f(f64::from(half::f16::from_le_bytes([*a, *b])));
            element.copy_from_slice(&half::f16::from_f64(x).to_le_bytes());
        }
        (DType::BF16, [a, b]) => {
            let x = f(f64::from(half::bf16::from_le_bytes([*a, *b])));
            element.copy_from_slice(&half::bf16::from_f64(x).to_le_bytes());
        }
        _ => {}
    }
}

/// The elements of a floating point type.
pub(super) fn floats(bytes: &mut [u8], dtype: DType) -> Vec<f64> {
    let mut out = Vec::with_capacity(bytes.len() / dtype.bytes());
    for element in bytes.chunks_exact_mut(dtype.bytes()) {
        let at = std::cell::Cell::new(0.0);
        map_float(element, dtype, |x| {
            at.set(x);
            x
        });
        out.push(at.get());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn memory_keeps_its_order() {
        let tensor = |shape: &[usize], strides: &[usize]| Tensor {
            name: String::new(),
            value: crate::model::ValueId(0),
            role: Role::Parameter,
            dtype: DType::U8,
            shape: shape.to_vec(),
            strides: strides.to_vec(),
            offset: 0,
            storage: 0,
            updated: false,
            list: None,
        };
        let cases: [(&[usize], &[usize], &[usize]); 7] = [
            (&[8, 4, 3, 3], &[36, 9, 3, 1], &[0, 1, 2, 3]),
            (&[8, 4, 3, 3], &[36, 1, 12, 4], &[0, 2, 3, 1]),
            (&[8, 4, 1, 1], &[4, 1, 4, 4], &[0, 2, 3, 1]),
            (&[8, 4, 1, 1], &[4, 1, 1, 1], &[0, 1, 2, 3]),
            (&[8, 1, 3, 3], &[9, 1, 3, 1], &[0, 2, 3, 1]),
            (&[4, 3], &[1, 4], &[1, 0]),
            (&[4, 3], &[1, 8], &[0, 1]), // with gaps
        ];
        for (shape, strides, expected) in cases {
            assert_eq!(order(&tensor(shape, strides)), expected, "{shape:?} {strides:?}");
        }
        assert_eq!(in_order(&[4, 2, 3, 3], &[0, 2, 3, 1]), [18, 1, 6, 2]);
        assert_eq!(reordered(&[0, 1, 2, 3, 4, 5], &[2, 3], &[1, 0], 1), [0, 3, 1, 4, 2, 5]);
    }

    #[test]
    fn gathers_other_places_for_each_outer_position() {
        // [(2 groups, 2), 6]: columns 0, 1 in the first group, 3, 5 in the second.
        let link = Link { at: 0, div: 2, outer: 2 };
        let places = vec![Places::Same(vec![0, 3]), Places::By(link, vec![vec![0, 1], vec![3, 5]])];
        assert_eq!(gathered(&[4, 6], &[6, 1], 1, places), [0, 1, 21, 23]);
    }

    #[test]
    fn numbers_are_added_in_double_precision() {
        let added = |dtype: DType, bytes: &[u8], x: f64| {
            let mut element = bytes.to_vec();
            add_to(&mut element, dtype, x);
            element
        };
        assert_eq!(added(DType::F64, &1.5f64.to_le_bytes(), 0.1), 1.6f64.to_le_bytes());
        assert_eq!(added(DType::F32, &1.5f32.to_le_bytes(), 0.1), 1.6f32.to_le_bytes());
        assert_eq!(added(DType::F16, &half::f16::from_f64(1.5).to_le_bytes(), 0.25), half::f16::from_f64(1.75).to_le_bytes());
        assert_eq!(added(DType::BF16, &half::bf16::from_f64(1.5).to_le_bytes(), 0.5), half::bf16::from_f64(2.0).to_le_bytes());
        assert_eq!(
            constant_bytes(&Elements::Numbers(DType::F32, vec![2.0, -1.0])),
            [2.0f32.to_le_bytes(), (-1.0f32).to_le_bytes()].concat()
        );
    }

    #[test]
    fn masked_elements_keep_sign_and_nan() {
        let masked = |x: f32| {
            let mut b = x.to_le_bytes();
            mask_element(&mut b, DType::F32);
            f32::from_le_bytes(b)
        };
        assert_eq!(masked(3.5).to_bits(), 0f32.to_bits());
        assert_eq!(masked(-3.5).to_bits(), (-0f32).to_bits());
        assert!(masked(f32::NAN).is_nan() && masked(f32::INFINITY).is_nan());
    }
}
