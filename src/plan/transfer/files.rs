//! The files of a state dict: which are written, under which names, and in which order.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::TransferError;
use super::part::{Marks, Part};
use super::report::{Changed, Renamed, Transferred};
use super::work::Work;
use crate::format::checkpoint::{Checkpoint, Entry, Shard, write_index, write_shard};
use crate::format::{FormatError, Pending, Source, persist_all};

/// Where the files go.
pub(super) struct Targets {
    /// By the order of the files that are opened.
    shards: Vec<PathBuf>,
    index: Option<PathBuf>,
    folder: Option<PathBuf>,
}

impl Targets {
    /// `inputs` are files that are read besides.
    pub(super) fn new(checkpoint: &Checkpoint, inputs: &[&Path], output: &Path) -> Result<Targets, TransferError> {
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
        let read = read.chain(checkpoint.elsewhere.keys().map(PathBuf::as_path)).chain(inputs.iter().copied());
        let read: Vec<PathBuf> = read.filter_map(|p| p.canonicalize().ok()).collect();
        match targets.shards.iter().chain(&targets.index).find(|p| p.canonicalize().is_ok_and(|p| read.contains(&p))) {
            Some(path) => Err(TransferError::SameFile { path: path.clone() }),
            None => Ok(targets),
        }
    }

    /// Makes the folder, and removes it where `write` fails and nothing is in it.
    fn within<T>(&self, write: impl FnOnce() -> Result<T, TransferError>) -> Result<T, TransferError> {
        let made = self.folder.as_ref().filter(|f| !f.exists());
        if let Some(folder) = made {
            // Another process may have made it meanwhile.
            fs::create_dir(folder).or_else(|e| if folder.is_dir() { Ok(()) } else { Err(FormatError::writing(folder)(e)) })?;
        }
        let result = write();
        if let (Err(_), Some(folder)) = (&result, made) {
            let _ = fs::remove_dir(folder); // what went wrong first is the error to report
        }
        result
    }
}

/// Notes what becomes of the tensors of a file.
pub(super) fn entries(work: &Work, shard: &Shard, done: &mut Transferred) -> Result<Vec<Entry>, TransferError> {
    let mut list = Vec::with_capacity(shard.tensors.len());
    for (name, t) in &shard.tensors {
        done.bytes_before += t.len() as u64;
        let Some((entry, len)) = work.entry(name, t)? else {
            done.removed.push(name.clone());
            continue;
        };
        if entry.name != *name {
            done.renamed.push(Renamed { from: name.clone(), to: entry.name.clone() });
        }
        if entry.shape == t.shape {
            done.copied += 1;
        } else {
            done.changed.push(Changed { name: name.clone(), before: t.shape.clone(), after: entry.shape.clone() });
        }
        done.bytes_after += len as u64;
        list.push(entry);
    }
    Ok(list)
}

/// Writes all files; the first gets its name when the last is complete. What they are made of is as it was then.
pub(super) fn all(
    work: &Work,
    (checkpoint, masks): (&Checkpoint, Option<&Source>),
    targets: &Targets,
    entries: &[Vec<Entry>],
    done: &Transferred,
) -> Result<(), TransferError> {
    let all = || -> Result<Vec<Pending>, TransferError> {
        let mut files: Vec<Pending> = Vec::new();
        for ((shard, target), entries) in checkpoint.shards.iter().zip(&targets.shards).zip(entries) {
            files.push(write_shard(target, shard, entries, &[], |name, t, to| work.write(shard, name, t, to))?);
        }
        if let (Some(index), Some(path)) = (&checkpoint.index, &targets.index) {
            let elements = entries.iter().flatten().map(|e| e.shape.iter().product::<usize>() as u64).sum();
            files.push(write_index(path, &work.index(&index.json), &totals(done.bytes_after, elements))?);
        }
        Ok(files)
    };
    let unchanged = || {
        checkpoint.shards.iter().try_for_each(Shard::unchanged)?;
        masks.map_or(Ok(()), Source::unchanged)
    };
    targets.within(|| {
        // Of an input that changed meanwhile all may be wrong, and a write of what it has no longer fails.
        let written = all();
        unchanged().map_err(TransferError::from).and(written).and_then(|files| Ok(persist_all(files)?))
    })
}

fn totals(bytes: u64, elements: u64) -> HashMap<&'static str, u64> {
    HashMap::from([("total_size", bytes), ("total_parameters", elements)])
}

/// Writes the files of a part, each by itself, but those that an earlier run finished; and the index, when all of all parts are there.
pub(super) fn part(
    work: &Work,
    (checkpoint, masks): (&Checkpoint, Option<&Source>),
    targets: &Targets,
    (part, marks): (Part, &Marks),
    done: &mut Transferred,
    told: &mut dyn FnMut(&str),
) -> Result<(), TransferError> {
    let (Some(index), Some(path), Some(folder)) = (&checkpoint.index, &targets.index, folder(targets)) else {
        return Err(TransferError::NoShards { part: part.to_string() });
    };
    targets.within(|| {
        for (shard, target) in checkpoint.shards.iter().zip(&targets.shards) {
            let name = name(target);
            let bytes = done.bytes_after;
            let list = entries(work, shard, done)?;
            let marks = marks.of(shard)?;
            if marks.finished(target, &list) {
                told(&format!("{name}: finished before"));
                done.finished.push(name);
                continue;
            }
            // What the index says is no longer so.
            if let Err(e) = fs::remove_file(path)
                && e.kind() != std::io::ErrorKind::NotFound
            {
                return Err(FormatError::writing(path)(e).into());
            }
            let file = write_shard(target, shard, &list, marks.list(), |name, t, to| work.write(shard, name, t, to));
            shard.unchanged()?;
            masks.map_or(Ok(()), Source::unchanged)?;
            file?.persist()?;
            told(&format!("{name}: written, {} MB", (done.bytes_after - bytes) / 1_000_000));
            done.written.push(name);
        }
        let (mut bytes, mut elements) = (0, 0);
        for (file, names) in checkpoint.files() {
            let target = folder.join(file);
            let names: Vec<&str> = names.into_iter().filter_map(|name| work.name(name)).collect();
            match marks.there(&target, &index.path.with_file_name(file), &names) {
                Some((own, each)) => (bytes, elements) = (bytes + own, elements + each),
                None => done.missing.push(name(&target)),
            }
        }
        if done.missing.is_empty() {
            write_index(path, &work.index(&index.json), &totals(bytes, elements))?.persist()?;
            done.index = Some(path.display().to_string());
        }
        Ok(())
    })
}

/// Where the files go that belong to an index.
fn folder(targets: &Targets) -> Option<PathBuf> {
    targets.index.as_ref().map(|_| targets.folder.clone().unwrap_or_default())
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
