//! Where code of an archive comes from in the user's Python, from its `.debug_pkl` files.

use crate::format::pickle::Pickle;
use crate::model::Frame;

/// For places of a file, in order, the Python frames, innermost last.
#[derive(Debug, Default)]
pub(super) struct Origins(Vec<(usize, Vec<Frame>)>);

impl Origins {
    /// Reads a debug file. What is not as expected tells nothing.
    pub(super) fn read(pickle: &Pickle) -> Origins {
        let mut found = Origins::default();
        let Some([_, strings, entries]) = items(pickle) else { return found };
        let Some(strings) = items(strings) else { return found };
        for entry in items(entries).unwrap_or(&[]) {
            let Some([Pickle::Int(at), range, ..]) = items(entry) else { continue };
            let Some([text, ..]) = items(range) else { continue };
            let Some([pieces, ..]) = items(text) else { continue };
            let pieces = numbers(pieces);
            let each = pieces.iter().filter_map(|n| match strings.get(*n)? {
                Pickle::Str(s) => Some(s.to_string()),
                _ => None,
            });
            let mut frames: Vec<Frame> = each.filter_map(|s| frame(s.trim())).collect();
            // What traced the model is no part of it.
            if let Some(tracer) = frames.iter().position(|f| f.file.ends_with("torch/jit/_trace.py")) {
                frames.truncate(tracer);
            }
            frames.reverse();
            found.0.push((usize::try_from(*at).unwrap_or(0), frames));
        }
        found
    }

    /// The frames of a place.
    pub(super) fn at(&self, byte: usize) -> &[Frame] {
        let after = self.0.partition_point(|(at, _)| *at <= byte);
        after.checked_sub(1).and_then(|k| self.0.get(k)).map_or(&[], |(_, frames)| frames)
    }
}

/// `/home/me/model.py(12): forward`
fn frame(text: &str) -> Option<Frame> {
    let (place, function) = text.rsplit_once("): ")?;
    let (file, line) = place.rsplit_once('(')?;
    Some(Frame { file: file.to_owned(), line: line.parse().ok()?, function: function.to_owned(), text: String::new() })
}

fn items(pickle: &Pickle) -> Option<&[Pickle]> {
    match pickle {
        Pickle::Tuple(items) | Pickle::List(items) => Some(items),
        _ => None,
    }
}

/// A list of numbers, which may be wrapped in the call that builds it.
fn numbers(pickle: &Pickle) -> Vec<usize> {
    match pickle {
        Pickle::Tuple(items) | Pickle::List(items) if items.len() == 1 && !matches!(items[0], Pickle::Int(_)) => {
            numbers(&items[0])
        }
        Pickle::Tuple(items) | Pickle::List(items) => {
            items.iter().filter_map(|p| if let Pickle::Int(n) = p { usize::try_from(*n).ok() } else { None }).collect()
        }
        Pickle::Object(o) => o.args.first().or(o.state.as_ref()).map_or_else(Default::default, numbers),
        _ => Vec::new(),
    }
}
