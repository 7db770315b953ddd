//! Applying a plan elsewhere: to a state dict, which a Python class with a smaller config loads.

mod error;
mod file;
mod names;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use safetensors::Dtype;
use serde::Serialize;
use serde_json::Value;

use super::gather::{Norms, Places, add_to, cut, floats, mask_element};
use crate::format::checkpoint::{Checkpoint, CheckpointError, Entry, Shard, Stored, write_index, write_shard};
use crate::format::masks::{Mask, read_safetensors};
use crate::format::{FormatError, Pending, Source, persist_all};
use crate::model::DType;
pub use error::TransferError;
pub use file::PlanFile;
use file::{Kind, LONGEST, PlannedEdit};
use names::Matching;
pub use names::Prefixes;

/// What was done, and what weights alone cannot do.
#[derive(Debug, Serialize)]
pub struct Transferred {
    /// The tensors that have other sizes now, by name.
    pub changed: Vec<Changed>,
    /// How many are as they were.
    pub copied: usize,
    /// Bytes of weights before.
    pub bytes_before: u64,
    /// Bytes of weights after.
    pub bytes_after: u64,
    /// What was taken from the front of the plan's names.
    pub strip_prefix: String,
    /// What was put in front of them.
    pub add_prefix: String,
    /// Arguments that the plan gives other values, with how often it does so.
    pub arguments: Vec<Argument>,
    /// What else to know.
    pub notes: Vec<String>,
}

/// A tensor that has other sizes now.
#[derive(Debug, Serialize)]
pub struct Changed {
    /// Its name in the state dict.
    pub name: String,
    /// Its sizes before.
    pub before: Vec<usize>,
    /// Its sizes after.
    pub after: Vec<usize>,
}

/// An argument in the program that has another value.
#[derive(Debug, Serialize)]
pub struct Argument {
    /// The module that calls the operator.
    pub module: String,
    /// The operator.
    pub op: String,
    /// The argument.
    pub arg: String,
    /// Its value before.
    pub old: Value,
    /// Its value after.
    pub new: Value,
    /// How often.
    pub times: usize,
}

/// Cuts a state dict by a plan. `weights` is a safetensors file or an index with its shards; `output` a file, or for an index
/// a folder or an index in it. `masks` are the unified masks of the plan, whose zeros are set in what stays; without them those are taken
/// that lie beside the plan.
///
/// # Errors
/// Anything wrong with one of the files, and weights that are not those of the plan; then no file is written.
pub fn transfer(
    plan: &PlanFile,
    weights: &Path,
    masks: Option<&Path>,
    prefixes: &Prefixes,
    output: &Path,
) -> Result<Transferred, TransferError> {
    let checkpoint = Checkpoint::open(weights)?;
    let beside = plan.unified_masks().filter(|_| masks.is_none() && plan.tensors.iter().any(|t| t.zeroed));
    let masks = masks.or(beside.as_deref());
    let (cut, folds, rescaled) = (plan.cut()?, plan.folds()?, plan.rescaled()?);
    let renaming = Matching::new(plan, &cut, &checkpoint, weights).renaming(prefixes)?;
    let stored: HashMap<&str, &Stored> = checkpoint.tensors().collect();
    let cuts = plan.cuts(|k| stored.get(renaming.of(&plan.tensors[k].name)?.as_str()).map(|s| &s.shape))?;
    let mut jobs: HashMap<String, Job> = HashMap::new();
    let inputs: Vec<&Path> = masks.into_iter().chain([plan.path.as_path()]).collect();
    let masks = masks.map(read_safetensors).transpose()?;
    for (k, t) in plan.tensors.iter().enumerate().filter(|(_, t)| t.kind != Kind::Constant) {
        let mask = t.zeroed.then(|| masks.as_ref().map(|m| mask(m, t))).flatten().transpose()?;
        let add = folds.get(&k).copied();
        let pair = rescaled.iter().find(|(scale, of)| [*scale, *of].contains(&k));
        if let (Some(name), true) = (renaming.of(&t.name), cut[k] || mask.is_some() || add.is_some() || pair.is_some()) {
            let norms = match pair {
                Some((scale, of)) => {
                    norms(&checkpoint, plan, &renaming, (*scale, *of), masks.as_ref(), &cuts)?.map(|n| (n, *of == k))
                }
                None => None,
            };
            jobs.insert(name, Job { places: cuts.get(&k).map(Vec::as_slice), mask, add, norms });
        }
    }
    let mut done = Transferred {
        changed: Vec::new(),
        copied: 0,
        bytes_before: 0,
        bytes_after: 0,
        strip_prefix: renaming.strip.clone(),
        add_prefix: renaming.add.clone(),
        arguments: arguments(plan),
        notes: notes(plan),
    };
    if let Some(name) = beside.as_deref().and_then(Path::file_name) {
        done.notes.push(format!("zero is what {} drops, which was written with the plan", name.to_string_lossy()));
    }
    let mut zeros = 0;
    for (k, t) in plan.tensors.iter().enumerate() {
        let there = renaming.of(&t.name).is_some_and(|name| stored.contains_key(name.as_str()));
        if cut[k] && (t.kind == Kind::Constant || (!there && t.kind == Kind::Buffer)) {
            done.notes.push(format!("`{}` is cut, and not in the weights: the Python class must make it smaller", t.name));
        }
        zeros += usize::from(t.zeroed && masks.is_none());
    }
    if zeros > 0 {
        done.notes.push(format!(
            "the masks make elements zero that stay, in {zeros} of the tensors; they keep their values here: --unified-masks FILE makes them zero"
        ));
    }
    let targets = targets(&checkpoint, &inputs, output)?;
    let mut entries = Vec::new();
    for shard in &checkpoint.shards {
        let list: Vec<Entry> =
            shard.tensors.iter().map(|(name, t)| entry(name, t, jobs.get(name), plan, &mut done)).collect::<Result<_, _>>()?;
        entries.push(list);
    }
    let source = masks.as_ref().and_then(|masks| masks.values().find_map(Mask::source));
    write((&checkpoint, source.map(|source| &**source)), &targets, &jobs, &entries, &done)?;
    Ok(done)
}

