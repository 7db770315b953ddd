//! A program's file, whatever its format.

use std::borrow::Cow;
use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use super::recognise::begun;
use super::torchscript::{Input, read};
use super::zip::Members;
use super::{FormatError, Output, Payload, Pending, onnx, pt2, torchscript};
use crate::format::pt2::Pt2Error;
use crate::model::Graph;

/// An open file that holds a program and its weights.
#[allow(clippy::large_enum_variant)] // there is one
pub enum Archive {
    /// Of `torch.export.save`.
    Exported(pt2::Archive),
    /// Of `torch.jit.save`.
    Scripted(read::Archive),
    /// An ONNX model.
    Onnx(onnx::Archive),
}

impl Archive {
    /// Opens a file. Payloads are not read.
    ///
    /// # Errors
    /// A file that is of none of the formats, or damaged.
    pub fn open(path: &Path) -> Result<Archive, FormatError> {
        let mut start = [0; 16];
        let read = std::fs::File::open(path).map_err(FormatError::reading(path))?.read(&mut start);
        let start = &start[..read.unwrap_or(0)];
        if onnx::Archive::is_one(path, start) {
            return onnx::Archive::open(path).map(Archive::Onnx);
        }
        if let Some(held) = begun(start) {
            return Err(held.no_program(path).into());
        }
        Archive::read(Members::open(path)?)
    }

    /// Reads an archive that is in memory; `path` is what messages call it.
    ///
    /// # Errors
    /// As [`Archive::open`].
    pub fn of_bytes(path: &Path, bytes: Arc<[u8]>) -> Result<Archive, FormatError> {
        if onnx::Archive::is_one(path, &bytes) {
            return onnx::Archive::of_bytes(path, bytes).map(Archive::Onnx);
        }
        Archive::read(Members::of_bytes(path, bytes)?)
    }

    fn read(members: Members) -> Result<Archive, FormatError> {
        match read::Archive::is_one(&members) {
            true => read::Archive::read(members).map(Archive::Scripted),
            false => pt2::Archive::read(members).map(Archive::Exported),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        match self {
            Archive::Exported(a) => a.path(),
            Archive::Scripted(a) => a.path(),
            Archive::Onnx(a) => a.path(),
        }
    }

    /// Builds the graph. `inputs` are the sizes of what the program is given, for files that do not record them.
    ///
    /// # Errors
    /// A program that cannot be understood, or inputs that are not its own.
    pub fn graph(&self, inputs: &[Input]) -> Result<Graph, FormatError> {
        match self {
            Archive::Exported(a) if inputs.is_empty() => a.graph(),
            Archive::Scripted(a) => a.graph(inputs),
            Archive::Onnx(a) if inputs.is_empty() => Ok(a.graph()),
            Archive::Exported(_) | Archive::Onnx(_) => Err(FormatError::InputsRecorded { path: self.path().to_path_buf() }),
        }
    }

    /// True if the file records the sizes of all values; if not, those of the inputs must be known.
    ///
    /// # Errors
    /// Inputs of unknown sizes.
    pub fn is_sized(&self, graph: &Graph) -> Result<bool, FormatError> {
        match self {
            Archive::Exported(_) => Ok(true),
            Archive::Scripted(a) => a.check_sizes(graph).map(|()| false),
            Archive::Onnx(_) => Ok(false),
        }
    }

    /// How many payloads there are: the numbers in [`Tensor::storage`](crate::model::Tensor::storage).
    pub fn storages(&self) -> usize {
        match self {
            Archive::Exported(a) => a.storages(),
            Archive::Scripted(a) => a.storages(),
            Archive::Onnx(a) => a.storages(),
        }
    }

    /// The bytes of a payload, of all the storage behind a tensor and not only of the tensor. They are borrowed from the
    /// file where it stores them plainly.
    ///
    /// # Errors
    /// A number that is none, and a payload that cannot be unpacked.
    pub fn storage(&self, storage: usize) -> Result<Cow<'_, [u8]>, FormatError> {
        match self {
            Archive::Exported(a) => a.storage(storage),
            Archive::Scripted(a) => a.storage(storage),
            Archive::Onnx(a) => a.storage(storage),
        }
    }

