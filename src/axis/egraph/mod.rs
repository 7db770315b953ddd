//! Terms of axes in an e-graph: what is the same, by the laws of cat and merge.

mod chain;
mod classes;
mod laws;
mod term;

pub use chain::{Chains, Link};
pub use classes::{Axes, Mismatch, Reason};
pub(super) use laws::common_factors;
pub use term::Axis;
