//! Small tensors as plain numbers, and which of their elements stay.

use tch::{Kind, Tensor};

use crate::axis::Propagation;
use crate::model::{DType, ValueId};
use crate::plan::Keep;
use crate::solve::Solution;

/// A tensor's elements, row-major.
#[derive(Clone, Debug)]
pub(super) struct Array {
    pub shape: Vec<usize>,
    pub dtype: DType,
    pub re: Vec<f64>,
    /// Imaginary parts of complex numbers.
    pub im: Option<Vec<f64>>,
}

impl Array {
    /// As a tensor of libtorch's.
    pub fn tensor(&self) -> Result<Tensor, tch::TchError> {
        let shape: Vec<i64> = self.shape.iter().map(|n| *n as i64).collect();
        let floats = |list: &[f64]| Tensor::f_from_slice(list)?.f_reshape(&shape);
        match (self.dtype, &self.im) {
            (_, Some(im)) => Tensor::f_complex(&floats(&self.re)?, &floats(im)?),
            (DType::F32, _) => floats(&self.re)?.f_to_kind(Kind::Float),
            (DType::I64, _) => floats(&self.re)?.f_to_kind(Kind::Int64),
            (DType::Bool, _) => floats(&self.re)?.f_to_kind(Kind::Bool),
            _ => floats(&self.re),
        }
    }

    /// From a tensor of libtorch's.
    pub fn of(t: &Tensor) -> Result<Array, tch::TchError> {
        let shape = t.size().iter().map(|n| *n as usize).collect();
        let list = |t: &Tensor| -> Result<Vec<f64>, tch::TchError> {
            let flat = t.f_resolve_conj()?.f_resolve_neg()?.f_to_kind(Kind::Double)?.f_contiguous()?.f_reshape([-1])?;
            Vec::<f64>::try_from(&flat)
        };
        if t.is_complex() {
            let (re, im) = (list(&t.f_real()?)?, list(&t.f_imag()?)?);
            return Ok(Array { shape, dtype: DType::C128, re, im: Some(im) });
        }
        let dtype = match t.f_kind()? {
            Kind::Bool => DType::Bool,
            Kind::Float => DType::F32,
            _ if t.is_floating_point() => DType::F64,
            _ => DType::I64,
        };
        Ok(Array { shape, dtype, re: list(t)?, im: None })
    }

    /// The elements for which `keep` says so, as a tensor of another shape.
    pub fn cut(&self, keep: &[bool], shape: Vec<usize>) -> Array {
        let pick = |list: &Vec<f64>| list.iter().zip(keep).filter(|(_, k)| **k).map(|(x, _)| *x).collect();
        Array { shape, dtype: self.dtype, re: pick(&self.re), im: self.im.as_ref().map(pick) }
    }

    /// The parts of an element.
    pub fn parts(&self, at: usize) -> impl Iterator<Item = f64> + '_ {
        self.re.get(at).into_iter().chain(self.im.as_ref().and_then(|im| im.get(at))).copied()
    }
}

/// What stays of each dimension of a value; `None` where all does.
pub(super) struct Kept {
    pub dims: Vec<Option<Keep>>,
}

impl Kept {
    /// Of a value.
    pub fn new(p: &Propagation, solution: &Solution, value: ValueId, shape: &[usize]) -> Kept {
        let dim = |d: usize| {
            let kept = solution.dim(p, value, d)?;
            let n = shape[d];
            let list = |from: usize| (0..n).filter(|at| kept.get(from + at) == Some(&true)).map(|at| at as u32).collect();
            Some(match solution.ragged(p, value, d) {
                None => Keep::Same(list(0)),
                Some(link) => Keep::By { link, lists: (0..link.outer).map(|a| list(a * n)).collect() },
            })
        };
        Kept { dims: (0..shape.len()).map(dim).collect() }
    }

    /// True if nothing goes.
    pub fn is_all(&self) -> bool {
        self.dims.iter().all(Option::is_none)
    }

    /// Whether a place stays, as far as one dimension is concerned.
    pub fn stays(&self, d: usize, place: &[usize]) -> bool {
        match &self.dims[d] {
            None => true,
            Some(Keep::Same(list)) => list.contains(&(place[d] as u32)),
            Some(Keep::By { link, lists }) => {
                lists.get(link.outer_of(place[link.at])).is_some_and(|l| l.contains(&(place[d] as u32)))
            }
        }
    }

    /// The outer position that a place of a ragged dimension belongs to; 0 of others.
    pub fn outer(&self, d: usize, place: &[usize]) -> usize {
        match &self.dims[d] {
            Some(Keep::By { link, .. }) => link.outer_of(place[link.at]),
            _ => 0,
        }
    }

    /// For each element whether it stays.
    pub fn elements(&self, shape: &[usize]) -> Vec<bool> {
        places(shape).map(|place| (0..shape.len()).all(|d| self.stays(d, &place))).collect()
    }

    /// The shape that is left.
    pub fn shape(&self, shape: &[usize]) -> Vec<usize> {
        shape.iter().zip(&self.dims).map(|(n, keep)| keep.as_ref().map_or(*n, Keep::len)).collect()
    }
}

/// The coordinates of all elements, row-major.
pub(super) fn places(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> + '_ {
    (0..shape.iter().product()).map(|mut at| {
        let mut place = vec![0; shape.len()];
        for d in (0..shape.len()).rev() {
            place[d] = at % shape[d];
            at /= shape[d];
        }
        place
    })
}
