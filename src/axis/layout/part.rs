//! Parts of a tensor: split, chunk, slice, select, unbind.

use super::args::{Args, LONGEST, letters};
use crate::axis::node::Sketch;
use crate::axis::node::{DimExpr, Edit, LetterId, Parts, Want};
use crate::model::Size;

/// The plain number of positions of a dimension that is cut.
fn static_size(shape: &[Size], at: usize) -> Result<i64, String> {
    shape.get(at).and_then(Size::as_int).ok_or_else(|| "the dimension that is cut has a symbolic size".to_owned())
}

fn parts(args: &Args, at: usize, sizes: &[i64], kind: Parts) -> Result<Sketch, String> {
    let (name, value, shape) = args.operand()?;
    if sizes.iter().try_fold(0i64, |sum, n| sum.checked_add(*n)) != Some(static_size(&shape, at)?) || sizes.iter().any(|s| *s < 0)
    {
        return Err(format!("parts of {sizes:?} do not make up {}", shape[at]));
    }
    let mut sketch = Sketch::default();
    let mut dims = letters(&mut sketch, &shape);
    let parts: Vec<LetterId> = sizes.iter().enumerate().map(|(k, n)| sketch.letter(format!("part{k}"), Size::int(*n))).collect();
    let whole = dims.clone();
    for (part, out) in parts.iter().zip(args.call.outputs()) {
        dims[at] = DimExpr::Letter(*part);
        sketch.output(out, dims.clone());
    }
    let mut whole = whole;
    whole[at] = match parts.as_slice() {
        [one] => DimExpr::Letter(*one),
        many => DimExpr::Sum(many.iter().map(|l| DimExpr::Letter(*l)).collect()),
    };
    sketch.operand(name, value, whole);
    sketch.edit(args.name(1), Want::Parts(parts, kind));
    Ok(sketch)
}

pub(super) fn split(args: &Args) -> Result<Sketch, String> {
    let (_, _, shape) = args.operand()?;
    let at = args.dim(2, shape.len(), 0)?;
    let listed = matches!(args.val(1)?, Some(crate::rule::Val::List(_)));
    let sizes = args.sizes(1)?.ok_or("no sizes of parts")?;
    let sizes = sizes.iter().map(|s| s.as_int().ok_or("the size of a part is symbolic")).collect::<Result<Vec<_>, _>>()?;
    if listed {
        return parts(args, at, &sizes, Parts::Listed);
    }
    let (total, each) = (static_size(&shape, at)?, *sizes.first().ok_or("no sizes of parts")?);
    match each > 0 && total / each >= MOST {
        true => many(args, at, |k| each.min(total.saturating_sub(k.saturating_mul(each)))),
        false => parts(args, at, &evenly(total, each)?, Parts::Each),
    }
}

/// Parts of a dimension that are told apart.
const MOST: i64 = 1 << 14;

/// So many parts that nothing is said of them but their sizes: the dimension stays.
fn many(args: &Args, at: usize, size: impl Fn(i64) -> i64) -> Result<Sketch, String> {
    let (name, value, shape) = args.operand()?;
    let mut sketch = Sketch::default();
    let mut dims = letters(&mut sketch, &shape);
    sketch.operand(name, value, dims.clone());
    sketch.locked.push(at as LetterId);
    let outputs: Vec<_> = args.call.outputs().take(MOST as usize).collect();
    for (k, out) in outputs.into_iter().enumerate() {
        dims[at] = DimExpr::Letter(sketch.made(format!("part{k}"), Size::int(size(k as i64)), false));
        sketch.output(out, dims.clone());
    }
    Ok(sketch)
}

/// Parts of `each` positions, the last one of what is left.
pub fn evenly(total: i64, each: i64) -> Result<Vec<i64>, String> {
    if each <= 0 {
        return if total == 0 { Ok(vec![0]) } else { Err("parts of no positions".into()) };
    }
    let mut sizes = vec![each; (total / each) as usize];
    if total % each != 0 || total == 0 {
        sizes.push(total % each);
    }
    Ok(sizes)
}

pub(super) fn chunk(args: &Args) -> Result<Sketch, String> {
    let (_, _, shape) = args.operand()?;
    let at = args.dim(2, shape.len(), 0)?;
    let (total, n) = (static_size(&shape, at)?, args.required(1)?.max(1));
    let each = if total > 0 { (total - 1) / n + 1 } else { 0 };
    if n >= MOST {
        return many(args, at, |k| each.min(total.saturating_sub(k.saturating_mul(each))));
    }
    parts(args, at, &evenly(total, each)?, Parts::Chunks)
}

