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
        let order = members.get(&format!("{top}byteorder")).map(|m| members.small(m)).transpose()?;
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

    /// The bytes of a storage.
    pub(in crate::format) fn storage(&self, key: &str) -> Result<Cow<'_, [u8]>, FormatError> {
        self.members.content(self.members.need(&self.member(key))?)
    }

    /// The error for a tensor that is not as its storage.
    pub(in crate::format) fn bad(&self, tensor: &TensorRef, reason: &str) -> FormatError {
        let reason = format!("a tensor of sizes {:?} {reason} {}", tensor.shape, self.member(&tensor.key));
        FormatError::BadTensor { path: self.members.path().to_path_buf(), reason }
    }

    fn member(&self, key: &str) -> String {
        format!("{}data/{key}", self.top)
    }
}
