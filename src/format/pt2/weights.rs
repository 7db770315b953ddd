//! The new configs of weights and constants, and the payloads that go with them.

use std::collections::hash_map::Entry as Slot;

use super::tree::{Value, json};
use rustc_hash::{FxHashMap, FxHashSet};

use super::archive::Archive;
use super::config::{Folder, reach};
use super::dtype;
use crate::format::FormatError;
use crate::format::payload::Payload;
use crate::model::{Graph, Role, Tensor, ValueId};

/// What to write for the tensors of an edited graph.
pub(super) struct Weights {
    /// The JSON of both configs.
    pub(super) configs: [(Folder, Value); 2],
    /// The payloads: folder, name there, and what it holds.
    pub(super) payloads: Vec<(Folder, String, Held)>,
    /// Names of the new constants, in order: they may differ from the tensors' own where those are taken.
    pub(super) constants: Vec<String>,
}

/// What a payload of the new archive holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Held {
    /// A payload that the caller gave, by number.
    Given(usize),
    /// A storage of the old archive.
    Old(usize),
}

/// Puts the configs together.
pub(super) fn weights(
    archive: &Archive,
    original: &Graph,
    small: &Graph,
    payloads: &[Payload<'_>],
) -> Result<Weights, FormatError> {
    let mut made = Weights {
        configs: [Folder::Weights, Folder::Constants].map(|f| (f, archive.config(f).json.clone())),
        payloads: Vec::new(),
        constants: Vec::new(),
    };
    let tensors = placed(archive, original, small)?;
    let mut gone: FxHashSet<&str> = original.tensors.iter().map(|t| t.name.as_str()).collect();
    tensors.iter().filter_map(|(_, _, old)| *old).for_each(|t| _ = gone.remove(t.name.as_str()));
    for entries in made.configs.iter_mut().filter_map(|(_, json)| json.get_mut("config")?.as_object_mut()) {
        entries.retain(|name| !gone.contains(name));
    }
    let mut namer = Namer::new(archive, original, payloads, &tensors);
    made.payloads.append(&mut namer.kept);
    for (folder, tensor, old) in &tensors {
        fits(archive, tensor, payloads)?;
        let file = namer.name(archive, *folder, *old, tensor, payloads)?;
        let config = made.configs.iter_mut().find(|(f, _)| f == folder).and_then(|(_, json)| json.get_mut("config"));
        let entries = config.and_then(Value::as_object_mut).ok_or_else(|| FormatError::edit("a config has no entries"))?;
        match old {
            Some(old) => {
                if old.name != tensor.name && !entries.rename(&old.name, &tensor.name) {
                    return Err(FormatError::edit(format!("`{}` cannot be called `{}`", old.name, tensor.name)));
                }
                let entry =
                    entries.get_mut(&tensor.name).ok_or_else(|| FormatError::edit(format!("`{}` has no entry", tensor.name)))?;
                edit(entry, old, tensor, file);
            }
            None => {
                let numbered = (1..).map(|n| format!("{}_{n}", tensor.name));
                let free = |name: &String| Folder::both().iter().all(|f| !archive.config(*f).entries.contains_key(name));
                let unused = |name: &String| free(name) && !entries.contains_key(name);
                let name = std::iter::once(tensor.name.clone()).chain(numbered).find(unused).unwrap_or_default();
                entries.insert(name.clone(), new(tensor, file));
                made.constants.push(name);
            }
        }
    }
    let written = namer.names.into_iter().map(|((folder, held), name)| (folder, name, held));
    made.payloads.extend(written);
    made.payloads.sort_by_key(|(folder, _, held)| {
        let order = match held {
            Held::Old(n) => *n,
            Held::Given(n) => payloads.get(*n).and_then(stored).unwrap_or(*n),
        };
        (*folder == Folder::Constants, order)
    });
    let mut seen = FxHashSet::default();
    made.payloads.retain(|(folder, name, _)| seen.insert((*folder, name.clone())));
    Ok(made)
}

impl Folder {
    fn both() -> [Folder; 2] {
        [Folder::Weights, Folder::Constants]
    }
}

fn stored(payload: &Payload<'_>) -> Option<usize> {
    if let Payload::Stored(n) = payload { Some(*n) } else { None }
}

/// A tensor with its folder, and what it was.
type Placed<'a> = (Folder, &'a Tensor, Option<&'a Tensor>);

/// Each tensor, after a check that the old ones stand in their order.
fn placed<'a>(archive: &Archive, original: &'a Graph, small: &'a Graph) -> Result<Vec<Placed<'a>>, FormatError> {
    let mut before = original.tensors.iter();
    let old: FxHashSet<ValueId> = original.tensors.iter().map(|t| t.value).collect();
    let each = small.tensors.iter();
    each.map(|tensor| match old.contains(&tensor.value) {
        true => {
            let found = before.find(|t| t.value == tensor.value).filter(|t| t.role == tensor.role);
            let found = found.ok_or_else(|| FormatError::edit("the stored tensors are not those of the archive"))?;
            let storage = archive.storages.list.get(found.storage);
            let storage = storage.ok_or_else(|| FormatError::edit(format!("`{}` has no storage", found.name)))?;
            Ok((storage.folder, tensor, Some(found)))
        }
        false if tensor.role == Role::Constant => Ok((Folder::Constants, tensor, None)),
        false => Err(FormatError::edit(format!("the new tensor `{}` is no constant", tensor.name))),
    })
    .collect()
}

/// Checks that a tensor lies in its payload.
fn fits(archive: &Archive, tensor: &Tensor, payloads: &[Payload<'_>]) -> Result<(), FormatError> {
    let bad = |what: &str| FormatError::edit(format!("`{}` {what}", tensor.name));
    let payload = payloads.get(tensor.storage).ok_or_else(|| bad("has no payload"))?;
    let len = match payload {
        Payload::Stored(n) => archive.storages.list.get(*n).ok_or_else(|| bad("has no storage"))?.member.size,
        Payload::Bytes(bytes) => bytes.len() as u64,
        Payload::Write { len, .. } => *len,
    };
    if tensor.shape.len() != tensor.strides.len() {
        return Err(bad("has not as many strides as sizes"));
    }
    let reach = reach(&tensor.shape, &tensor.strides, tensor.offset, tensor.dtype).ok_or_else(|| bad("is too large"))?;
    if len < reach as u64 {
        return Err(bad(&format!("needs {reach} bytes but its payload has {len}")));
    }
    Ok(())
}

/// Finds names for payloads: the old ones where a payload is unchanged or replaces the tensor's old one.
struct Namer {
    names: FxHashMap<(Folder, Held), String>,
    taken: FxHashSet<(Folder, String)>,
    /// Payloads of entries that the graph does not use.
    kept: Vec<(Folder, String, Held)>,
}

impl Namer {
    fn new(archive: &Archive, original: &Graph, payloads: &[Payload<'_>], tensors: &[Placed]) -> Namer {
        let mut namer = Namer { names: FxHashMap::default(), taken: FxHashSet::default(), kept: Vec::new() };
        let used: FxHashSet<&str> = original.tensors.iter().map(|t| t.name.as_str()).collect();
        for folder in Folder::both() {
            let unused = archive.config(folder).entries.iter().filter(|(name, _)| !used.contains(name.as_str()));
            for storage in unused.map(|(_, e)| e.storage) {
                if let Some(found) = archive.storages.list.get(storage)
                    && namer.taken.insert((folder, found.name.clone()))
                {
                    namer.kept.push((folder, found.name.clone(), Held::Old(storage)));
                }
            }
            let root = format!("{}{}", archive.prefix, folder.path());
            let managed: FxHashSet<&str> =
                archive.storages.list.iter().filter(|s| s.folder == folder).map(|s| s.name.as_str()).collect();
            let others = archive.members.iter().filter_map(|(name, _)| name.strip_prefix(&root));
            namer.taken.extend(others.filter(|n| !managed.contains(n)).map(|n| (folder, n.to_owned())));
        }
        for (folder, tensor, _) in tensors {
            let old = payloads.get(tensor.storage).and_then(stored).and_then(|n| archive.storages.list.get(n));
            if let Some(old) = old.filter(|s| s.folder == *folder) {
                namer.taken.insert((*folder, old.name.clone()));
            }
        }
        namer
    }

    fn name(
        &mut self,
        archive: &Archive,
        folder: Folder,
        old: Option<&Tensor>,
        tensor: &Tensor,
        payloads: &[Payload<'_>],
    ) -> Result<String, FormatError> {
        let taken = &mut self.taken;
        let slot = match self.names.entry((folder, Held::Given(tensor.storage))) {
            Slot::Occupied(found) => return Ok(found.get().clone()),
            Slot::Vacant(slot) => slot,
        };
        let kept = payloads.get(tensor.storage).and_then(stored).and_then(|n| archive.storages.list.get(n));
        if let Some(kept) = kept.filter(|s| s.folder == folder) {
            return Ok(slot.insert(kept.name.clone()).clone());
        }
        let before =
            old.and_then(|t| archive.storages.list.get(t.storage)).filter(|s| s.folder == folder).map(|s| s.name.clone());
        let numbered = (0..).map(|n| format!("{}{n}", folder.stem()));
        let name = before.into_iter().chain(numbered).find(|name| taken.insert((folder, name.clone())));
        let name = name.ok_or_else(|| FormatError::edit("no name is free"))?;
        Ok(slot.insert(name).clone())
    }
}

/// Writes into an entry what differs.
fn edit(entry: &mut Value, old: &Tensor, new: &Tensor, file: String) {
    entry["path_name"] = Value::String(file.into());
    let meta = &mut entry["tensor_meta"];
    if old.shape != new.shape {
        meta["sizes"] = ints(&new.shape);
    }
    if old.strides != new.strides {
        meta["strides"] = ints(&new.strides);
    }
    if old.offset != new.offset {
        meta["storage_offset"] = json!({"as_int": new.offset});
    }
    if old.dtype != new.dtype {
        meta["dtype"] = json!(dtype::code(new.dtype));
    }
}

/// The entry of a new constant.
fn new(tensor: &Tensor, file: String) -> Value {
    json!({"path_name": file, "is_param": false, "use_pickle": false, "tensor_meta": meta(tensor)})
}

/// The description of a tensor on the CPU without gradient.
pub(super) fn meta(tensor: &Tensor) -> Value {
    json!({
        "dtype": dtype::code(tensor.dtype),
        "sizes": ints(&tensor.shape),
        "requires_grad": false,
        "device": {"type": "cpu", "index": null},
        "strides": ints(&tensor.strides),
        "storage_offset": {"as_int": tensor.offset},
        "layout": 7,
    })
}

fn ints(numbers: &[usize]) -> Value {
    numbers.iter().map(|n| json!({"as_int": n})).collect()
}
