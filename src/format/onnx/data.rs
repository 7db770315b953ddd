//! Where the elements of stored tensors are: in the file, in files beside it, or as numbers that are packed first.

use std::borrow::Cow;
use std::ops::{Deref, Range};
use std::path::{Component, Path};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::error::OnnxError;
use super::proto::{Data, TensorProto};
use super::wire::{Value, floats, varints};
use crate::format::FormatError;
use crate::format::source::Source;
use crate::model::DType;

/// A file's bytes.
#[derive(Clone)]
pub(super) enum Bytes {
    Mapped(Arc<Source>),
    Memory(Arc<[u8]>),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Mapped(map) => map,
            Bytes::Memory(bytes) => bytes,
        }
    }
}

impl Bytes {
    /// Maps a file.
    pub(super) fn open(path: &Path) -> Result<Bytes, FormatError> {
        Ok(Bytes::Mapped(Arc::new(Source::open(path)?)))
    }

    /// An error if the file is not as it was when it was opened.
    pub(super) fn unchanged(&self) -> Result<(), FormatError> {
        match self {
            Bytes::Mapped(source) => source.unchanged(),
            Bytes::Memory(_) => Ok(()),
        }
    }
}

/// Where a tensor's elements are.
pub(super) enum Storage {
    /// In the model's file.
    Here(Range<usize>),
    /// In one of the other files.
    There(usize, Range<usize>),
    /// Packed from the numbers of the format.
    Packed(Arc<[u8]>),
}

/// The files beside a model, each opened once.
#[derive(Default)]
pub(super) struct Files {
    pub(super) list: Vec<Bytes>,
    known: FxHashMap<String, usize>,
}

/// The element type of a number of the format; `None` for texts and for types of less than a byte.
pub fn dtype(kind: i64) -> Option<DType> {
    Some(match kind {
        1 => DType::F32,
        2 => DType::U8,
        3 => DType::I8,
        4 => DType::U16,
        5 => DType::I16,
        6 => DType::I32,
        7 => DType::I64,
        9 => DType::Bool,
        10 => DType::F16,
        11 => DType::F64,
        12 => DType::U32,
        13 => DType::U64,
        14 => DType::C64,
        15 => DType::C128,
        16 => DType::BF16,
        17..=20 | 24 => DType::F8,
        _ => return None,
    })
}

/// The number of a type; of `F8`, which stands for several, the first.
pub fn kind(dtype: DType) -> i64 {
    match dtype {
        DType::F32 => 1,
        DType::U8 => 2,
        DType::I8 => 3,
        DType::U16 => 4,
        DType::I16 => 5,
        DType::I32 => 6,
        DType::I64 => 7,
        DType::Bool => 9,
        DType::F16 => 10,
        DType::F64 => 11,
        DType::U32 => 12,
        DType::U64 => 13,
        DType::C64 | DType::C32 => 14,
        DType::C128 => 15,
        DType::BF16 => 16,
        DType::F8 => 17,
    }
}

/// The type that the standard calls so: `int64`.
pub fn named(name: &str) -> Option<DType> {
    Some(match name {
        "float" => DType::F32,
        "double" => DType::F64,
        "float16" => DType::F16,
        "bfloat16" => DType::BF16,
        "uint8" => DType::U8,
        "int8" => DType::I8,
        "uint16" => DType::U16,
        "int16" => DType::I16,
        "uint32" => DType::U32,
        "int32" => DType::I32,
        "uint64" => DType::U64,
        "int64" => DType::I64,
        "bool" => DType::Bool,
        _ => return None,
    })
}

/// The sizes of a tensor, and the bytes that it takes.
pub(super) fn extent(tensor: &TensorProto, dtype: DType) -> Option<(Vec<usize>, usize)> {
    let shape: Vec<usize> = tensor.dims.iter().map(|n| usize::try_from(*n).ok()).collect::<Option<_>>()?;
    let bytes = shape.iter().try_fold(dtype.bytes(), |n, d| n.checked_mul(*d))?;
    Some((shape, bytes))
}

