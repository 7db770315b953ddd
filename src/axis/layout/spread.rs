//! Tensors made larger: expand, repeat, repeat_interleave, pad.

use super::args::{Args, letters};
use crate::axis::node::Sketch;
use crate::axis::node::{DimExpr, Want};
use crate::model::Size;

pub(super) fn expand(args: &Args) -> Result<Sketch, String> {
    let (name, value, shape) = args.operand()?;
    let mut sizes = args.sizes(1)?.ok_or("no sizes are given")?;
    let listed = sizes.len();
    if sizes.len() < shape.len() && args.truth(2)? {
        let missing = shape.len() - sizes.len();
        sizes.splice(0..0, vec![Size::int(1); missing]);
    }
    let new = sizes.len().checked_sub(shape.len()).ok_or("fewer sizes than dimensions")?;
    let mut sketch = Sketch::default();
    let mut dims = letters(&mut sketch, &shape);
    let mut out = Vec::new();
    for (m, size) in sizes.iter().enumerate() {
        let old = m.checked_sub(new);
        let same = old.is_some_and(|k| size.is(-1) || *size == shape[k] || !shape[k].is(1));
        out.push(match old {
            Some(k) if same => dims[k].clone(),
            _ => DimExpr::Letter(sketch.made(format!("copy{m}"), size.clone(), true)),
        });
        if let Some(k) = old
            && !same
        {
            dims[k] = DimExpr::One;
        }
    }
    sketch.operand(name, value, dims);
    sketch.output(args.call.node.outputs.first().copied(), out.clone());
    sketch.edit(args.editable(1), Want::Sizes(out.split_off(out.len() - listed.min(out.len()))));
    Ok(sketch)
}

pub(super) fn repeat(args: &Args) -> Result<Sketch, String> {
    let (name, value, shape) = args.operand()?;
    let mut times = args.sizes(1)?.ok_or("no numbers of repeats are given")?;
    let listed = times.len();
    while times.len() < shape.len() {
        times.insert(0, Size::int(1)); // tile may list fewer
    }
    let new = times.len() - shape.len();
    let mut sketch = Sketch::default();
    let dims = letters(&mut sketch, &shape);
    let (mut out, mut wants) = (Vec::new(), Vec::new());
    for (m, n) in times.iter().enumerate() {
        let copy = DimExpr::Letter(sketch.made(format!("copy{m}"), n.clone(), true));
        out.push(match m.checked_sub(new) {
            Some(k) if n.is(1) => dims[k].clone(),
            Some(k) => DimExpr::Product(vec![copy.clone(), dims[k].clone()]),
            None => copy.clone(),
        });
        wants.push(copy);
    }
    sketch.operand(name, value, dims);
    sketch.output(args.call.node.outputs.first().copied(), out);
    let wants = wants.split_off(wants.len() - listed.min(wants.len()));
    sketch.edit(args.editable(1), Want::Sizes(wants));
    Ok(sketch)
}

pub(super) fn repeat_interleave(args: &Args) -> Result<Sketch, String> {
    let (name, value, shape) = args.operand()?;
    if args.int(2)?.is_none() && shape.len() != 1 {
        return Err("without a dimension the tensor is flattened first".into());
    }
    let at = args.dim(2, shape.len(), 0)?;
    let times = args.sizes(1)?.and_then(|s| s.first().cloned()).ok_or("no number of repeats is given")?;
    let mut sketch = Sketch::default();
    let dims = letters(&mut sketch, &shape);
    let copy = DimExpr::Letter(sketch.made("copy", times, true));
    let mut out = dims.clone();
    out[at] = DimExpr::Product(vec![dims[at].clone(), copy.clone()]);
    sketch.operand(name, value, dims);
    sketch.output(args.call.node.outputs.first().copied(), out.clone());
    let all = out[at].clone();
    sketch.edit(args.editable(1), Want::Size(copy));
    if args.val(3)?.is_some() {
        sketch.edit(args.editable(3), Want::Size(all));
    }
    Ok(sketch)
}
