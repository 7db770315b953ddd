//! Axes: which positions of which tensors are the same, by the rules and the laws of cat and merge.

mod alias;
mod bound;
mod chain;
mod classes;
mod composite;
mod constant;
mod derive;
mod error;
mod fit;
mod laws;
mod layout;
mod norm;
mod propagate;
mod sketch;
mod term;
mod unknown;
mod unused;

pub use alias::Aliases;
pub use bound::{Bound, BoundLetter, BoundOperand, BoundOutput, DimExpr, Edit, Given, LetterId, Parts, Want};
pub use chain::{Chains, Link};
pub use classes::{Axes, Mismatch, Reason};
pub use composite::{Composite, Digit, Split};
pub use constant::follow_lists;
pub use derive::{derive, numbers};
pub use error::{Derived, PropagateError};
pub use layout::{evenly, sections};
pub use norm::Normed;
pub use propagate::{Joint, Propagation, Step, propagate, still_described};
pub use sketch::Call;
pub use term::Axis;
pub use unused::{drop_unused, needed, only_checks};
