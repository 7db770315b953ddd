//! Files that appear under their names only when they are complete.

use std::fs::File;
use std::io::{BufWriter, Cursor, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};

use super::FormatError;

/// Where an archive is written: a file, or memory.
pub(crate) trait Target: Write + Seek {
    /// The error for a failed write.
    fn fault(&self, source: std::io::Error) -> FormatError;
}

impl Target for Cursor<Vec<u8>> {
    fn fault(&self, source: std::io::Error) -> FormatError {
        FormatError::edit(source.to_string())
    }
}

impl Target for Output {
    fn fault(&self, source: std::io::Error) -> FormatError {
        Output::fault(self, source)
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Output {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.file.seek(to)
    }
}

/// A file in the making. Dropped before it is complete, it leaves nothing.
pub(crate) struct Output {
    /// Where to write.
    pub(crate) file: BufWriter<NamedTempFile<File>>,
    target: PathBuf,
}

impl Output {
    /// Starts a file beside `target`.
    pub(crate) fn create(target: &Path) -> Result<Output, FormatError> {
        let folder = match target.parent() {
            Some(p) if !p.as_os_str().is_empty() => p,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".paring-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o666)); // the umask applies, as for any new file
        }
        // What is renamed to a device or a folder would take its place, or fail late.
        if target.exists() && !target.is_file() {
            let source = std::io::Error::other("it exists and is not a regular file");
            return Err(FormatError::Unwritable { path: target.to_path_buf(), source });
        }
        let file = builder.tempfile_in(folder).map_err(FormatError::writing(target))?;
        Ok(Output { file: BufWriter::with_capacity(1 << 18, file), target: target.to_path_buf() })
    }

    /// The error for a failed write.
    pub(crate) fn fault(&self, source: std::io::Error) -> FormatError {
        FormatError::Unwritable { path: self.target.clone(), source }
    }

    /// Ends the writing.
    pub(crate) fn complete(mut self) -> Result<Pending, FormatError> {
        let flushed = self.file.flush();
        flushed.map_err(|e| self.fault(e))?;
        let Output { file, target } = self;
        let file = file.into_inner().map_err(|e| FormatError::writing(&target)(e.into_error()))?;
        Ok(Pending { file: file.into_temp_path(), target })
    }
}

/// A complete file that has no name yet. Dropped before [`Pending::persist`], it leaves nothing.
#[must_use = "the file vanishes if it gets no name"]
#[derive(Debug)]
pub struct Pending {
    file: TempPath,
    target: PathBuf,
}

impl Pending {
    /// Where it is until it gets its name.
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// Gives the file its name; an older file of that name is replaced.
    pub fn persist(self) -> Result<(), FormatError> {
        let Pending { file, target } = self;
        file.persist(&target).map_err(|e| FormatError::writing(&target)(e.error))
    }
}

/// Gives several files their names. If one cannot have its name, none of them stays.
pub fn persist_all(files: Vec<Pending>) -> Result<(), FormatError> {
    let mut done = Vec::with_capacity(files.len());
    for file in files {
        let target = file.target.clone();
        if let Err(e) = file.persist() {
            for target in done {
                let _ = std::fs::remove_file(target); // what went wrong first is the error to report
            }
            return Err(e);
        }
        done.push(target);
    }
    Ok(())
}

/// Writes a text file.
///
/// # Errors
/// Where the file cannot be written.
pub fn write_text(path: &Path, text: &str) -> Result<(), FormatError> {
    let mut output = Output::create(path)?;
    output.file.write_all(text.as_bytes()).map_err(|e| output.fault(e))?;
    output.complete()?.persist()
}
