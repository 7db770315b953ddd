//! Dimensions in another order, and positions: permute, transpose, movedim, flip, roll.

use std::sync::Arc;

use super::args::{Args, can_list, letters};
use crate::axis::node::Sketch;
use crate::axis::node::{DimExpr, LetterId, Want};

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

pub(super) fn movedim(args: &Args) -> Result<Sketch, String> {
    ordered(args, |rank| {
        let from = args.dims(1, rank)?.ok_or("no dimensions to move")?;
        let to = args.dims(2, rank)?.ok_or("no places to move to")?;
        let mut order: Vec<Option<usize>> = vec![None; rank];
        from.iter().zip(&to).for_each(|(f, t)| order[*t] = Some(*f));
        let mut rest = (0..rank).filter(|d| !from.contains(d));
        Ok(order.into_iter().filter_map(|d| d.or_else(|| rest.next())).collect())
    })
}

/// Nothing in its arguments depends on the sizes: what stays, turned around, is what stays of the turned axis.
pub(super) fn flip(args: &Args) -> Result<Sketch, String> {
    let (name, value, shape) = args.operand()?;
    let mut sketch = Sketch::default();
    let mut dims = letters(&mut sketch, &shape);
    sketch.operand(name, value, dims.clone());
    for d in args.dims(1, shape.len())?.unwrap_or_default() {
        match shape[d].as_int() {
            Some(n) if can_list(&shape[d]) => dims[d] = DimExpr::Pick(d as LetterId, (0..n as u32).rev().collect()),
            _ => sketch.locked.push(d as LetterId),
        }
    }
    sketch.output(args.call.node.outputs.first().copied(), dims);
    Ok(sketch)
}

/// Along one dimension it is a map of positions; several at once are locked.
pub(super) fn roll(args: &Args) -> Result<Sketch, String> {
    let (name, value, shape) = args.operand()?;
    let mut sketch = Sketch::default();
    let mut dims = letters(&mut sketch, &shape);
    sketch.operand(name, value, dims.clone());
    let shifts = args.sizes(1)?.unwrap_or_default();
    let rolled = args.dims(2, shape.len())?.unwrap_or_default();
    match (&rolled[..], &shifts[..]) {
        ([d], [shift]) if can_list(&shape[*d]) && shift.as_int().is_some() => {
            let n = shape[*d].as_int().unwrap_or(0);
            let shift = shift.as_int().unwrap_or(0).rem_euclid(n.max(1));
            let list: Arc<[u32]> = (0..n).map(|k| (k - shift).rem_euclid(n.max(1)) as u32).collect();
            dims[*d] = DimExpr::Pick(*d as LetterId, list.clone());
            sketch.edit(args.name(1), Want::Places(*d as LetterId, list));
        }
        _ => sketch.locked.extend(rolled.iter().map(|d| *d as LetterId)),
    }
    sketch.output(args.call.node.outputs.first().copied(), dims);
    Ok(sketch)
}
