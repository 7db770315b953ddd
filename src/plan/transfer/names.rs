//! Which tensor of a state dict is which of the plan: names may differ by a prefix.

use std::collections::HashMap;
use std::path::Path;

use super::error::TransferError;
use super::file::{Kind, PlanFile};
use crate::format::checkpoint::{Checkpoint, Stored};
use crate::solve::closest;

/// What the plan's names and those of the state dict begin with.
#[derive(Clone, Debug, Default)]
pub struct Prefixes {
    /// What is taken from the front of the plan's names.
    pub strip: Option<String>,
    /// What is put in front of them then.
    pub add: Option<String>,
}

/// How the plan's names become those of the state dict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Renaming {
    pub(super) strip: String,
    pub(super) add: String,
}

impl Renaming {
    pub(super) fn of(&self, name: &str) -> Option<String> {
        name.strip_prefix(&self.strip).map(|rest| self.add.clone() + rest)
    }
}

/// The plan and the state dict side by side.
pub(super) struct Matching<'a> {
    pub(super) plan: &'a PlanFile,
    pub(super) cut: &'a [bool],
    pub(super) weights: &'a Path,
    /// By name; `None` where it lies in a file of another part.
    stored: HashMap<&'a str, Option<&'a Stored>>,
}

impl<'a> Matching<'a> {
    pub(super) fn new(plan: &'a PlanFile, cut: &'a [bool], checkpoint: &'a Checkpoint, weights: &'a Path) -> Matching<'a> {
        let elsewhere = checkpoint.elsewhere.values().flatten().map(|name| (name.as_str(), None));
        let stored = checkpoint.tensors().map(|(name, t)| (name, Some(t))).chain(elsewhere).collect();
        Matching { plan, cut, weights, stored }
    }

    /// The renaming that the user asks for; else none where the names fit as they are; else the only one that makes them fit.
    pub(super) fn renaming(&self, asked: &Prefixes) -> Result<Renaming, TransferError> {
        let given = Renaming { strip: asked.strip.clone().unwrap_or_default(), add: asked.add.clone().unwrap_or_default() };
        let plain = self.misfit(&given);
        let Err(error) = plain else { return Ok(given) };
        if asked.strip.is_some() || asked.add.is_some() {
            return Err(error);
        }
        let names: Vec<&str> = self.parameters().map(|(_, name)| name).collect();
        let Some(first) = names.first() else { return Err(error) };
        let strip = common(&names);
        let rest = &first[strip.len()..];
        let ends = |key: &&str| key.strip_suffix(rest).is_some_and(|before| before.is_empty() || before.ends_with('.'));
        let candidates = self.stored.keys().copied().filter(ends);
        let mut fitting: Vec<Renaming> = candidates
            .map(|key| Renaming { strip: strip.to_owned(), add: key[..key.len() - rest.len()].to_owned() })
            .filter(|r| self.misfit(r).is_ok())
            .collect();
        fitting.sort_by(|a, b| a.add.cmp(&b.add));
        match fitting.len() {
            0 => Err(error),
            1 => Ok(shortest(fitting.remove(0))),
            _ => Err(TransferError::Ambiguous {
                name: (*first).to_owned(),
                found: fitting.iter().filter_map(|r| r.of(first)).collect(),
                weights: self.weights.to_path_buf(),
            }),
        }
    }

    fn parameters(&self) -> impl Iterator<Item = (usize, &'a str)> {
        let plan = self.plan;
        plan.tensors.iter().enumerate().filter(|(_, t)| t.kind == Kind::Parameter).map(|(k, t)| (k, t.name.as_str()))
    }

    /// Why the state dict is not that of the plan: a parameter to cut is missing under all of its names, or a tensor has other
    /// sizes.
    fn misfit(&self, renaming: &Renaming) -> Result<(), TransferError> {
        let mut missing: Vec<String> = Vec::new();
        let mut shape = None;
        for (k, t) in self.plan.tensors.iter().enumerate() {
            let Some(name) = renaming.of(&t.name) else {
                if t.kind == Kind::Parameter {
                    return Err(TransferError::Prefix { name: t.name.clone(), prefix: renaming.strip.clone() });
                }
                continue;
            };
            match self.stored.get(name.as_str()) {
                Some(Some(found)) if found.shape != t.shape && t.kind != Kind::Constant => {
                    let (expected, found) = (t.shape.clone(), found.shape.clone());
                    shape.get_or_insert(TransferError::Shape { name, expected, found, weights: self.weights.to_path_buf() });
                }
                Some(_) => {}
                None if self.cut[k] && t.kind == Kind::Parameter && !self.tied_there(k, renaming) => missing.push(name),
                None => {}
            }
        }
        if let Some(name) = missing.first() {
            let closest = closest(name, self.stored.keys().copied());
            let (name, others, weights) = (name.clone(), missing.len() - 1, self.weights.to_path_buf());
            return Err(TransferError::Missing { name, others, weights, closest });
        }
        shape.map_or(Ok(()), Err)
    }

    /// True if a tied parameter is stored under another of its names.
    fn tied_there(&self, k: usize, renaming: &Renaming) -> bool {
        let first = |k: usize| self.plan.tensors[k].same_as.as_deref().unwrap_or(&self.plan.tensors[k].name);
        let same = (0..self.plan.tensors.len()).filter(|j| first(*j) == first(k));
        same.filter_map(|j| renaming.of(&self.plan.tensors[j].name)).any(|name| self.stored.contains_key(name.as_str()))
    }
}

/// What all names begin with, up to a point.
fn common<'a>(names: &[&'a str]) -> &'a str {
    let Some(first) = names.first() else { return "" };
    let fits = |end: &usize| names.iter().all(|n| n.starts_with(&first[..*end]));
    let ends = first.match_indices('.').map(|(at, _)| at + 1).filter(fits);
    &first[..ends.max().unwrap_or(0)]
}

/// The same renaming without what is taken away and put back.
fn shortest(r: Renaming) -> Renaming {
    let (mut strip, mut add) = (r.strip.as_str(), r.add.as_str());
    let cut = |s: &str| s.trim_end_matches('.').rfind('.').map_or(0, |at| at + 1);
    while !strip.is_empty() && !add.is_empty() && strip[cut(strip)..] == add[cut(add)..] {
        (strip, add) = (&strip[..cut(strip)], &add[..cut(add)]);
    }
    Renaming { strip: strip.to_owned(), add: add.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        assert_eq!(common(&["m.net.a.w", "m.net.b.w"]), "m.net.");
        assert_eq!(common(&["a.w", "b.w"]), "");
        assert_eq!(common(&["conv.w", "conv.b"]), "conv.");
        let r = |strip: &str, add: &str| Renaming { strip: strip.into(), add: add.into() };
        assert_eq!(shortest(r("m.net.", "net.")), r("m.", ""));
        assert_eq!(shortest(r("net.", "model.net.")), r("", "model."));
        assert_eq!(shortest(r("a.", "b.")), r("a.", "b."));
    }
}
