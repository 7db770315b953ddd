//! Tensors joined: cat, stack, meshgrid.

use super::args::{Args, letters};
use crate::axis::node::DimExpr;
use crate::axis::node::{Sketch, dim};
use crate::model::Size;

pub(super) fn cat(args: &Args) -> Result<Sketch, String> {
    let (name, list) = args.operands()?;
    // An empty one-dimensional tensor joins with anything.
    let empty = |shape: &[Size]| shape.len() == 1 && shape[0].is(0);
    let shape = list.iter().map(|(_, s)| s).find(|s| !empty(s)).ok_or("nothing to join")?;
    let at = args.dim(1, shape.len(), 0)?;
    let mut sketch = Sketch::default();
    let mut dims = letters(&mut sketch, shape);
    let mut parts = Vec::new();
    for (k, (value, other)) in list.iter().enumerate() {
        if empty(other) && shape.len() != 1 {
            continue;
        }
        if other.len() != shape.len() {
            return Err(format!("item {k} has {} dimensions, the first {}", other.len(), shape.len()));
        }
        let part = DimExpr::Letter(sketch.letter(format!("part{k}"), other[at].clone()));
        dims[at] = part.clone();
        sketch.operand(name, *value, dims.clone());
        parts.push(part);
    }
    dims[at] = if parts.len() == 1 { parts.remove(0) } else { DimExpr::Sum(parts) };
    sketch.output(args.call.node.outputs.first().copied(), dims);
    Ok(sketch)
}

pub(super) fn stack(args: &Args) -> Result<Sketch, String> {
    let (name, list) = args.operands()?;
    let shape = &list[0].1;
    let at = dim(args.int(1)?.unwrap_or(0), shape.len() + 1)?;
    let mut sketch = Sketch::default();
    let mut dims = letters(&mut sketch, shape);
    let mut places = Vec::new();
    for (k, (value, other)) in list.iter().enumerate() {
        if other.len() != shape.len() {
            return Err(format!("item {k} has {} dimensions, the first {}", other.len(), shape.len()));
        }
        let place = sketch.made(format!("place{k}"), Size::int(1), false);
        sketch.operand(name, *value, dims.clone());
        sketch.operands[k].at.push(place);
        places.push(DimExpr::Letter(place));
    }
    dims.insert(at, if places.len() == 1 { places.remove(0) } else { DimExpr::Sum(places) });
    sketch.output(args.call.node.outputs.first().copied(), dims);
    Ok(sketch)
}

/// Every tensor with the sizes of all, aligned at the end.
pub(super) fn broadcast(args: &Args) -> Result<Sketch, String> {
    let (name, list) = args.operands()?;
    let rank = list.iter().map(|(_, shape)| shape.len()).max().unwrap_or(0);
    let mut sketch = Sketch::default();
    let mut sizes = vec![Size::int(1); rank];
    for (_, shape) in &list {
        for (size, own) in sizes[rank - shape.len()..].iter_mut().zip(shape).filter(|(size, _)| size.is(1)) {
            *size = own.clone();
        }
    }
    let out = letters(&mut sketch, &sizes);
    for (value, shape) in &list {
        let from = rank - shape.len();
        let dim =
            |(k, own): (usize, &Size)| if own.is(1) && !sizes[from + k].is(1) { DimExpr::One } else { out[from + k].clone() };
        sketch.operand(name, *value, shape.iter().enumerate().map(dim).collect());
    }
    let values: Vec<_> = args.call.outputs().take(list.len()).collect();
    values.into_iter().for_each(|v| sketch.output(v, out.clone()));
    Ok(sketch)
}

pub(super) fn meshgrid(args: &Args) -> Result<Sketch, String> {
    let (name, list) = args.operands()?;
    let swapped = args.val(1)?.is_some_and(|v| matches!(v, crate::rule::Val::Str(s) if s == "xy")) && list.len() > 1;
    let mut sketch = Sketch::default();
    let mut grid = Vec::new();
    for (k, (value, shape)) in list.iter().enumerate() {
        let letter = sketch.letter(format!("axis{k}"), shape.first().cloned().unwrap_or(Size::int(1)));
        let dims = if shape.is_empty() { vec![] } else { vec![DimExpr::Letter(letter)] };
        sketch.operand(name, *value, dims);
        grid.push(DimExpr::Letter(letter));
    }
    if swapped {
        grid.swap(0, 1);
    }
    let values: Vec<_> = args.call.outputs().take(list.len()).collect();
    values.into_iter().for_each(|v| sketch.output(v, grid.clone()));
    Ok(sketch)
}
