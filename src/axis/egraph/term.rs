//! The terms of the axis algebra, as an egg language, and what is known of a class of equal axes.
//!
//! A slice is a part of a `cat` and a digit a part of a `merge`: whoever cuts an axis adds all of its pieces and says that
//! the axis is the cat (merge) of them, so that neither needs a term of its own and alignment is the only law.

use std::fmt;
use std::sync::Arc;

use egg::{Analysis, DidMerge, EGraph, FromOp, Id, Language};

use crate::model::Size;

/// An axis: an ordered set of positions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Axis {
    /// An axis of its own; the number tells leaves apart.
    Leaf(u32),
    /// The positions of the first, then those of the next, …
    Cat(Box<[Id]>),
    /// All tuples of positions, the first outermost (row-major).
    Merge(Box<[Id]>),
    /// The positions of an axis that the list names, in its order.
    Pick([Id; 1], Arc<[u32]>),
}

impl Language for Axis {
    type Discriminant = (u8, usize, u64);

    fn discriminant(&self) -> Self::Discriminant {
        match self {
            Axis::Leaf(n) => (0, 0, u64::from(*n)),
            Axis::Cat(parts) => (1, parts.len(), 0),
            Axis::Merge(parts) => (2, parts.len(), 0),
            Axis::Pick(_, list) => (3, list.len(), list.first().copied().unwrap_or(0).into()),
        }
    }

    fn matches(&self, other: &Self) -> bool {
        match (self, other) {
            (Axis::Leaf(a), Axis::Leaf(b)) => a == b,
            (Axis::Cat(a), Axis::Cat(b)) | (Axis::Merge(a), Axis::Merge(b)) => a.len() == b.len(),
            (Axis::Pick(_, a), Axis::Pick(_, b)) => a == b,
            _ => false,
        }
    }

    fn children(&self) -> &[Id] {
        match self {
            Axis::Leaf(_) => &[],
            Axis::Cat(parts) | Axis::Merge(parts) => parts,
            Axis::Pick(of, _) => of,
        }
    }

    fn children_mut(&mut self) -> &mut [Id] {
        match self {
            Axis::Leaf(_) => &mut [],
            Axis::Cat(parts) | Axis::Merge(parts) => parts,
            Axis::Pick(of, _) => of,
        }
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Axis::Leaf(n) => write!(f, "a{n}"),
            Axis::Cat(_) => write!(f, "cat"),
            Axis::Merge(_) => write!(f, "merge"),
            Axis::Pick(..) => write!(f, "pick"),
        }
    }
}

/// Terms are never parsed; egg's explanations ask for the trait.
impl FromOp for Axis {
    type Error = String;

    fn from_op(op: &str, _: Vec<Id>) -> Result<Self, Self::Error> {
        Err(format!("`{op}` cannot be read back as an axis"))
    }
}

/// What is known of a class of equal axes.
#[derive(Clone, Debug)]
pub struct Info {
    /// Number of positions.
    pub size: Size,
    /// All positions stay.
    pub locked: bool,
    /// One e-node that says of which parts the axis is the cat; all others are aligned with it.
    pub cat: Option<Id>,
    /// Likewise for merge.
    pub merge: Option<Id>,
}

/// Two descriptions of one axis that still have to be aligned (ids of e-nodes).
#[derive(Clone, Copy, Debug)]
pub enum Todo {
    /// Two cats.
    Cats(Id, Id),
    /// Two merges.
    Merges(Id, Id),
    /// A cat and a merge.
    CatMerge(Id, Id),
}

/// The analysis: sizes of leaves, and a worklist that unions fill.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Size of every leaf, by its number.
    pub leaves: Vec<Size>,
    /// Alignments still to do.
    pub todo: Vec<Todo>,
}

impl Analysis<Axis> for Facts {
    type Data = Info;

    fn make(eg: &mut EGraph<Axis, Self>, node: &Axis, id: Id) -> Info {
        let of = |id: &Id| eg[*id].data.size.clone();
        let size = match node {
            Axis::Leaf(n) => eg.analysis.leaves.get(*n as usize).cloned().unwrap_or_else(|| Size::int(0)),
            Axis::Cat(parts) => parts.iter().fold(Size::int(0), |sum, p| sum.add(&of(p))),
            Axis::Merge(parts) => parts.iter().fold(Size::int(1), |product, p| product.mul(&of(p))),
            Axis::Pick(_, list) => Size::from(list.len()),
        };
        Info {
            size,
            locked: false,
            cat: matches!(node, Axis::Cat(_)).then_some(id),
            merge: matches!(node, Axis::Merge(_)).then_some(id),
        }
    }

    fn merge(&mut self, a: &mut Info, b: Info) -> DidMerge {
        if let (Some(x), Some(y)) = (a.cat, b.cat) {
            self.todo.push(Todo::Cats(x, y));
        }
        if let (Some(x), Some(y)) = (a.merge, b.merge) {
            self.todo.push(Todo::Merges(x, y));
        }
        let had_both = a.cat.is_some() && a.merge.is_some();
        if let (Some(x), Some(y), false) = (a.cat.or(b.cat), a.merge.or(b.merge), had_both) {
            self.todo.push(Todo::CatMerge(x, y));
        }
        a.cat = a.cat.or(b.cat);
        a.merge = a.merge.or(b.merge);
        a.locked |= b.locked;
        DidMerge(false, false) // sizes are equal and no parent's data depends on the rest
    }
}
