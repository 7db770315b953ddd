//! The same elements in other dimensions: reshape, flatten, unflatten, squeeze, unsqueeze.

use super::args::Args;
use crate::axis::egraph::common_factors;
use crate::axis::node::Sketch;
use crate::axis::node::{DimExpr, LetterId, Want};
use crate::model::Size;

pub(super) fn reshape(args: &Args) -> Result<Sketch, String> {
    let (_, _, shape) = args.operand()?;
    let mut sizes = args.sizes(1)?.ok_or("no sizes are given")?;
    let copies = args.truth(2)?;
    if copies {
        // A 0 copies the size that is in its place.
        let zeros = sizes.iter_mut().zip(&shape).filter(|(size, _)| size.is(0));
        zeros.for_each(|(size, old)| *size = old.clone());
    }
    let sizes = resolve(&shape, sizes, args.call.recorded(0))?;
    let sketch = regroup(args, &sizes)?;
    Ok(with_sizes(args, sketch, 1, 0..sizes.len()))
}

/// The sizes argument must list the sizes of these dimensions of the result.
fn with_sizes(args: &Args, mut sketch: Sketch, at: usize, dims: std::ops::Range<usize>) -> Sketch {
    let wants = sketch.outputs.first().map(|o| o.dims[dims].to_vec()).unwrap_or_default();
    sketch.edit(args.editable(at), Want::Sizes(wants));
    sketch
}

/// Replaces a -1 by what the other sizes leave.
fn resolve(shape: &[Size], sizes: Vec<Size>, recorded: Option<&[Size]>) -> Result<Vec<Size>, String> {
    let Some(open) = sizes.iter().position(|s| s.is(-1)) else { return Ok(sizes) };
    let total = shape.iter().fold(Size::int(1), |n, s| n.mul(s));
    let rest = sizes.iter().enumerate().filter(|(k, _)| *k != open).fold(Size::int(1), |n, (_, s)| n.mul(s));
    let found = match total.div_exact(&rest) {
        Some(size) => size,
        None => recorded.and_then(|r| r.get(open)).cloned().ok_or_else(|| format!("{total} elements, {rest} to a row"))?,
    };
    let mut sizes = sizes;
    sizes[open] = found;
    Ok(sizes)
}

pub(super) fn flatten(args: &Args) -> Result<Sketch, String> {
    let (_, _, shape) = args.operand()?;
    if shape.is_empty() {
        return regroup(args, &[Size::int(1)]);
    }
    let (first, last) = (args.dim(1, shape.len(), 0)?, args.dim(2, shape.len(), -1)?);
    if first > last {
        return Err(format!("dimensions {first} to {last}"));
    }
    let flat = shape[first..=last].iter().fold(Size::int(1), |n, s| n.mul(s));
    regroup(args, &[&shape[..first], &[flat], &shape[last + 1..]].concat())
}

pub(super) fn unflatten(args: &Args) -> Result<Sketch, String> {
    let (_, _, shape) = args.operand()?;
    let at = args.dim(1, shape.len(), 0)?;
    let sizes = resolve(&shape[at..=at], args.sizes(2)?.ok_or("no sizes are given")?, None)?;
    let sketch = regroup(args, &[&shape[..at], &sizes, &shape[at + 1..]].concat())?;
    Ok(with_sizes(args, sketch, 2, at..at + sizes.len()))
}

pub(super) fn squeeze(args: &Args) -> Result<Sketch, String> {
    let (_, _, shape) = args.operand()?;
    let named = args.dims(1, shape.len())?;
    let goes = |k: usize| named.as_ref().is_none_or(|d| d.contains(&k)) && shape[k].is(1);
    let sizes: Vec<Size> = (0..shape.len()).filter(|k| !goes(*k)).map(|k| shape[k].clone()).collect();
    let mut sketch = regroup(args, &sizes)?;
    if named.is_none() {
        // A dimension cut down to one would vanish too.
        sketch.at_least_two = (0..sketch.letters.len() as LetterId).collect();
    } else if let Some(operand) = sketch.operands.first() {
        let stays = named.iter().flatten().filter(|k| !shape[**k].is(1)).filter_map(|k| operand.dims.get(*k));
        sketch.at_least_two = stays.flat_map(DimExpr::letters).collect();
    }
    Ok(sketch)
}

pub(super) fn unsqueeze(args: &Args) -> Result<Sketch, String> {
    let (_, _, mut shape) = args.operand()?;
    let listed = args.sizes(1)?.ok_or("no dimension is given")?;
    let rank = shape.len() + listed.len();
    let mut new = args.dims(1, rank)?.unwrap_or_default();
    new.sort_unstable();
    new.into_iter().for_each(|at| shape.insert(at.min(shape.len()), Size::int(1)));
    regroup(args, &shape)
}