pub(super) fn tensor_split(args: &Args) -> Result<Sketch, String> {
    let (_, _, shape) = args.operand()?;
    let at = args.dim(2, shape.len(), 0)?;
    let total = static_size(&shape, at)?;
    if let Some(crate::rule::Val::List(_)) = args.val(1)? {
        let borders = args.sizes(1)?.unwrap_or_default();
        let mut sizes = Vec::new();
        let mut last = 0;
        for b in &borders {
            let b = b.as_int().ok_or("a border is symbolic")?;
            let b = (if b < 0 { b.saturating_add(total) } else { b }).clamp(0, total);
            if b < last {
                return Err("the borders are not in order".into());
            }
            sizes.push(b - last);
            last = b;
        }
        sizes.push(total - last);
        return parts(args, at, &sizes, Parts::Borders);
    }
    let n = args.required(1)?.max(1);
    if n >= MOST {
        return many(args, at, |k| total / n + i64::from(k < total % n));
    }
    parts(args, at, &sections(total, n), Parts::Sections)
}

/// `n` parts, the first ones larger by one where the total does not divide.
pub fn sections(total: i64, n: i64) -> Vec<i64> {
    (0..n).map(|k| total / n + i64::from(k < total % n)).collect()
}

pub(super) fn slice(args: &Args) -> Result<Sketch, String> {
    let (_, _, shape) = args.operand()?;
    let at = args.dim(1, shape.len(), 0)?;
    let (start, end) = (args.int(2)?.unwrap_or(0), args.int(3)?.unwrap_or(i64::MAX));
    let step = args.int(4)?.unwrap_or(1);
    let Some(total) = shape[at].as_int() else { return symbolic_slice(args, at, start, end, step) };
    let place = |n: i64| (if n < 0 { n.saturating_add(total) } else { n }).clamp(0, total);
    let (lo, hi) = (place(start), place(end).max(place(start)));
    if step > 1 {
        return strided(args, at, lo, hi, step);
    }
    let mut sketch = between(args, at, lo, hi)?;
    let before = sketch.letters.iter().position(|l| l.name == "before");
    let inside = sketch.letters.iter().position(|l| l.name == "inside");
    let (Some(before), Some(inside)) = (before, inside) else { return Ok(sketch) };
    let (before, inside) = (DimExpr::Letter(before as LetterId), DimExpr::Letter(inside as LetterId));
    let mut edit = |k: usize, want: Want, from_end: bool| {
        if let Some(arg) = args.name(k) {
            sketch.edits.push(Edit { arg: arg.into(), want, from_end });
        }
    };
    if lo > 0 {
        edit(2, Want::Size(before.clone()), start < 0);
    }
    if hi < total {
        edit(3, Want::Size(DimExpr::Sum(vec![before, inside])), end < 0);
    }
    Ok(sketch)
}

/// Along an axis of unknown size the parts are new axes, which stay.
fn symbolic_slice(args: &Args, at: usize, start: i64, end: i64, step: i64) -> Result<Sketch, String> {
    let (name, value, shape) = args.operand()?;
    let mut sketch = Sketch::default();
    let mut dims = letters(&mut sketch, &shape);
    sketch.operand(name, value, dims.clone());
    if (start, end, step) != (0, i64::MAX, 1) {
        let size = args.call.recorded(0).and_then(|s| s.get(at)).ok_or("the size of the slice is not known")?.clone();
        dims[at] = DimExpr::Letter(sketch.made("inside", size, false));
        sketch.locked.push(at as LetterId);
    }
    sketch.output(args.call.node.outputs.first().copied(), dims);
    Ok(sketch)
}

/// The positions from `lo` to `hi`, as the middle one of three parts.
fn between(args: &Args, at: usize, lo: i64, hi: i64) -> Result<Sketch, String> {
    let (name, value, shape) = args.operand()?;
    let total = static_size(&shape, at)?;
    let mut sketch = Sketch::default();
    let mut dims = letters(&mut sketch, &shape);
    let mut out = dims.clone();
    if (lo, hi) != (0, total) {
        let part = |sketch: &mut Sketch, name: &str, n: i64| DimExpr::Letter(sketch.letter(name, Size::int(n)));
        let list =
            vec![part(&mut sketch, "before", lo), part(&mut sketch, "inside", hi - lo), part(&mut sketch, "after", total - hi)];
        out[at] = list[1].clone();
        dims[at] = DimExpr::Sum(list);
    }
    sketch.operand(name, value, dims);
    sketch.output(args.call.node.outputs.first().copied(), out);
    Ok(sketch)
}

