//! Answers to "why": why two axes are the same, why one cannot shrink, why its positions stayed or went.

mod chain;
mod error;
mod fate;
mod meeting;
mod name;

pub use chain::{Chain, Evidence, Explainer, Step, same, stuck};
pub use error::AxisError;
pub use fate::{Fates, Run, fates};
pub(super) use fate::{blame, held, ranges, together};
pub use meeting::{Meeting, Meetings};
pub use name::{AxisRef, axis};
