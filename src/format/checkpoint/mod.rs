//! State dicts: a safetensors file, several with an index as Hugging Face writes them, or a file of `torch.save`.

mod error;
mod saved;
mod stored;
mod write;

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use indexmap::IndexMap;
use miette::{NamedSource, SourceSpan};
use safetensors::SafeTensors;
use serde_json::Value;

use super::held::Held;
use super::recognise::{begun, is_saved};
use super::{FormatError, Source, pickle, read_text};
pub use error::CheckpointError;
use stored::Place;
pub use stored::Stored;
pub use write::{Entry, write_index, write_shard};

/// An open state dict. The weights are mapped.
pub struct Checkpoint {
    /// Its files, of those that were asked for.
    pub shards: Vec<Shard>,
    /// The other files of an index, which were not opened, with the names of their tensors.
    pub elsewhere: IndexMap<PathBuf, Vec<String>>,
    /// The index of several files.
    pub index: Option<Index>,
}

/// The index of a sharded checkpoint.
pub struct Index {
    /// The file.
    pub path: PathBuf,
    /// What it holds.
    pub json: Value,
}

/// One file of tensors.
pub struct Shard {
    /// The file.
    pub path: PathBuf,
    /// What the file says of itself, such as `format: pt`.
    pub metadata: Option<HashMap<String, String>>,
    /// Its tensors, in the order of the file.
    pub tensors: IndexMap<String, Stored>,
    data: Data,
}

/// What the bytes are read from.
enum Data {
    Safetensors(Source),
    Saved(pickle::Saved),
}

impl Checkpoint {
    /// Opens a whole state dict.
    ///
    /// # Errors
    /// As [`Checkpoint::open_some`].
    pub fn open(path: &Path) -> Result<Checkpoint, CheckpointError> {
        Checkpoint::open_some(path, &|_| true)
    }

    /// Opens a safetensors file, a file of `torch.save`, or an index (its name ends in `.json`) with those of the shards beside it that are
    /// `wanted`, by their number in the order of their names. Only headers are read.
    ///
    /// # Errors
    /// Anything wrong with one of the files.
    pub fn open_some(path: &Path, wanted: &dyn Fn(usize) -> bool) -> Result<Checkpoint, CheckpointError> {
        if path.extension().is_none_or(|e| e != "json") {
            return Ok(Checkpoint { shards: vec![Shard::open(path)?], elsewhere: IndexMap::new(), index: None });
        }
        let text = read_text(path)?;
        let bad = |reason: String, span: Option<SourceSpan>| CheckpointError::BadIndex {
            path: path.to_path_buf(),
            reason,
            text: NamedSource::new(path.display().to_string(), text.clone()).into(),
            span,
        };
        let json: Value = serde_json::from_str(&text).map_err(|e| bad(e.to_string(), Some(place(&text, &e))))?;
        let Some(map) = json.get("weight_map").and_then(Value::as_object) else {
            return Err(bad("it has no `weight_map`".to_owned(), None));
        };
        let mut files: IndexMap<&str, Vec<&str>> = IndexMap::new();
        for (name, file) in map {
            let Some(file) = file.as_str().filter(|f| is_name(f)) else {
                return Err(bad(format!("`{name}` is in {file}, which is no file beside the index"), None));
            };
            files.entry(file).or_default().push(name);
        }
        files.sort_unstable_keys();
        let (mut shards, mut elsewhere) = (Vec::new(), IndexMap::new());
        for (k, (file, names)) in files.into_iter().enumerate() {
            if !wanted(k) {
                elsewhere.insert(path.with_file_name(file), names.into_iter().map(str::to_owned).collect());
                continue;
            }
            let shard = Shard::open(&path.with_file_name(file))?;
            if let Some(name) = names.into_iter().find(|n| !shard.tensors.contains_key(*n)) {
                let (name, shard, index) = (name.to_owned(), shard.path, path.to_path_buf());
                return Err(CheckpointError::NotInShard { name, shard, index });
            }
            shards.push(shard);
        }
        Ok(Checkpoint { shards, elsewhere, index: Some(Index { path: path.to_path_buf(), json }) })
    }