fn strided(args: &Args, at: usize, lo: i64, hi: i64, step: i64) -> Result<Sketch, String> {
    let (name, value, shape) = args.operand()?;
    let mut sketch = Sketch::default();
    let mut dims = letters(&mut sketch, &shape);
    sketch.operand(name, value, dims.clone());
    if hi > LONGEST {
        let count = if hi > lo { (hi - lo - 1) / step + 1 } else { 0 };
        dims[at] = DimExpr::Letter(sketch.made("inside", Size::int(count), false));
        sketch.locked.push(at as LetterId);
        sketch.output(args.call.node.outputs.first().copied(), dims);
        return Ok(sketch);
    }
    let list: std::sync::Arc<[u32]> = (lo..hi).step_by(step as usize).map(|n| n as u32).collect();
    let DimExpr::Letter(letter) = dims[at] else { return Ok(sketch) };
    dims[at] = DimExpr::Pick(letter, list.clone());
    sketch.output(args.call.node.outputs.first().copied(), dims);
    if let (Some(start), Some(end), Some(step)) = (args.name(2), args.name(3), args.name(4)) {
        let names = [start.to_owned(), end.to_owned(), step.to_owned()];
        sketch.edit(Some(start), Want::Stride(letter, list, names));
    }
    Ok(sketch)
}

pub(super) fn narrow(args: &Args) -> Result<Sketch, String> {
    let (_, _, shape) = args.operand()?;
    let at = args.dim(1, shape.len(), 0)?;
    let total = static_size(&shape, at)?;
    let (start, len) = (args.required(2)?, args.required(3)?);
    let lo = if start < 0 { start.saturating_add(total) } else { start };
    if lo < 0 || len < 0 || lo.saturating_add(len) > total {
        return Err(format!("positions {lo} to {} of {total}", lo.saturating_add(len)));
    }
    let mut sketch = between(args, at, lo, lo + len)?;
    let first = shape.len() as LetterId;
    let whole = (lo, len) == (0, total);
    let edits = match whole {
        true => vec![(3, at as LetterId, false)],
        false => vec![(2, first, start < 0), (3, first + 1, false)],
    };
    if whole && start < 0 {
        sketch.locked.push(at as LetterId); // it would have to be counted anew
    }
    for (k, letter, from_end) in edits {
        if let Some(arg) = args.name(k) {
            sketch.edits.push(Edit { arg: arg.into(), want: Want::Size(DimExpr::Letter(letter)), from_end });
        }
    }
    Ok(sketch)
}

pub(super) fn select(args: &Args) -> Result<Sketch, String> {
    let (name, value, shape) = args.operand()?;
    let at = args.dim(1, shape.len(), 0)?;
    let index = args.required(2)?;
    let mut sketch = Sketch::default();
    let mut dims = letters(&mut sketch, &shape);
    let mut out = dims.clone();
    out.remove(at);
    let Some(total) = shape[at].as_int() else {
        sketch.operand(name, value, dims);
        sketch.locked.push(at as LetterId);
        sketch.output(args.call.node.outputs.first().copied(), out);
        return Ok(sketch);
    };
    let place = if index < 0 { index + total } else { index };
    if !(0..total).contains(&place) {
        return Err(format!("position {index} of {total}"));
    }
    let before = sketch.letter("before", Size::int(place));
    let selected = sketch.letter("selected", Size::int(1));
    let after = sketch.letter("after", Size::int(total - place - 1));
    dims[at] = DimExpr::Sum([before, selected, after].map(DimExpr::Letter).into());
    sketch.locked.push(selected);
    sketch.operand(name, value, dims);
    sketch.output(args.call.node.outputs.first().copied(), out);
    sketch.outputs[0].at.push(selected);
    if let Some(arg) = args.name(2)
        && place > 0
    {
        sketch.edits.push(Edit { arg: arg.into(), want: Want::Size(DimExpr::Letter(before)), from_end: index < 0 });
    }
    Ok(sketch)
}

pub(super) fn unbind(args: &Args) -> Result<Sketch, String> {
    let (name, value, shape) = args.operand()?;
    let at = args.dim(1, shape.len(), 0)?;
    let total = static_size(&shape, at)?;
    let mut sketch = Sketch::default();
    let mut dims = letters(&mut sketch, &shape);
    let mut out = dims.clone();
    out.remove(at);
    if total >= MOST {
        sketch.operand(name, value, dims);
        sketch.locked.push(at as LetterId);
        let outputs: Vec<_> = args.call.outputs().take(MOST as usize).collect();
        outputs.into_iter().for_each(|v| sketch.output(v, out.clone()));
        return Ok(sketch);
    }
    let mut places = Vec::new();
    for (k, value) in (0..total).zip(args.call.outputs()) {
        let place = sketch.letter(format!("place{k}"), Size::int(1));
        sketch.locked.push(place);
        sketch.output(value, out.clone());
        sketch.outputs[k as usize].at.push(place);
        places.push(DimExpr::Letter(place));
    }
    dims[at] = DimExpr::Sum(places);
    sketch.operand(name, value, dims);
    Ok(sketch)
}
