//! Loading: a file's program, and what its buffers' values tell.

mod active;

use std::path::Path;
use std::sync::Arc;

use tracing::info_span;

pub use active::Masked;

use crate::format::torchscript::Input;
use crate::format::{Archive, FormatError, is_dense};
use crate::model::{DType, Graph, Role, Tensor};
use crate::solve::{Data, Mask, Masks, NONNEG, NONZERO, ZERO};

/// A program with the file that holds its weights.
pub struct Model {
    /// The file, mapped.
    pub archive: Archive,
    /// The program.
    pub graph: Graph,
}

/// Buffers larger than this are not looked at.
const LARGEST: usize = 1 << 22;

/// Lists of integers longer than this are not taken for indices.
const LONGEST: usize = 1 << 16;

impl Model {
    /// Opens a file. Weights are mapped, not read.
    ///
    /// # Errors
    /// A file that is no archive of `torch.export.save` or `torch.jit.save`, or a damaged one.
    pub fn open(path: &Path) -> Result<Model, FormatError> {
        Model::with_inputs(path, &[])
    }

    /// Opens a file that does not record the sizes of its values, with those of its inputs.
    ///
    /// # Errors
    /// As [`Model::open`], and inputs that are not the program's.
    pub fn with_inputs(path: &Path, inputs: &[Input]) -> Result<Model, FormatError> {
        let archive = info_span!("open").in_scope(|| Archive::open(path))?;
        Model::of_archive(archive, inputs)
    }

    /// Reads an archive of `torch.export.save` that is in memory; `name` is what messages call it.
    ///
    /// # Errors
    /// As [`Model::open`].
    pub fn of_bytes(name: &Path, bytes: Arc<[u8]>) -> Result<Model, FormatError> {
        let archive = info_span!("open").in_scope(|| Archive::of_bytes(name, bytes))?;
        Model::of_archive(archive, &[])
    }

    fn of_archive(archive: Archive, inputs: &[Input]) -> Result<Model, FormatError> {
        let _stage = info_span!("graph").entered();
        let mut model = Model { graph: archive.graph(inputs)?, archive };
        let lists: Vec<Option<Arc<[i64]>>> = model.graph.tensors.iter().map(|t| model.list(t)).collect();
        model.graph.tensors.iter_mut().zip(lists).for_each(|(t, list)| t.list = list);
        Ok(model)
    }

    /// The elements of what may be an index.
    fn list(&self, t: &Tensor) -> Option<Arc<[i64]>> {
        let short = t.shape.len() == 1 && t.numel() <= LONGEST;
        if !short || t.updated || t.role == Role::Parameter || !matches!(t.dtype, DType::I64 | DType::I32 | DType::Bool) {
            return None;
        }
        Some(self.floats(t)?.into_iter().map(|x| x as i64).collect())
    }

    /// Masks of the zeros that are in the parameters already: of those in which a whole slice of some dimension is zero. A vector that
    /// is zero everywhere is a bias or a gain as it was made, and says nothing.
    ///
    /// # Errors
    /// Weights that cannot be read.
    pub fn zeros(&self) -> Result<Masks<'static>, FormatError> {
        let mut masks = Masks::new();
        for (t, first) in self.graph.tensors.iter().zip(self.graph.first_names()) {
            if t.role != Role::Parameter || t.shape.is_empty() || self.graph.tensors[first].name != t.name {
                continue;
            }
            let bytes = self.archive.storage(t.storage)?;
            let width = t.dtype.bytes();
            let sign = if t.dtype.is_float() { 0x7f } else { 0xff };
            let nonzero = |at: usize| {
                let element = bytes.get(at * width..(at + 1) * width).unwrap_or(&[]);
                element.split_last().is_some_and(|(top, rest)| top & sign != 0 || rest.iter().any(|b| *b != 0))
            };
            let keep: Vec<u8> = (0..t.numel()).map(|n| u8::from(nonzero(place(t, n)))).collect();
            let mask = Mask { shape: t.shape.clone(), keep: keep.into() };
            let as_made = t.shape.len() == 1 && !mask.keep.contains(&1);
            if mask.drops_a_slice() && !as_made {
                masks.insert(t.name.clone(), mask);
            }
        }
        Ok(masks)
    }

    fn floats(&self, t: &Tensor) -> Option<Vec<f64>> {
        if t.numel() > LARGEST { None } else { self.elements(t) }
    }

    /// All elements of a stored tensor, row-major; `None` for types that are no numbers here, and where data are missing.
    pub fn elements(&self, t: &Tensor) -> Option<Vec<f64>> {
        // Where there are no data, the sizes are only claimed.
        let mut values = Vec::with_capacity(if self.archive.is_bare() { 0 } else { t.numel() });
        self.read(t, &mut |_, x| values.push(x)).then_some(values)
    }

    /// Calls `f` with all elements of a tensor of real numbers; false if they cannot be read.
    fn read(&self, t: &Tensor, f: &mut dyn FnMut(usize, f64)) -> bool {
        let Ok(bytes) = self.archive.storage(t.storage) else { return false };
        let width = t.dtype.bytes();
        if is_dense(&t.shape, &t.strides) {
            // One after the other: no place has to be worked out.
            let all = bytes.get(t.offset * width..).unwrap_or(&[]).chunks_exact(width.max(1)).take(t.numel());
            let mut seen = 0;
            let read = all.enumerate().all(|(n, element)| {
                seen = n + 1;
                t.dtype.number(element).map(|x| f(n, x)).is_some()
            });
            return read && seen == t.numel();
        }
        let element = |at: usize| t.dtype.number(bytes.get(at * width..(at + 1) * width)?);
        (0..t.numel()).all(|n| element(place(t, n)).map(|x| f(n, x)).is_some())
    }
}

impl Data for Model {
    /// What holds for all elements of a buffer or constant: flags [`NONNEG`] and [`NONZERO`], and [`ZERO`] of whole numbers (zero points).
    fn flags(&self, tensor: usize) -> u8 {
        let tensor = &self.graph.tensors[tensor];
        if tensor.updated {
            return 0;
        }
        // What a program on the `meta` device holds is made later: a buffer is then taken for the zeros that PyTorch loads in its place.
        if self.archive.is_bare() && self.archive.storage(tensor.storage).is_err() {
            return NONNEG;
        }
        let Some(values) = self.floats(tensor) else { return 0 };
        let mut flags = 0;
        if values.iter().all(|x| *x >= 0.0) {
            flags |= NONNEG;
        }
        if values.iter().all(|x| *x != 0.0) {
            flags |= NONZERO;
        }
        if !tensor.dtype.is_float() && values.iter().all(|x| *x == 0.0) {
            flags |= ZERO;
        }
        flags
    }

    fn infinite(&self, tensor: usize) -> bool {
        let tensor = &self.graph.tensors[tensor];
        let mut found = false;
        !tensor.updated && tensor.dtype.is_float() && self.read(tensor, &mut |_, x| found |= !x.is_finite()) && found
    }

    fn each(&self, tensor: usize, f: &mut dyn FnMut(usize, f64)) -> bool {
        let tensor = &self.graph.tensors[tensor];
        !tensor.updated && self.read(tensor, f)
    }
}

/// Where the n-th element of a tensor lies in its storage.
fn place(t: &Tensor, mut n: usize) -> usize {
    let mut at = t.offset;
    for (size, stride) in t.shape.iter().zip(&t.strides).rev() {
        at += (n % size) * stride;
        n /= size;
    }
    at
}
