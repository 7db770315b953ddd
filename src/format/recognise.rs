//! What a file holds, by its first bytes or the names of its members.

use super::held::Held;
use super::pickle::{self, Pickle};
use super::zip::Members;

/// What a file that begins so holds, if it is no zip.
pub(in crate::format) fn begun(start: &[u8]) -> Option<Held> {
    match start {
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Some(Held::Arrays),
        [0x89, b'H', b'D', b'F', ..] => Some(Held::Hdf5),
        [_, _, _, _, 0, 0, 0, 0, b'{', ..] => Some(Held::Safetensors),
        _ if pickle::is_legacy(start) => Some(Held::Tensors),
        [8, version, ..] if *version < 64 => Some(Held::Onnx),
        _ => None,
    }
}

/// What a zip with these members holds.
pub(in crate::format) fn packed(members: &Members) -> Option<Held> {
    let inner = |name: &str, end: &str| name == end || name.split_once('/').is_some_and(|(_, rest)| rest == end);
    let any = |test: &dyn Fn(&str) -> bool| members.iter().any(|(name, _)| test(name));
    if any(&|n| inner(n, "archive_format")) {
        Some(Held::Program)
    } else if any(&|n| inner(n, "constants.pkl")) {
        Some(Held::Script)
    } else if let Some((_, pickled)) = members.iter().find(|(name, _)| inner(name, "data.pkl")) {
        let content = members.content(pickled).ok();
        match content.and_then(|bytes| pickle::read(&bytes).ok()) {
            Some(Pickle::Object(object)) => Some(Held::Object(object.class.to_string())),
            _ => Some(Held::Tensors),
        }
    } else if members.iter().next().is_some() && !any(&|n| !n.ends_with(".npy")) {
        Some(Held::Arrays)
    } else {
        None
    }
}
