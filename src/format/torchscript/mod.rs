//! TorchScript archives: what `torch.jit.load`, C++ programs and libtorch run.

mod classes;
mod code;
mod expression;
mod pickled;
mod write;

pub use write::{Script, to_bytes, write};
