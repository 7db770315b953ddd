//! Which tensors share memory, and which of them are written in place.
//!
//! An exported graph is not functional: `relu_` and `copy_` write their operand, and a write through a view changes the
//! base and its other views under their old names.

use crate::model::{Graph, NodeId, ValueId};
use crate::rule::{Rule, RuleSet};

/// Memory shared between values.
#[derive(Clone, Debug, Default)]
pub struct Aliases {
    parent: Vec<Option<(ValueId, NodeId)>>,
    written: Vec<bool>,
    writes: Vec<Vec<ValueId>>,
}

impl Aliases {
    /// Reads views and writes off the rules and, where they do not say, the operators' schemas.
    pub fn new(graph: &Graph, rules: &RuleSet, rule_of: impl Fn(NodeId) -> Option<std::sync::Arc<Rule>>) -> Aliases {
        let mut aliases = Aliases {
            parent: vec![None; graph.values.len()],
            written: vec![false; graph.values.len()],
            writes: vec![Vec::new(); graph.nodes.len()],
        };
        for id in graph.node_ids() {
            let node = graph.node(id);
            let rule = rule_of(id);
            let schema = rules.schemas().get(&node.target);
            let tensors = |name: &str| node.arg(name).map(|a| a.tensors()).unwrap_or_default();
            let written: Vec<String> = match rule.as_ref().and_then(|r| r.writes.clone()) {
                Some(names) => names,
                None => schema.map(|s| s.written().iter().map(ToString::to_string).collect()).unwrap_or_default(),
            };
            aliases.writes[id.index()] = written.iter().flat_map(|n| tensors(n)).collect();
            let viewed = rule.as_ref().and_then(|r| r.views.clone()).or_else(|| schema.and_then(|s| s.viewed().map(Into::into)));
            let base = aliases.writes[id.index()].first().copied().or_else(|| tensors(&viewed?).first().copied());
            if let Some(base) = base {
                for out in &node.outputs {
                    aliases.parent[out.index()] = Some((base, id));
                }
            }
        }
        for id in graph.node_ids() {
            for value in aliases.writes[id.index()].clone() {
                let root = aliases.root(value);
                aliases.written[root.index()] = true;
            }
        }
        aliases
    }

    /// The same before it is known which rule fits each node: of several, the first that says something of memory.
    pub fn unfitted(graph: &Graph, rules: &RuleSet) -> Aliases {
        let describing =
            |target: &str| rules.for_target(target).iter().find(|r| r.writes.is_some() || r.views.is_some()).cloned();
        Aliases::new(graph, rules, |id| describing(&graph.node(id).target))
    }

    /// The value that owns the memory.
    pub fn root(&self, mut value: ValueId) -> ValueId {
        while let Some((parent, _)) = self.parent[value.index()] {
            value = parent;
        }
        value
    }

    /// What this value is a view of, and the node that made the view.
    pub fn parent(&self, value: ValueId) -> Option<(ValueId, NodeId)> {
        self.parent[value.index()]
    }

    /// True if the memory behind the value is written somewhere after it was made.
    pub fn written(&self, value: ValueId) -> bool {
        self.written[self.root(value).index()]
    }

    /// The operands that a node writes.
    pub fn writes(&self, node: NodeId) -> &[ValueId] {
        &self.writes[node.index()]
    }
}
