//! Masks: files with one tensor a parameter, zero where the parameter is pruned.
//!
//! [`read`] tells by a file's content whether it is of safetensors or of `torch.save`.

mod error;
mod saved;
mod view;

pub use error::MaskFileError;
use std::borrow::Cow;
use std::collections::HashSet;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;
pub use safetensors::Dtype;
use safetensors::SafeTensors;
use safetensors::tensor::{Metadata, TensorInfo};

use super::FormatError;
use super::held::Held;
use super::output::{Output, Pending};
use super::recognise::{begun, is_saved};
use super::source::Source;

pub use saved::{Saved, read_saved};
use view::View;

/// What the name of a parameter and that of its mask end with where `torch.nn.utils.prune` is active: `conv.weight_orig` and
/// `conv.weight_mask` are what `conv.weight` is made of.
pub const PRUNED: (&str, &str) = ("_orig", "_mask");

/// One mask of a file. Its bytes stay in the file until they are asked for.
#[derive(Clone, Debug)]
pub struct Mask {
    /// The parameter that it masks.
    pub name: String,
    /// Its sizes.
    pub shape: Vec<usize>,
    /// Its element type in the file.
    pub dtype: Dtype,
    path: PathBuf,
    data: Data,
}

/// Where the bytes of a mask are.
#[derive(Clone, Debug)]
enum Data {
    Mapped(Arc<Source>, Range<usize>),
    /// A view of a storage, which may repeat what is there.
    View(Arc<View>),
}

/// Masks by name, as a file has them.
pub enum Stored {
    /// A safetensors file: by parameter.
    Safetensors(IndexMap<String, Mask>),
    /// A file of `torch.save`.
    Saved(Saved),
}

/// The masks of a file, of whichever kind it is.
///
/// # Errors
/// A file that cannot be read, or of neither kind.
pub fn read(path: &Path) -> Result<Stored, FormatError> {
    of(path, Source::open(path)?)
}

/// The same, of a file that is read into memory: whoever makes it shorter meanwhile does no harm to the process.
///
/// # Errors
/// As [`read`], and a file that changes meanwhile.
pub fn load(path: &Path) -> Result<Stored, FormatError> {
    of(path, Source::load(path)?)
}

fn of(path: &Path, source: Source) -> Result<Stored, FormatError> {
    let start = &source[..source.len().min(16)];
    if is_saved(start) {
        return Ok(Stored::Saved(read_saved(path, source)?));
    }
    match begun(start) {
        None | Some(Held::Safetensors) => {}
        Some(held) => return Err(held.no_masks(path).into()),
    }
    Ok(Stored::Safetensors(safetensors(path, source)?))
}

impl Stored {
    /// The file, where masks are read from it when they are asked for.
    pub fn source(&self) -> Option<&Arc<Source>> {
        match self {
            Stored::Safetensors(masks) => masks.values().find_map(Mask::source),
            Stored::Saved(_) => None,
        }
    }
}

impl Mask {
    /// The file, where it is read from it when it is asked for.
    pub fn source(&self) -> Option<&Arc<Source>> {
        match &self.data {
            Data::Mapped(source, _) => Some(source),
            Data::View(_) => None,
        }
    }

    /// The number of its elements. A file may claim any: a view can repeat what it stores.
    pub fn numel(&self) -> usize {
        self.shape.iter().try_fold(1usize, |a, n| a.checked_mul(*n)).unwrap_or(usize::MAX)
    }

    /// One byte an element: 0 where the parameter is masked, another number where it is kept. An element is masked if it
    /// is zero, whatever its type, `-0.0` included. Bytes and bools are not copied.
    ///
    /// # Errors
    /// A type that no mask has, and an element that is no number.
    pub fn keep(&self) -> Result<Cow<'_, [u8]>, FormatError> {
        match &self.data {
            Data::Mapped(map, range) => self.kept(map.get(range.clone()).unwrap_or(&[])),
            Data::View(view) => {
                let stored = self.kept(view.reached())?;
                Ok(if view.is_dense(&self.shape) { stored } else { Cow::Owned(view.gather(&stored, &self.shape)) })
            }
        }
    }

    /// Whether it holds no zero and more than a few different numbers, as scores do that somebody took for masks.
    pub fn looks_like_scores(&self, keep: &[u8]) -> bool {
        let width = match self.dtype {
            Dtype::F64 => 8,
            Dtype::F32 => 4,
            Dtype::F16 | Dtype::BF16 => 2,
            _ => return false,
        };
        let bytes = match &self.data {
            Data::Mapped(map, range) => map.get(range.clone()).unwrap_or(&[]),
            Data::View(view) => view.reached(),
        };
        let some: HashSet<&[u8]> = bytes.chunks_exact(width).take(1 << 10).collect();
        some.len() > 4 && keep.iter().all(|k| *k != 0)
    }

    /// Without their sign, the bits of what is no number are above those of infinity.
    fn has_nan(&self, bytes: &[u8]) -> bool {
        match self.dtype {
            Dtype::F16 => any(bytes, |b| u16::from_le_bytes(b) << 1 > 0xf800),
            Dtype::BF16 => any(bytes, |b| u16::from_le_bytes(b) << 1 > 0xff00),
            Dtype::F32 => any(bytes, |b| u32::from_le_bytes(b) << 1 > 0xff00_0000),
            Dtype::F64 => any(bytes, |b| u64::from_le_bytes(b) << 1 > 0xffe0_0000_0000_0000),
            _ => false,
        }
    }

    /// For each element of these bytes whether it is kept.
    fn kept<'b>(&self, bytes: &'b [u8]) -> Result<Cow<'b, [u8]>, FormatError> {
        if self.has_nan(bytes) {
            return Err(FormatError::Masks(MaskFileError::NotANumber { path: self.path.clone(), name: self.name.clone() }));
        }
        let owned = match self.dtype {
            Dtype::BOOL | Dtype::U8 | Dtype::I8 => return Ok(Cow::Borrowed(bytes)),
            Dtype::I16 | Dtype::U16 => flags(bytes, |b| u16::from_le_bytes(b) != 0),
            Dtype::F16 | Dtype::BF16 => flags(bytes, |b| u16::from_le_bytes(b) << 1 != 0),
            Dtype::I32 | Dtype::U32 => flags(bytes, |b| u32::from_le_bytes(b) != 0),
            Dtype::F32 => flags(bytes, |b| u32::from_le_bytes(b) << 1 != 0),
            Dtype::I64 | Dtype::U64 => flags(bytes, |b| u64::from_le_bytes(b) != 0),
            Dtype::F64 => flags(bytes, |b| u64::from_le_bytes(b) << 1 != 0),
            Dtype::F8_E5M2 | Dtype::F8_E4M3 => flags(bytes, |[b]: [u8; 1]| b << 1 != 0),
            other => {
                let (path, name, dtype) = (self.path.clone(), self.name.clone(), other.to_string());
                return Err(FormatError::Masks(MaskFileError::MaskType { path, name, dtype }));
            }
        };
        Ok(Cow::Owned(owned))
    }
}