    /// The names of all tensors, also of files that were not opened.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors().map(|(name, _)| name).chain(self.elsewhere.values().flatten().map(String::as_str))
    }

    /// The file that was not opened in which a tensor is.
    pub fn file_of(&self, name: &str) -> Option<&Path> {
        self.elsewhere.iter().find(|(_, names)| names.iter().any(|n| n == name)).map(|(path, _)| path.as_path())
    }

    /// The names of all files of the index, with those of the tensors that it says are in them.
    pub fn files(&self) -> IndexMap<&str, Vec<&str>> {
        let map = self.index.as_ref().and_then(|index| index.json.get("weight_map")?.as_object());
        let mut files: IndexMap<&str, Vec<&str>> = IndexMap::new();
        for (name, file) in map.into_iter().flatten() {
            files.entry(file.as_str().unwrap_or_default()).or_default().push(name);
        }
        files
    }

    /// The tensors of the opened files by name.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &Stored)> {
        self.shards.iter().flat_map(|s| s.tensors.iter().map(|(name, t)| (name.as_str(), t)))
    }
}

/// What a safetensors file for PyTorch says of itself.
fn pt() -> Option<HashMap<String, String>> {
    Some(HashMap::from([("format".to_owned(), "pt".to_owned())]))
}

/// True for the name of a file without a folder.
fn is_name(file: &str) -> bool {
    let mut parts = Path::new(file).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
}

/// Where a text is not as it should be.
pub(crate) fn place(text: &str, error: &serde_json::Error) -> SourceSpan {
    let line: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let at = (line + error.column().saturating_sub(1)).min(text.len());
    let at = (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    SourceSpan::new(at.into(), text[at..].chars().next().map_or(0, char::len_utf8))
}

impl Shard {
    /// Opens a safetensors file, or one of `torch.save`. Only its header is read.
    ///
    /// # Errors
    /// Anything wrong with it.
    pub fn open(path: &Path) -> Result<Shard, CheckpointError> {
        let bad = |reason: String| CheckpointError::NotSafetensors { path: path.to_path_buf(), reason };
        let map = Source::open(path)?;
        if map.is_empty() {
            return Err(bad("the file is empty".to_owned()));
        }
        let start = &map[..map.len().min(16)];
        if is_saved(start) {
            let (file, tensors) = saved::open(path, map)?;
            return Ok(Shard { path: path.to_path_buf(), metadata: pt(), tensors, data: Data::Saved(file) });
        }
        if let Some(held) = begun(start).filter(|held| *held != Held::Safetensors) {
            return Err(FormatError::from(held.no_weights(path)).into());
        }
        let (header, metadata) = SafeTensors::read_metadata(&map).map_err(|e| bad(e.to_string()))?;
        let start = header + size_of::<u64>();
        let mut tensors = IndexMap::new();
        for name in metadata.offset_keys() {
            let Some(info) = metadata.info(&name) else { continue };
            let range = start + info.data_offsets.0..start + info.data_offsets.1;
            tensors.insert(
                name,
                Stored { dtype: info.dtype, shape: info.shape.clone(), len: range.len(), place: Place::Range(range) },
            );
        }
        let metadata = metadata.metadata().clone();
        Ok(Shard { path: path.to_path_buf(), metadata, tensors, data: Data::Safetensors(map) })
    }

    /// The bytes of a tensor, borrowed where the file has them so.
    ///
    /// # Errors
    /// A file of `torch.save` that is damaged.
    pub fn bytes(&self, tensor: &Stored) -> Result<Cow<'_, [u8]>, FormatError> {
        match (&self.data, &tensor.place) {
            (Data::Safetensors(map), Place::Range(range)) => Ok(Cow::Borrowed(map.get(range.clone()).unwrap_or(&[]))),
            (Data::Saved(file), Place::Saved(view)) => saved::bytes(file, view, &tensor.shape),
            _ => Err(FormatError::edit("a tensor of another file")),
        }
    }

    /// Lets go of the memory that a tensor takes after its bytes were read. They can be read again.
    pub fn release(&self, tensor: &Stored) {
        if let (Data::Safetensors(map), Place::Range(range)) = (&self.data, &tensor.place) {
            map.release(range.clone());
        }
    }

    /// What tells this state of the file from others: its length, and when it was written.
    ///
    /// # Errors
    /// The system's.
    pub fn state(&self) -> Result<String, FormatError> {
        match &self.data {
            Data::Safetensors(map) => map.state(),
            Data::Saved(file) => file.state(),
        }
    }

    /// An error if the file is not as it was when it was opened.
    ///
    /// # Errors
    /// That.
    pub fn unchanged(&self) -> Result<(), FormatError> {
        match &self.data {
            Data::Safetensors(map) => map.unchanged(),
            Data::Saved(file) => file.unchanged(),
        }
    }
}
