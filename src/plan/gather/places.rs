//! The kept places of a tensor's dimensions.

use std::collections::HashMap;

use crate::model::Graph;
use crate::plan::change::{Change, Keep, Plan};
use crate::solve::Link;

/// The kept places of one dimension of a tensor.
pub enum Places {
    /// The same ones everywhere.
    Same(Vec<usize>),
    /// A list for each outer position.
    By(Link<usize>, Vec<Vec<usize>>),
}

impl Places {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Places::Same(list) => list.len(),
            Places::By(_, lists) => lists.iter().map(Vec::len).max().unwrap_or(0),
        }
    }

    /// Those at the outer position that `path` tells, which holds the places of earlier dimensions.
    pub fn at(&self, path: &[usize]) -> &[usize] {
        match self {
            Places::Same(list) => list,
            Places::By(link, lists) => lists.get(link.outer_of(path[link.at])).map(Vec::as_slice).unwrap_or(&[]),
        }
    }
}

/// The kept places of all dimensions of a tensor.
pub fn places_of(kept: &HashMap<(usize, usize), &Keep>, graph: &Graph, k: usize) -> Vec<Places> {
    let shape = &graph.tensors[k].shape;
    (0..shape.len()).map(|d| places(kept.get(&(k, d)).copied(), shape[d])).collect()
}

/// What each dimension that is cut keeps.
pub fn slices(plan: &Plan) -> HashMap<(usize, usize), &Keep> {
    let mut found = HashMap::new();
    for edit in &plan.edits {
        if let Change::Slice { tensor, dim, keep } = &edit.change {
            found.insert((*tensor, *dim), keep);
        }
    }
    found
}

fn places(found: Option<&Keep>, size: usize) -> Places {
    let wide = |list: &Vec<u32>| list.iter().map(|p| *p as usize).collect();
    match found {
        None => Places::Same((0..size).collect()),
        Some(Keep::Same(list)) => Places::Same(wide(list)),
        Some(Keep::By { link, lists }) => Places::By(*link, lists.iter().map(wide).collect()),
    }
}
