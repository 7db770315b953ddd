//! Elements picked by indices, tensors made from nothing, and parts written into a tensor.

use std::sync::Arc;

use smallvec::smallvec;

use super::args::{Args, letters};
use crate::axis::node::Sketch;
use crate::axis::node::{DimExpr, Edit, LetterId, Want};
use crate::model::{Arg, Content, DType, Size, ValueId};

/// The positions that a constant index lists, where they are some of a dimension's, in some order. Longer lists are look-ups. A
/// mask lists the places of its ones.
fn listed(args: &Args, index: ValueId, size: &Size) -> Option<Arc<[u32]>> {
    let graph = args.call.graph;
    let held = || graph.contents.get(&index).and_then(Content::integers).map(Arc::<[i64]>::from);
    let list = &graph.lists.get(&index).cloned().or_else(held)?;
    let mask = graph.value(index).dtype == DType::Bool;
    let total = size.as_int().filter(|n| list.len() as i64 <= *n && (!mask || list.len() as i64 == *n))?;
    let place = |n: &i64| u32::try_from(if *n < 0 { n + total } else { *n }).ok().filter(|n| i64::from(*n) < total);
    if mask {
        let ones: Arc<[u32]> = (0..).zip(list.iter()).filter(|(_, one)| **one != 0).map(|(at, _)| at).collect();
        return Some(ones).filter(|ones| !ones.is_empty());
    }
    list.iter().map(place).collect()
}

/// One dimension by a list of positions.
fn listed_positions(args: &Args, at: usize, list: Arc<[u32]>, index: &str) -> Result<Sketch, String> {
    let (name, value, shape) = args.operand()?;
    let mut sketch = Sketch::default();
    let mut dims = letters(&mut sketch, &shape);
    sketch.operand(name, value, dims.clone());
    dims[at] = DimExpr::Pick(at as LetterId, list.clone());
    sketch.output(args.call.node.outputs.first().copied(), dims);
    sketch.edit(Some(index), Want::Places(at as LetterId, list));
    Ok(sketch)
}

/// Positions of one dimension by a tensor of one dimension.
pub(super) fn take(args: &Args) -> Result<Sketch, String> {
    let (name, value, shape) = args.operand()?;
    let at = args.dim(1, shape.len(), 0)?;
    let index_name = args.name(2).ok_or("the third argument names an operand")?;
    let index = args.call.tensor(index_name)?;
    let around = args.call.shape(index)?;
    let list = shape.get(at).and_then(|size| listed(args, index, size));
    if around.len() < 2
        && let Some(list) = list
    {
        return listed_positions(args, at, list, index_name);
    }
    // A list may stand in more dimensions, all but one of size one.
    if around.len() > 1 && around.iter().filter(|n| !n.is(1)).count() < 2 {
        let mut sketch = listed_positions(args, at, list.ok_or("the index is not known")?, index_name)?;
        let long = around.iter().position(|n| !n.is(1)).unwrap_or(0);
        let ones = |n: usize| std::iter::repeat_n(DimExpr::One, n);
        let dims = &mut sketch.outputs[0].dims;
        let picked = dims[at].clone();
        dims.splice(at..=at, ones(long).chain([picked]).chain(ones(around.len() - long - 1)));
        return Ok(sketch);
    }
    let mut sketch = Sketch::default();
    let mut dims = letters(&mut sketch, &shape);
    sketch.operand(name, value, dims.clone());
    let picked = match args.call.shape(index)? {
        [] => DimExpr::One,
        [size] => DimExpr::Letter(sketch.letter("index", size.clone())),
        _ => return Err("the index has more than one dimension".into()),
    };
    sketch.locked.push(at as LetterId);
    sketch.locked.extend(picked.letters());
    let own = args.call.shape(index)?.iter().map(|_| picked.clone()).collect();
    sketch.operand(index_name, index, own);
    if let Some(d) = dims.get_mut(at) {
        *d = picked;
    }
    sketch.output(args.call.node.outputs.first().copied(), dims);
    Ok(sketch)
}

/// Like NumPy: the results of neighbouring index tensors stand in their place, of others at the front.
pub(super) fn index(args: &Args) -> Result<Sketch, String> {
    let (_, _, shape) = args.operand()?;
    let (list_name, items) = indices(args)?;
    let picked: Vec<usize> = (0..items.len()).filter(|k| matches!(items[*k], Arg::Tensor(_))).collect();
    if let ([at], Some(Arg::Tensor(index))) = (&picked[..], picked.first().map(|k| &items[*k]))
        && let Some(list) = shape.get(*at).and_then(|size| listed(args, *index, size))
        // An export that takes the number of ones for unknown calls it so in all that follows.
        && args.call.recorded(0).and_then(|s| s.get(*at)).is_none_or(|n| n.as_int() == Some(list.len() as i64))
    {
        return listed_positions(args, *at, list, list_name);
    }
    let (mut sketch, out) = picked_by(args, list_name, &items)?;
    sketch.output(args.call.node.outputs.first().copied(), out);
    Ok(sketch)
}

