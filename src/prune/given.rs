//! Scores that somebody else worked out: of parameters, or of the positions of groups.

use std::borrow::Cow;
use std::path::Path;

use indexmap::IndexMap;
use safetensors::{Dtype, SafeTensors};

use super::error::PruneError;
use crate::axis::Propagation;
use crate::format::read_bytes;
use crate::groups::Groups;
use crate::load::Model;
use crate::model::Role;

/// Scores by name. The least go first.
#[derive(Clone, Debug, Default)]
pub struct Scores {
    /// The sizes and elements: of a parameter those of its own, or one number for each output channel; of a group, by its axis, one number for each
    /// position.
    pub by_name: IndexMap<String, (Vec<usize>, Vec<f64>)>,
}

impl Scores {
    /// Reads a safetensors file.
    ///
    /// # Errors
    /// A file that cannot be read or is none, and element types that are no numbers.
    pub fn read(path: &Path) -> Result<Scores, PruneError> {
        let bad = |reason: String| PruneError::Scores { path: path.to_path_buf(), reason };
        let bytes = read_bytes(path).map_err(|e| bad(e.to_string()))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|e| bad(format!("this is no safetensors file: {e}")))?;
        let mut by_name = IndexMap::new();
        for (name, view) in file.iter() {
            let numbers = numbers(view.dtype(), view.data());
            let numbers = numbers.ok_or_else(|| bad(format!("`{name}` is of type {}, which is no number", view.dtype())))?;
            by_name.insert(name.to_owned(), (view.shape().to_vec(), numbers));
        }
        Ok(Scores { by_name })
    }
}

fn numbers(dtype: Dtype, data: &[u8]) -> Option<Vec<f64>> {
    fn each<const N: usize>(data: &[u8], of: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        data.as_chunks::<N>().0.iter().map(|b| of(*b)).collect()
    }
    Some(match dtype {
        Dtype::F64 => each(data, f64::from_le_bytes),
        Dtype::F32 => each(data, |b| f32::from_le_bytes(b).into()),
        Dtype::F16 => each(data, |b| half::f16::from_le_bytes(b).into()),
        Dtype::BF16 => each(data, |b| half::bf16::from_le_bytes(b).into()),
        Dtype::I64 => each(data, |b| i64::from_le_bytes(b) as f64),
        Dtype::I32 => each(data, |b| i32::from_le_bytes(b).into()),
        Dtype::I16 => each(data, |b| i16::from_le_bytes(b).into()),
        Dtype::U8 | Dtype::BOOL => each(data, |[b]: [u8; 1]| b.into()),
        _ => return None,
    })
}

/// A matrix the other way round.
fn turned<'v>(shape: &[usize], values: &'v [f64]) -> (Vec<usize>, Cow<'v, [f64]>) {
    let [rows, columns] = *shape else { return (shape.to_vec(), Cow::Borrowed(values)) };
    if values.len() != rows * columns {
        return (shape.to_vec(), Cow::Borrowed(values));
    }
    let at = |n: usize| values[n % rows * columns + n / rows];
    (vec![columns, rows], Cow::Owned((0..values.len()).map(at).collect()))
}

/// A number for each unit, summed over what is coupled; NaN where nothing is given.
pub fn scores(given: &Scores, model: &Model, p: &Propagation, groups: &Groups) -> Result<Vec<f64>, PruneError> {
    let (graph, units) = (&model.graph, &groups.units);
    let mut scores = vec![f64::NAN; units.count()];
    let first = graph.first_names();
    let mut add = |unit: u32, x: f64| {
        let x = if x.is_nan() { f64::INFINITY } else { x };
        let s = &mut scores[unit as usize];
        *s = if s.is_nan() { x } else { *s + x };
    };
    let fault = |name: &str, reason: String| PruneError::Score { name: name.to_owned(), reason };
    let mut own: Vec<(usize, &Vec<f64>)> = Vec::new();
    for (name, (shape, values)) in &given.by_name {
        let direct = graph.tensors.iter().position(|t| t.name == *name && t.role == Role::Parameter).map(|k| (k, false));
        let alias = || graph.alias(name).filter(|a| !a.doubtful);
        let Some((k, transposed)) = direct.or_else(|| alias().and_then(|a| Some((*a.tensors.first()?, a.transposed)))) else {
            let id = (0..groups.list.len()).find(|id| name.parse() == Ok(*id) || groups.is_axis(graph, name, *id));
            own.push((id.ok_or_else(|| fault(name, "means no parameter and no group".into()))?, values));
            continue;
        };
        let t = &graph.tensors[first[k]];
        // As the file has them.
        let (shape, values) = if transposed { turned(shape, values) } else { (shape.clone(), Cow::Borrowed(values.as_slice())) };
        let made = usize::from(transposed);
        let channels = shape != t.shape && t.shape.get(made).is_some_and(|n| values.len() == *n);
        if !channels && shape != t.shape {
            return Err(fault(name, format!("has the sizes {shape:?}, the parameter {:?}", t.shape)));
        }
        for d in if channels { made..made + 1 } else { 0..t.shape.len() } {
            let Some(of) = units.of(graph, p, first[k], d) else { continue };
            let mut sums = vec![0.0; of.list.len()];
            let (inner, size, places) = (t.shape[d + 1..].iter().product::<usize>(), t.shape[d], &mut sums);
            if channels && of.outer() == 1 {
                places.copy_from_slice(&values);
            } else {
                let of_channel = |n: usize| values[n / inner.max(1) % size.max(1)];
                of.each(&t.shape, d, |n, at| places[at] += if channels { of_channel(n) } else { values[n] });
            }
            sums.iter().zip(&of.list).for_each(|(sum, atoms)| atoms.iter().for_each(|u| add(*u, *sum)));
        }
    }
    // What is said of a group itself counts alone.
    for (id, values) in own {
        let group = &groups.list[id];
        let Some(unit) = groups.unit(group) else { continue };
        if values.len() != unit.width * unit.units.len() {
            let reason = format!("has {} numbers, the group {} positions", values.len(), unit.width * unit.units.len());
            return Err(fault(&groups.name(graph, group), reason));
        }
        for (a, (own, at)) in unit.units.iter().zip(&unit.places).enumerate() {
            for (u, i) in own.iter().zip(at) {
                let x = values[a * unit.width + *i as usize];
                scores[*u as usize] = if x.is_nan() { f64::INFINITY } else { x };
            }
        }
    }
    Ok(scores)
}