/// One byte for each element of `N` bytes.
fn flags<const N: usize>(bytes: &[u8], kept: impl Fn([u8; N]) -> bool) -> Vec<u8> {
    bytes.as_chunks::<N>().0.iter().map(|b| u8::from(kept(*b))).collect()
}

fn any<const N: usize>(bytes: &[u8], test: impl Fn([u8; N]) -> bool) -> bool {
    bytes.as_chunks::<N>().0.iter().any(|b| test(*b))
}

/// The masks of a safetensors file by name, in the order of the file. Only the header is read.
pub fn read_safetensors(path: &Path) -> Result<IndexMap<String, Mask>, FormatError> {
    safetensors(path, Source::open(path)?)
}

fn safetensors(path: &Path, source: Source) -> Result<IndexMap<String, Mask>, FormatError> {
    let bad = |reason: String| FormatError::Masks(MaskFileError::NotSafetensors { path: path.to_path_buf(), reason });
    let map = Arc::new(source);
    if map.is_empty() {
        return Err(bad("the file is empty".to_owned()));
    }
    let (header, metadata) = SafeTensors::read_metadata(&map).map_err(|e| bad(e.to_string()))?;
    let start = header + size_of::<u64>();
    let mut masks = IndexMap::new();
    for name in metadata.offset_keys() {
        let Some(info) = metadata.info(&name) else { continue };
        let range = start + info.data_offsets.0..start + info.data_offsets.1;
        let (shape, dtype) = (info.shape.clone(), info.dtype);
        masks.insert(name.clone(), Mask { name, shape, dtype, path: path.to_path_buf(), data: Data::Mapped(map.clone(), range) });
    }
    Ok(masks)
}

/// Writes masks as a safetensors file of bools. `masks` gives names and sizes; `data` is asked once for each index, in
/// order, for its bytes (0 masked, 1 kept), so that one mask at a time need be in memory. The file
/// has no name before [`Pending::persist`].
pub fn write_safetensors<'a>(
    path: &Path,
    masks: &[(String, Vec<usize>)],
    mut data: impl FnMut(usize) -> Cow<'a, [u8]>,
) -> Result<Pending, FormatError> {
    let bad = |reason: String| FormatError::BadEdit { reason };
    let mut infos = Vec::with_capacity(masks.len());
    let mut end = 0usize;
    for (name, shape) in masks {
        let next = shape.iter().try_fold(1usize, |a, b| a.checked_mul(*b)).and_then(|n| n.checked_add(end));
        let next = next.ok_or_else(|| bad(format!("the mask `{name}` is too large")))?;
        infos.push((name.clone(), TensorInfo { dtype: Dtype::BOOL, shape: shape.clone(), data_offsets: (end, next) }));
        end = next;
    }
    let lengths: Vec<usize> = infos.iter().map(|(_, info)| info.data_offsets.1 - info.data_offsets.0).collect();
    let metadata = Metadata::new(None, infos).map_err(|e| bad(e.to_string()))?;
    let mut header = serde_json::to_vec(&metadata).map_err(|e| bad(e.to_string()))?;
    header.resize(header.len().next_multiple_of(8), b' ');

    let mut output = Output::create(path)?;
    output.put(&(header.len() as u64).to_le_bytes())?;
    output.put(&header)?;
    for (i, ((name, _), len)) in masks.iter().zip(lengths).enumerate() {
        let bytes = data(i);
        if bytes.len() != len {
            return Err(bad(format!("the mask `{name}` has {} bytes instead of {len}", bytes.len())));
        }
        output.put(&bytes)?;
    }
    output.complete()
}

impl Output {
    fn put(&mut self, bytes: &[u8]) -> Result<(), FormatError> {
        let written = self.file.write_all(bytes);
        written.map_err(|e| self.fault(e))
    }
}
