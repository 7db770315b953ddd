//! What a rule makes of one node before any axis is known: letters, sizes and dimensions.

use smallvec::SmallVec;

use super::letters::{BoundLetter, BoundOperand, BoundOutput, DimExpr, Edit, Given, LetterId, Want};
use crate::model::{Size, ValueId};

/// A rule applied to sizes.
#[derive(Clone, Debug, Default)]
pub struct Sketch {
    /// The letters.
    pub letters: Vec<BoundLetter>,
    /// The operands.
    pub operands: Vec<BoundOperand>,
    /// The results.
    pub outputs: Vec<BoundOutput>,
    /// Results are copies of the operands' elements: letters that no result has are cut off, not summed.
    pub copies: bool,
    /// The number in elements that no operand gives (padding).
    pub fill: f64,
    /// Arguments that depend on sizes.
    pub edits: Vec<Edit>,
    /// Letters that may lose no position.
    pub locked: Vec<LetterId>,
    /// Letters of which one position alone would mean something else (a dimension that would be squeezed out).
    pub at_least_two: Vec<LetterId>,
    /// Letters of results that are an operand's here, each with that: it is not locked, whatever the rule says.
    pub through: Vec<(LetterId, LetterId)>,
}

impl Sketch {
    /// Adds a letter.
    pub fn letter(&mut self, name: impl Into<String>, size: Size) -> LetterId {
        self.letters.push(BoundLetter { name: name.into(), item: 0, size, made: false, free: false });
        self.letters.len() as LetterId - 1
    }

    /// Adds a letter that only results have.
    pub fn made(&mut self, name: impl Into<String>, size: Size, free: bool) -> LetterId {
        self.letters.push(BoundLetter { name: name.into(), item: 0, size, made: true, free });
        self.letters.len() as LetterId - 1
    }

    /// Adds an operand.
    pub fn operand(&mut self, arg: &str, value: ValueId, dims: Vec<DimExpr>) {
        self.operands.push(BoundOperand { arg: arg.into(), given: Given::Tensor(value), read: true, dims, at: SmallVec::new() });
    }

    /// Adds a result.
    pub fn output(&mut self, value: Option<ValueId>, dims: Vec<DimExpr>) {
        self.outputs.push(BoundOutput { value, dims, at: SmallVec::new() });
    }

    /// Says what an argument must be, if the layout got it by name.
    pub fn edit(&mut self, arg: Option<&str>, want: Want) {
        if let Some(arg) = arg {
            self.edits.push(Edit { arg: arg.into(), want, from_end: false });
        }
    }
}
