//! What is written for a storage.

use std::borrow::Cow;
use std::io::Write;

/// Writes a payload.
pub type Fill<'a> = Box<dyn Fn(&mut dyn Write) -> std::io::Result<()> + 'a>;

/// The bytes of a storage in the new archive.
pub enum Payload<'a> {
    /// The storage of the old archive with this number, as it is.
    Stored(usize),
    /// These bytes.
    Bytes(Cow<'a, [u8]>),
    /// As many bytes as announced, which a function writes. It may be called more than once.
    Write {
        /// How many.
        len: u64,
        /// Writes them.
        write: Fill<'a>,
    },
}
