//! Writing state dicts.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use serde_json::Value;

use super::super::output::{Output, Pending};
use super::{CheckpointError, Shard, Stored};

/// A tensor to write.
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its name in the shard that it comes from.
    pub from: String,
    /// Its element type.
    pub dtype: Dtype,
    /// Its sizes.
    pub shape: Vec<usize>,
}

/// Writes a safetensors file with tensors of a shard, in their order, with other sizes and names. `marks` are
/// said of the file besides what the shard says of itself. `data` writes the bytes of each once. The file has no name before [`Pending::persist`].
///
/// # Errors
/// Where the file cannot be written, or `data` gives another number of bytes than the sizes say.
pub fn write_shard(
    path: &Path,
    shard: &Shard,
    entries: &[Entry],
    marks: &[(&str, String)],
    mut data: impl FnMut(&str, &Stored, &mut dyn Write) -> std::io::Result<usize>,
) -> Result<Pending, CheckpointError> {
    let bad = |reason: String| CheckpointError::Unwritable { path: path.to_path_buf(), reason };
    let mut infos = Vec::with_capacity(entries.len());
    let mut end = 0usize;
    for Entry { name, dtype, shape, .. } in entries {
        let elements = shape.iter().try_fold(1usize, |a, b| a.checked_mul(*b));
        let next = elements.and_then(|n| n.checked_mul(dtype.bitsize())?.div_ceil(8).checked_add(end));
        let next = next.ok_or_else(|| bad(format!("`{name}` is too large")))?;
        infos.push((name.clone(), TensorInfo { dtype: *dtype, shape: shape.clone(), data_offsets: (end, next) }));
        end = next;
    }
    let lengths: Vec<usize> = infos.iter().map(|(_, info)| info.data_offsets.1 - info.data_offsets.0).collect();
    let mut says = shard.metadata.clone();
    if !marks.is_empty() {
        says.get_or_insert_default().extend(marks.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    }
    let metadata = Metadata::new(says, infos).map_err(|e| bad(e.to_string()))?;
    let mut header = serde_json::to_vec(&metadata).map_err(|e| bad(e.to_string()))?;
    header.resize(header.len().next_multiple_of(8), b' ');

    let mut output = Output::create(path)?;
    let begun = output.file.write_all(&(header.len() as u64).to_le_bytes()).and_then(|()| output.file.write_all(&header));
    begun.map_err(|e| output.fault(e))?;
    for (Entry { from: name, .. }, len) in entries.iter().zip(lengths) {
        let stored = shard.tensors.get(name).ok_or_else(|| bad(format!("there is no `{name}` to write")))?;
        let written = data(name, stored, &mut output.file);
        let written = written.map_err(|e| output.fault(e))?;
        if written != len {
            return Err(bad(format!("`{name}` has {written} bytes instead of {len}")));
        }
        shard.release(stored);
    }
    Ok(output.complete()?)
}

/// Writes an index again, with other totals.
///
/// # Errors
/// Where the file cannot be written.
pub fn write_index(path: &Path, json: &Value, totals: &HashMap<&str, u64>) -> Result<Pending, CheckpointError> {
    let mut json = json.clone();
    if let Some(metadata) = json.get_mut("metadata").and_then(Value::as_object_mut) {
        for (name, total) in totals {
            if let Some(value) = metadata.get_mut(*name) {
                // Some writers give a number with a point.
                *value = if value.is_f64() { (*total as f64).into() } else { (*total).into() };
            }
        }
    }
    let mut output = Output::create(path)?;
    let written = serde_json::to_writer_pretty(&mut output.file, &json).map_err(Into::into);
    written.and_then(|()| output.file.write_all(b"\n")).map_err(|e: std::io::Error| output.fault(e))?;
    Ok(output.complete()?)
}
