//! Pickles as `torch.save` and `torch.jit.save` write them, read without executing anything.
//!
//! [`read()`] runs the pickle's stack machine over plain data. The few callables that rebuild tensors and plain containers are
//! known by name; a call of anything else becomes an [`Object`] that says what would have been called.

mod bytes;
mod error;
mod known;
mod literal;
mod machine;
mod read;
mod saved;
mod tree;
mod value;

pub use error::PickleError;
pub use read::{is_legacy, read};
pub(in crate::format) use saved::Saved;
pub use value::{Object, Pickle, TensorRef};
