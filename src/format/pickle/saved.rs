//! A file of `torch.save`: the pickle and the storages beside it.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::{Pickle, TensorRef, is_legacy, read};
use crate::format::FormatError;
use crate::format::zip::Members;

/// A file of `torch.save`, mapped; its storages are read where they are asked for.
pub(in crate::format) struct Saved {
    members: Members,
    /// The folder in the archive, with its slash.
    top: String,
    /// What was saved.
    pub(in crate::format) root: Pickle,
}

impl Saved {
    /// Opens a file and reads its pickle.
    pub(in crate::format) fn open(path: &Path) -> Result<Saved, FormatError> {
        let mut start = [0; 16];
        let count = File::open(path).and_then(|mut file| file.read(&mut start)).map_err(FormatError::reading(path))?;
        if is_legacy(&start[..count]) {
            return Err(FormatError::Pickle { path: path.to_path_buf(), source: super::PickleError::Legacy });
        }
        let members = Members::open(path)?;
        let found = members
            .iter()
            .find_map(|(name, _)| name.strip_suffix("data.pkl").filter(|t| t.find('/').is_none_or(|at| at + 1 == t.len())));
        let top = found.map(str::to_owned).unwrap_or_default();
        let order = members.get(&format!("{top}byteorder")).map(|m| members.content(m)).transpose()?;
        if order.as_deref().is_some_and(|order| order != b"little") {
            let reason = "its numbers are not little endian".to_owned();
            return Err(FormatError::BadTensor { path: path.to_path_buf(), reason });
        }
        let bytes = members.content(members.need(&format!("{top}data.pkl"))?)?;
        let root = read(&bytes).map_err(|source| FormatError::Pickle { path: path.to_path_buf(), source })?;
        drop(bytes);
        drop(order);
        Ok(Saved { members, top, root })
    }

    /// A tensor's elements, little endian, row-major.
    pub(in crate::format) fn bytes(&self, tensor: &TensorRef) -> Result<Cow<'_, [u8]>, FormatError> {
        let member = format!("{}data/{}", self.top, tensor.key);
        let content = self.members.content(self.members.need(&member)?)?;
        let bad = |reason: &str| {
            let reason = format!("a tensor of sizes {:?} {reason} {member}", tensor.shape);
            FormatError::BadTensor { path: self.members.path().to_path_buf(), reason }
        };
        let width = tensor.dtype.bytes();
        let numel = tensor.shape.iter().try_fold(1usize, |a, b| a.checked_mul(*b)).ok_or_else(|| bad("is larger than"))?;
        if numel == 0 {
            return Ok(Cow::Borrowed(&[]));
        }
        let dims = || tensor.shape.iter().zip(&tensor.strides);
        let last = dims().try_fold(tensor.offset, |at, (size, stride)| at.checked_add((size - 1).checked_mul(*stride)?));
        let fits = last.and_then(|last| last.checked_add(1)?.checked_mul(width)).is_some_and(|end| end <= content.len());
        if !fits {
            return Err(bad("does not lie in"));
        }
        let mut dense = 1;
        let contiguous = dims().rev().all(|(size, stride)| {
            let next = *size == 1 || *stride == dense;
            dense *= size;
            next
        });
        if contiguous {
            let range = tensor.offset * width..(tensor.offset + numel) * width;
            return Ok(match content {
                Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[range]),
                Cow::Owned(bytes) => Cow::Owned(bytes[range].to_vec()),
            });
        }
        // A view that repeats its elements (an expanded mask) may be larger than its storage.
        let mut out = Vec::new();
        numel.checked_mul(width).and_then(|n| out.try_reserve_exact(n).ok()).ok_or_else(|| bad("is too large, from"))?;
        for mut n in 0..numel {
            let mut at = tensor.offset;
            for (size, stride) in dims().rev() {
                at += (n % size) * stride;
                n /= size;
            }
            out.extend_from_slice(&content[at * width..(at + 1) * width]);
        }
        Ok(Cow::Owned(out))
    }
}
