//! Files that appear under their names only when they are complete.

use std::fs::{File, Permissions};
use std::io::{BufWriter, Cursor, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempDir, TempPath};

use super::FormatError;
use super::leftovers::{Registered, Uninterrupted, prefix, sweep};

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
    /// Those of the file that is replaced.
    permissions: Option<Permissions>,
    registered: Registered,
}

impl Output {
    /// Starts a file beside `target`. What a symbolic link points at is replaced, and not the link.
    pub(crate) fn create(target: &Path) -> Result<Output, FormatError> {
        let refuse = |what: &str| {
            let source = std::io::Error::other(what.to_owned());
            FormatError::Unwritable { path: target.to_path_buf(), source }
        };
        let place = match target.symlink_metadata() {
            Ok(about) if about.is_symlink() => {
                target.canonicalize().map_err(|_| refuse("it is a symbolic link, and what it points at is not there"))?
            }
            _ => target.to_path_buf(),
        };
        let folder = folder_of(&place);
        let old = place.metadata().ok();
        // What is renamed to a device or a folder would take its place, or fail late.
        if old.as_ref().is_some_and(|old| !old.is_file()) {
            return Err(refuse("it exists and is not a regular file"));
        }
        sweep(folder);
        let prefix = prefix();
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix);
        // The file is registered before it is there: a signal may come in between.
        let mut registered = None;
        let made = builder.make_in(folder, |path| {
            registered = Some(Registered::new(path));
            let mut options = File::options();
            options.read(true).write(true).create_new(true);
            #[cfg(unix)]
            {
                use std::os::unix::fs::OpenOptionsExt;
                options.mode(0o666); // the umask applies, as for any new file
            }
            options.open(path)
        });
        let file = made.map_err(FormatError::writing(target))?;
        let registered = registered.unwrap_or_else(|| Registered::new(file.path()));
        let _ = file.as_file().try_lock(); // for those who cannot see this process
        let file = BufWriter::with_capacity(1 << 18, file);
        Ok(Output { file, target: place, permissions: old.map(|old| old.permissions()), registered })
    }

    /// The error for a failed write.
    pub(crate) fn fault(&self, source: std::io::Error) -> FormatError {
        FormatError::Unwritable { path: self.target.clone(), source }
    }

    /// Ends the writing.
    pub(crate) fn complete(mut self) -> Result<Pending, FormatError> {
        let flushed = self.file.flush();
        flushed.map_err(|e| self.fault(e))?;
        let Output { file, target, permissions, registered } = self;
        let file = file.into_inner().map_err(|e| FormatError::writing(&target)(e.into_error()))?;
        if let Some(permissions) = permissions {
            file.as_file().set_permissions(permissions).map_err(FormatError::writing(&target))?;
        }
        let (held, file) = file.into_parts();
        Ok(Pending { file, target, parts: Vec::new(), _held: held, _registered: registered })
    }
}

/// A complete file that has no name yet. Dropped before [`Pending::persist`], it leaves nothing.
#[must_use = "the file vanishes if it gets no name"]
#[derive(Debug)]
pub struct Pending {
    file: TempPath,
    target: PathBuf,
    /// Files that it cannot do without: they get their names first.
    parts: Vec<Pending>,
    /// The lock ends with it.
    _held: File,
    _registered: Registered,
}

impl Pending {
    /// Together with another file that belongs to it.
    pub(crate) fn with(mut self, part: Pending) -> Pending {
        self.parts.push(part);
        self
    }

    /// It and its parts, which come first.
    fn apart(mut self) -> Vec<Pending> {
        let mut all: Vec<Pending> = std::mem::take(&mut self.parts).into_iter().flat_map(Pending::apart).collect();
        all.push(self);
        all
    }

    /// Where it is until it gets its name.
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// Gives the file its name; an older file of that name is replaced.
    pub fn persist(self) -> Result<(), FormatError> {
        let Pending { file, target, parts, .. } = self;
        parts.into_iter().try_for_each(Pending::persist)?;
        file.persist(&target).map_err(|e| FormatError::writing(&target)(e.error))
    }
}

/// Gives several files their names. If one cannot have its name, all is as it was: older files are set aside until the last
/// new one has its name.
pub fn persist_all(files: Vec<Pending>) -> Result<(), FormatError> {
    let files: Vec<Pending> = files.into_iter().flat_map(Pending::apart).collect();
    let _whole = Uninterrupted::begin();
    let mut done: Vec<Replaced> = Vec::with_capacity(files.len());
    // The last needs no way back.
    let last = files.len().saturating_sub(1);
    for (k, file) in files.into_iter().enumerate() {
        let target = file.target.clone();
        let old = if k == last { Ok(None) } else { Aside::of(&target) };
        let old = match old.map_err(FormatError::writing(&target)) {
            Ok(old) => old,
            Err(e) => return Err(restored(done, e)),
        };
        let result = file.persist();
        if let Err(e) = result {
            if let Some(old) = old {
                old.put_back(&target);
            }
            return Err(restored(done, e));
        }
        done.push(Replaced { target, old });
    }
    Ok(())
}

/// A file that has its name, and what had it before.
struct Replaced {
    target: PathBuf,
    old: Option<Aside>,
}

/// Takes new files away and puts old ones back. What went wrong first is the error to report.
fn restored(done: Vec<Replaced>, error: FormatError) -> FormatError {
    for Replaced { target, old } in done.into_iter().rev() {
        match old {
            Some(old) => old.put_back(&target),
            None => drop(std::fs::remove_file(&target)),
        }
    }
    error
}

/// An older file under another name, which goes when it is not needed any more.
struct Aside {
    // Held for its end: the folder is removed with what is in it.
    _folder: TempDir,
    file: PathBuf,
}

impl Aside {
    /// Sets the file at a path aside, if there is one. It keeps its name as well where the file system can do that, so that
    /// there is a file of this name at all times.
    fn of(path: &Path) -> std::io::Result<Option<Aside>> {
        // What is no file has a name that no file can take, which is the error then.
        if path.symlink_metadata().map_or(true, |m| m.is_dir()) {
            return Ok(None);
        }
        let folder = tempfile::Builder::new().prefix(&prefix()).tempdir_in(folder_of(path))?;
        let file = folder.path().join("old");
        std::fs::hard_link(path, &file).or_else(|_| std::fs::rename(path, &file))?;
        Ok(Some(Aside { _folder: folder, file }))
    }

    fn put_back(self, path: &Path) {
        if std::fs::rename(&self.file, path).is_err() {
            let Aside { _folder: folder, .. } = self;
            let _ = folder.keep(); // better under another name than lost
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a file as `write` does it. It has no name before [`Pending::persist`].
///
/// # Errors
/// Where the file cannot be written.
pub fn write_by(path: &Path, write: &mut dyn FnMut(&mut dyn Write) -> std::io::Result<()>) -> Result<Pending, FormatError> {
    let mut output = Output::create(path)?;
    write(&mut output.file).map_err(|e| output.fault(e))?;
    output.complete()
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
