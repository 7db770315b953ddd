//! Writes a graph and its tensors as an archive.

use std::borrow::Cow;
use std::io::Cursor;
use std::path::Path;

use indexmap::{IndexMap, IndexSet};

use super::classes::Module;
use super::code;
use super::pickled::Pickle;
use super::script::Script;
use crate::format::output::{Output, Pending, Target};
use crate::format::zip::ZipWriter;
use crate::format::{FormatError, Payload};
use crate::model::{DType, Tensor};

/// Writes an archive for `to`. [`Tensor::storage`] counts `payloads`; `stored` gives the bytes of [`Payload::Stored`].
/// `progress` gets the bytes written since its last call.
///
/// # Errors
/// What TorchScript cannot express, and files that cannot be read or written.
pub fn write<'s>(
    script: &Script<'_>,
    payloads: &[Payload<'_>],
    stored: &dyn Fn(usize) -> Result<Cow<'s, [u8]>, FormatError>,
    to: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<Pending, FormatError> {
    let stem = to.file_stem().map_or("model".into(), |s| s.to_string_lossy().into_owned());
    archive(script, payloads, stored, Output::create(to)?, &stem, progress)?.complete()
}

/// An archive in memory.
///
/// # Errors
/// As [`write()`].
pub fn to_bytes<'s>(
    script: &Script<'_>,
    payloads: &[Payload<'_>],
    stored: &dyn Fn(usize) -> Result<Cow<'s, [u8]>, FormatError>,
) -> Result<Vec<u8>, FormatError> {
    Ok(archive(script, payloads, stored, Cursor::new(Vec::new()), "model", &mut |_| {})?.into_inner())
}

fn archive<'s, T: Target>(
    script: &Script<'_>,
    payloads: &[Payload<'_>],
    stored: &dyn Fn(usize) -> Result<Cow<'s, [u8]>, FormatError>,
    target: T,
    stem: &str,
    progress: &mut dyn FnMut(u64),
) -> Result<T, FormatError> {
    let graph = script.graph;
    // A storage that tensors of several types read is written once for each type.
    let keys: IndexSet<(usize, DType)> = graph.tensors.iter().map(|t| (t.storage, t.dtype)).collect();
    let mut zip = ZipWriter::new(target, progress);
    let mut elements = Vec::with_capacity(keys.len());
    for (number, (storage, dtype)) in keys.iter().enumerate() {
        let name = format!("{stem}/data/{number}");
        let bytes = match payloads.get(*storage) {
            Some(Payload::Stored(n)) => stored(*n)?,
            Some(Payload::Bytes(bytes)) => Cow::Borrowed(bytes.as_ref()),
            Some(Payload::Write { len, write }) if !script.double => {
                elements.push(*len as usize / dtype.bytes());
                zip.stream(&name, *len, write)?;
                continue;
            }
            Some(Payload::Write { write, .. }) => {
                let mut bytes = Vec::new();
                write(&mut bytes).map_err(|e| FormatError::edit(e.to_string()))?;
                Cow::Owned(bytes)
            }
            None => return Err(FormatError::edit(format!("there is no payload {storage}"))),
        };
        elements.push(bytes.len() / dtype.bytes());
        let wide = if script.double { widened(&bytes, *dtype) } else { None };
        zip.bytes(&name, wide.as_deref().unwrap_or(&bytes))?;
    }
    let none = |_: &str| None;
    let given = |path: &str| script.classes.and_then(|c| c.get(path)).cloned();
    let root = Module::tree(graph, if script.classes.is_some() { &given } else { &none });
    let number = |t: &Tensor| keys.get_index_of(&(t.storage, t.dtype)).unwrap_or(0);
    let size = |t: &Tensor| elements.get(number(t)).copied().unwrap_or(0);
    let pickle = Pickle::of(graph, &root, &number, &size, &|t| script.dtype(t));
    let pickle = pickle.ok_or_else(|| FormatError::NotInTorchScript {
        what: "a tensor".to_owned(),
        op: "state".to_owned(),
        reason: "its element type has no storage class".to_owned(),
    })?;
    zip.bytes(&format!("{stem}/data.pkl"), &pickle)?;
    let forward = code::forward(script, &root.readers())?;
    let mut classes = Vec::new();
    root.classes(graph, &forward, &mut classes);
    let mut files: IndexMap<String, String> = IndexMap::new();
    for (namespace, text) in classes {
        files.entry(namespace.replace('.', "/")).or_default().push_str(&text);
    }
    for (file, text) in &files {
        zip.bytes(&format!("{stem}/code/{file}.py"), text.as_bytes())?;
    }
    zip.bytes(&format!("{stem}/constants.pkl"), b"\x80\x02).")?;
    zip.bytes(&format!("{stem}/version"), b"10\n")?;
    zip.bytes(&format!("{stem}/byteorder"), b"little")?;
    zip.finish()
}

/// Floats as floats of 64 bits; `None` for what is not widened.
fn widened(bytes: &[u8], dtype: DType) -> Option<Vec<u8>> {
    Some(match dtype {
        DType::F32 => wide(bytes, |b| f32::from_le_bytes(b).into()),
        DType::F16 => wide(bytes, |b| half::f16::from_le_bytes(b).into()),
        DType::BF16 => wide(bytes, |b| half::bf16::from_le_bytes(b).into()),
        _ => return None,
    })
}

fn wide<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f64) -> Vec<u8> {
    bytes.as_chunks::<N>().0.iter().flat_map(|b| read(*b).to_le_bytes()).collect()
}
