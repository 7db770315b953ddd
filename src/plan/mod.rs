//! The plan: what to change in a program and its weights so that it computes the same with fewer positions.
//!
//! A plan is made of [edits](Change); `edit` works them out, [`apply()`] makes them in a graph, `gather` and `weights` in stored tensors,
//! [transfer] in files of weights that the program has never seen.

mod apply;
mod change;
mod edit;
mod error;
mod gather;
mod json;
pub mod transfer;
mod unified;
mod weights;

pub use apply::apply;
pub use change::{Branch, Change, Edit, Elements, Keep, NewConstant, NewNode, NewValue, Plan};
pub use edit::{Choices, Statistics, plan, settle};
pub use error::PlanError;
pub use json::{arg as arg_json, to_json, write_json};
pub use unified::{Unified, Zeros, unified, write_unified};
pub use weights::{constant_bytes, payloads};
