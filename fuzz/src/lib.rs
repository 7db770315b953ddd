//! What is done with the inputs that a fuzzer makes. `cargo test` of Paring does the same with those that were found.

pub mod mutate;
mod pack;
pub mod targets;

pub use pack::{Member, pack};
