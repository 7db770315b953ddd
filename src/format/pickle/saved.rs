//! A file of `torch.save`: the pickle and the storages beside it.

use super::{Pickle, TensorRef, is_legacy, read};
use crate::format::FormatError;
use crate::format::source::Source;
use crate::format::zip::Members;
use std::borrow::Cow;

/// A file of `torch.save`, mapped; its storages are read where they are asked for.
pub(in crate::format) struct Saved {
    members: Members,
    /// The folder in the archive, with its slash.
    top: String,
    /// What was saved.
    pub(in crate::format) root: Pickle,
}

impl Saved {
    /// The members of a file.
    pub(in crate::format) fn members(source: Source) -> Result<Members, FormatError> {
        if is_legacy(&source[..source.len().min(16)]) {
            return Err(FormatError::Pickle { path: source.path().to_path_buf(), source: super::PickleError::Legacy });
        }
        Members::of(source)
    }

    /// Reads the pickle of a file.
    pub(in crate::format) fn of(members: Members) -> Result<Saved, FormatError> {
        let (top, root) = Saved::root(&members)?;
        Ok(Saved { members, top, root })
    }

    /// The folder in the archive, and what was saved.
    pub(in crate::format) fn root(members: &Members) -> Result<(String, Pickle), FormatError> {
        let path = &members.path().to_path_buf();
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
        Ok((top, root))
    }

    /// The bytes of a storage.
    pub(in crate::format) fn storage(&self, key: &str) -> Result<Cow<'_, [u8]>, FormatError> {
        self.members.content(self.members.need(&self.member(key))?)
    }

    /// How many bytes a storage has, which is to lie in the file as it is: many tensors may share it.
    pub(in crate::format) fn storage_len(&self, key: &str) -> Result<usize, FormatError> {
        let member = self.members.need(&self.member(key))?;
        if member.packed != member.size {
            let reason = format!("{} is packed, which torch.save does not do", self.member(key));
            return Err(FormatError::BadTensor { path: self.members.path().to_path_buf(), reason });
        }
        Ok(usize::try_from(member.size).unwrap_or(usize::MAX))
    }

    /// What tells this state of the file from others.
    pub(in crate::format) fn state(&self) -> Result<String, FormatError> {
        self.members.state()
    }

    /// An error if the file is not as it was when it was opened.
    pub(in crate::format) fn unchanged(&self) -> Result<(), FormatError> {
        self.members.unchanged()
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
