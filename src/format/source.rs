//! A file that is read, and whether somebody changed it meanwhile.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use memmap2::Mmap;

use super::FormatError;

/// Bytes of a text that is no regular file, such as a pipe: it may have no end.
const LONGEST_STREAM: u64 = 64 << 20;

/// An open file that is to stay as it is. What replaces it under its name does not concern it; what writes to it does.
#[derive(Debug)]
pub struct Watched {
    path: PathBuf,
    file: File,
    state: State,
}

/// What tells that a file is as it was; of what is no file, such as a pipe, nothing does.
type State = Option<(u64, Option<SystemTime>)>;

fn state(about: &Metadata) -> State {
    about.is_file().then(|| (about.len(), about.modified().ok()))
}

fn told(about: &Metadata) -> String {
    let written = about.modified().ok().and_then(|t| t.duration_since(SystemTime::UNIX_EPOCH).ok()).unwrap_or_default();
    format!("{} {}.{:09}", about.len(), written.as_secs(), written.subsec_nanos())
}

/// What tells this state of a file from others, as [`Source::state`] does of an open one; `None` where there is no such file.
pub fn state_of(path: &Path) -> Option<String> {
    path.metadata().ok().map(|about| told(&about))
}

impl Watched {
    /// Opens a file.
    ///
    /// # Errors
    /// The system's.
    pub fn open(path: &Path) -> io::Result<Watched> {
        let file = File::open(path)?;
        let state = state(&file.metadata()?);
        Ok(Watched { path: path.to_path_buf(), file, state })
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

    /// What tells this state from others: the length, and when it was written.
    ///
    /// # Errors
    /// The system's.
    pub fn state(&self) -> Result<String, FormatError> {
        self.file.metadata().map(|about| told(&about)).map_err(FormatError::reading(&self.path))
    }

    /// The content as text.
    pub(super) fn text(&self) -> io::Result<String> {
        let mut text = String::new();
        let about = self.file.metadata()?;
        if about.is_file() || about.is_dir() {
            (&self.file).read_to_string(&mut text)?;
            return Ok(text);
        }
        (&self.file).take(LONGEST_STREAM + 1).read_to_string(&mut text)?;
        match text.len() as u64 > LONGEST_STREAM {
            true => Err(io::Error::other(format!("it is no file, and has more than {} MB", LONGEST_STREAM >> 20))),
            false => Ok(text),
        }
    }

    /// The content, as long as the file is.
    fn bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        (&self.file).take(self.file.metadata()?.len()).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// A file's bytes.
#[derive(Debug)]
pub struct Source {
    watched: Watched,
    bytes: Bytes,
}

#[derive(Debug)]
enum Bytes {
    /// Where they are in the file.
    Mapped(Mmap),
    /// In memory; a file without content has none.
    Loaded(Vec<u8>),
}

impl Source {
    /// Maps a file.
    pub(super) fn open(path: &Path) -> Result<Source, FormatError> {
        let watched = Source::watched(path)?;
        let bytes = match watched.file.metadata().map_err(FormatError::reading(path))?.len() {
            0 => Bytes::Loaded(Vec::new()),
            // SAFETY: nothing is taken for granted of the bytes but that they can be read. If the file gets shorter they cannot, which the
            // command line turns into an error; other changes are found before any output gets its name.
            _ => Bytes::Mapped(unsafe { Mmap::map(&watched.file) }.map_err(FormatError::reading(path))?),
        };
        Ok(Source { watched, bytes })
    }

    /// Reads a file into memory, for a process in which a file that gets shorter must not end all.
    pub(super) fn load(path: &Path) -> Result<Source, FormatError> {
        let watched = Source::watched(path)?;
        let bytes = watched.bytes().map_err(FormatError::reading(path))?;
        watched.unchanged()?;
        Ok(Source { watched, bytes: Bytes::Loaded(bytes) })
    }

    fn watched(path: &Path) -> Result<Watched, FormatError> {
        let watched = Watched::open(path).map_err(FormatError::reading(path))?;
        match watched.file.metadata().is_ok_and(|about| about.is_dir()) {
            true => Err(FormatError::reading(path)(io::ErrorKind::IsADirectory.into())),
            false => Ok(watched),
        }
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.watched.path
    }

    /// An error if the file is not as it was when it was opened.
    ///
    /// # Errors
    /// That.
    pub fn unchanged(&self) -> Result<(), FormatError> {
        self.watched.unchanged()
    }

    /// What tells this state of the file from others: its length, and when it was written.
    ///
    /// # Errors
    /// The system's.
    pub fn state(&self) -> Result<String, FormatError> {
        self.watched.state()
    }

    /// Lets go of the memory that these bytes take. They are read from the file again where they are needed.
    pub(super) fn release(&self, range: Range<usize>) {
        #[cfg(unix)]
        if let Bytes::Mapped(map) = &self.bytes
            && range.end <= map.len()
            && range.start <= range.end
        {
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
        match &self.bytes {
            Bytes::Mapped(map) => map,
            Bytes::Loaded(bytes) => bytes,
        }
    }
}

/// A text file's content.
///
/// # Errors
/// A file that cannot be read, is no UTF-8, has no end, or changes meanwhile.
pub fn read_text(path: &Path) -> Result<String, FormatError> {
    read(path, Watched::text)
}

/// The same, with the system's error.
///
/// # Errors
/// As [`read_text`].
pub fn text_of(path: &Path) -> io::Result<String> {
    read(path, Watched::text).map_err(|e| match e {
        FormatError::Unreadable { source, .. } => source,
        changed => io::Error::other(changed),
    })
}

/// A file's content.
///
/// # Errors
/// A file that cannot be read, or changes meanwhile.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, FormatError> {
    read(path, Watched::bytes)
}

/// All of a file at once, as it was at one time.
fn read<T>(path: &Path, content: impl FnOnce(&Watched) -> io::Result<T>) -> Result<T, FormatError> {
    let watched = Watched::open(path).map_err(FormatError::reading(path))?;
    let content = content(&watched).map_err(FormatError::reading(path))?;
    watched.unchanged()?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_that_changes_while_it_is_read_is_an_error() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("masks.yaml");
        std::fs::write(&path, "a: {drop: [0]}").unwrap();
        assert_eq!(read_text(&path).unwrap(), "a: {drop: [0]}");
        assert_eq!(read_bytes(&path).unwrap(), b"a: {drop: [0]}");
        let longer = |watched: &Watched| {
            let text = watched.text()?;
            File::options().append(true).open(&path)?.write_all(b"\n")?;
            Ok(text)
        };
        assert!(matches!(read(&path, longer), Err(FormatError::Changed { .. })));
        // What takes its name is another file.
        let replaced = |watched: &Watched| {
            let other = dir.path().join("other");
            std::fs::write(&other, "b")?;
            std::fs::rename(&other, &path)?;
            watched.text()
        };
        assert_eq!(read(&path, replaced).unwrap(), "a: {drop: [0]}\n");
    }

    #[test]
    fn what_is_loaded_stays() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, [7; 9000]).unwrap();
        let source = Source::load(&path).unwrap();
        File::options().write(true).open(&path).unwrap().set_len(1).unwrap();
        assert_eq!(&*source, [7; 9000]);
        assert!(source.unchanged().is_err());
    }
}