/// What to do with a tensor of the state dict.
struct Job<'a> {
    places: Option<&'a [Places]>,
    mask: Option<&'a Mask>,
    /// What is added to what is left.
    add: Option<&'a [f64]>,
    /// The norms of a tensor's rows, and whether it is that tensor; else it is the scale.
    norms: Option<(Norms, bool)>,
}

/// The norms of a tensor whose scale takes up what goes of it; `None` where the state dict has other floating point types.
fn norms(
    checkpoint: &Checkpoint,
    plan: &PlanFile,
    renaming: &names::Renaming,
    (scale, of): (usize, usize),
    masks: Option<&IndexMap<String, Mask>>,
    cuts: &HashMap<usize, Vec<Places>>,
) -> Result<Option<Norms>, TransferError> {
    let t = &plan.tensors[of];
    let name = renaming.of(&t.name).unwrap_or_default();
    let found = checkpoint.shards.iter().find_map(|s| Some((s, s.tensors.get(&name)?)));
    let Some((shard, stored)) = found else { return Ok(None) };
    let Some(dtype) = float(stored.dtype) else { return Ok(None) };
    if stored.shape != t.shape {
        return Err(plan.contradiction(format!("it rescales by `{}`, which has sizes {:?}", t.name, stored.shape)));
    }
    let mut values = floats(&shard.bytes(stored)?, dtype);
    if let (true, Some(masks)) = (t.zeroed, masks) {
        let keep = mask(masks, t)?.keep()?;
        values.iter_mut().zip(keep.iter()).filter(|(_, k)| **k == 0).for_each(|(x, _)| *x = 0.0);
    }
    let whole: Vec<Places> = t.shape.iter().map(|n| Places::Same((0..*n).collect())).collect();
    Ok(Some(Norms::new(&values, &t.shape, &plan.tensors[scale].shape, cuts.get(&of).map_or(&whole, |p| p))))
}

impl Job<'_> {
    fn run(&self, shard: &Shard, t: &Stored, width: usize) -> Result<Vec<u8>, FormatError> {
        let whole: Vec<Places>;
        let places = match self.places {
            Some(places) => places,
            None => {
                whole = t.shape.iter().map(|n| Places::Same((0..*n).collect())).collect();
                &whole
            }
        };
        let mut out = cut(&shard.bytes(t)?, &t.shape, width, places);
        if let Some(mask) = self.mask {
            let keep = cut(&mask.keep()?, &t.shape, 1, places);
            for (element, _) in out.chunks_exact_mut(width.max(1)).zip(keep).filter(|(_, k)| *k == 0) {
                match float(t.dtype) {
                    Some(dtype) => mask_element(element, dtype),
                    None => element.fill(0),
                }
            }
        }
        if let (Some(add), Some(dtype)) = (self.add, float(t.dtype)) {
            let add: Vec<u8> = add.iter().flat_map(|x| x.to_le_bytes()).collect();
            let add = cut(&add, &t.shape, size_of::<f64>(), places);
            for (element, x) in out.chunks_exact_mut(width.max(1)).zip(add.as_chunks().0) {
                add_to(element, dtype, f64::from_le_bytes(*x));
            }
        }
        match (&self.norms, float(t.dtype)) {
            (Some((norms, true)), Some(dtype)) => norms.revive(&mut out, dtype),
            (Some((norms, false)), Some(dtype)) => norms.scale(&mut out, dtype, &t.shape, places),
            _ => {}
        }
        Ok(out)
    }
}

