//! Axes by name.

use egg::Id;

use super::error::AxisError;
use crate::axis::Propagation;
use crate::model::{Graph, Role, ValueId};
use crate::solve::Roles;

/// An axis that a user names.
#[derive(Clone, Debug)]
pub struct AxisRef {
    /// The name, with its dimension: `conv1.weight[0]`.
    pub name: String,
    /// The axis.
    pub id: Id,
}

/// The axis that a name means: a stored tensor or a value of the graph with a dimension, as in `conv1.weight[0]` or `relu_3[1]`;
/// without one, the axis that the tensor makes. A module stands for its weight.
///
/// # Errors
/// A name of nothing, or a dimension that is not there.
pub fn axis(graph: &Graph, p: &Propagation, text: &str) -> Result<AxisRef, AxisError> {
    let (name, dim) = match text.strip_suffix(']').and_then(|t| t.rsplit_once('[')) {
        Some((name, dim)) => (name, Some(dim)),
        None => (text, None),
    };
    let names = graph.module_names();
    let own = || graph.tensors.iter().map(|t| t.name.as_str()).chain(graph.values.iter().map(|v| v.name.as_str()));
    let known = || own().chain(graph.aliases.iter().map(|a| a.name.as_str()));
    let dim = dim.map(|d| d.parse::<usize>().map_err(|_| AxisError::no_axis(text, known()))).transpose()?;
    let roles = Roles::new(graph, p);
    let exact = graph.tensors.iter().position(|t| t.name == name);
    // By a name of the exported module dimensions are counted as they are there.
    let alias = graph.alias(name).filter(|a| exact.is_none() && !a.doubtful);
    let aliased = alias.and_then(|a| a.tensors.first().copied());
    let tensor = exact.or(aliased).or_else(|| {
        let inside =
            |k: &usize| graph.tensors[*k].role == Role::Parameter && names[*k].rsplit_once('.').is_some_and(|(m, _)| m == name);
        let makes = |k: &usize| roles.makes[*k].contains(&true);
        let all = || (0..graph.tensors.len()).filter(inside);
        all().find(makes).or_else(|| all().next())
    });
    let (name, value, dim) = match tensor {
        Some(k) => {
            let made = roles.makes[k].iter().position(|m| *m).unwrap_or(0);
            let dim = match dim {
                Some(d @ (0 | 1)) if alias.is_some_and(|a| a.transposed) => 1 - d,
                Some(d) => d,
                None => made,
            };
            (graph.tensors[k].name.clone(), graph.tensors[k].value, dim)
        }
        None => {
            let found = graph.values.iter().rposition(|v| v.name == name);
            let at = found.ok_or_else(|| AxisError::no_axis(text, known()))?;
            (name.to_owned(), ValueId(at as u32), dim.unwrap_or(0))
        }
    };
    let dims = p.dims[value.index()].as_deref().unwrap_or(&[]);
    let id = dims.get(dim).copied().ok_or_else(|| AxisError::NoDimension { name: name.clone(), rank: dims.len(), dim })?;
    Ok(AxisRef { name: format!("{name}[{dim}]"), id })
}
