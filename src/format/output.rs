//! A file that appears under its name only when it is complete.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::FormatError;

/// A file in the making. Dropped before [`Output::persist`], it leaves nothing.
pub(super) struct Output {
    /// Where to write.
    pub(super) file: BufWriter<NamedTempFile<File>>,
    target: PathBuf,
}

impl Output {
    /// Starts a file beside `target`.
    pub(super) fn create(target: &Path) -> Result<Output, FormatError> {
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
        if target.is_dir() {
            let source = std::io::Error::from(std::io::ErrorKind::IsADirectory);
            return Err(FormatError::Unwritable { path: target.to_path_buf(), source });
        }
        let file = builder.tempfile_in(folder).map_err(FormatError::writing(target))?;
        Ok(Output { file: BufWriter::with_capacity(1 << 18, file), target: target.to_path_buf() })
    }

    /// The error for a failed write.
    pub(super) fn fault(&self, source: std::io::Error) -> FormatError {
        FormatError::Unwritable { path: self.target.clone(), source }
    }

    /// Gives the file its name.
    pub(super) fn persist(mut self) -> Result<(), FormatError> {
        let flushed = self.file.flush();
        flushed.map_err(|e| self.fault(e))?;
        let Output { file, target } = self;
        let file = file.into_inner().map_err(|e| FormatError::writing(&target)(e.into_error()))?;
        file.persist(&target).map_err(|e| FormatError::writing(&target)(e.error))?;
        Ok(())
    }
}