fn float(dtype: Dtype) -> Option<DType> {
    match dtype {
        Dtype::F64 => Some(DType::F64),
        Dtype::F32 => Some(DType::F32),
        Dtype::F16 => Some(DType::F16),
        Dtype::BF16 => Some(DType::BF16),
        _ => None,
    }
}

fn mask<'a>(masks: &'a IndexMap<String, Mask>, t: &file::PlannedTensor) -> Result<&'a Mask, TransferError> {
    let found = masks.get(&t.name).ok_or_else(|| TransferError::NoMask { name: t.name.clone() })?;
    if found.shape == t.shape {
        return Ok(found);
    }
    Err(TransferError::Mask { name: t.name.clone(), expected: t.shape.clone(), found: found.shape.clone() })
}

/// The entry of a tensor in the new file, and a line about it.
fn entry(name: &str, t: &Stored, job: Option<&Job>, plan: &PlanFile, done: &mut Transferred) -> Result<Entry, TransferError> {
    let mut shape = t.shape.clone();
    let mut len = t.len();
    if let Some(job) = job {
        let dtype = || CheckpointError::DType { name: name.to_owned(), dtype: t.dtype.to_string() };
        let width = t.width().ok_or_else(dtype)?;
        if t.is_empty() && t.shape.iter().any(|n| *n > LONGEST) {
            return Err(plan.contradiction(format!("`{name}` has no elements, and sizes {:?}", t.shape)));
        }
        if let Some(places) = job.places {
            shape = places.iter().map(Places::len).collect();
        }
        let elements = shape.iter().try_fold(width, |a, b| a.checked_mul(*b));
        len = elements.ok_or_else(|| plan.contradiction(format!("`{name}` is too large")))?;
    }
    if shape == t.shape {
        done.copied += 1;
    } else {
        done.changed.push(Changed { name: name.to_owned(), before: t.shape.clone(), after: shape.clone() });
    }
    done.bytes_before += t.len() as u64;
    done.bytes_after += len as u64;
    Ok(Entry { name: name.to_owned(), dtype: t.dtype, shape })
}

/// Where the files go.
struct Targets {
    shards: Vec<PathBuf>,
    index: Option<PathBuf>,
    folder: Option<PathBuf>,
}

fn targets(checkpoint: &Checkpoint, inputs: &[&Path], output: &Path) -> Result<Targets, TransferError> {
    let mut targets = Targets { shards: vec![output.to_path_buf()], index: None, folder: None };
    if let Some(index) = &checkpoint.index {
        let named = output.extension().is_some_and(|e| e == "json");
        let folder = if named { output.parent().unwrap_or(Path::new("")) } else { output };
        let file = |path: &Path| folder.join(path.file_name().unwrap_or_default());
        targets.shards = checkpoint.shards.iter().map(|s| file(&s.path)).collect();
        targets.index = Some(if named { output.to_path_buf() } else { file(&index.path) });
        targets.folder = Some(folder.to_path_buf()).filter(|f| !f.as_os_str().is_empty());
    }
    let saved = |p: &&PathBuf| p.extension().is_some_and(|e| ["pth", "pt", "bin", "ckpt"].iter().any(|other| e == *other));
    if let Some(path) = targets.shards.iter().find(saved) {
        return Err(TransferError::OtherFormat { path: path.clone() });
    }
    let read = checkpoint.shards.iter().map(|s| s.path.as_path()).chain(checkpoint.index.as_ref().map(|i| i.path.as_path()));
    let read = read.chain(inputs.iter().copied());
    let read: Vec<PathBuf> = read.filter_map(|p| p.canonicalize().ok()).collect();
    match targets.shards.iter().chain(&targets.index).find(|p| p.canonicalize().is_ok_and(|p| read.contains(&p))) {
        Some(path) => Err(TransferError::SameFile { path: path.clone() }),
        None => Ok(targets),
    }
}

