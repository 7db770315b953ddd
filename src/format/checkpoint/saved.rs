//! State dicts of `torch.save`.

use std::borrow::Cow;
use std::path::Path;

use indexmap::IndexMap;

use super::error::CheckpointError;
use super::stored::{Place, Stored, View};
use crate::format::FormatError;
use crate::format::layout::{is_dense, places, reached};
use crate::format::pickle::{Pickle, Saved, TensorRef};
use crate::format::recognise::saved;
use crate::format::source::Source;
use crate::format::state::{NESTED, dtype};

/// Opens a file, whose storages are read where they are asked for, and finds the tensors of its state dict.
pub(super) fn open(path: &Path, source: Source) -> Result<(Saved, IndexMap<String, Stored>), CheckpointError> {
    let file = saved(source)?.map_err(|held| FormatError::from(held.no_weights(path)))?;
    let mut tensors = IndexMap::new();
    for (name, value) in state_dict(&file.root).unwrap_or(&[]) {
        if let (Some(name), Pickle::Tensor(t)) = (name.as_str(), value) {
            tensors.insert(name.to_owned(), stored(&file, t)?);
        }
    }
    if tensors.is_empty() {
        return Err(CheckpointError::NoTensors { path: path.to_path_buf(), what: file.root.kind().to_owned() });
    }
    Ok((file, tensors))
}

/// The state dict in what checkpoints hold.
fn state_dict(root: &Pickle) -> Option<&[(Pickle, Pickle)]> {
    NESTED.iter().find_map(|key| root.get(key)?.as_dict()).or(root.as_dict())
}

fn stored(file: &Saved, t: &TensorRef) -> Result<Stored, FormatError> {
    let (len, width) = (file.storage_len(&t.key)?, t.dtype.bytes());
    let range = reached(t, len).ok_or_else(|| file.bad(t, "does not lie in"))?;
    let dtype = dtype(t.dtype).ok_or_else(|| file.bad(t, "has numbers that safetensors does not know, in"))?;
    let bytes = t.shape.iter().product::<usize>().saturating_mul(width);
    // A view that repeats what is stored would be larger than the file.
    if bytes > len {
        return Err(file.bad(t, "is larger than"));
    }
    let view = View { key: t.key.clone(), range, strides: t.strides.clone(), width };
    Ok(Stored { dtype, shape: t.shape.clone(), len: bytes, place: Place::Saved(view) })
}

/// The bytes of a tensor, row-major.
pub(super) fn bytes<'a>(file: &'a Saved, view: &View, shape: &[usize]) -> Result<Cow<'a, [u8]>, FormatError> {
    let all = file.storage(&view.key)?;
    let dense = is_dense(shape, &view.strides);
    Ok(match all {
        Cow::Borrowed(all) if dense => Cow::Borrowed(all.get(view.range.clone()).unwrap_or(&[])),
        all => {
            let here = all.get(view.range.clone()).unwrap_or(&[]);
            let element = |at: usize| here.get(at * view.width..(at + 1) * view.width).unwrap_or(&[]);
            Cow::Owned(if dense { here.to_vec() } else { places(shape, &view.strides).flat_map(element).copied().collect() })
        }
    })
}