/// Walks both shapes in blocks of equal products.
fn regroup(args: &Args, to: &[Size]) -> Result<Sketch, String> {
    let (name, value, from) = args.operand()?;
    let mut sketch = Sketch::default();
    let mut dims: Vec<DimExpr> = vec![DimExpr::One; from.len()];
    let mut out: Vec<DimExpr> = vec![DimExpr::One; to.len()];
    // Dimensions of one belong to no block.
    let olds: Vec<usize> = (0..from.len()).filter(|k| !from[*k].is(1)).collect();
    let news: Vec<usize> = (0..to.len()).filter(|k| !to[*k].is(1)).collect();
    let (mut i, mut j) = (0, 0);
    while i < olds.len() || j < news.len() {
        let (start_i, start_j) = (i, j);
        let (mut left, mut right) = (Size::int(1), Size::int(1));
        // At least one dimension of each side, then whichever product is behind.
        while left != right || i == start_i || j == start_j {
            let grow_left = if i == start_i {
                true
            } else if j == start_j {
                false
            } else {
                behind(&left, &right)
            };
            if grow_left && i < olds.len() {
                left = left.mul(&from[olds[i]]);
                i += 1;
            } else if !grow_left && j < news.len() {
                right = right.mul(&to[news[j]]);
                j += 1;
            } else {
                i = olds.len();
                j = news.len();
                break;
            }
        }
        block(&mut sketch, (&from, &olds[start_i..i], &mut dims), (to, &news[start_j..j], &mut out));
    }
    sketch.operand(name, value, dims);
    sketch.output(args.call.node.outputs.first().copied(), out);
    Ok(sketch)
}

/// Whether the left product is the smaller one, also where symbols are in it.
fn behind(left: &Size, right: &Size) -> bool {
    match (left.as_int(), right.as_int()) {
        (Some(a), Some(b)) => a < b,
        _ => right.div_exact(left).is_some() || (left.div_exact(right).is_none() && left.hint() < right.hint()),
    }
}

type Side<'a> = (&'a [Size], &'a [usize], &'a mut [DimExpr]);

fn block(sketch: &mut Sketch, (from, olds, dims): Side, (to, news, out): Side) {
    let product = |list: &[Size], at: &[usize]| at.iter().fold(Size::int(1), |n, k| n.mul(&list[*k]));
    let fits = product(from, olds) == product(to, news);
    match (olds, news) {
        ([k], [m]) if fits => {
            let letter = sketch.letter(format!("d{k}"), from[*k].clone());
            dims[*k] = DimExpr::Letter(letter);
            out[*m] = DimExpr::Letter(letter);
        }
        ([k], many) if fits => {
            let digits = digits(sketch, many.iter().map(|m| to[*m].clone()));
            many.iter().zip(&digits).for_each(|(m, d)| out[*m] = d.clone());
            dims[*k] = DimExpr::Product(digits);
        }
        (many, [m]) if fits => {
            let digits = digits(sketch, many.iter().map(|k| from[*k].clone()));
            many.iter().zip(&digits).for_each(|(k, d)| dims[*k] = d.clone());
            out[*m] = DimExpr::Product(digits);
        }
        _ => {
            let ints = |list: &[Size], at: &[usize]| at.iter().map(|k| list[*k].as_int()).collect::<Option<Vec<i64>>>();
            let factors = ints(from, olds).zip(ints(to, news)).filter(|_| fits).and_then(|(a, b)| common_factors(&a, &b));
            let Some(factors) = factors else {
                // Nothing ties the two sides; both keep all positions.
                for k in olds {
                    let letter = sketch.letter(format!("d{k}"), from[*k].clone());
                    sketch.locked.push(letter);
                    dims[*k] = DimExpr::Letter(letter);
                }
                for m in news {
                    out[*m] = DimExpr::Letter(sketch.made(format!("e{m}"), to[*m].clone(), false));
                }
                return;
            };
            let letters = digits(sketch, factors.iter().map(|f| Size::int(*f)));
            share(&letters, &factors, from, olds, dims);
            share(&letters, &factors, to, news, out);
        }
    }
}

fn digits(sketch: &mut Sketch, sizes: impl Iterator<Item = Size>) -> Vec<DimExpr> {
    sizes.enumerate().map(|(k, s)| DimExpr::Letter(sketch.letter(format!("digit{k}"), s))).collect()
}

/// Gives each dimension its run of factors.
fn share(letters: &[DimExpr], factors: &[i64], sizes: &[Size], at: &[usize], dims: &mut [DimExpr]) {
    let mut next = 0;
    for k in at {
        let first = next;
        let mut product = 1;
        while Some(product) != sizes[*k].as_int() && next < factors.len() {
            product *= factors[next];
            next += 1;
        }
        let run = &letters[first..next];
        dims[*k] = if let [one] = run { one.clone() } else { DimExpr::Product(run.to_vec()) };
    }
}
