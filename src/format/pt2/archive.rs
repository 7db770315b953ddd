//! An open archive.

use std::borrow::Cow;
use std::path::Path;

use tracing::info_span;

use super::config::{Config, Folder, Storages};
use super::json::Fault;
use super::tree::Value;
use crate::format::FormatError;
use crate::format::pt2::Pt2Error;
use crate::format::recognise::packed;
use crate::format::sizes::excess;
use crate::format::zip::ArchiveError;
use crate::format::zip::Members;

/// The version of the schema that this code knows.
const SCHEMA_MAJOR: i64 = 8;

/// An open archive: the file is mapped, the program is parsed, the weights are untouched.
pub struct Archive {
    pub(super) members: Members,
    pub(super) prefix: String,
    pub(super) model: String,
    pub(super) json: Value,
    pub(super) weights: Config,
    pub(super) constants: Config,
    pub(super) storages: Storages,
}

impl Archive {
    /// Reads an archive and checks that it is complete. Payloads are not read.
    pub(in crate::format) fn read(members: Members) -> Result<Archive, FormatError> {
        let path = members.path();
        let prefix = prefix(&members)?;
        let model = model(&members, &prefix)?;
        let json = parse(&members, &model_path(&prefix, &model))?;
        version(&json, path)?;
        let mut storages = Storages::default();
        let mut config = |folder: Folder| {
            let name = format!("{prefix}{}", folder.config(&model));
            let json = parse(&members, &name)?;
            Config::read(json, folder, &prefix, &members, &mut storages).map_err(|f| f.of(path, &name))
        };
        let (weights, constants) = (config(Folder::Weights)?, config(Folder::Constants)?);
        let all = || weights.entries.iter().chain(&constants.entries);
        // What was given in memory stands for a module that is there, with one element in the place of each weight.
        let claimed = || excess(all().filter_map(|(_, e)| storages.layout(e)), storages.bytes());
        if let Some((k, reason)) = if members.is_memory() { None } else { claimed() } {
            let tensor = all().nth(k).map(|(name, _)| name.clone()).unwrap_or_default();
            return Err(FormatError::Pt2(Pt2Error::BadLayout { path: path.to_path_buf(), tensor, reason }));
        }
        Ok(Archive { members, prefix, model, json, weights, constants, storages })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.members.path()
    }

    /// How many payloads there are: the numbers in [`Tensor::storage`](crate::model::Tensor::storage).
    pub fn storages(&self) -> usize {
        self.storages.list.len()
    }

    /// The bytes of a payload, of all the storage behind a tensor and not only of the tensor. They are borrowed from the
    /// file where it stores them plainly.
    pub fn storage(&self, storage: usize) -> Result<Cow<'_, [u8]>, FormatError> {
        let found = self.storages.list.get(storage);
        let found = found.ok_or_else(|| FormatError::edit(format!("there is no storage {storage}")))?;
        if found.bare {
            return Err(FormatError::Pt2(Pt2Error::NoData { path: self.path().to_path_buf() }));
        }
        self.members.content(found.member)
    }

    /// True if weights are missing: the program was exported without them.
    pub fn is_bare(&self) -> bool {
        self.storages.list.iter().any(|s| s.bare)
    }

    /// An error if the file changed.
    pub fn unchanged(&self) -> Result<(), FormatError> {
        self.members.unchanged()
    }

    /// Lets go of the memory that a payload takes after its bytes were read. They can be read again.
    pub fn release(&self, storage: usize) {
        if let Some(found) = self.storages.list.get(storage) {
            self.members.release(found.member);
        }
    }

    /// The config of a folder.
    pub(super) fn config(&self, folder: Folder) -> &Config {
        match folder {
            Folder::Weights => &self.weights,
            Folder::Constants => &self.constants,
        }
    }

    /// Path of the program in the archive.
    pub(super) fn model_path(&self) -> String {
        model_path(&self.prefix, &self.model)
    }

    /// The error for a fault in the program.
    pub(super) fn fault(&self, fault: Fault) -> FormatError {
        fault.of(self.path(), &self.model_path())
    }
}

fn model_path(prefix: &str, model: &str) -> String {
    format!("{prefix}models/{model}.json")
}

/// The directory that all members are in, after a look at what kind of archive this is.
fn prefix(members: &Members) -> Result<String, FormatError> {
    let path = members.path().to_path_buf();
    let Some((first, _)) = members.iter().next() else {
        return Err(FormatError::Pt2(Pt2Error::NotPt2 { path, reason: "it is empty".to_owned() }));
    };
    let prefix = first.split_once('/').map_or(String::new(), |(top, _)| format!("{top}/"));
    const OLD: [&str; 3] = ["serialized_exported_program.json", "data/weights/model.pt", "data/constants/model.pt"];
    let older = |name: &&str| OLD.contains(name) || name.strip_prefix(&prefix).is_some_and(|rest| OLD.contains(&rest));
    if let Some(found) = members.iter().map(|(name, _)| name).find(older) {
        return Err(FormatError::Pt2(Pt2Error::OlderTorch { path, found: found.to_owned() }));
    }
    let Some(format) = members.get(&format!("{prefix}archive_format")) else {
        if let Some(held) = packed(members) {
            return Err(held.no_program(&path).into());
        }
        return Err(FormatError::Pt2(Pt2Error::NotPt2 { path, reason: format!("it has no member {prefix}archive_format") }));
    };
    let format = members.small(format)?;
    if format.trim_ascii() != b"pt2" {
        let reason = format!("its archive_format is {:?}", String::from_utf8_lossy(&format));
        return Err(FormatError::Pt2(Pt2Error::NotPt2 { path, reason }));
    }
    let version = members.small(members.need(&format!("{prefix}archive_version"))?)?;
    if version.trim_ascii() != b"0" {
        return Err(FormatError::Pt2(Pt2Error::ArchiveVersion { path, found: String::from_utf8_lossy(&version).into_owned() }));
    }
    Ok(prefix)
}

/// The name of the program to read: `model`, or the only one.
fn model(members: &Members, prefix: &str) -> Result<String, FormatError> {
    let folder = format!("{prefix}models/");
    let name = |(n, _)| str::strip_suffix(str::strip_prefix(n, &folder)?, ".json").map(str::to_owned);
    let mut names: Vec<String> = members.iter().filter_map(name).collect();
    let path = members.path().to_path_buf();
    match names.len() {
        _ if names.iter().any(|n| n == "model") => Ok("model".to_owned()),
        0 => Err(FormatError::Zip(ArchiveError::MissingMember { path, member: model_path(prefix, "model") })),
        1 => Ok(names.remove(0)),
        _ => Err(FormatError::Pt2(Pt2Error::SeveralModels { path, names })),
    }
}

/// Parses a JSON member.
fn parse(members: &Members, name: &str) -> Result<Value, FormatError> {
    let _stage = info_span!("parse").entered();
    let bytes = members.content(members.need(name)?)?;
    serde_json::from_slice(&bytes).map_err(|e| FormatError::malformed(members.path(), name, &bytes, &e))
}

/// Checks the version of the schema.
fn version(json: &Value, path: &Path) -> Result<(), FormatError> {
    let part = |name| json.get("schema_version").and_then(|v| v.get(name)).and_then(Value::as_i64);
    match part("major") {
        Some(SCHEMA_MAJOR) => Ok(()),
        major => {
            let shown = |n: Option<i64>| n.map_or("?".to_owned(), |n| n.to_string());
            let found = format!("{}.{}", shown(major), shown(part("minor")));
            Err(FormatError::Pt2(Pt2Error::SchemaVersion { path: path.to_path_buf(), found }))
        }
    }
}