/// Where the elements of a tensor are. `inside` says where a part of the model's file lies in it; `None` of bytes that are elsewhere.
pub(super) fn locate(
    path: &Path,
    files: &mut Files,
    tensor: &TensorProto,
    dtype: DType,
    (needed, numel): (usize, usize),
    inside: &dyn Fn(&[u8]) -> Option<usize>,
) -> Result<Storage, FormatError> {
    let bad = |reason: String| OnnxError::Initializer { path: path.to_path_buf(), tensor: tensor.name.to_owned(), reason }.into();
    if tensor.segmented {
        return Err(bad("is stored in segments, which no program writes".into()));
    }
    if let Some(entries) = &tensor.external {
        return external(path, files, tensor.name, entries, needed);
    }
    match &tensor.data {
        Data::Raw(raw) if raw.len() == needed => {
            Ok(inside(raw).map_or_else(|| Storage::Packed((*raw).into()), |at| Storage::Here(at..at + raw.len())))
        }
        Data::Raw(raw) => Err(bad(format!("needs {needed} bytes by its sizes {:?}, and has {}", tensor.dims, raw.len()))),
        Data::None if needed == 0 => Ok(Storage::Packed(Arc::new([]))),
        Data::None => Err(bad("has no data".into())),
        Data::Typed(field, parts) => {
            let packed = packed(*field, parts, dtype).ok_or_else(|| bad("has data of another type than it says".into()))?;
            match packed.len() == needed {
                true => Ok(Storage::Packed(packed.into())),
                false => Err(bad(format!("has {numel} elements by its sizes {:?}, and other data", tensor.dims))),
            }
        }
    }
}

/// Elements as they lie in memory, from the numbers of the format.
fn packed(field: u64, parts: &[Value], dtype: DType) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for part in parts {
        match (field, dtype) {
            (4, DType::F32 | DType::C64) => floats(*part, &mut |x| out.extend(x.to_le_bytes())),
            (10, DType::F64 | DType::C128) => match part {
                Value::Eight(bytes) => out.extend(bytes),
                other => out.extend_from_slice(other.bytes()),
            },
            (5 | 7 | 11, _) if !matches!(dtype, DType::F32 | DType::F64 | DType::C64 | DType::C128) => {
                let width = dtype.bytes();
                varints(*part, &mut |n| out.extend_from_slice(&n.to_le_bytes()[..width])).ok()?;
            }
            _ => return None,
        }
    }
    Some(out)
}

/// Data in a file beside the model.
fn external(
    path: &Path,
    files: &mut Files,
    tensor: &str,
    entries: &[(&str, &str)],
    needed: usize,
) -> Result<Storage, FormatError> {
    let get = |key: &str| entries.iter().find(|(k, _)| *k == key).map(|(_, v)| *v);
    let location = get("location").unwrap_or("");
    let bad = |reason: &str| -> FormatError {
        let (tensor, location) = (tensor.to_owned(), location.to_owned());
        OnnxError::External { path: path.to_path_buf(), tensor, location, reason: reason.to_owned() }.into()
    };
    let number = |key: &str| match get(key) {
        Some(text) => text.parse::<usize>().map(Some).map_err(|_| bad(&format!("it has {text:?} for its {key}"))),
        None => Ok(None),
    };
    let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
    if length.is_some_and(|n| n != needed) {
        return Err(bad(&format!("holds {} bytes of it, where its sizes need {needed}", length.unwrap_or(0))));
    }
    let file = match files.known.get(location) {
        Some(known) => *known,
        None => {
            let relative = Path::new(location);
            if location.is_empty() || relative.components().any(|c| !matches!(c, Component::Normal(_) | Component::CurDir)) {
                return Err(bad("is outside of the model's folder"));
            }
            let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let full = folder.join(relative);
            // A link may lead out of the folder, too.
            let real = full.canonicalize().map_err(|e| bad(&format!("cannot be read: {e}")))?;
            let home = folder.canonicalize().map_err(FormatError::reading(folder))?;
            if !real.starts_with(&home) {
                return Err(bad("leads out of the model's folder"));
            }
            if !real.is_file() {
                return Err(bad("is no file"));
            }
            files.list.push(Bytes::open(&real)?);
            files.known.insert(location.to_owned(), files.list.len() - 1);
            files.list.len() - 1
        }
    };
    let end = offset.checked_add(needed).filter(|end| *end <= files.list[file].len());
    let end = end.ok_or_else(|| bad(&format!("ends before byte {}", offset.saturating_add(needed))))?;
    Ok(Storage::There(file, offset..end))
}

impl Storage {
    /// The bytes.
    pub(super) fn bytes<'a>(&'a self, model: &'a [u8], files: &'a Files) -> Cow<'a, [u8]> {
        Cow::Borrowed(match self {
            Storage::Here(at) => model.get(at.clone()).unwrap_or(&[]),
            Storage::There(file, at) => files.list.get(*file).and_then(|f| f.get(at.clone())).unwrap_or(&[]),
            Storage::Packed(bytes) => bytes,
        })
    }
}

/// Calls `f` with each element; `None` for types that are no numbers.
pub(super) fn elements(bytes: &[u8], dtype: DType, f: &mut dyn FnMut(f64)) -> Option<()> {
    bytes.chunks_exact(dtype.bytes()).try_for_each(|element| dtype.number(element).map(&mut *f))
}
