//! What a plan is: edits of a program and its weights, in order, each with its reason.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::model::{Arg, Content, DType, NodeId, Size, ValueId};
use crate::solve::Link;

/// Ordered edits of a program and its weights.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The edits.
    pub edits: Vec<Edit>,
    /// Values that the plan adds; their ids follow those of the program.
    pub values: Vec<NewValue>,
    /// Constants that the plan adds.
    pub constants: Vec<NewConstant>,
    /// Statistics that were left approximate, by node.
    pub approximate: Vec<NodeId>,
    /// Statistics over fewer positions that compute what they did before, by node.
    pub repaired: Vec<NodeId>,
    /// Numbers computed from sizes that become others by themselves.
    pub numbers: Vec<(ValueId, Size)>,
    /// What small tensors hold after the cut, of those that hold something else then; `None` where that is not known.
    pub contents: Vec<(ValueId, Option<Content>)>,
    /// Nodes to whose results a constant is added, and that.
    pub maps: Vec<(NodeId, ValueId)>,
    /// Branches that went as a whole, since all that they add is zero.
    pub branches: Vec<Branch>,
}

impl Plan {
    /// Scales that take up what goes of another tensor, and that one.
    pub fn rescaled(&self) -> Vec<(usize, usize)> {
        let pair = |e: &Edit| if let Change::Rescale { tensor, of } = e.change { Some((tensor, of)) } else { None };
        self.edits.iter().filter_map(pair).collect()
    }

    /// Tensors that are multiplied by zeros and ones of the program, and those.
    pub fn masked(&self) -> FxHashMap<usize, usize> {
        let pair = |e: &Edit| if let Change::Mask { tensor, by } = e.change { Some((tensor, by)) } else { None };
        self.edits.iter().filter_map(pair).collect()
    }

    /// Tensors that are stored no more.
    pub fn removed(&self) -> FxHashSet<usize> {
        let one = |e: &Edit| if let Change::Remove { tensor } = e.change { Some(tensor) } else { None };
        self.edits.iter().filter_map(one).collect()
    }
}

/// One change and its reason.
#[derive(Clone, Debug)]
pub struct Edit {
    /// The change.
    pub change: Change,
    /// Why.
    pub reason: String,
}

/// A change.
#[derive(Clone, Debug)]
pub enum Change {
    /// Keep only these positions of a dimension of a stored tensor, in this order.
    Slice {
        /// Index into the program's tensors.
        tensor: usize,
        /// The dimension.
        dim: usize,
        /// The kept positions.
        keep: Keep,
    },
    /// Add numbers to a stored tensor of one dimension: what removed positions added.
    Fold {
        /// Index into the program's tensors.
        tensor: usize,
        /// What is added, by position before the cut.
        add: Vec<f64>,
    },
    /// Multiply a stored tensor by the norm of what stays of another over the norm of all of it: that of the elements which it is
    /// broadcast with. Where nothing but zeros stays, it becomes zero and the other one.
    Rescale {
        /// Index into the program's tensors.
        tensor: usize,
        /// The one that is divided by its norm.
        of: usize,
    },
    /// Multiply a stored tensor by another one of its sizes, of zeros and ones.
    Mask {
        /// Index into the program's tensors.
        tensor: usize,
        /// The zeros and ones.
        by: usize,
    },
    /// Call a stored tensor by another name.
    Rename {
        /// Index into the program's tensors.
        tensor: usize,
        /// Its new name.
        to: String,
    },
    /// Store a tensor no more: nothing reads it.
    Remove {
        /// Index into the program's tensors.
        tensor: usize,
    },
    /// Leave out a node: what reads its one result reads another value, or nothing reads any more.
    Bypass {
        /// The node.
        node: NodeId,
        /// What is read in place of its result.
        value: Option<ValueId>,
    },
    /// Give an argument another value.
    Set {
        /// The node.
        node: NodeId,
        /// The argument.
        arg: String,
        /// Its new value.
        to: Arg,
    },
    /// Call another operator with the same results.
    Become {
        /// The node.
        node: NodeId,
        /// The operator.
        target: String,
        /// Its arguments.
        args: Vec<(String, Arg)>,
    },
    /// Put nodes after a node, or in its place.
    Insert {
        /// The node.
        node: NodeId,
        /// The node's own first result under a new name; `None` if the node is dropped.
        original: Option<ValueId>,
        /// The new nodes; the last gives the node's result.
        nodes: Vec<NewNode>,
    },
    /// Remove a node.
    Drop {
        /// The node.
        node: NodeId,
    },
    /// A value has other sizes (inside a run of layouts).
    Resize {
        /// The value.
        value: ValueId,
        /// The new sizes by dimension.
        sizes: Vec<Size>,
    },
}

impl Change {
    /// The node that changes.
    pub fn node(&self) -> Option<NodeId> {
        match self {
            Change::Set { node, .. }
            | Change::Become { node, .. }
            | Change::Insert { node, .. }
            | Change::Bypass { node, .. }
            | Change::Drop { node } => Some(*node),
            Change::Slice { .. }
            | Change::Fold { .. }
            | Change::Rescale { .. }
            | Change::Mask { .. }
            | Change::Rename { .. }
            | Change::Remove { .. }
            | Change::Resize { .. } => None,
        }
    }
}

/// Kept positions of a dimension, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Keep {
    /// The same ones everywhere.
    Same(Vec<u32>),
    /// Others for each outer position, which another dimension tells; equally many for each.
    By {
        /// How the other dimension tells it.
        link: Link<usize>,
        /// A list for each outer position; empty where that position itself goes.
        lists: Vec<Vec<u32>>,
    },
}

impl Keep {
    /// Number of positions that stay.
    pub fn len(&self) -> usize {
        match self {
            Keep::Same(list) => list.len(),
            Keep::By { lists, .. } => lists.iter().map(Vec::len).max().unwrap_or(0),
        }
    }

    /// True if nothing stays.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A node that the plan adds.
#[derive(Clone, Debug)]
pub struct NewNode {
    /// The operator.
    pub target: String,
    /// Its arguments.
    pub args: Vec<(String, Arg)>,
    /// Its result.
    pub output: ValueId,
}

/// A value that the plan adds.
#[derive(Clone, Debug)]
pub struct NewValue {
    /// Its name.
    pub name: String,
    /// A value with the same element type.
    pub like: ValueId,
}

/// A constant that the plan adds.
#[derive(Clone, Debug)]
pub struct NewConstant {
    /// Its name in the state.
    pub name: String,
    /// Its value in the graph.
    pub value: ValueId,
    /// Its sizes.
    pub shape: Vec<usize>,
    /// Its elements, row-major.
    pub data: Elements,
}

/// The elements of a new constant.
#[derive(Clone, Debug, PartialEq)]
pub enum Elements {
    /// Positions (64-bit integers).
    Positions(Vec<i64>),
    /// Numbers, and their element type in the file.
    Numbers(DType, Vec<f64>),
}

impl Elements {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Elements::Positions(list) => list.len(),
            Elements::Numbers(_, list) => list.len(),
        }
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        match self {
            Elements::Positions(_) => DType::I64,
            Elements::Numbers(dtype, _) => *dtype,
        }
    }
}

/// A branch that went as a whole.
#[derive(Clone, Debug)]
pub struct Branch {
    /// The node that added it.
    pub node: NodeId,
    /// The nodes that only made what it added.
    pub nodes: Vec<NodeId>,
    /// The stored tensors that went with it.
    pub tensors: Vec<usize>,
}
