//! What is done to each tensor of a state dict, a piece of it at a time.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::io::Write;

use indexmap::IndexMap;
use safetensors::Dtype;
use serde_json::Value;

use super::error::TransferError;
use super::file::{Kind, LONGEST, PlanFile, PlannedTensor};
use super::names::Renaming;
use crate::format::checkpoint::{Checkpoint, CheckpointError, Entry, Shard, Stored};
use crate::format::masks::Mask;
use crate::model::DType;
use crate::plan::gather::{Norms, Places, add_to, cut, floats, mask_element};

/// Bytes that are gathered before they are written.
const PIECE: usize = 8 << 20;

/// The plan, the weights and the masks side by side.
pub(super) struct Work<'a> {
    pub(super) plan: &'a PlanFile,
    checkpoint: &'a Checkpoint,
    masks: Option<&'a IndexMap<String, Mask>>,
    pub(super) renaming: Renaming,
    /// The edits that cut each tensor of the plan.
    slices: &'a HashMap<usize, Vec<usize>>,
    /// What is added to each.
    folds: HashMap<usize, &'a [f64]>,
    /// Scales, each with the tensor of which it takes up what goes.
    rescaled: Vec<(usize, usize)>,
    /// Tensors that are multiplied by zeros and ones of another, and that.
    masked: HashMap<usize, usize>,
    /// By the names of the state dict: what tensors are called in the new one; `None` for those that go.
    renamed: HashMap<String, Option<String>>,
    /// By the names of the state dict: the tensors of the plan to which something is done.
    touched: HashMap<String, usize>,
}

/// A tensor, and its bytes.
type Found<'a> = (Stored, Cow<'a, [u8]>);

/// What is made zero.
enum Zeros<'a> {
    /// A byte an element, 0 = masked.
    Whole(&'a Mask),
    /// A byte for each position of a dimension.
    Along(usize, Vec<u8>),
}

