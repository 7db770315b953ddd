//! The sizes of a program's inputs, as a user gives them or a trace left them.

use std::str::FromStr;

use super::element::named;
use super::object::VALUES;
use crate::format::pickle::Pickle;
use crate::model::DType;

/// The sizes and the element type of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The sizes.
    pub shape: Vec<i64>,
    /// The element type; `None` for that of the parameters.
    pub dtype: Option<DType>,
}

impl FromStr for Input {
    type Err = String;

    /// `1x3x224x224`, `1x128:int64`, `scalar`
    fn from_str(text: &str) -> Result<Input, String> {
        let (sizes, dtype) = match text.split_once(':') {
            Some((sizes, dtype)) => (sizes, Some(named(dtype).ok_or_else(|| format!("`{dtype}` is no element type"))?)),
            None => (text, None),
        };
        let size = |part: &str| match part.parse::<i64>() {
            Ok(n) if n >= 0 => Ok(n),
            _ => Err(format!("`{part}` is no size; write sizes as in 1x3x224x224 or 1x128:int64")),
        };
        let shape = match sizes {
            "scalar" => Vec::new(),
            sizes => sizes.split(['x', ',']).map(size).collect::<Result<_, _>>()?,
        };
        Ok(Input { shape, dtype })
    }
}

/// The tensors that `forward` was traced with; `None` if they are too many.
pub(super) fn traced(pickle: &Pickle) -> Option<Vec<Input>> {
    let (mut found, mut left) = (Vec::new(), VALUES);
    if let Some(forward) = forward(pickle, 0) {
        tensors(forward, &mut found, &mut left, 0)?;
    }
    Some(found)
}

/// What stands under `forward`, inside wrappings that tell types.
fn forward(pickle: &Pickle, depth: usize) -> Option<&Pickle> {
    match pickle {
        _ if depth > 8 => None,
        Pickle::Dict(pairs) => pairs.iter().find(|(k, _)| matches!(k, Pickle::Str(s) if **s == *"forward")).map(|(_, v)| v),
        Pickle::Tuple(items) => items.first().and_then(|p| forward(p, depth + 1)),
        Pickle::Object(o) => o.args.iter().chain(&o.state).find_map(|p| forward(p, depth + 1)),
        _ => None,
    }
}

fn tensors(pickle: &Pickle, found: &mut Vec<Input>, left: &mut usize, depth: usize) -> Option<()> {
    *left = left.checked_sub(1)?;
    match pickle {
        _ if depth > 32 => {}
        Pickle::Tensor(t) => {
            found.push(Input { shape: t.shape.iter().map(|n| *n as i64).collect(), dtype: Some(t.dtype) });
        }
        Pickle::List(items) | Pickle::Tuple(items) => items.iter().try_for_each(|p| tensors(p, found, left, depth + 1))?,
        Pickle::Dict(pairs) => pairs.iter().try_for_each(|(_, p)| tensors(p, found, left, depth + 1))?,
        Pickle::Object(o) => o.args.iter().chain(&o.state).try_for_each(|p| tensors(p, found, left, depth + 1))?,
        _ => {}
    }
    Some(())
}