/// What `index` would pick is written instead, by values that broadcast to it.
pub(super) fn index_put(args: &Args) -> Result<Sketch, String> {
    let (list_name, items) = indices(args)?;
    let (mut sketch, mut out) = picked_by(args, list_name, &items)?;
    let values_name = args.name(2).ok_or("the third argument names an operand")?;
    let values = args.call.tensor(values_name)?;
    let shape = args.call.shape(values)?.to_vec();
    let from = out.len().checked_sub(shape.len()).ok_or("the values have more dimensions than what they replace")?;
    let mut dims = out.split_off(from);
    for (d, size) in dims.iter_mut().zip(&shape) {
        if size.is(1) && !d.size(&|l| sketch.letters[l as usize].size.clone()).is(1) {
            *d = DimExpr::One;
        }
    }
    let whole = sketch.operands.first().map(|o| o.dims.clone()).unwrap_or_default();
    sketch.operand(values_name, values, dims);
    sketch.output(args.call.node.outputs.first().copied(), whole);
    Ok(sketch)
}

/// The index tensors, with None among them, and the argument's name.
fn indices<'a>(args: &'a Args) -> Result<(&'a str, Vec<Arg>), String> {
    let name = args.name(1).ok_or("index takes a list of tensors")?;
    match args.call.node.arg(name) {
        Some(Arg::List(items)) => Ok((name, items.clone())),
        Some(one @ Arg::Tensor(_)) => Ok((name, vec![one.clone()])),
        _ => Err(format!("`{name}` is no list")),
    }
}

/// A single mask: the dimensions that it covers become one, of as many positions as it holds ones. They stay whole.
fn masked(args: &Args, list_name: &str, at: usize, mask: ValueId) -> Result<(Sketch, Vec<DimExpr>), String> {
    let (name, value, shape) = args.operand()?;
    let covered = at..at + args.call.shape(mask)?.len();
    if covered.is_empty() || covered.end > shape.len() {
        return Err("a mask of no dimensions, or of more than there are".into());
    }
    let mut sketch = Sketch::default();
    let mut dims = letters(&mut sketch, &shape);
    sketch.operand(name, value, dims.clone());
    sketch.operand(list_name, mask, dims[covered.clone()].to_vec());
    sketch.locked.extend(covered.clone().map(|d| d as LetterId));
    let recorded = args.call.recorded(0).filter(|s| s.len() + covered.len() == shape.len() + 1);
    let count = recorded.map_or_else(|| Size::symbol("ones", None), |s| s[at].clone());
    let count = sketch.made("ones", count, false);
    dims.splice(covered, [DimExpr::Letter(count)]);
    Ok((sketch, dims))
}

/// The dimensions of what index tensors pick.
fn picked_by(args: &Args, list_name: &str, items: &[Arg]) -> Result<(Sketch, Vec<DimExpr>), String> {
    let (name, value, shape) = args.operand()?;
    let picked: Vec<usize> = (0..items.len()).filter(|k| matches!(items[*k], Arg::Tensor(_))).collect();
    let values: Vec<_> = items.iter().flat_map(Arg::tensors).collect();
    let is_mask = |v: &ValueId| matches!(args.call.graph.value(*v).dtype, DType::Bool | DType::U8);
    match values.as_slice() {
        [mask] if is_mask(mask) => return masked(args, list_name, picked[0], *mask),
        all if all.iter().any(is_mask) => return Err("a mask beside other index tensors".into()),
        _ => {}
    }
    let mut sketch = Sketch::default();
    let dims = letters(&mut sketch, &shape);
    let rank = values.iter().map(|v| args.call.shape(*v).map(<[Size]>::len)).collect::<Result<Vec<_>, _>>()?;
    let rank = rank.into_iter().max().unwrap_or(0);
    let mut index: Vec<Option<LetterId>> = vec![None; rank];
    for v in &values {
        let shape = args.call.shape(*v)?.to_vec();
        for (k, size) in shape.iter().enumerate() {
            let at = rank - shape.len() + k;
            match index[at] {
                Some(l) if sketch.letters[l as usize].size.is(1) => sketch.letters[l as usize].size = size.clone(),
                Some(_) => {}
                None => index[at] = Some(sketch.letter(format!("index{at}"), size.clone())),
            }
        }
    }
    let index: Vec<LetterId> = index.into_iter().flatten().collect();
    for v in &values {
        let shape = args.call.shape(*v)?.to_vec();
        let place = |(k, size): (usize, &Size)| {
            let l = index[rank - shape.len() + k];
            if size.is(1) && !sketch.letters[l as usize].size.is(1) { DimExpr::One } else { DimExpr::Letter(l) }
        };
        let dims = shape.iter().enumerate().map(place).collect();
        sketch.operand(list_name, *v, dims);
    }
    sketch.operands.insert(
        0,
        crate::axis::node::BoundOperand {
            arg: name.into(),
            given: crate::axis::node::Given::Tensor(value),
            read: true,
            dims: dims.clone(),
            at: smallvec![],
        },
    );
    let together = picked.windows(2).all(|w| w[1] == w[0] + 1);
    let first = if together { picked.first().copied().unwrap_or(0) } else { 0 };
    let mut out = Vec::new();
    for k in 0..=dims.len() {
        if k == first {
            out.extend(index.iter().map(|l| DimExpr::Letter(*l)));
        }
        if k < dims.len() && !picked.contains(&k) {
            out.push(dims[k].clone());
        }
    }
    sketch.locked.extend(picked.iter().map(|k| *k as LetterId));
    sketch.locked.extend(&index);
    Ok((sketch, out))
}

