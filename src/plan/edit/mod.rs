//! Working the edits out: of stored tensors, of each node by its rule, of runs of layouts, of folded numbers, of branches and of masks
//! that go.

mod branch;
mod build;
mod composite;
mod fold;
mod ghost;
mod layout;
mod masked;
mod node;
mod numbers;
mod orphan;
mod planner;
mod repair;
mod rescale;
mod want;

pub use build::plan;
pub use masked::settle;
pub use planner::{Choices, Statistics};
