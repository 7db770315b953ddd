//! Borders around a tensor, of numbers that stand in no operand.

use super::args::{Args, letters};
use crate::axis::node::{DimExpr, LetterId, Sketch, Want};
use crate::model::Size;

/// A border of nothing.
const NONE: DimExpr = DimExpr::Sum(Vec::new());

/// The amounts before and after each dimension, from the last one on: as PyTorch's pads.
pub(super) fn pad(args: &Args) -> Result<Sketch, String> {
    let (_, _, shape) = args.operand()?;
    let amounts = args.sizes(1)?.ok_or("no amounts are given")?;
    if amounts.iter().any(|a| a.as_int().is_none_or(|n| n < 0)) || amounts.len() % 2 != 0 || amounts.len() / 2 > shape.len() {
        return Err("amounts that are negative, symbolic or too many".into());
    }
    let places = (0..amounts.len() / 2).map(|k| (shape.len() - 1 - k, [2 * k, 2 * k + 1]));
    bordered(args, &shape, &amounts, places, false)
}

/// The amounts before each dimension, then those after each. What is there is a number, or (`whole`) depends on the tensor.
pub(super) fn pads(args: &Args) -> Result<Sketch, String> {
    let (_, _, shape) = args.operand()?;
    let amounts = args.sizes(1)?.ok_or("no amounts are given")?;
    let axes = args.dims(3, shape.len())?.unwrap_or_else(|| (0..shape.len()).collect());
    if amounts.len() != 2 * axes.len() || axes.iter().any(|d| *d >= shape.len()) {
        return Err(format!("{} amounts for {} dimensions", amounts.len(), axes.len()));
    }
    let places = axes.iter().enumerate().map(|(k, at)| (*at, [k, axes.len() + k]));
    bordered(args, &shape, &amounts, places, args.truth(4)?)
}

/// A tensor with borders; `places` tells of a dimension which amounts stand before and after it. Where amounts cut positions off or are
/// symbolic, and with `whole`, what comes of the dimension is another axis.
fn bordered(
    args: &Args,
    shape: &[Size],
    amounts: &[Size],
    places: impl Iterator<Item = (usize, [usize; 2])>,
    whole: bool,
) -> Result<Sketch, String> {
    let (name, value, _) = args.operand()?;
    let mut sketch = Sketch::default();
    let dims = letters(&mut sketch, shape);
    let mut out = dims.clone();
    let mut wants = vec![NONE; amounts.len()];
    for (at, sides) in places {
        let [left, right] = sides.map(|k| &amounts[k]);
        if left.is(0) && right.is(0) {
            continue;
        }
        let cuts = [left, right].iter().any(|a| a.as_int().is_none_or(|n| n < 0));
        if cuts || whole {
            let size = shape[at].add(left).add(right);
            out[at] = DimExpr::Letter(sketch.made(format!("new{at}"), size, false));
            sketch.locked.push(at as LetterId);
            continue;
        }
        let mut side = |which: &str, k: usize| {
            if !amounts[k].is(0) {
                wants[k] = DimExpr::Letter(sketch.made(format!("{which}{at}"), amounts[k].clone(), true));
            }
            wants[k].clone()
        };
        let parts = [side("left", sides[0]), dims[at].clone(), side("right", sides[1])];
        out[at] = DimExpr::Sum(parts.into_iter().filter(|d| *d != NONE).collect());
    }
    sketch.operand(name, value, dims);
    sketch.output(args.call.node.outputs.first().copied(), out);
    sketch.edit(args.editable(1), Want::Sizes(wants));
    sketch.fill = args.val(2)?.and_then(|v| v.as_f64()).unwrap_or(0.0);
    Ok(sketch)
}
