//! Letters: the axes that a rule names at one node, and where they stand in each operand and result.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::model::{Size, ValueId};
use crate::rule::Expr;

/// Index into the letters of a rule at a node.
pub type LetterId = u32;

/// One dimension in terms of letters.
#[derive(Clone, Debug, PartialEq)]
pub enum DimExpr {
    /// A dimension of size one that no letter stands for: broadcast, or written as 1.
    One,
    /// A letter.
    Letter(LetterId),
    /// All tuples, row-major.
    Product(Vec<DimExpr>),
    /// One after another.
    Sum(Vec<DimExpr>),
    /// The listed positions of a letter.
    Pick(LetterId, Arc<[u32]>),
}

/// An axis as a rule names it at one node.
#[derive(Clone, Debug)]
pub struct BoundLetter {
    /// Its name in the rule.
    pub name: String,
    /// Which dimension of an ellipsis it is.
    pub item: usize,
    /// Number of positions.
    pub size: Size,
    /// Only results have it.
    pub made: bool,
    /// Made by the operator and free to lose positions.
    pub free: bool,
}

impl BoundLetter {
    /// Number of positions to work with: of a symbolic axis, which is locked, those in the traced example.
    pub fn len(&self) -> usize {
        self.size.hint().and_then(|n| usize::try_from(n).ok()).unwrap_or(1)
    }

    /// True if it has no positions.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What stands in an operand's place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Given {
    /// A tensor.
    Tensor(ValueId),
    /// A number, written or (for a missing operand) implied.
    Number(f64),
}

/// An operand of a rule at a node.
#[derive(Clone, Debug)]
pub struct BoundOperand {
    /// The argument's name.
    pub arg: String,
    /// What was passed.
    pub given: Given,
    /// False where the operator does not look at the values.
    pub read: bool,
    /// Its dimensions.
    pub dims: Vec<DimExpr>,
    /// Letters of size one at which the tensor stands without having the dimension (an item of a stack).
    pub at: SmallVec<[LetterId; 1]>,
}

/// A result of a rule at a node.
#[derive(Clone, Debug)]
pub struct BoundOutput {
    /// The tensor; `None` if the program does not use this result.
    pub value: Option<ValueId>,
    /// Its dimensions.
    pub dims: Vec<DimExpr>,
    /// As in [`BoundOperand::at`] (a selected position).
    pub at: SmallVec<[LetterId; 1]>,
}

/// What an argument must be, in terms of the letters' sizes.
#[derive(Clone, Debug)]
pub enum Want {
    /// One size.
    Size(DimExpr),
    /// A list of sizes.
    Sizes(Vec<DimExpr>),
    /// A rule's formula.
    Formula(Expr),
    /// Parts of these sizes, as a list, from a number of parts, or from a size of each.
    Parts(Vec<LetterId>, Parts),
    /// Listed positions of a letter. No argument can say other ones: what is left of them is gathered instead.
    Places(LetterId, Arc<[u32]>),
    /// Start, end and step of a strided slice over a letter; the arguments' names.
    Stride(LetterId, Arc<[u32]>, [String; 3]),
}

/// How an argument states the sizes of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// A size for each.
    Listed,
    /// The size of all but the last.
    Each,
    /// The number of parts, each but the last ones of the rounded-up share.
    Chunks,
    /// The number of parts, the first ones larger by one.
    Sections,
    /// The inner borders.
    Borders,
}

/// An argument and what it must be.
#[derive(Clone, Debug)]
pub struct Edit {
    /// The argument's name.
    pub arg: String,
    /// Its value.
    pub want: Want,
    /// It counts from the end, so that it must be rewritten even where the value from the start is unchanged.
    pub from_end: bool,
}

impl DimExpr {
    /// Letters in this dimension.
    pub fn letters(&self) -> SmallVec<[LetterId; 4]> {
        let mut out = SmallVec::new();
        self.each_letter(&mut |l| out.push(l));
        out
    }

    /// Puts one letter in the place of another.
    pub fn rename(&mut self, from: LetterId, to: LetterId) {
        match self {
            DimExpr::One => {}
            DimExpr::Letter(l) | DimExpr::Pick(l, _) if *l == from => *l = to,
            DimExpr::Letter(_) | DimExpr::Pick(..) => {}
            DimExpr::Product(parts) | DimExpr::Sum(parts) => parts.iter_mut().for_each(|p| p.rename(from, to)),
        }
    }

    fn each_letter(&self, f: &mut impl FnMut(LetterId)) {
        match self {
            DimExpr::One => {}
            DimExpr::Letter(l) | DimExpr::Pick(l, _) => f(*l),
            DimExpr::Product(parts) | DimExpr::Sum(parts) => parts.iter().for_each(|p| p.each_letter(f)),
        }
    }

    /// The size, given the letters' sizes.
    pub fn size(&self, of: &impl Fn(LetterId) -> Size) -> Size {
        match self {
            DimExpr::One => Size::int(1),
            DimExpr::Letter(l) => of(*l),
            DimExpr::Product(parts) => parts.iter().fold(Size::int(1), |n, p| n.mul(&p.size(of))),
            DimExpr::Sum(parts) => parts.iter().fold(Size::int(0), |n, p| n.add(&p.size(of))),
            DimExpr::Pick(_, list) => Size::from(list.len()),
        }
    }

    /// Number of positions, as [`BoundLetter::len`].
    pub fn len(&self, letters: &[BoundLetter]) -> usize {
        match self {
            DimExpr::One => 1,
            DimExpr::Letter(l) => letters[*l as usize].len(),
            DimExpr::Product(parts) => parts.iter().map(|p| p.len(letters)).product(),
            DimExpr::Sum(parts) => parts.iter().map(|p| p.len(letters)).sum(),
            DimExpr::Pick(_, list) => list.len(),
        }
    }

    /// Writes the letters' coordinates at a position into `coords`; letters of a [`DimExpr::Sum`]'s other parts stay
    /// as they are.
    pub fn decode(&self, mut position: usize, letters: &[BoundLetter], coords: &mut [Option<u32>]) {
        match self {
            DimExpr::One => {}
            DimExpr::Letter(l) => coords[*l as usize] = Some(position as u32),
            DimExpr::Pick(l, list) => coords[*l as usize] = list.get(position).copied(),
            DimExpr::Product(parts) => {
                for part in parts.iter().rev() {
                    let n = part.len(letters).max(1);
                    part.decode(position % n, letters, coords);
                    position /= n;
                }
            }
            DimExpr::Sum(parts) => {
                for part in parts {
                    let n = part.len(letters);
                    if position < n {
                        return part.decode(position, letters, coords);
                    }
                    position -= n;
                }
            }
        }
    }
}

impl BoundOperand {
    /// The dimensions in which a letter stands.
    pub fn holds(&self, letter: LetterId) -> bool {
        self.dims.iter().any(|d| d.letters().contains(&letter)) || self.at.contains(&letter)
    }
}
