//! Weights that are divided by their norm (`norm:` in rules): the stored tensors that such a node reads.

use super::alias::Aliases;
use crate::model::{Arg, Graph, Node, Role, ValueId};
use crate::rule::Rule;

/// The stored tensors of a weight that is divided by its norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Normed {
    /// What is divided by its norm: index into the program's tensors.
    pub of: usize,
    /// What it is multiplied by then.
    pub scale: usize,
}

/// The tensors that a rule's `norm:` means at a node; `None` where one is not stored, or where something else reads it too: then no
/// number could be moved from one into the other.
pub(super) fn normed(graph: &Graph, aliases: &Aliases, node: &Node, rule: &Rule) -> Option<Normed> {
    let norm = rule.norm.as_ref()?;
    let stored = |name: &str| {
        let Some(Arg::Tensor(value)) = node.arg(name) else { return None };
        let k = graph.tensors.iter().position(|t| t.value == *value)?;
        let t = &graph.tensors[k];
        let alone = graph.tensors.iter().filter(|o| o.storage == t.storage).count() == 1;
        let plain = t.role != Role::Constant && t.dtype.is_float() && !t.updated && !aliases.written(*value);
        (alone && plain && only_here(graph, node, *value)).then_some(k)
    };
    let (of, scale) = (stored(&norm.of)?, stored(&norm.scale)?);
    // Each dimension of the scale is one of the operand's, or of one position.
    let (big, small) = (&graph.tensors[of].shape, &graph.tensors[scale].shape);
    let fits = small.is_empty() || small.len() == big.len() && small.iter().zip(big).all(|(s, b)| s == b || *s == 1);
    fits.then_some(Normed { of, scale })
}

/// True if nothing reads a value but this call, perhaps made several times.
fn only_here(graph: &Graph, node: &Node, value: ValueId) -> bool {
    let reads = |n: &&Node| n.args.iter().any(|(_, a)| a.tensors().contains(&value));
    !graph.outputs.contains(&value)
        && graph.nodes.iter().filter(reads).all(|n| n.target == node.target && n.args == node.args && n.graph == 0)
}
