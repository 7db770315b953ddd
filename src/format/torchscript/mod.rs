//! TorchScript archives: what `torch.jit.load`, C++ programs and libtorch run.

mod classes;
mod code;
mod expression;
mod interface;
mod pickled;
pub(super) mod read;
mod script;
mod write;

pub use interface::{Interface, Part};
pub use read::{Input, ScriptError};
pub use script::Script;
pub use write::{to_bytes, write};
