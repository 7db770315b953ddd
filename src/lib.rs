//! Paring cuts pruned channels out of a traced PyTorch model.
//!
//! The pipeline reads like a sentence: load a program, propagate its axes, solve for what is kept, plan the edits, apply them.

pub mod axis;
pub mod model;
pub mod rule;
pub mod solve;
