//! Running programs with libtorch, PyTorch's own library: the proof that a small model is right, and how much faster it is.
//!
//! A graph is lowered to a TorchScript archive in memory, so there is no code for any operator here.

mod bench;
mod compare;
mod error;
mod inputs;
mod library;
mod locate;
mod memory;
mod program;
pub mod rules;
mod text;
mod verify;

pub use bench::{Timing, bench};
pub use error::{Differs, TorchError};
pub use inputs::{Inputs, read_inputs, write_outputs};
pub use memory::{Memory, memory};
pub use program::{Device, Precision, Program, Setup, threads};
pub use text::{timings_text, verdict_text};
pub use verify::{Difference, OutputError, Verdict, Verify, prove, verify};
