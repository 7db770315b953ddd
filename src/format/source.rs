//! A file that is mapped into memory, and whether somebody changed it meanwhile.

use std::fs::{File, Metadata};
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use memmap2::Mmap;

use super::FormatError;

/// A mapped file. What replaces it under its name does not concern it; what writes to it does.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    file: File,
    /// None for a file without content.
    map: Option<Mmap>,
    state: State,
}

/// What tells that a file is as it was.
type State = (u64, Option<SystemTime>);

fn state(about: &Metadata) -> State {
    (about.len(), about.modified().ok())
}

impl Source {
    /// Maps a file.
    pub(super) fn open(path: &Path) -> Result<Source, FormatError> {
        let fault = FormatError::reading(path);
        let opened = File::open(path).and_then(|file| file.metadata().map(|about| (file, about)));
        let (file, about) = opened.map_err(fault)?;
        if about.is_dir() {
            return Err(FormatError::reading(path)(std::io::ErrorKind::IsADirectory.into()));
        }
        let map = match about.len() {
            0 => None,
            // SAFETY: nothing is taken for granted of the bytes but that they can be read. If the file gets shorter they cannot, which the
            // command line turns into an error; other changes are found before any output gets its name.
            _ => Some(unsafe { Mmap::map(&file) }.map_err(FormatError::reading(path))?),
        };
        Ok(Source { path: path.to_path_buf(), file, map, state: state(&about) })
    }

    /// An error if the file is not as it was when it was opened.
    ///
    /// # Errors
    /// That.
    pub fn unchanged(&self) -> Result<(), FormatError> {
        match self.file.metadata() {
            Ok(about) if state(&about) == self.state => Ok(()),
            _ => Err(FormatError::Changed { path: self.path.clone() }),
        }
    }

    /// Lets go of the memory that these bytes take. They are read from the file again where they are needed.
    pub(super) fn release(&self, range: Range<usize>) {
        #[cfg(unix)]
        if let Some(map) = self.map.as_ref().filter(|map| range.end <= map.len() && range.start <= range.end) {
            // SAFETY: the mapping is read-only and backed by the file, so the pages come back with the same content.
            let advised = unsafe { map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, range.start, range.len()) };
            drop(advised); // it is only advice
        }
        #[cfg(not(unix))]
        let _ = range;
    }
}

impl Deref for Source {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.map.as_deref().unwrap_or(&[])
    }
}