pub(super) fn create(args: &Args) -> Result<Sketch, String> {
    let sizes = args.sizes(0)?.ok_or("no sizes are given")?;
    let mut sketch = Sketch::default();
    let out: Vec<DimExpr> =
        sizes.iter().enumerate().map(|(k, s)| DimExpr::Letter(sketch.made(format!("d{k}"), s.clone(), true))).collect();
    sketch.output(args.call.node.outputs.first().copied(), out.clone());
    sketch.edit(args.editable(0), Want::Sizes(out));
    Ok(sketch)
}

pub(super) fn select_scatter(args: &Args) -> Result<Sketch, String> {
    let (name, value, shape) = args.operand()?;
    let at = args.dim(2, shape.len(), 0)?;
    let total = shape[at].as_int().ok_or("the dimension has a symbolic size")?;
    let index = args.required(3)?;
    let place = if index < 0 { index + total } else { index };
    if !(0..total).contains(&place) {
        return Err(format!("position {index} of {total}"));
    }
    let mut sketch = Sketch::default();
    let mut dims = letters(&mut sketch, &shape);
    let before = sketch.letter("before", Size::int(place));
    let selected = sketch.letter("selected", Size::int(1));
    let after = sketch.letter("after", Size::int(total - place - 1));
    let mut src = dims.clone();
    src.remove(at);
    dims[at] = DimExpr::Sum([before, selected, after].map(DimExpr::Letter).into());
    sketch.locked.push(selected);
    sketch.operand(name, value, dims.clone());
    let src_name = args.name(1).ok_or("the second argument names an operand")?;
    sketch.operand(src_name, args.call.tensor(src_name)?, src);
    sketch.operands[1].at.push(selected);
    sketch.output(args.call.node.outputs.first().copied(), dims);
    if let Some(arg) = args.name(3) {
        sketch.edits.push(Edit { arg: arg.into(), want: Want::Size(DimExpr::Letter(before)), from_end: index < 0 });
    }
    Ok(sketch)
}

pub(super) fn slice_scatter(args: &Args) -> Result<Sketch, String> {
    let (name, value, shape) = args.operand()?;
    let at = args.dim(2, shape.len(), 0)?;
    let (start, end, step) = (args.int(3)?.unwrap_or(0), args.int(4)?.unwrap_or(i64::MAX), args.int(5)?.unwrap_or(1));
    let src_name = args.name(1).ok_or("the second argument names an operand")?;
    let src_value = args.call.tensor(src_name)?;
    let mut sketch = Sketch::default();
    let mut dims = letters(&mut sketch, &shape);
    let mut src = dims.clone();
    if let Some(total) = shape[at].as_int()
        && step == 1
    {
        let place = |n: i64| (if n < 0 { n.saturating_add(total) } else { n }).clamp(0, total);
        let (lo, hi) = (place(start), place(end).max(place(start)));
        if (lo, hi) != (0, total) {
            let part = |sketch: &mut Sketch, name: &str, n: i64| DimExpr::Letter(sketch.letter(name, Size::int(n)));
            let (before, inside) = (part(&mut sketch, "before", lo), part(&mut sketch, "inside", hi - lo));
            let after = part(&mut sketch, "after", total - hi);
            src[at] = inside.clone();
            let mut edit = |k: usize, want: Want, from_end: bool| {
                if let Some(arg) = args.name(k) {
                    sketch.edits.push(Edit { arg: arg.into(), want, from_end });
                }
            };
            if lo > 0 {
                edit(3, Want::Size(before.clone()), start < 0);
            }
            if hi < total {
                edit(4, Want::Size(DimExpr::Sum(vec![before.clone(), inside.clone()])), end < 0);
            }
            dims[at] = DimExpr::Sum(vec![before, inside, after]);
        }
    } else if (start, end, step) != (0, i64::MAX, 1) {
        let size = args.call.shape(src_value)?.get(at).cloned().ok_or("the source has fewer dimensions")?;
        src[at] = DimExpr::Letter(sketch.letter("inside", size));
        let inside = sketch.letters.len() as LetterId - 1;
        sketch.locked.extend([at as LetterId, inside]);
    }
    sketch.operand(name, value, dims.clone());
    sketch.operand(src_name, src_value, src);
    sketch.output(args.call.node.outputs.first().copied(), dims);
    Ok(sketch)
}