impl<'a> Work<'a> {
    /// Looks at all tensors of the plan; `slices` are its cuts.
    pub(super) fn new(
        (plan, slices): (&'a PlanFile, &'a HashMap<usize, Vec<usize>>),
        checkpoint: &'a Checkpoint,
        masks: Option<&'a IndexMap<String, Mask>>,
        renaming: Renaming,
    ) -> Result<Work<'a>, TransferError> {
        let (folds, rescaled, masked) = (plan.folds()?, plan.rescaled()?, plan.masked()?);
        let there = |k: usize, to: Option<&str>| Some((renaming.of(&plan.tensors[k].name)?, to.and_then(|to| renaming.of(to))));
        let renamed: HashMap<String, Option<String>> = plan.renamed()?.into_iter().filter_map(|(k, to)| there(k, to)).collect();
        let taken: HashSet<&str> = if renamed.is_empty() { HashSet::new() } else { checkpoint.names().collect() };
        let twice = renamed
            .iter()
            .find(|(from, to)| taken.contains(from.as_str()) && to.as_ref().is_some_and(|to| taken.contains(to.as_str())));
        if let Some((from, Some(to))) = twice {
            return Err(plan.contradiction(format!("it calls `{from}` `{to}`, and the weights have that one too")));
        }
        let pairs: HashSet<usize> = rescaled.iter().flat_map(|(scale, of)| [*scale, *of]).collect();
        let mut work =
            Work { plan, checkpoint, masks, renaming, slices, folds, rescaled, masked, renamed, touched: HashMap::new() };
        for (k, t) in plan.tensors.iter().enumerate().filter(|(_, t)| t.kind != Kind::Constant) {
            let zeros = work.zeros(t)?.is_some();
            let changes = slices.contains_key(&k) || work.folds.contains_key(&k) || work.masked.contains_key(&k);
            if let (Some(name), true) = (work.renaming.of(&t.name), changes || zeros || pairs.contains(&k)) {
                work.touched.insert(name, k);
            }
        }
        Ok(work)
    }

    /// What is made zero of a tensor, as far as that is known.
    fn zeros(&self, t: &PlannedTensor) -> Result<Option<Zeros<'a>>, TransferError> {
        if !t.zeroed {
            return Ok(None);
        }
        let along = t.masked_along().map_err(|why| self.plan.contradiction(format!("`{}`: {why}", t.name)))?;
        if let Some((dim, keep)) = along {
            return Ok(Some(Zeros::Along(dim, keep)));
        }
        let Some(masks) = self.masks else { return Ok(None) };
        let found = masks.get(&t.name).ok_or_else(|| TransferError::NoMask { name: t.name.clone() })?;
        if found.shape == t.shape {
            return Ok(Some(Zeros::Whole(found)));
        }
        Err(TransferError::Mask { name: t.name.clone(), expected: t.shape.clone(), found: found.shape.clone() })
    }

    /// The places of a tensor's dimensions that stay.
    fn places(&self, k: usize, t: &Stored) -> Result<Vec<Places>, TransferError> {
        self.plan.places(k, self.slices.get(&k).map_or(&[], Vec::as_slice), &t.shape)
    }

    /// What a tensor of the state dict is called in the new one; `None` if it goes.
    pub(super) fn name<'n>(&'n self, name: &'n str) -> Option<&'n str> {
        self.renamed.get(name).map_or(Some(name), Option::as_deref)
    }

    /// An index with the new names.
    pub(super) fn index(&self, json: &Value) -> Value {
        let mut json = json.clone();
        if let Some(map) = json.get_mut("weight_map").and_then(Value::as_object_mut) {
            let old = std::mem::take(map);
            map.extend(old.into_iter().filter_map(|(name, file)| Some((self.name(&name)?.to_owned(), file))));
        }
        json
    }

    /// True if the zeros and ones by which a tensor of the plan is multiplied are in the state dict.
    pub(super) fn has_mask(&self, k: usize) -> bool {
        let name = self.masked.get(&k).and_then(|by| self.renaming.of(&self.plan.tensors[*by].name));
        name.is_some_and(|name| self.checkpoint.names().any(|n| n == name))
    }

    /// The entry of a tensor in the new file, and its bytes there; `None` if it goes.
    pub(super) fn entry(&self, name: &str, t: &Stored) -> Result<Option<(Entry, usize)>, TransferError> {
        let Some(to) = self.name(name) else { return Ok(None) };
        let (mut shape, mut len) = (t.shape.clone(), t.len());
        if let Some(k) = self.touched.get(name) {
            let dtype = || CheckpointError::DType { name: name.to_owned(), dtype: t.dtype.to_string() };
            let width = t.width().ok_or_else(dtype)?;
            if t.is_empty() && t.shape.iter().any(|n| *n > LONGEST) {
                return Err(self.plan.contradiction(format!("`{name}` has no elements, and sizes {:?}", t.shape)));
            }
            if self.slices.contains_key(k) {
                shape = self.places(*k, t)?.iter().map(Places::len).collect();
            }
            let elements = shape.iter().try_fold(width, |a, b| a.checked_mul(*b));
            len = elements.ok_or_else(|| self.plan.contradiction(format!("`{name}` is too large")))?;
        }
        Ok(Some((Entry { name: to.to_owned(), from: name.to_owned(), dtype: t.dtype, shape }, len)))
    }

    /// Writes a tensor, and says how many bytes that are.
    pub(super) fn write(&self, shard: &Shard, name: &str, t: &Stored, to: &mut dyn Write) -> std::io::Result<usize> {
        let (Some(k), Some(width)) = (self.touched.get(name), t.width()) else {
            return to.write_all(&shard.bytes(t).map_err(std::io::Error::other)?).map(|()| t.len());
        };
        let bytes = shard.bytes(t).map_err(std::io::Error::other)?;
        let job = self.job(*k, t).map_err(std::io::Error::other)?;
        job.pieces(&bytes, t, width.max(1), to)
    }

    fn job(&self, k: usize, t: &Stored) -> Result<Job<'a>, TransferError> {
        let pair = self.rescaled.iter().find(|(scale, of)| [*scale, *of].contains(&k));
        let norms = match pair {
            Some((scale, of)) => self.norms(*scale, *of)?.map(|norms| (norms, *of == k)),
            None => None,
        };
        let (places, mut whole, mut along) = (self.places(k, t)?, None, None);
        match self.zeros(&self.plan.tensors[k])? {
            Some(Zeros::Whole(mask)) => whole = Some(mask.keep()?),
            Some(Zeros::Along(dim, keep)) => along = Some((dim, keep)),
            None => {}
        }
        if let Some(mask) = self.masked.get(&k).map(|by| self.ones(*by)).transpose()?.flatten() {
            whole = Some(match whole {
                Some(other) => mask.iter().zip(other.iter()).map(|(a, b)| u8::from(*a != 0 && *b != 0)).collect(),
                None => Cow::Owned(mask),
            });
        }
        Ok(Job { places, whole, along, add: self.folds.get(&k).copied(), norms })
    }

    /// A byte for each element of a tensor, 0 for a zero; `None` where the state dict has not the tensor.
    fn ones(&self, k: usize) -> Result<Option<Vec<u8>>, TransferError> {
        let Some((stored, bytes)) = self.bytes(k)? else { return Ok(None) };
        let name = || self.plan.tensors[k].name.clone();
        let dtype = || CheckpointError::DType { name: name(), dtype: stored.dtype.to_string() };
        let width = stored.width().ok_or_else(dtype)?.max(1);
        let sign = if float(stored.dtype).is_some() { 0x7f } else { 0xff };
        let one = |x: &[u8]| x.split_last().is_some_and(|(top, rest)| top & sign != 0 || rest.iter().any(|b| *b != 0));
        Ok(Some(bytes.chunks_exact(width).map(|x| u8::from(one(x))).collect()))
    }

    /// A tensor of the plan in the state dict, in whatever file it is.
    fn bytes(&self, k: usize) -> Result<Option<Found<'a>>, TransferError> {
        let t = &self.plan.tensors[k];
        let name = self.renaming.of(&t.name).unwrap_or_default();
        let found = self.checkpoint.shards.iter().find_map(|s| Some((s, s.tensors.get(&name)?)));
        let (stored, bytes) = match found {
            Some((shard, stored)) => (stored.clone(), shard.bytes(stored)?),
            None => {
                let Some(path) = self.checkpoint.file_of(&name) else { return Ok(None) };
                let elsewhere = Shard::open(path)?;
                let Some(stored) = elsewhere.tensors.get(&name) else { return Ok(None) };
                (stored.clone(), Cow::Owned(elsewhere.bytes(stored)?.into_owned()))
            }
        };
        if stored.shape != t.shape {
            return Err(self.plan.contradiction(format!("it needs `{}`, which has sizes {:?}", t.name, stored.shape)));
        }
        Ok(Some((stored, bytes)))
    }

    /// The norms of a tensor whose scale takes up what goes of it; `None` where the state dict has other floating point types, or not the
    /// tensor.
    fn norms(&self, scale: usize, of: usize) -> Result<Option<Norms>, TransferError> {
        let t = &self.plan.tensors[of];
        let Some((stored, bytes)) = self.bytes(of)? else { return Ok(None) };
        let Some(dtype) = float(stored.dtype) else { return Ok(None) };
        let mut values = floats(&bytes, dtype);
        match self.zeros(t)? {
            Some(Zeros::Whole(mask)) => {
                values.iter_mut().zip(mask.keep()?.iter()).filter(|(_, k)| **k == 0).for_each(|(x, _)| *x = 0.0);
            }
            Some(Zeros::Along(dim, keep)) => {
                let inner = inner(&t.shape, dim);
                values.iter_mut().enumerate().filter(|(n, _)| keep[n / inner % keep.len()] == 0).for_each(|(_, x)| *x = 0.0);
            }
            None => {}
        }
        Ok(Some(Norms::new(&values, &t.shape, &self.plan.tensors[scale].shape, &self.places(of, &stored)?)))
    }
}

