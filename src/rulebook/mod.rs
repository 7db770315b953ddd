//! What `paring rules` shows: which rules there are and which a model uses, a rule as a picture and in words, tests of
//! rules, and proposals for operators that have none.

mod case;
mod check;
mod error;
mod fit;
mod listing;
mod picture;
mod propose;
mod usage;
mod words;

pub use case::{Failure, run_case};
pub(crate) use case::{Plain, call};
pub use check::{Checked, Problem, check, problems};
pub use error::RulebookError;
pub use fit::fits;
pub use listing::{Listed, find, listing};
pub use picture::picture;
pub use propose::{Proposal, propose};
pub use usage::{Missing, Usage, Used, usage};
pub use words::describe;
