//! Files: archives of `torch.export.save`, and masks.
//!
//! [`Archive`] opens a `.pt2` file without reading its weights and gives the [`Graph`](crate::model::Graph) in it;
//! [`write`] puts an edited graph and its weights into a new archive; [`masks`] reads and writes safetensors files;
//! [`checkpoint`] reads and writes state dicts.

pub mod checkpoint;
mod error;
pub mod masks;
mod output;
pub mod pickle;
mod pt2;
pub mod torchscript;
mod zip;

pub use error::{FormatError, Malformed};
pub(crate) use output::Output;
pub use output::{Pending, persist_all, write_text};
pub use pt2::{Archive, Fill, Payload, copy, write};
