//! Reading a pickle.

use super::error::PickleError;
use super::value::Pickle;
use super::{machine, tree};

/// Reads a pickle of protocol 0 to 5.
///
/// # Errors
/// A pickle that is cut off or malformed, contains itself, or is nested deeper than any real one.
pub fn read(bytes: &[u8]) -> Result<Pickle, PickleError> {
    if is_legacy(bytes) {
        return Err(PickleError::Legacy);
    }
    let (arena, root) = machine::run(bytes)?;
    tree::build(&arena, root)
}

/// Whether this is the start of a file of `torch.save` before PyTorch 1.6: the pickle of a magic number.
pub fn is_legacy(bytes: &[u8]) -> bool {
    bytes.get(2..).is_some_and(|b| b.starts_with(b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"))
}
