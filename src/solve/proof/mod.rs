//! The proof that what goes contributes nothing: facts of values, by the rules' clauses, in order of execution.

mod alike;
mod blame;
mod clauses;
mod exact;
mod express;
mod facts;
mod failure;
mod fold;
mod lists;
mod number;
mod prove;
mod scene;
mod site;
mod source;
mod sums;
mod uniform;
mod windows;
mod written;

pub use blame::Blame;
pub use clauses::Clauses;
pub use exact::Exact;
pub use express::inexpressible;
pub use facts::{FINITE, NONNEG, NONZERO, ValueFacts, ZERO};
pub use failure::Failure;
pub use lists::{parts_value, progression, ranks};
pub use prove::Proof;
pub use site::Fold;
pub use source::{Known, Sources};
pub use sums::Folding;
pub use uniform::{Ghost, Uniform};
