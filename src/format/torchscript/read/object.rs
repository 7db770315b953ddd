//! The modules and tensors of an archive, from its pickles.

use std::path::Path;

use indexmap::IndexMap;

use super::item::Item;
use crate::format::FormatError;
use crate::format::pickle::{Pickle, TensorRef};
use crate::format::pt2::Pt2Error;
use crate::format::sizes::{Layout, excess};
use crate::format::zip::{Member, Members};
use crate::model::DType;

/// How deep modules may nest.
const DEPTH: usize = 200;

/// A module.
#[derive(Debug)]
pub(super) struct Object {
    /// Its class: `__torch__.torch.nn.modules.conv.Conv2d`.
    pub(super) class: String,
    /// Its dotted path; empty for the root.
    pub(super) path: String,
    /// What it holds.
    pub(super) attributes: IndexMap<String, Attribute>,
}

/// An attribute of a module.
#[derive(Debug)]
pub(super) enum Attribute {
    /// A tensor, by number.
    Tensor(usize),
    /// A module, by number.
    Module(usize),
    /// A plain value.
    Plain(Item),
}

/// A tensor of the archive.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    /// Dotted name.
    pub(super) name: String,
    /// The module that holds it and its name there.
    pub(super) owner: Option<(usize, String)>,
    /// Element type.
    pub(super) dtype: DType,
    /// Sizes.
    pub(super) shape: Vec<usize>,
    /// Strides in elements.
    pub(super) strides: Vec<usize>,
    /// First element.
    pub(super) offset: usize,
    /// Number of its storage.
    pub(super) storage: usize,
}

/// All that the pickles tell.
#[derive(Default)]
pub(super) struct Objects {
    /// Modules; 0 is the root.
    pub(super) modules: Vec<Object>,
    /// Tensors of modules, then constants.
    pub(super) tensors: Vec<Stored>,
    /// Numbers of the constants' tensors.
    pub(super) constants: Vec<Option<usize>>,
    /// The members that hold the storages.
    pub(super) storages: IndexMap<String, Member>,
}

impl Stored {
    fn layout(&self) -> Layout<'_> {
        let Stored { storage, offset, shape, strides, dtype, .. } = self;
        Layout { storage: *storage, offset: *offset, shape, strides, width: dtype.bytes(), bare: false }
    }
}

impl Objects {
    /// Checks what the tensors claim.
    pub(super) fn check(&self, path: &Path) -> Result<(), FormatError> {
        let stored = self.storages.values().fold(0u64, |sum, member| sum.saturating_add(member.size));
        let Some((k, reason)) = excess(self.tensors.iter().map(Stored::layout), stored) else { return Ok(()) };
        Err(FormatError::Pt2(Pt2Error::BadLayout { path: path.to_path_buf(), tensor: self.tensors[k].name.clone(), reason }))
    }
}

/// Reads pickles of an archive.
pub(super) struct Reader<'a> {
    pub(super) members: &'a Members,
    pub(super) prefix: &'a str,
    pub(super) objects: Objects,
    /// Values that may still be taken from the pickles. These share what they hold several times, and what is made of it does not.
    pub(super) left: usize,
}

/// Values that an archive's pickles may come to.
pub(super) const VALUES: usize = 1 << 20;
/// Values that a module counts for.
const MODULE: usize = 16;

