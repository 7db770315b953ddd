//! Fitting a pattern to a node: which dimension is which letter, and how large each letter is.

mod given;
mod lengths;
mod pattern;
mod scope;
mod sizes;
mod state;

pub use pattern::fit;