    /// True if the file holds the program but not its weights, as one that was exported on the `meta` device.
    pub fn is_bare(&self) -> bool {
        match self {
            Archive::Exported(a) => a.is_bare(),
            Archive::Scripted(_) | Archive::Onnx(_) => false,
        }
    }

    /// True if the file tells parameters from buffers.
    pub fn has_roles(&self) -> bool {
        !matches!(self, Archive::Onnx(_))
    }

    /// An error if the weights are missing.
    ///
    /// # Errors
    /// That.
    pub fn check_data(&self) -> Result<(), FormatError> {
        if self.is_bare() { Err(FormatError::Pt2(Pt2Error::NoData { path: self.path().to_path_buf() })) } else { Ok(()) }
    }

    /// An error if the file is not as it was when it was opened.
    ///
    /// # Errors
    /// That.
    pub fn unchanged(&self) -> Result<(), FormatError> {
        match self {
            Archive::Exported(a) => a.unchanged(),
            Archive::Scripted(a) => a.unchanged(),
            Archive::Onnx(a) => a.unchanged(),
        }
    }

    /// Lets go of the memory that a payload takes after its bytes were read. They can be read again.
    pub fn release(&self, storage: usize) {
        match self {
            Archive::Exported(a) => a.release(storage),
            Archive::Scripted(a) => a.release(storage),
            Archive::Onnx(_) => {}
        }
    }
}

/// Writes `small`, which is `original` after edits, in the format that the name of `to` ends in.
///
/// # Errors
/// What the format cannot express, and files that cannot be written.
pub fn write(
    archive: &Archive,
    original: &Graph,
    small: &Graph,
    payloads: &[Payload<'_>],
    to: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<Pending, FormatError> {
    let script = is_script(to);
    let (from, place) = (archive.path().to_path_buf(), to.to_path_buf());
    match archive {
        Archive::Onnx(a) if onnx::is_onnx(to) => onnx::write(a, original, small, payloads, to, progress),
        Archive::Onnx(_) => Err(onnx::OnnxError::OtherFormat { from, to: place }.into()),
        _ if onnx::is_onnx(to) => Err(onnx::OnnxError::OtherFormat { from, to: place }.into()),
        Archive::Exported(a) if !script => pt2::write(a, original, small, payloads, to, progress),
        Archive::Exported(_) => {
            torchscript::write(&torchscript::Script::new(small), payloads, &|n| archive.storage(n), to, progress)
        }
        Archive::Scripted(a) if script => {
            let (classes, interface) = (a.classes(), a.interface()?);
            let (classes, interface) = (Some(&classes), Some(&interface));
            let script = torchscript::Script { classes, interface, ..torchscript::Script::new(small) };
            torchscript::write(&script, payloads, &|n| archive.storage(n), to, progress)
        }
        Archive::Scripted(_) => Err(FormatError::OtherFormat { from, to: place }),
    }
}

/// The same as bytes of an archive of `torch.export.save`.
///
/// # Errors
/// What the format cannot express, and archives of other formats.
pub fn write_bytes(archive: &Archive, original: &Graph, small: &Graph, payloads: &[Payload<'_>]) -> Result<Vec<u8>, FormatError> {
    match archive {
        Archive::Exported(a) => {
            Ok(pt2::write_to(a, original, small, payloads, Cursor::new(Vec::new()), &mut |_| {})?.into_inner())
        }
        Archive::Scripted(_) | Archive::Onnx(_) => {
            Err(FormatError::OtherFormat { from: archive.path().to_path_buf(), to: "memory".into() })
        }
    }
}

/// Whether a file's name is that of a TorchScript archive.
pub fn is_script(path: &Path) -> bool {
    let end = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    matches!(end.as_deref(), Some("pt" | "pth" | "ts" | "torchscript"))
}

/// Copies a program's file unchanged.
///
/// # Errors
/// Files that cannot be read or written.
pub fn copy(archive: &Archive, to: &Path) -> Result<Pending, FormatError> {
    let mut source = std::fs::File::open(archive.path()).map_err(FormatError::reading(archive.path()))?;
    let mut output = Output::create(to)?;
    let copied = std::io::copy(&mut source, output.file.get_mut().as_file_mut());
    copied.map_err(|e| output.fault(e))?;
    output.complete()
}
