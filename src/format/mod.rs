//! Files: archives of `torch.export.save` and of `torch.jit.save`, ONNX models, pickles, and masks.
//!
//! [`Archive`] opens a program's file without reading its weights and gives the [`Graph`](crate::model::Graph) in it;
//! [`write()`] puts an edited graph and its weights into a new archive; [`masks`] reads and writes safetensors files;
//! [`checkpoint`] reads and writes state dicts.

mod archive;
pub mod checkpoint;
mod error;
mod held;
mod layout;
pub mod leftovers;
pub mod masks;
mod named;
pub mod onnx;
mod output;
mod payload;
pub mod pickle;
mod pt2;
mod recognise;
mod sizes;
mod source;
mod state;
pub mod torchscript;
mod zip;

pub use archive::{Archive, copy, is_script, write, write_bytes};
pub use error::{FormatError, Malformed};
pub use held::HoldsAnother;
pub(crate) use layout::is_dense;
pub(crate) use output::Output;
pub use output::{Pending, persist_all, write_by, write_text};
pub use payload::{Fill, Payload};
pub use source::{Source, Watched, read_bytes, read_text, state_of, text_of};
