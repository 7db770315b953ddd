//! What is wrong with an archive as a zip.

use std::path::PathBuf;

use miette::Diagnostic;
use thiserror::Error;

use crate::format::named::{no_archive, saver, writer};

/// What is wrong with an archive as a zip.
#[derive(Debug, Error, Diagnostic)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The file does not begin like a zip.
    #[error("{} is {}: it is no zip file", path.display(), no_archive(path))]
    #[diagnostic(code(paring::pt2::not_a_zip), help("write one with {}", writer(path)))]
    NotAZip {
        /// The file.
        path: PathBuf,
    },
    /// The file begins like a zip but its end is missing.
    #[error("{} is cut off: {reason}", path.display())]
    #[diagnostic(code(paring::pt2::truncated), help("the file was not copied or saved to its end; get it again"))]
    Truncated {
        /// The file.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// The zip cannot be understood.
    #[error("{} is a damaged zip file: {reason}", path.display())]
    #[diagnostic(code(paring::pt2::bad_zip), help("get the file again, or save it again with {}", saver(path)))]
    BadZip {
        /// The file.
        path: PathBuf,
        /// What the reader says.
        reason: String,
    },
    /// Two members that are one file to some readers.
    #[error("{} holds one file twice: {}", path.display(), names.join(" and "))]
    #[diagnostic(
        code(paring::zip::ambiguous),
        help("programs differ in which of the two they read, so it is not said what the model is; save it again")
    )]
    Ambiguous {
        /// The file.
        path: PathBuf,
        /// Their names, or the one that they share.
        names: Vec<String>,
    },
    /// The data of a member are not those that were written.
    #[error("{} is damaged: the checksum of {member} is not that of its data", path.display())]
    #[diagnostic(
        code(paring::zip::checksum),
        help(
            "get the file again. If it was saved with torch.serialization.set_crc32_options(False), it holds no checksums: save it again without"
        )
    )]
    Checksum {
        /// The file.
        path: PathBuf,
        /// The member.
        member: String,
    },
    /// A file that must be in the archive is not.
    #[error("{} has no member {member}", path.display())]
    #[diagnostic(code(paring::pt2::missing_member), help("the archive is incomplete; save it again with {}", saver(path)))]
    MissingMember {
        /// The file.
        path: PathBuf,
        /// The member.
        member: String,
    },
}
