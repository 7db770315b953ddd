//! Writes an edited program as a new archive.

use std::path::Path;

use super::archive::Archive;
use super::config::Folder;
use super::tree::Value;
use super::weights::{Held, Weights, weights};
use super::{patch, read};
use crate::format::FormatError;
use crate::format::output::{Output, Pending, Target};
use crate::format::payload::Payload;
use crate::format::zip::ZipWriter;
use crate::model::Graph;

/// Writes `small`, which is `original` after edits, as an archive for `to`, where [`Pending::persist`] puts it.
///
/// - `original` is that of the archive; nodes may be missing, or have another target and other arguments.
/// - Values may have other shapes; new ones may follow the old.
/// - A node with an `origin` may have other arguments, another target, other output values; it may be missing. A node
///   without one is new: it has one output and goes into the graph `node.graph` where it stands in `small.nodes`.
/// - The tensors of `original` stay, in order, with other layouts and storages; new constants may follow.
/// - `Tensor::storage` counts `payloads`.
///
/// `progress` gets the bytes written since its last call.
pub fn write(
    archive: &Archive,
    original: &Graph,
    small: &Graph,
    payloads: &[Payload<'_>],
    to: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<Pending, FormatError> {
    write_to(archive, original, small, payloads, Output::create(to)?, progress)?.complete()
}

/// The same, into a file or memory that is there already.
pub fn write_to<T: Target>(
    archive: &Archive,
    original: &Graph,
    small: &Graph,
    payloads: &[Payload<'_>],
    output: T,
    progress: &mut dyn FnMut(u64),
) -> Result<T, FormatError> {
    let (read, scopes) = read::graph(archive)?;
    if read.values.len() != original.values.len() || read.nodes.len() < original.nodes.len() {
        return Err(FormatError::edit("the original graph is not that of the archive"));
    }
    let weights = weights(archive, original, small, payloads)?;
    let program = patch::program(archive, (&read, original), small, scopes, &weights.constants)?;
    let model = archive.model_path();

    let mut zip = ZipWriter::new(output, progress);
    for folder in [Folder::Weights, Folder::Constants] {
        folder_of(archive, folder, &weights, payloads, &mut zip)?;
    }
    if program == archive.json {
        raw(archive, &model, &mut zip)?;
    } else {
        zip.bytes(&model, &text(&program)?)?;
    }
    let configs = [Folder::Weights, Folder::Constants].map(|f| format!("{}{}", archive.prefix, f.config(&archive.model)));
    for (name, _) in archive.members.iter() {
        if name != model && !configs.iter().any(|c| c == name) && !archive.is_payload(name) {
            raw(archive, name, &mut zip)?;
        }
    }
    zip.finish()
}

/// The payloads and the config of one folder.
fn folder_of<T: Target>(
    archive: &Archive,
    folder: Folder,
    weights: &Weights,
    payloads: &[Payload<'_>],
    zip: &mut ZipWriter<'_, T>,
) -> Result<(), FormatError> {
    let root = format!("{}{}", archive.prefix, folder.path());
    for (_, name, held) in weights.payloads.iter().filter(|(f, _, _)| *f == folder) {
        let name = format!("{root}{name}");
        let stored = match held {
            Held::Old(n) => *n,
            Held::Given(n) => match payloads.get(*n) {
                Some(Payload::Stored(n)) => *n,
                Some(Payload::Bytes(bytes)) => {
                    zip.bytes(&name, bytes)?;
                    continue;
                }
                Some(Payload::Write { len, write }) => {
                    zip.stream(&name, *len, write)?;
                    continue;
                }
                None => return Err(FormatError::edit(format!("there is no payload {n}"))),
            },
        };
        let storage = archive.storages.list.get(stored);
        let member = storage.ok_or_else(|| FormatError::edit(format!("there is no storage {stored}")))?.member;
        archive.members.copy(&name, member, zip)?;
        archive.members.release(member);
    }
    let name = format!("{}{}", archive.prefix, folder.config(&archive.model));
    match weights.configs.iter().find(|(f, _)| *f == folder) {
        Some((_, config)) if *config != archive.config(folder).json => zip.bytes(&name, &text(config)?),
        _ => raw(archive, &name, zip),
    }
}

/// Takes a member over as it is.
fn raw<T: Target>(archive: &Archive, name: &str, zip: &mut ZipWriter<'_, T>) -> Result<(), FormatError> {
    archive.members.copy(name, archive.members.need(name)?, zip)
}

fn text(json: &Value) -> Result<Vec<u8>, FormatError> {
    serde_json::to_vec(json).map_err(|e| FormatError::edit(e.to_string()))
}

impl Archive {
    /// True for a member that a config names.
    fn is_payload(&self, member: &str) -> bool {
        [Folder::Weights, Folder::Constants].iter().any(|folder| {
            let name = member.strip_prefix(self.prefix.as_str()).and_then(|m| m.strip_prefix(folder.path()));
            name.is_some_and(|name| self.storages.find(*folder, name).is_some())
        })
    }
}
