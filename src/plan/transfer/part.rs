//! Parts of a sharded checkpoint, and how a file tells that it is finished.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use super::error::TransferError;
use super::file::PlanFile;
use super::names::Renaming;
use crate::format::checkpoint::{Entry, Shard};
use crate::format::{FormatError, Source, state_of};

/// Which of the files of an index: the k-th, and every n-th after it, in the order of their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// k, from 1.
    number: usize,
    /// n.
    of: usize,
}

impl Part {
    /// True for a file by its number, from 0.
    pub(super) fn has(self, file: usize) -> bool {
        file % self.of == self.number - 1
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Part, String> {
        let numbers = text.split_once('/').and_then(|(k, n)| Some((k.trim().parse().ok()?, n.trim().parse().ok()?)));
        match numbers {
            Some((number, of)) if 0 < number && number <= of => Ok(Part { number, of }),
            Some((_, of)) if of > 0 => Err(format!("parts are counted from 1: 1/{of} to {of}/{of}")),
            _ => Err("this is not K/N, such as 3/8: the third part of eight".to_owned()),
        }
    }
}

/// What a finished file says of the plan and the masks.
const PLAN: &str = "paring.plan";
/// What it says of the file that it was cut from.
const SOURCE: &str = "paring.source";

/// What is written into files to recognise them by.
pub(super) struct Marks {
    plan: String,
}

impl Marks {
    /// Of a plan, of masks, and of how names differ.
    pub(super) fn new(plan: &PlanFile, masks: Option<&Source>, names: &Renaming) -> Result<Marks, TransferError> {
        let masks = masks.map(Source::state).transpose()?.unwrap_or_default();
        let (strip, add) = (&names.strip, &names.add);
        Ok(Marks { plan: format!("{} {:08x} {masks} {strip} {add}", env!("CARGO_PKG_VERSION"), plan.checksum) })
    }

    /// Those of the file that one is cut from.
    pub(super) fn of(&self, shard: &Shard) -> Result<FileMarks, FormatError> {
        Ok(FileMarks([(PLAN, self.plan.clone()), (SOURCE, shard.state()?)]))
    }

    /// Bytes and elements of a finished file of this plan with these tensors. If the file that it is cut from is at hand, that is as it was.
    pub(super) fn there(&self, file: &Path, from: &Path, names: &[&str]) -> Option<(u64, u64)> {
        let found = Shard::open(file).ok()?;
        let says = |key: &str| found.metadata.as_ref().and_then(|m| m.get(key));
        let marked = says(PLAN) == Some(&self.plan) && state_of(from).is_none_or(|state| says(SOURCE) == Some(&state));
        if !marked || !names.iter().all(|name| found.tensors.contains_key(*name)) {
            return None;
        }
        let elements = |shape: &[usize]| shape.iter().product::<usize>() as u64;
        let sum =
            |(bytes, all): (u64, u64), t: &crate::format::checkpoint::Stored| (bytes + t.len() as u64, all + elements(&t.shape));
        Some(found.tensors.values().fold((0, 0), sum))
    }
}

/// The marks of one file.
pub(super) struct FileMarks([(&'static str, String); 2]);

impl FileMarks {
    pub(super) fn list(&self) -> &[(&'static str, String)] {
        &self.0
    }

    /// True for a file that has these marks and these tensors. One that is shorter than it says is none.
    pub(super) fn finished(&self, file: &Path, entries: &[Entry]) -> bool {
        let Ok(found) = Shard::open(file) else { return false };
        let says: &HashMap<String, String> = match &found.metadata {
            Some(says) => says,
            None => return false,
        };
        let same = |e: &Entry| found.tensors.get(&e.name).is_some_and(|t| t.dtype == e.dtype && t.shape == e.shape);
        self.0.iter().all(|(key, value)| says.get(*key) == Some(value))
            && found.tensors.len() == entries.len()
            && entries.iter().all(same)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        let of = |text: &str| text.parse::<Part>();
        let part = of("2/3").unwrap();
        assert_eq!((0..7).filter(|k| part.has(*k)).collect::<Vec<_>>(), [1, 4]);
        assert_eq!(part.to_string(), "2/3");
        for (text, why) in [("0/3", "counted from 1"), ("4/3", "1/3 to 3/3"), ("3", "K/N"), ("1/0", "K/N"), ("-1/2", "K/N")] {
            assert!(of(text).unwrap_err().contains(why), "{text}");
        }
    }
}
