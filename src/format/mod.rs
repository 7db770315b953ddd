//! Files: archives of `torch.export.save` and of `torch.jit.save`, pickles, and masks.
//!
//! [`Archive`] opens a program's file without reading its weights and gives the [`Graph`](crate::model::Graph) in it;
//! [`write`] puts an edited graph and its weights into a new archive; [`masks`] reads and writes safetensors files;
//! [`checkpoint`] reads and writes state dicts.

mod archive;
pub mod checkpoint;
mod error;
pub mod masks;
mod output;
pub mod pickle;
mod pt2;
pub mod torchscript;
mod zip;

pub use archive::{Archive, copy, is_script, write, write_bytes};
pub use error::{FormatError, Malformed};
pub(crate) use output::Output;
pub use output::{Pending, persist_all, write_text};
pub use pt2::{Fill, Payload};

/// A text file's content.
///
/// # Errors
/// A file that cannot be read, or is no UTF-8.
pub fn read_text(path: &std::path::Path) -> Result<String, FormatError> {
    std::fs::read_to_string(path).map_err(FormatError::reading(path))
}
