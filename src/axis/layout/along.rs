//! Operators that work along some dimensions and leave the others as they are: of other sizes there, picked from or written
//! to by an index.

use super::args::{Args, letters};
use crate::axis::node::Sketch;
use crate::axis::node::{DimExpr, LetterId};
use crate::model::Size;

/// As the operand, with some dimensions made anew.
pub(super) fn resize(args: &Args) -> Result<Sketch, String> {
    let (name, value, shape) = args.operand()?;
    let (dims, sizes) = (args.dims(1, shape.len())?.filter(|d| !d.is_empty()), args.sizes(2)?);
    let dims = dims.unwrap_or_else(|| match &sizes {
        Some(sizes) => (shape.len().saturating_sub(sizes.len())..shape.len()).collect(),
        None => (0..shape.len()).collect(),
    });
    let mut sketch = Sketch::default();
    let mut out = letters(&mut sketch, &shape);
    sketch.operand(name, value, out.clone());
    for (k, d) in dims.iter().enumerate() {
        sketch.locked.push(*d as LetterId);
        let given = sizes.as_ref().and_then(|s| s.get(k)).filter(|s| !s.is(-1));
        let last = if k + 1 == dims.len() { args.sizes(3)?.and_then(|s| s.first().cloned()) } else { None };
        let size = last.or(given.cloned()).or_else(|| shape.get(*d).cloned()).ok_or("a dimension of a tensor of none")?;
        if let Some(dim) = out.get_mut(*d) {
            *dim = DimExpr::Letter(sketch.made(format!("new{d}"), size, false));
        }
    }
    sketch.locked.retain(|l| (*l as usize) < shape.len());
    let outputs: Vec<_> = args.call.outputs().take(args.call.node.outputs.len().max(1)).collect();
    outputs.into_iter().for_each(|v| sketch.output(v, out.clone()));
    Ok(sketch)
}

/// The letters of an operand with an index of as many dimensions: those along which the index has the operand's positions.
struct Indexed {
    sketch: Sketch,
    own: Vec<DimExpr>,
    index: Vec<DimExpr>,
}

/// `x`, and an index that names positions of one dimension for each of its elements. `others` are sizes of a tensor beside it.
fn indexed(args: &Args, others: Option<&[Size]>) -> Result<Indexed, String> {
    let (name, value, shape) = args.operand()?;
    let at = args.dim(1, shape.len(), 0)?;
    let index_name = args.name(2).ok_or("the third argument names an operand")?;
    let index = args.call.tensor(index_name)?;
    let sizes = args.call.shape(index)?.to_vec();
    if sizes.len() != shape.len() {
        return Err(format!("the index has {} dimensions, the operand {}", sizes.len(), shape.len()));
    }
    let mut sketch = Sketch::default();
    let own = letters(&mut sketch, &shape);
    let mut dims = own.clone();
    for (d, dim) in dims.iter_mut().enumerate() {
        let whole = sizes[d] == shape[d] && others.is_none_or(|o| o.get(d) == Some(&sizes[d]));
        if d == at || !whole {
            sketch.locked.push(d as LetterId);
            let letter = sketch.letter(format!("index{d}"), sizes[d].clone());
            sketch.locked.push(letter);
            *dim = DimExpr::Letter(letter);
        }
    }
    sketch.operand(name, value, own.clone());
    sketch.operand(index_name, index, dims.clone());
    Ok(Indexed { sketch, own, index: dims })
}

/// Picked along a dimension, for each element of the index.
pub(super) fn gather(args: &Args) -> Result<Sketch, String> {
    let Indexed { mut sketch, index, .. } = indexed(args, None)?;
    sketch.output(args.call.node.outputs.first().copied(), index);
    Ok(sketch)
}

/// Written along a dimension to where an index of as many dimensions says.
pub(super) fn scatter(args: &Args) -> Result<Sketch, String> {
    let src = match args.name(3) {
        None => None,
        Some(name) => {
            let value = args.call.tensor(name)?;
            Some((name, value, args.call.shape(value)?.to_vec()))
        }
    };
    let Indexed { mut sketch, own, index, .. } = indexed(args, src.as_ref().map(|(.., shape)| shape.as_slice()))?;
    if let Some((name, value, shape)) = src {
        if shape.len() != index.len() {
            return Err(format!("`{name}` has {} dimensions, the index {}", shape.len(), index.len()));
        }
        let mut dims = index;
        for (d, dim) in dims.iter_mut().enumerate() {
            let DimExpr::Letter(l) = dim else { continue };
            if sketch.letters[*l as usize].size != shape[d] {
                let letter = sketch.letter(format!("source{d}"), shape[d].clone());
                sketch.locked.push(letter);
                *dim = DimExpr::Letter(letter);
            }
        }
        sketch.operand(name, value, dims);
    }
    sketch.output(args.call.node.outputs.first().copied(), own);
    Ok(sketch)
}

/// Written along a dimension to the positions that an index of one dimension lists.
pub(super) fn put(args: &Args) -> Result<Sketch, String> {
    let (name, value, shape) = args.operand()?;
    let at = args.dim(1, shape.len(), 0)?;
    let index_name = args.name(2).ok_or("the third argument names an operand")?;
    let index = args.call.tensor(index_name)?;
    let mut sketch = Sketch::default();
    let own = letters(&mut sketch, &shape);
    sketch.operand(name, value, own.clone());
    sketch.locked.extend((at < shape.len()).then_some(at as LetterId));
    let place = match args.call.shape(index)? {
        [] => DimExpr::One,
        [size] => DimExpr::Letter(sketch.letter("index", size.clone())),
        _ => return Err("the index has more than one dimension".into()),
    };
    sketch.locked.extend(place.letters());
    let dims = args.call.shape(index)?.iter().map(|_| place.clone()).collect();
    sketch.operand(index_name, index, dims);
    if let Some(name) = args.name(3) {
        let source = args.call.tensor(name)?;
        let sizes = args.call.shape(source)?;
        if sizes.len() != shape.len() && !shape.is_empty() {
            return Err(format!("`{name}` has {} dimensions, not {}", sizes.len(), shape.len()));
        }
        let mut dims = own.clone();
        if let Some(d) = dims.get_mut(at) {
            *d = place;
        }
        if dims.len() != sizes.len() {
            return Err("a tensor of none".into());
        }
        sketch.operand(name, source, dims);
    }
    sketch.output(args.call.node.outputs.first().copied(), own);
    Ok(sketch)
}
