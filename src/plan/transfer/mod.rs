//! Applying a plan elsewhere: to a state dict, which a Python class with a smaller config loads.

mod error;
mod file;
mod files;
mod names;
mod part;
mod report;
mod work;

use std::collections::HashSet;
use std::path::Path;

use crate::format::Source;
use crate::format::checkpoint::Checkpoint;
use crate::format::masks::{Mask, read_safetensors};
pub use error::TransferError;
use file::Kind;
pub use file::PlanFile;
use files::Targets;
use names::Matching;
pub use names::Prefixes;
use part::Marks;
pub use part::Part;
pub use report::{Argument, Changed, Renamed, Transferred};
use work::Work;

/// What is cut, and where to.
pub struct Transfer<'a> {
    /// The plan.
    pub plan: &'a PlanFile,
    /// A safetensors file, one of `torch.save`, or an index with its shards.
    pub weights: &'a Path,
    /// The unified masks of the plan, whose zeros are set in what stays; without them those are taken that lie beside the plan.
    pub masks: Option<&'a Path>,
    /// How names differ.
    pub prefixes: &'a Prefixes,
    /// A file, or for an index a folder or an index in it.
    pub output: &'a Path,
    /// Which files of an index: each gets its name when it is complete, and the index is written when all files are there. `None`: all
    /// files, which get their names when the last is complete.
    pub part: Option<Part>,
}

/// Cuts a state dict by a plan. `told` hears of each file of a part.
///
/// # Errors
/// Anything wrong with one of the files, and weights that are not those of the plan; then no file is written, of a part no further one.
pub fn transfer(wanted: &Transfer, told: &mut dyn FnMut(&str)) -> Result<Transferred, TransferError> {
    let Transfer { plan, weights, masks, prefixes, output, part } = *wanted;
    let checkpoint = Checkpoint::open_some(weights, &|k| part.is_none_or(|p| p.has(k)))?;
    if let (Some(part), None) = (part, &checkpoint.index) {
        return Err(TransferError::NoShards { part: part.to_string() });
    }
    let beside = plan.unified_masks().filter(|_| masks.is_none() && plan.tensors.iter().any(|t| t.zeroed && t.zeros.is_none()));
    let masks = masks.or(beside.as_deref());
    let slices = plan.slices()?;
    let cut: Vec<bool> = (0..plan.tensors.len()).map(|k| slices.contains_key(&k)).collect();
    let renaming = Matching::new(plan, &cut, &checkpoint, weights).renaming(prefixes)?;
    let inputs: Vec<&Path> = masks.into_iter().chain([plan.path.as_path()]).collect();
    let masks = masks.map(read_safetensors).transpose()?;
    let work = Work::new((plan, &slices), &checkpoint, masks.as_ref(), renaming)?;
    let mut done = Transferred {
        changed: Vec::new(),
        renamed: Vec::new(),
        removed: Vec::new(),
        copied: 0,
        bytes_before: 0,
        bytes_after: 0,
        strip_prefix: work.renaming.strip.clone(),
        add_prefix: work.renaming.add.clone(),
        arguments: report::arguments(plan),
        notes: report::notes(plan),
        written: Vec::new(),
        finished: Vec::new(),
        missing: Vec::new(),
        index: None,
    };
    if let Some(name) = beside.as_deref().and_then(Path::file_name) {
        done.notes.push(format!("zero is what {} drops, which was written with the plan", name.to_string_lossy()));
    }
    let stored: HashSet<&str> = checkpoint.names().collect();
    let mut zeros = 0;
    for (k, t) in plan.tensors.iter().enumerate() {
        let there = work.renaming.of(&t.name).is_some_and(|name| stored.contains(name.as_str()));
        if cut[k] && (t.kind == Kind::Constant || (!there && t.kind == Kind::Buffer)) {
            done.notes.push(format!("`{}` is cut, and not in the weights: the Python class must make it smaller", t.name));
        }
        zeros += usize::from(t.zeroed && t.zeros.is_none() && masks.is_none() && !work.has_mask(k));
    }
    if zeros > 0 {
        done.notes.push(format!(
            "the masks make elements zero that stay, in {zeros} of the tensors; they keep their values here: --unified-masks FILE makes them zero"
        ));
    }
    let targets = Targets::new(&checkpoint, &inputs, output)?;
    let source: Option<&Source> = masks.as_ref().and_then(|masks| masks.values().find_map(Mask::source)).map(|source| &**source);
    if let Some(part) = part {
        let marks = Marks::new(plan, source, &work.renaming)?;
        files::part(&work, (&checkpoint, source), &targets, (part, &marks), &mut done, told)?;
        return Ok(done);
    }
    let entries = checkpoint.shards.iter().map(|shard| files::entries(&work, shard, &mut done)).collect::<Result<Vec<_>, _>>()?;
    files::all(&work, (&checkpoint, source), &targets, &entries, &done)?;
    Ok(done)
}
