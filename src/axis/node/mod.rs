//! A rule at one node.

mod bound;
mod call;
mod letters;
mod sketch;

pub use bound::Bound;
pub use call::{Call, dim};
pub use letters::{BoundLetter, BoundOperand, BoundOutput, DimExpr, Edit, Given, LetterId, Parts, Want};
pub use sketch::Sketch;
