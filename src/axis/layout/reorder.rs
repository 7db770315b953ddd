//! Dimensions in another order: permute, transpose.

use super::{Args, letters};
use crate::axis::sketch::Sketch;

fn ordered(args: &Args, order: impl FnOnce(usize) -> Result<Vec<usize>, String>) -> Result<Sketch, String> {
    let (name, value, shape) = args.operand()?;
    let mut sketch = Sketch::default();
    let dims = letters(&mut sketch, &shape);
    let order = order(shape.len())?;
    let mut seen = vec![false; dims.len()];
    order.iter().for_each(|d| seen[*d] = true);
    if order.len() != dims.len() || seen.contains(&false) {
        return Err(format!("{order:?} is no order of {} dimensions", dims.len()));
    }
    let out = order.iter().map(|d| dims[*d].clone()).collect();
    sketch.operand(name, value, dims);
    sketch.output(args.call.node.outputs.first().copied(), out);
    Ok(sketch)
}

pub(super) fn permute(args: &Args) -> Result<Sketch, String> {
    ordered(args, |rank| args.dims(1, rank)?.ok_or_else(|| "no order is given".into()))
}

pub(super) fn transpose(args: &Args) -> Result<Sketch, String> {
    ordered(args, |rank| {
        let mut order: Vec<usize> = (0..rank).collect();
        match (args.int(1)?, args.int(2)?) {
            (Some(_), Some(_)) if rank == 0 => {}
            (Some(_), Some(_)) => order.swap(args.dim(1, rank, 0)?, args.dim(2, rank, 0)?),
            _ => order.reverse(),
        }
        Ok(order)
    })
}

pub(super) fn same(args: &Args) -> Result<Sketch, String> {
    ordered(args, |rank| Ok((0..rank).collect()))
}