/// Writes all files; the first gets its name when the last is complete. What they are made of is as it was then.
fn write(
    (checkpoint, masks): (&Checkpoint, Option<&Source>),
    targets: &Targets,
    jobs: &HashMap<String, Job>,
    entries: &[Vec<Entry>],
    done: &Transferred,
) -> Result<(), TransferError> {
    let made = targets.folder.as_ref().filter(|f| !f.exists());
    if let Some(folder) = made {
        fs::create_dir(folder).map_err(FormatError::writing(folder))?;
    }
    let all = || -> Result<Vec<Pending>, TransferError> {
        let mut files: Vec<Pending> = Vec::new();
        for ((shard, target), entries) in checkpoint.shards.iter().zip(&targets.shards).zip(entries) {
            files.push(write_shard(target, shard, entries, |name, t, to| {
                let (Some(job), Some(width)) = (jobs.get(name), t.width()) else {
                    return to.write_all(&shard.bytes(t).map_err(std::io::Error::other)?).map(|()| t.len());
                };
                let bytes = job.run(shard, t, width).map_err(std::io::Error::other)?;
                to.write_all(&bytes).map(|()| bytes.len())
            })?);
        }
        if let (Some(index), Some(path)) = (&checkpoint.index, &targets.index) {
            let elements = entries.iter().flatten().map(|e| e.shape.iter().product::<usize>() as u64).sum();
            let totals = HashMap::from([("total_size", done.bytes_after), ("total_parameters", elements)]);
            files.push(write_index(path, &index.json, &totals)?);
        }
        Ok(files)
    };
    let unchanged = || {
        checkpoint.shards.iter().try_for_each(Shard::unchanged)?;
        masks.map_or(Ok(()), Source::unchanged)
    };
    // Of an input that changed meanwhile all may be wrong, and a write of what it has no longer fails.
    let written = all();
    let result = unchanged().map_err(TransferError::from).and(written).and_then(|files| Ok(persist_all(files)?));
    if let (Err(_), Some(folder)) = (&result, made) {
        let _ = fs::remove_dir(folder); // what went wrong first is the error to report
    }
    result
}

/// Arguments that the plan gives other values: sizes that a Python class may have written out.
fn arguments(plan: &PlanFile) -> Vec<Argument> {
    let mut all: Vec<Argument> = Vec::new();
    for edit in &plan.edits {
        let PlannedEdit::Set { node, arg, old, new } = edit else { continue };
        let (module, op, arg, old, new) = (node.module.clone(), node.op.clone(), arg.clone(), old.clone(), new.clone());
        let one = Argument { module, op, arg, old, new, times: 1 };
        let same = |a: &&mut Argument| {
            (&a.module, &a.op, &a.arg, &a.old, &a.new) == (&one.module, &one.op, &one.arg, &one.old, &one.new)
        };
        match all.iter_mut().find(same) {
            Some(known) => known.times += 1,
            None => all.push(one),
        }
    }
    all
}

/// What the Python class must do that no weights can.
fn notes(plan: &PlanFile) -> Vec<String> {
    let at = |n: &file::PlannedNode| if n.module.is_empty() { format!("node {}", n.name) } else { format!("`{}`", n.module) };
    let why = |r: &Option<String>| r.as_ref().map_or(String::new(), |r| format!(" ({r})"));
    let mut notes: BTreeMap<String, usize> = BTreeMap::new();
    for edit in &plan.edits {
        let note = match edit {
            PlannedEdit::Become { node, op, reason } => {
                format!("{}: the Python class must call {op} in place of {}{}", at(node), node.op, why(reason))
            }
            PlannedEdit::Insert { node, nodes, reason } => {
                let ops: Vec<&str> = nodes.iter().map(|n| n.op.as_str()).collect();
                format!("{}: the Python class must compute {} with {}{}", at(node), node.op, ops.join(", "), why(reason))
            }
            PlannedEdit::Drop { node } => format!("{}: the Python class must leave out {}", at(node), node.op),
            _ => continue,
        };
        *notes.entry(note).or_default() += 1;
    }
    let mut notes: Vec<String> =
        notes.into_iter().map(|(note, n)| if n > 1 { format!("{note}, {n} times") } else { note }).collect();
    if plan.repaired > 0 {
        notes.push(format!(
            "{} of these are means and norms over fewer positions that compute what they did before; with `speedup --statistics approximate` they are the plain ones, which the class has, and the results are near, not equal",
            plan.repaired
        ));
    }
    notes
}
