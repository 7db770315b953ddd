//! The configs of weights and constants: which payload holds which tensor, and how it lies there.

use super::tree::Value;
use indexmap::IndexMap;
use rustc_hash::FxHashMap;

use super::dtype::dtype;
use super::json::{Fault, Read, Under, field, integer, list, object, text, union};
use crate::format::FormatError;
use crate::format::pt2::Pt2Error;
use crate::format::sizes::Layout;
use crate::format::zip::{Member, Members};
use crate::model::DType;

/// Which of the two configs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Folder {
    /// Parameters and persistent buffers.
    Weights,
    /// Other buffers, constants and objects.
    Constants,
}

impl Folder {
    /// Its path in the archive, without the prefix.
    pub(super) fn path(self) -> &'static str {
        match self {
            Folder::Weights => "data/weights/",
            Folder::Constants => "data/constants/",
        }
    }

    /// How new payloads are called.
    pub(super) fn stem(self) -> &'static str {
        match self {
            Folder::Weights => "weight_",
            Folder::Constants => "tensor_",
        }
    }

    /// The config's path in the archive, without the prefix.
    pub(super) fn config(self, model: &str) -> String {
        let kind = if self == Folder::Weights { "weights" } else { "constants" };
        format!("{}{model}_{kind}_config.json", self.path())
    }
}

/// How a tensor lies in its payload.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Number of the payload in [`Storages`].
    pub(super) storage: usize,
    /// Element type.
    pub(super) dtype: DType,
    /// Sizes in elements.
    pub(super) shape: Vec<usize>,
    /// Strides in elements.
    pub(super) strides: Vec<usize>,
    /// First element.
    pub(super) offset: usize,
    /// It is said to be on a device that holds no data.
    meta: bool,
}

/// One config file.
#[derive(Debug)]
pub(super) struct Config {
    /// The JSON as read.
    pub(super) json: Value,
    /// Its tensors by name.
    pub(super) entries: IndexMap<String, Entry>,
}

/// A payload.
#[derive(Clone, Debug)]
pub(super) struct Storage {
    /// Which config names it.
    pub(super) folder: Folder,
    /// Its name in that folder.
    pub(super) name: String,
    /// Where it is.
    pub(super) member: Member,
    /// Bytes that its tensors reach.
    pub(super) reach: usize,
    /// Nothing is stored of what they reach: the program was exported without weights.
    pub(super) bare: bool,
}

/// All payloads, numbered: those of the weights first.
#[derive(Debug, Default)]
pub(super) struct Storages {
    /// By number.
    pub(super) list: Vec<Storage>,
    by_name: FxHashMap<(Folder, String), usize>,
}

impl Storages {
    /// The number of a payload.
    pub(super) fn find(&self, folder: Folder, name: &str) -> Option<usize> {
        self.by_name.get(&(folder, name.to_owned())).copied()
    }

    /// Bytes of all payloads.
    pub(super) fn bytes(&self) -> u64 {
        self.list.iter().fold(0, |sum, s| sum.saturating_add(s.member.size))
    }

    /// How a tensor lies in its payload.
    pub(super) fn layout<'a>(&self, entry: &'a Entry) -> Option<Layout<'a>> {
        let Entry { storage, offset, shape, strides, dtype, .. } = entry;
        let bare = self.list.get(*storage)?.bare;
        Some(Layout { storage: *storage, offset: *offset, shape, strides, width: dtype.bytes(), bare })
    }
}

impl Config {
    /// Reads a config and checks it against the payloads, without reading these.
    pub(super) fn read(json: Value, folder: Folder, prefix: &str, members: &Members, storages: &mut Storages) -> Read<Config> {
        let mut entries = IndexMap::new();
        for (name, entry) in object(&json, "config")?.iter() {
            if let Some(read) = one(name, entry, folder, prefix, members, storages).under(|| format!("config[{name:?}]"))? {
                entries.insert(name.to_owned(), read);
            }
        }
        let config = Config { json, entries };
        config.all_or_nothing(members, storages)?;
        Ok(config)
    }

    /// Programs without weights have none of them (those of the `meta` device, and fake tensors, which claim to be elsewhere).
    /// One payload that is empty beside others that are not is a damaged file.
    fn all_or_nothing(&self, members: &Members, storages: &Storages) -> Read<()> {
        let of = |entry: &Entry| storages.list.get(entry.storage);
        let some = self.entries.values().filter_map(of).any(|s| s.member.size > 0);
        let lost = self.entries.iter().filter(|(_, e)| !e.meta).find_map(|(name, e)| of(e).filter(|s| s.bare).map(|s| (name, s)));
        match lost {
            Some((name, s)) if some => Err(FormatError::Pt2(Pt2Error::PayloadTooShort {
                path: members.path().to_path_buf(),
                tensor: name.clone(),
                member: s.name.clone(),
                needed: s.reach as u64,
                found: 0,
            })
            .into()),
            _ => Ok(()),
        }
    }
}

