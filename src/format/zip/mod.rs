//! Zip files, which all of PyTorch's formats are: members of a mapped file, and a writer that copies nothing twice.

mod error;
mod members;
mod writer;

pub use error::ArchiveError;
pub(super) use members::{Member, Members};
pub(super) use writer::ZipWriter;
