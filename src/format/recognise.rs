//! What a file holds, by its first bytes or the names of its members.

use super::FormatError;
use super::held::Held;
use super::onnx;
use super::pickle::{self, Pickle, Saved};
use super::source::Source;
use super::zip::Members;

/// What a file that begins so holds, if it is no zip.
pub(in crate::format) fn begun(start: &[u8]) -> Option<Held> {
    match start {
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Some(Held::Arrays),
        [0x89, b'H', b'D', b'F', ..] => Some(Held::Hdf5),
        [_, _, _, _, 0, 0, 0, 0, b'{', ..] => Some(Held::Safetensors),
        _ if pickle::is_legacy(start) => Some(Held::Tensors),
        _ if onnx::begins(start) => Some(Held::Onnx),
        _ => None,
    }
}

/// Whether a file that begins so is of `torch.save`, or another zip.
pub(in crate::format) fn is_saved(start: &[u8]) -> bool {
    start.starts_with(b"PK\x03\x04") || pickle::is_legacy(start)
}

/// What a zip with these members holds.
pub(in crate::format) fn packed(members: &Members) -> Option<Held> {
    match by_names(members) {
        Some(Held::Tensors) => Some(Saved::root(members).map_or(Held::Tensors, |(_, root)| of_root(&root))),
        other => other,
    }
}

/// The plain data in a file of `torch.save`, or what else is in the zip.
pub(in crate::format) fn saved(source: Source) -> Result<Result<Saved, Held>, FormatError> {
    let members = Saved::members(source)?;
    if let Some(held) = by_names(&members).filter(|held| *held != Held::Tensors) {
        return Ok(Err(held));
    }
    let file = Saved::of(members)?;
    Ok(match of_root(&file.root) {
        Held::Tensors => Ok(file),
        held => Err(held),
    })
}

fn of_root(root: &Pickle) -> Held {
    match root {
        Pickle::Object(object) => Held::Object(object.class.to_string()),
        _ => Held::Tensors,
    }
}

fn by_names(members: &Members) -> Option<Held> {
    let inner = |name: &str, end: &str| name == end || name.split_once('/').is_some_and(|(_, rest)| rest == end);
    let any = |test: &dyn Fn(&str) -> bool| members.iter().any(|(name, _)| test(name));
    if any(&|n| inner(n, "archive_format")) {
        Some(Held::Program)
    } else if any(&|n| inner(n, "constants.pkl")) {
        Some(Held::Script)
    } else if any(&|n| inner(n, "data.pkl")) {
        Some(Held::Tensors)
    } else if members.iter().next().is_some() && !any(&|n| !n.ends_with(".npy")) {
        Some(Held::Arrays)
    } else {
        None
    }
}
