//! Archives of `torch.export.save`: a zip of JSON and raw payloads.

mod archive;
mod args;
mod calls;
mod config;
mod control;
mod dtype;
mod enter;
mod error;
mod json;
mod names;
mod order;
mod parts;
mod patch;
mod placeholders;
mod read;
mod scope;
mod source;
mod sym;
mod tree;
mod values;
mod visible;
mod weights;
mod write;

pub use archive::Archive;
pub use error::Pt2Error;
pub(super) use write::{write, write_to};
