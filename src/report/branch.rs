//! Branches that went as a whole, since all that they add is zero.

use indexmap::IndexSet;
use rustc_hash::FxHashSet;
use serde::Serialize;

use crate::model::{Graph, Role};
use crate::plan::{Branch, Plan};
use crate::solve::Conflict;

/// A branch that went as a whole.
#[derive(Clone, Debug, Serialize)]
pub struct Gone {
    /// The node that added it.
    pub at: String,
    /// The modules whose parameters and buffers went.
    pub modules: Vec<String>,
    /// How many parameters these had.
    pub parameters: u64,
    /// The Python line of the node, if there is one.
    pub line: Option<String>,
}

/// The branches that a plan leaves out.
pub(super) fn gone(graph: &Graph, plan: &Plan) -> Vec<Gone> {
    let module = |k: &usize| graph.tensors[*k].name.rsplit_once('.').map_or("", |(module, _)| module).to_owned();
    let first = graph.first_names();
    let counted = |k: &&usize| graph.tensors[**k].role == Role::Parameter && first[**k] == **k;
    let one = |b: &Branch| Gone {
        at: graph.node(b.node).name.clone(),
        modules: b.tensors.iter().map(module).collect::<IndexSet<_>>().into_iter().collect(),
        parameters: b.tensors.iter().filter(counted).map(|k| graph.tensors[*k].numel() as u64).sum(),
        line: graph.node(b.node).source.line(),
    };
    plan.branches.iter().map(one).collect()
}

/// The conflicts that are left where these tensors went as a whole: their masks no longer ask for anything.
pub(super) fn without(graph: &Graph, conflicts: &[Conflict], went: &FxHashSet<usize>) -> Vec<Conflict> {
    let went: FxHashSet<&str> = went.iter().map(|k| graph.tensors[*k].name.as_str()).collect();
    let left = conflicts.iter().cloned().map(|mut c| {
        c.drop.retain(|name| !went.contains(name.as_str()));
        c.keep.retain(|name| !went.contains(name.as_str()));
        c
    });
    left.filter(|c| !c.drop.is_empty() && !c.keep.is_empty()).collect()
}