fn one(
    name: &str,
    entry: &Value,
    folder: Folder,
    prefix: &str,
    members: &Members,
    storages: &mut Storages,
) -> Read<Option<Entry>> {
    let file = text(entry, "path_name")?;
    if folder == Folder::Constants && !file.starts_with("tensor_") {
        return Ok(None); // a pickled object
    }
    let path = members.path().to_path_buf();
    let tensor = name.to_owned();
    if entry.get("use_pickle").and_then(Value::as_bool) == Some(true) {
        return Err(FormatError::Pt2(Pt2Error::Pickled { path, tensor }).into());
    }
    let meta = field(entry, "tensor_meta")?;
    let code = integer(field(meta, "dtype")?).under(|| "tensor_meta.dtype")?;
    let dtype =
        dtype(code).ok_or_else(|| FormatError::Pt2(Pt2Error::DType { path: path.clone(), at: format!("`{name}`"), code }))?;
    let bad = |reason: &str| {
        FormatError::Pt2(Pt2Error::BadLayout { path: path.clone(), tensor: tensor.clone(), reason: reason.to_owned() })
    };
    let shape = numbers(meta, "sizes").under(|| "tensor_meta")?;
    let strides = numbers(meta, "strides").under(|| "tensor_meta")?;
    let offset = number(field(meta, "storage_offset")?).under(|| "tensor_meta.storage_offset")?;
    if shape.len() != strides.len() {
        return Err(bad(&format!("it has {} sizes and {} strides", shape.len(), strides.len())).into());
    }
    let reach = reach(&shape, &strides, offset, dtype).ok_or_else(|| bad("its sizes and strides overflow"))?;

    let member_name = format!("{prefix}{}{file}", folder.path());
    let member = members.need(&member_name)?;
    let bare = member.size == 0 && reach > 0;
    if member.size < reach as u64 && !bare {
        let (needed, found) = (reach as u64, member.size);
        return Err(FormatError::Pt2(Pt2Error::PayloadTooShort { path, tensor, member: member_name, needed, found }).into());
    }
    if member.size % dtype.bytes() as u64 != 0 {
        return Err(
            bad(&format!("{member_name} has {} bytes, no multiple of the element's {}", member.size, dtype.bytes())).into()
        );
    }
    let known = storages.find(folder, file).filter(|_| !bare);
    let storage = known.unwrap_or_else(|| {
        // Tensors without data share one empty payload and no memory.
        let number = storages.list.len();
        storages.list.push(Storage { folder, name: file.to_owned(), member, reach: 0, bare });
        storages.by_name.entry((folder, file.to_owned())).or_insert(number);
        number
    });
    if let Some(s) = storages.list.get_mut(storage) {
        s.reach = s.reach.max(reach);
    }
    let device = meta.get("device").and_then(|d| d.get("type")).and_then(Value::as_str);
    Ok(Some(Entry { storage, dtype, shape, strides, offset, meta: device == Some("meta") }))
}

/// Bytes from the start of the payload to the end of the last element; `None` if that overflows.
pub(super) fn reach(shape: &[usize], strides: &[usize], offset: usize, dtype: DType) -> Option<usize> {
    shape.iter().filter(|n| **n != 0).try_fold(1usize, |a, n| a.checked_mul(*n))?.checked_mul(dtype.bytes())?;
    if shape.contains(&0) {
        return Some(0);
    }
    let last = shape.iter().zip(strides).try_fold(offset, |at, (n, s)| at.checked_add((n - 1).checked_mul(*s)?))?;
    // Sizes are signed 64-bit numbers in the file.
    last.checked_add(1)?.checked_mul(dtype.bytes()).filter(|n| i64::try_from(*n).is_ok())
}

fn numbers(meta: &Value, name: &str) -> Read<Vec<usize>> {
    let each = list(meta, name)?.iter().enumerate();
    each.map(|(i, v)| number(v).under(|| format!("{name}[{i}]"))).collect()
}

fn number(value: &Value) -> Read<usize> {
    match union(value)? {
        ("as_int", n) => usize::try_from(integer(n)?).map_err(|_| Fault::schema("it is negative")),
        (kind, _) => Err(Fault::schema(format!("a stored tensor's size cannot be {kind}"))),
    }
}
