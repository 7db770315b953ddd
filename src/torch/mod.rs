//! Running programs with libtorch, PyTorch's own library: the proof that a small model is right, and how much faster it is.
//!
//! A graph is lowered to a TorchScript archive in memory, so there is no code for any operator here.

mod error;
mod inputs;
mod program;
pub mod rules;

pub use error::TorchError;
pub use inputs::{Inputs, read_inputs, write_outputs};
pub use program::{Device, Precision, Program, Setup};
