//! Running programs with libtorch, PyTorch's own library: the proof that a small model is right, and how much faster it is.
//!
//! A graph is lowered to a TorchScript archive in memory, so there is no code for any operator here.

mod bench;
mod bounds;
mod compare;
mod dtype;
mod error;
mod inputs;
mod library;
mod locate;
mod memory;
mod program;
mod setup;
mod text;
mod timing;
mod trials;
mod verdict;
mod verify;

pub use bench::bench;
pub use error::{Differs, TorchError};
pub use inputs::{Inputs, read_inputs, write_outputs};
pub use memory::{Memory, memory};
pub use program::Program;
pub use setup::{Device, Precision, Setup, threads};
pub use text::{timings_text, verdict_text};
pub use timing::Timing;
pub use trials::Libtorch;
pub use verdict::{Difference, OutputError, Verdict, Verify};
pub use verify::{prove, verify};