impl Reader<'_> {
    fn charge(&mut self, values: usize) -> Result<(), FormatError> {
        self.left = self.left.checked_sub(values).ok_or_else(|| {
            let reason = format!("it holds more than {VALUES} values, counted as often as they are held");
            self.wrong("data.pkl", &reason)
        })?;
        Ok(())
    }

    /// The tree of modules in `data.pkl`.
    pub(super) fn tree(&mut self, pickle: &Pickle) -> Result<(), FormatError> {
        match self.module(pickle, String::new(), 0)? {
            Some(_) => Ok(()),
            None => Err(self.wrong("data.pkl", "it holds no module")),
        }
    }

    /// The tuple in `constants.pkl`.
    pub(super) fn constants(&mut self, pickle: &Pickle) -> Result<(), FormatError> {
        let (Pickle::Tuple(items) | Pickle::List(items)) = pickle else {
            return Err(self.wrong("constants.pkl", "it holds no tuple"));
        };
        for (n, item) in items.iter().enumerate() {
            let constant = match item {
                Pickle::Tensor(t) => Some(self.tensor(t, "constants", format!("CONSTANTS.c{n}"), None)?),
                _ => None, // an object of C++'s: only a program that uses it is refused
            };
            self.objects.constants.push(constant);
        }
        Ok(())
    }

    fn module(&mut self, pickle: &Pickle, path: String, depth: usize) -> Result<Option<usize>, FormatError> {
        let Pickle::Object(object) = pickle else { return Ok(None) };
        if depth > DEPTH {
            return Err(self.wrong("data.pkl", "its modules nest too deep"));
        }
        self.charge(MODULE)?;
        let number = self.objects.modules.len();
        let class = object.class.to_string();
        self.objects.modules.push(Object { class, path: path.clone(), attributes: IndexMap::new() });
        let Some(Pickle::Dict(pairs)) = &object.state else {
            return Ok(Some(number));
        };
        for (key, value) in pairs.iter() {
            let Pickle::Str(name) = key else { continue };
            let full = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
            let attribute = match value {
                Pickle::Tensor(t) => Attribute::Tensor(self.tensor(t, "data", full, Some((number, name.to_string())))?),
                Pickle::Object(_) => match self.module(value, full, depth + 1)? {
                    Some(n) => Attribute::Module(n),
                    None => continue,
                },
                other => match self.plain(other, 0)? {
                    Some(item) => Attribute::Plain(item),
                    None => continue,
                },
            };
            self.objects.modules[number].attributes.insert(name.to_string(), attribute);
        }
        Ok(Some(number))
    }

    fn tensor(
        &mut self,
        t: &TensorRef,
        folder: &str,
        name: String,
        owner: Option<(usize, String)>,
    ) -> Result<usize, FormatError> {
        let member = format!("{}{folder}/{}", self.prefix, t.key);
        let found = self.members.need(&member)?;
        let entry = self.objects.storages.entry(member.clone());
        let storage = entry.index();
        entry.or_insert(found);
        let path = || self.members.path().to_path_buf();
        if t.shape.len() != t.strides.len() {
            let reason = "it has not as many strides as sizes".to_owned();
            return Err(FormatError::Pt2(Pt2Error::BadLayout { path: path(), tensor: name, reason }));
        }
        let Some(needed) = reach(&t.shape, &t.strides, t.offset, t.dtype.bytes()) else {
            return Err(FormatError::Pt2(Pt2Error::BadLayout {
                path: path(),
                tensor: name,
                reason: "it is too large".to_owned(),
            }));
        };
        if found.size < needed {
            return Err(FormatError::Pt2(Pt2Error::PayloadTooShort {
                path: path(),
                tensor: name,
                member,
                needed,
                found: found.size,
            }));
        }
        let (shape, strides, offset) = (t.shape.clone(), t.strides.clone(), t.offset);
        self.objects.tensors.push(Stored { name, owner, dtype: t.dtype, shape, strides, offset, storage });
        Ok(self.objects.tensors.len() - 1)
    }

    /// A plain value, which code may read.
    fn plain(&mut self, pickle: &Pickle, depth: usize) -> Result<Option<Item>, FormatError> {
        self.charge(1)?;
        if depth > DEPTH {
            return Ok(None);
        }
        let mut all = |items: &[Pickle]| -> Result<Option<Vec<Item>>, FormatError> {
            items.iter().map(|p| self.plain(p, depth + 1).transpose()).collect::<Option<Result<_, _>>>().transpose()
        };
        Ok(Some(match pickle {
            Pickle::None => Item::None,
            Pickle::Bool(b) => Item::Bool(*b),
            Pickle::Int(n) => Item::Int(*n),
            Pickle::Float(x) => Item::Float(*x),
            Pickle::Str(s) => Item::Str(s.to_string()),
            Pickle::List(items) => match all(items)? {
                Some(items) => Item::List(items),
                None => return Ok(None),
            },
            Pickle::Tuple(items) => match all(items)? {
                Some(items) => Item::Tuple(items),
                None => return Ok(None),
            },
            _ => return Ok(None),
        }))
    }

    fn wrong(&self, member: &str, reason: &str) -> FormatError {
        FormatError::Pt2(Pt2Error::Schema {
            path: self.members.path().to_path_buf(),
            member: format!("{}{member}", self.prefix),
            at: "the top".to_owned(),
            reason: reason.to_owned(),
        })
    }
}

/// Bytes of a storage that a tensor reaches.
fn reach(shape: &[usize], strides: &[usize], offset: usize, width: usize) -> Option<u64> {
    shape.iter().filter(|n| **n != 0).try_fold(1usize, |a, n| a.checked_mul(*n))?.checked_mul(width)?;
    if shape.contains(&0) {
        return Some(0);
    }
    let last = shape.iter().zip(strides).try_fold(offset, |at, (n, s)| at.checked_add((n - 1).checked_mul(*s)?))?;
    last.checked_add(1)?.checked_mul(width).and_then(|n| i64::try_from(n).ok()).map(|n| n as u64)
}
