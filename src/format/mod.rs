//! Files: archives of `torch.export.save` and of `torch.jit.save`, ONNX models, pickles, and masks.
//!
//! [`Archive`] opens a program's file without reading its weights and gives the [`Graph`](crate::model::Graph) in it;
//! [`write()`] puts an edited graph and its weights into a new archive; [`masks`] reads and writes safetensors files;
//! [`checkpoint`] reads and writes state dicts.

mod archive;
pub mod checkpoint;
mod error;
pub mod leftovers;
pub mod masks;
mod named;
pub mod onnx;
mod output;
mod payload;
pub mod pickle;
mod pt2;
mod sizes;
mod source;
pub mod torchscript;
mod zip;

use std::fs::File;
use std::io::Read;
use std::path::Path;

pub use archive::{Archive, copy, is_script, write, write_bytes};
pub use error::{FormatError, Malformed};
pub(crate) use output::Output;
pub use output::{Pending, persist_all, write_text};
pub use payload::{Fill, Payload};
pub use source::Source;

/// Bytes of a text that is no regular file, such as a pipe: it may have no end.
const LONGEST_STREAM: u64 = 64 << 20;

/// A text file's content.
///
/// # Errors
/// A file that cannot be read, is no UTF-8, or has no end.
pub fn read_text(path: &Path) -> Result<String, FormatError> {
    text_of(path).map_err(FormatError::reading(path))
}

/// The same, with the system's error.
///
/// # Errors
/// As [`read_text`].
pub fn text_of(path: &Path) -> std::io::Result<String> {
    let file = File::open(path)?;
    let about = file.metadata()?;
    let mut text = String::new();
    if about.is_file() || about.is_dir() {
        (&file).read_to_string(&mut text)?;
        return Ok(text);
    }
    (&file).take(LONGEST_STREAM + 1).read_to_string(&mut text)?;
    match text.len() as u64 > LONGEST_STREAM {
        true => Err(std::io::Error::other(format!("it is no file, and has more than {} MB", LONGEST_STREAM >> 20))),
        false => Ok(text),
    }
}
