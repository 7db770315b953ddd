//! Axes: which positions of which tensors are the same, by the rules and the laws of cat and merge.

mod alias;
mod attach;
mod composite;
mod constant;
mod content;
mod derive;
mod egraph;
mod error;
mod fit;
mod fitted;
mod layout;
mod listed;
mod node;
mod norm;
mod propagate;
mod propagation;
mod sources;
mod spelled;
mod unknown;
mod unused;

pub use alias::Aliases;
pub use composite::{Composite, Digit, Split};
pub use constant::follow_lists;
pub use derive::{derive, held, numbers};
pub use egraph::{Axes, Axis, Chains, Link, Mismatch, Reason};
pub use error::{Derived, PropagateError};
pub use layout::{evenly, sections};
pub use node::{Bound, BoundLetter, BoundOperand, BoundOutput, Call, DimExpr, Edit, Given, LetterId, Parts, Sketch, Want};
pub use norm::Normed;
pub use propagate::propagate;
pub use propagation::{Joint, Propagation, Step, still_described};
pub use spelled::read_spellings;
pub use unused::{drop_unused, needed, only_checks};
