//! What stands in the place of a pattern's operands.

use crate::axis::node::{Call, Given};
use crate::model::Arg;
use crate::rule::Operand;

/// Which items of a list an operand stands for; for a tensor that is none of a list, one `None`.
pub(super) fn items(operand: &Operand, call: &Call) -> Vec<Option<usize>> {
    match (operand.index, operand.step, call.node.arg(&operand.name)) {
        (Some(from), Some(step), Some(Arg::List(items))) => (from..items.len()).step_by(step.max(1)).map(Some).collect(),
        (_, Some(_), _) => Vec::new(),
        (index, None, _) => vec![index],
    }
}

/// What an operand is given; `None` if nothing, which it allows.
pub(super) fn given(operand: &Operand, item: Option<usize>, call: &Call) -> Result<Option<Given>, String> {
    let arg = match (call.node.arg(&operand.name), item) {
        (Some(Arg::List(items)), Some(i)) => items.get(i),
        (arg, None) => arg,
        _ => None,
    };
    match arg {
        Some(Arg::Tensor(v)) => Ok(Some(call.number(*v).map_or(Given::Tensor(*v), Given::Number))),
        Some(Arg::Int(n)) => Ok(Some(Given::Number(*n as f64))),
        Some(Arg::Float(x)) => Ok(Some(Given::Number(*x))),
        Some(Arg::Bool(b)) => Ok(Some(Given::Number(f64::from(u8::from(*b))))),
        Some(Arg::Scalar(_)) => Ok(Some(Given::Number(f64::NAN))),
        _ => match (operand.missing, call.val(&operand.name)) {
            (Some(n), _) => Ok(Some(Given::Number(n))),
            (None, Some(val)) => Ok(val.as_f64().map(Given::Number)),
            (None, None) => Err(format!("argument `{}` is missing", operand.name)),
        },
    }
}
