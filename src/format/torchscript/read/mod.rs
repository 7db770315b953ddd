//! Reads archives of `torch.jit.trace` and `torch.jit.save`.

mod archive;
mod ast;
mod builder;
mod call;
mod code;
mod element;
mod error;
mod expression;
mod follow;
mod fused;
mod input;
mod item;
mod number;
mod object;
mod overload;
mod program;
mod source;
mod syntax;

pub use archive::Archive;
pub use error::ScriptError;
pub use input::Input;
