//! Sums over dimensions: reduce, einsum.

use std::collections::HashMap;

use super::args::{Args, letters};
use crate::axis::node::Sketch;
use crate::axis::node::{DimExpr, LetterId};
use crate::model::Size;
use crate::rule::Val;

pub(super) fn reduce(args: &Args) -> Result<Sketch, String> {
    let (name, value, shape) = args.operand()?;
    let dims = match args.dims(1, shape.len())? {
        Some(dims) if !dims.is_empty() => dims,
        _ => (0..shape.len()).collect(),
    };
    let keep = args.truth(2)?;
    let mut sketch = Sketch::default();
    let all = letters(&mut sketch, &shape);
    let out: Vec<DimExpr> = (0..shape.len())
        .filter_map(|k| match (dims.contains(&k), keep) {
            (false, _) => Some(all[k].clone()),
            (true, true) => Some(DimExpr::One),
            (true, false) => None,
        })
        .collect();
    sketch.operand(name, value, all);
    let outputs: Vec<_> = args.call.outputs().take(args.call.node.outputs.len().max(1)).collect();
    outputs.into_iter().for_each(|v| sketch.output(v, out.clone()));
    Ok(sketch)
}

pub(super) fn einsum(args: &Args) -> Result<Sketch, String> {
    let Some(Val::Str(equation)) = args.val(0)? else { return Err("the equation is no text".into()) };
    let equation: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let name = args.name(1).ok_or("einsum takes a list of tensors")?;
    let list = args.call.tensors(name)?;
    let (inputs, output) = match equation.split_once("->") {
        Some((inputs, output)) => (inputs.to_owned(), output.to_owned()),
        None => {
            let mut once: Vec<char> = equation.chars().filter(|c| c.is_alphabetic()).collect();
            once.sort_unstable();
            let once: String = once.iter().filter(|c| equation.matches(**c).count() == 1).collect();
            (equation.clone(), format!("{}{once}", if equation.contains("...") { "..." } else { "" }))
        }
    };
    let terms: Vec<&str> = inputs.split(',').collect();
    if terms.len() != list.len() {
        return Err(format!("{} terms for {} tensors", terms.len(), list.len()));
    }
    let mut sketch = Sketch::default();
    let mut known: HashMap<String, LetterId> = HashMap::new();
    let mut widest = 0;
    let mut subscripts = Vec::new();
    for (term, value) in terms.iter().zip(&list) {
        let rank = args.call.shape(*value)?.len();
        let plain = term.chars().filter(|c| c.is_alphabetic()).count();
        let spread = rank.checked_sub(plain).ok_or("more letters than dimensions")?;
        if !term.contains("...") && spread != 0 {
            return Err(format!("`{term}` for a tensor with {rank} dimensions"));
        }
        widest = widest.max(spread);
        subscripts.push(names(term, spread));
    }
    // The ellipsis is aligned at its end.
    for (subscript, value) in subscripts.iter().zip(&list) {
        for (letter, size) in subscript.iter().zip(args.call.shape(*value)?.to_vec()) {
            let id = *known.entry(letter.clone()).or_insert_with(|| sketch.letter(letter.clone(), size.clone()));
            if sketch.letters[id as usize].size.is(1) {
                sketch.letters[id as usize].size = size;
            }
        }
    }
    for (subscript, value) in subscripts.iter().zip(&list) {
        let shape: Vec<Size> = args.call.shape(*value)?.to_vec();
        let dims = subscript.iter().zip(&shape).map(|(letter, size)| {
            let id = known[letter];
            if size.is(1) && !sketch.letters[id as usize].size.is(1) { DimExpr::One } else { DimExpr::Letter(id) }
        });
        let dims = dims.collect();
        sketch.operand(name, *value, dims);
    }
    let place = |l: &String| known.get(l).map(|id| DimExpr::Letter(*id)).ok_or("an output letter is unknown");
    let out = names(&output, widest).iter().map(place).collect::<Result<Vec<_>, _>>()?;
    sketch.output(args.call.node.outputs.first().copied(), out);
    Ok(sketch)
}

/// The letters of a term; the ellipsis' dimensions are named by their place from the end.
fn names(term: &str, spread: usize) -> Vec<String> {
    let mut out = Vec::new();
    let mut dots = 0;
    for c in term.chars() {
        if c == '.' {
            dots += 1;
            if dots == 3 {
                out.extend((0..spread).rev().map(|k| format!("...{k}")));
            }
        } else if c.is_alphabetic() {
            out.push(c.to_string());
        }
    }
    out
}
