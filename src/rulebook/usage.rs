//! Which rules a model uses, and which of its operators have none.

use indexmap::IndexMap;
use serde::Serialize;

use crate::axis::{Propagation, Step};
use crate::model::Graph;
use crate::rule::RuleSet;

/// A rule that a model uses.
#[derive(Clone, Debug, Serialize)]
pub struct Used {
    /// The operator, with its overload.
    pub op: String,
    /// How many nodes the rule describes.
    pub nodes: usize,
    /// The rule file and the line of the entry.
    pub place: String,
    /// Whether the rule is built into the program.
    pub built_in: bool,
}

/// An operator of a model that no rule describes.
#[derive(Clone, Debug, Serialize)]
pub struct Missing {
    /// The operator, with its overload.
    pub op: String,
    /// How many nodes call it.
    pub nodes: usize,
    /// Why no rule describes them.
    pub why: String,
    /// The Python line of the first of them.
    pub line: Option<String>,
}

/// The rules that a model uses.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Usage {
    /// Operators with a rule, most nodes first.
    pub used: Vec<Used>,
    /// Operators without.
    pub missing: Vec<Missing>,
}

/// Finds the rule of every node of a graph with these axes.
pub fn usage(graph: &Graph, rules: &RuleSet, axes: &Propagation) -> Usage {
    let mut used: IndexMap<(&str, String), Used> = IndexMap::new();
    let mut missing: IndexMap<(&str, &str), Missing> = IndexMap::new();
    for (node, step) in graph.nodes.iter().zip(&axes.steps) {
        match step {
            Step::Bound(bound) | Step::Part(_, bound) => {
                let place = bound.rule.place.to_string();
                let new =
                    || Used { op: node.target.clone(), nodes: 0, place: place.clone(), built_in: !rules.is_own(&bound.rule) };
                used.entry((&node.target, place.clone())).or_insert_with(new).nodes += 1;
            }
            Step::Unknown(why) => {
                let new = || Missing { op: node.target.clone(), nodes: 0, why: why.clone(), line: node.source.line() };
                missing.entry((&node.target, why)).or_insert_with(new).nodes += 1;
            }
            Step::Nothing => {}
        }
    }
    let mut usage = Usage { used: used.into_values().collect(), missing: missing.into_values().collect() };
    usage.used.sort_by(|a, b| b.nodes.cmp(&a.nodes).then_with(|| a.op.cmp(&b.op)));
    usage.missing.sort_by(|a, b| b.nodes.cmp(&a.nodes).then_with(|| a.op.cmp(&b.op)));
    usage
}