/// What to do with a tensor of the state dict.
struct Job<'a> {
    /// What stays of each dimension.
    places: Vec<Places>,
    /// A byte an element before the cut, 0 = masked.
    whole: Option<Cow<'a, [u8]>>,
    /// The same for each position of a dimension.
    along: Option<(usize, Vec<u8>)>,
    /// What is added to what is left.
    add: Option<&'a [f64]>,
    /// The norms of a tensor's rows, and whether it is that tensor; else it is the scale.
    norms: Option<(Norms, bool)>,
}

impl Job<'_> {
    /// Writes what stays, some positions of the first dimension at a time.
    fn pieces(mut self, bytes: &[u8], t: &Stored, width: usize, to: &mut dyn Write) -> std::io::Result<usize> {
        let row = self.places.iter().skip(1).map(Places::len).product::<usize>() * width;
        let rows = match self.places.first() {
            // Norms are of rows that lie anywhere.
            Some(Places::Same(list)) if self.norms.is_none() && row > 0 => list.clone(),
            _ => {
                let out = self.run(bytes, t, width);
                return to.write_all(&out).map(|()| out.len());
            }
        };
        let mut written = 0;
        for some in rows.chunks((PIECE / row).max(1)) {
            self.places[0] = Places::Same(some.to_vec());
            let out = self.run(bytes, t, width);
            to.write_all(&out)?;
            written += out.len();
        }
        Ok(written)
    }

    fn run(&self, bytes: &[u8], t: &Stored, width: usize) -> Vec<u8> {
        let places = &self.places;
        let mut out = cut(bytes, &t.shape, width, places);
        if let Some(keep) = &self.whole {
            zero(out.chunks_exact_mut(width).zip(cut(keep, &t.shape, 1, places)), t.dtype);
        }
        match self.along.as_ref().map(|(dim, keep)| (*dim, keep, &places[*dim])) {
            Some((dim, keep, Places::Same(list))) => {
                let inner = places[dim + 1..].iter().map(Places::len).product::<usize>();
                let keep = list.iter().flat_map(|p| std::iter::repeat_n(keep[*p], inner)).cycle();
                zero(out.chunks_exact_mut(width).zip(keep), t.dtype);
            }
            Some((dim, keep, Places::By(..))) => {
                let inner = inner(&t.shape, dim);
                let whole: Vec<u8> = (0..t.shape.iter().product()).map(|n| keep[n / inner % keep.len()]).collect();
                zero(out.chunks_exact_mut(width).zip(cut(&whole, &t.shape, 1, places)), t.dtype);
            }
            None => {}
        }
        if let (Some(add), Some(dtype)) = (self.add, float(t.dtype)) {
            let add: Vec<u8> = add.iter().flat_map(|x| x.to_le_bytes()).collect();
            let add = cut(&add, &t.shape, size_of::<f64>(), places);
            for (element, x) in out.chunks_exact_mut(width).zip(add.as_chunks().0) {
                add_to(element, dtype, f64::from_le_bytes(*x));
            }
        }
        match (&self.norms, float(t.dtype)) {
            (Some((norms, true)), Some(dtype)) => norms.revive(&mut out, dtype),
            (Some((norms, false)), Some(dtype)) => norms.scale(&mut out, dtype, &t.shape, places),
            _ => {}
        }
        out
    }
}

/// Makes elements zero whose byte is.
fn zero<'o>(elements: impl Iterator<Item = (&'o mut [u8], u8)>, dtype: Dtype) {
    for (element, _) in elements.filter(|(_, keep)| *keep == 0) {
        match float(dtype) {
            Some(dtype) => mask_element(element, dtype),
            None => element.fill(0),
        }
    }
}

/// Elements of one position of a dimension.
fn inner(shape: &[usize], dim: usize) -> usize {
    shape[dim + 1..].iter().product::<usize>().max(1)
}

fn float(dtype: Dtype) -> Option<DType> {
    match dtype {
        Dtype::F64 => Some(DType::F64),
        Dtype::F32 => Some(DType::F32),
        Dtype::F16 => Some(DType::F16),
        Dtype::BF16 => Some(DType::BF16),
        _ => None,
    }
}
