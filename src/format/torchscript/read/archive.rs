//! An open archive.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use super::code::Code;
use super::input::{self, Input};
use super::object::{Objects, Reader, VALUES};
use crate::format::pt2::Pt2Error;
use crate::format::zip::ArchiveError;
use crate::format::zip::Members;
use crate::format::{FormatError, pickle};
use crate::model::Graph;

/// An open archive: the file is mapped, its code and the tree of its modules are read, the weights are untouched.
pub struct Archive {
    pub(super) members: Members,
    pub(super) objects: Objects,
    pub(super) code: Code,
    /// What it was traced with, where the archive tells.
    pub(super) traced: Vec<Input>,
}

impl Archive {
    /// True for a zip that holds a TorchScript program.
    pub(in crate::format) fn is_one(members: &Members) -> bool {
        let prefix = prefix(members);
        members.get(&format!("{prefix}archive_format")).is_none()
            && members
                .iter()
                .any(|(n, _)| n.strip_prefix(&prefix).is_some_and(|n| n.starts_with("code/") || n == "constants.pkl"))
    }

    /// Opens an archive and checks that it is complete. Payloads are not read.
    pub(in crate::format) fn read(members: Members) -> Result<Archive, FormatError> {
        let prefix = prefix(&members);
        let code = Code::read(&members, &prefix)?;
        let mut reader = Reader { members: &members, prefix: &prefix, objects: Objects::default(), left: VALUES };
        reader.tree(&parse(&members, &format!("{prefix}data.pkl"))?)?;
        reader.constants(&parse(&members, &format!("{prefix}constants.pkl"))?)?;
        let objects = reader.objects;
        objects.check(members.path())?;
        let name = format!("{prefix}traced_inputs.pkl");
        let traced = match members.get(&name) {
            // More than anything is traced with: they share what they hold.
            Some(_) => input::traced(&parse(&members, &name)?).ok_or_else(|| {
                FormatError::Pt2(Pt2Error::Schema {
                    path: members.path().to_path_buf(),
                    member: name,
                    at: "the top".to_owned(),
                    reason: format!("it holds more than {VALUES} values, counted as often as they are held"),
                })
            })?,
            None => Vec::new(),
        };
        Ok(Archive { members, objects, code, traced })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.members.path()
    }

    /// How many storages there are.
    pub fn storages(&self) -> usize {
        self.objects.storages.len()
    }

    /// The bytes of a storage.
    pub fn storage(&self, storage: usize) -> Result<Cow<'_, [u8]>, FormatError> {
        match self.objects.storages.get_index(storage) {
            Some((_, member)) => self.members.content(*member),
            None => Err(FormatError::edit(format!("there is no storage {storage}"))),
        }
    }

    /// An error if the file changed.
    pub fn unchanged(&self) -> Result<(), FormatError> {
        self.members.unchanged()
    }

    /// Lets go of the memory that a storage takes after its bytes were read.
    pub fn release(&self, storage: usize) {
        if let Some((_, member)) = self.objects.storages.get_index(storage) {
            self.members.release(*member);
        }
    }

    /// The classes of its modules by dotted path.
    pub fn classes(&self) -> HashMap<String, String> {
        self.objects.modules.iter().map(|m| (m.path.clone(), m.class.clone())).collect()
    }

    /// Something that the code must have is not there.
    pub(super) fn missing(&self, what: &str) -> FormatError {
        FormatError::Zip(ArchiveError::MissingMember { path: self.path().to_path_buf(), member: format!("code for {what}") })
    }

    /// Checks that the sizes of all inputs are known.
    pub fn check_sizes(&self, graph: &Graph) -> Result<(), FormatError> {
        let unknown = graph.inputs.iter().find(|v| graph.value(**v).shape.is_none());
        unknown.map_or(Ok(()), |v| Err(self.sizes(format!("the sizes of its input `{}` are not known", graph.value(*v).name))))
    }

    /// The sizes of the inputs are not what they must be.
    pub(super) fn sizes(&self, reason: String) -> FormatError {
        FormatError::InputSizes { path: self.path().to_path_buf(), reason }
    }
}

/// The directory that all members are in.
fn prefix(members: &Members) -> String {
    let first = members.iter().next().map_or("", |(name, _)| name);
    first.split_once('/').map_or(String::new(), |(top, _)| format!("{top}/"))
}

fn parse(members: &Members, name: &str) -> Result<pickle::Pickle, FormatError> {
    let bytes = members.content(members.need(name)?)?;
    pickle::read(&bytes).map_err(|source| FormatError::Pickle { path: members.path().to_path_buf(), source })
}
