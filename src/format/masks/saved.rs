//! Masks in files of `torch.save`: NNI's, state dicts of models under `torch.nn.utils.prune`, and plain dicts.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;

use super::view::View;
use super::{Data, Mask, PRUNED};
use crate::format::FormatError;
use crate::format::masks::MaskFileError;
use crate::format::pickle::{self, Pickle, TensorRef};
use crate::format::recognise::saved;
use crate::format::source::Source;
use crate::format::state::{NESTED, dtype};

/// The masks in a file of `torch.save`.
pub struct Saved {
    /// By parameter. Of a state dict under `torch.nn.utils.prune` the name is that without the pruning: `conv.weight`, where
    /// the parameter may still be called `conv.weight_orig`.
    pub masks: IndexMap<String, Mask>,
    /// Entries that are no masks of parameters (NNI's masks of inputs and outputs), which are ignored.
    pub ignored: Vec<String>,
}

/// The masks of a file of `torch.save`, all of which are read at once.
///
/// # Errors
/// A file that changes meanwhile, that holds anything but tensors and plain containers, or no masks.
pub fn read_saved(path: &Path, source: Source) -> Result<Saved, FormatError> {
    let file = saved(source)?.map_err(|held| held.no_masks(path))?;
    plain(path, "the pickle", &file.root, &mut HashSet::new())?;
    let mut reader =
        Reader { path: path.to_path_buf(), file: &file, masks: IndexMap::new(), ignored: Vec::new(), storages: HashMap::new() };
    reader.top(&file.root)?;
    let Reader { masks, ignored, .. } = reader;
    file.unchanged()?;
    if masks.is_empty() {
        let reason = format!("it is {}", file.root.kind());
        return Err(FormatError::Masks(MaskFileError::NoMasks { path: path.to_path_buf(), reason }));
    }
    Ok(Saved { masks, ignored })
}

/// Refuses what is neither a tensor nor a plain container. Shared values are looked at once.
fn plain(path: &Path, place: &str, value: &Pickle, seen: &mut HashSet<*const u8>) -> Result<(), FormatError> {
    let inside = |key: &Pickle| match key {
        Pickle::Str(key) if place == "the pickle" => key.to_string(),
        Pickle::Str(key) => format!("{place}.{key}"),
        _ => place.to_owned(),
    };
    match value {
        Pickle::Object(object) => {
            let (path, place, class) = (path.to_path_buf(), place.to_owned(), object.class.to_string());
            Err(FormatError::Masks(MaskFileError::Object { path, place, class }))
        }
        Pickle::List(items) | Pickle::Tuple(items) if seen.insert(Rc::as_ptr(items).cast()) => {
            items.iter().try_for_each(|item| plain(path, place, item, seen))
        }
        Pickle::Dict(entries) if seen.insert(Rc::as_ptr(entries).cast()) => entries.iter().try_for_each(|(k, v)| {
            plain(path, place, k, seen)?;
            plain(path, &inside(k), v, seen)
        }),
        _ => Ok(()),
    }
}

struct Reader<'a> {
    path: PathBuf,
    file: &'a pickle::Saved,
    masks: IndexMap<String, Mask>,
    ignored: Vec<String>,
    /// What is read already, which many tensors may share.
    storages: HashMap<Rc<str>, Arc<[u8]>>,
}

impl Reader<'_> {
    fn top(&mut self, root: &Pickle) -> Result<(), FormatError> {
        let entries = root.as_dict().unwrap_or(&[]);
        let pruned = |(key, value): &&(Pickle, Pickle)| {
            key.as_str().is_some_and(|key| key.ends_with(PRUNED.1)) && matches!(value, Pickle::Tensor(_))
        };
        if entries.iter().any(|entry| pruned(&entry)) {
            for (key, value) in entries.iter().filter(pruned) {
                if let (Some(name), Pickle::Tensor(tensor)) = (key.as_str().and_then(|key| key.strip_suffix(PRUNED.1)), value) {
                    self.add(name.to_owned(), tensor)?;
                }
            }
            return Ok(());
        }
        if let Some(inner) =
            NESTED.iter().chain(&["masks"]).find_map(|key| root.get(key).filter(|inner| inner.as_dict().is_some()))
        {
            let of_module = inner.as_dict().unwrap_or(&[]).iter().any(|(k, _)| k.as_str() == Some("weight"));
            if !of_module {
                return self.top(inner);
            }
        }
        for (key, value) in entries {
            let Some(name) = key.as_str() else { continue };
            match value {
                Pickle::Tensor(tensor) => self.add(name.to_owned(), tensor)?,
                Pickle::Dict(parts) => self.module(name, parts)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// NNI's masks of a module.
    fn module(&mut self, module: &str, parts: &[(Pickle, Pickle)]) -> Result<(), FormatError> {
        for (key, value) in parts {
            let (Some(key), Pickle::Tensor(tensor)) = (key.as_str(), value) else { continue };
            let name = if module.is_empty() { key.to_owned() } else { format!("{module}.{key}") };
            if key.starts_with("_input_") || key.starts_with("_output_") {
                self.ignored.push(name);
            } else {
                self.add(name, tensor)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, name: String, tensor: &TensorRef) -> Result<(), FormatError> {
        let Some(dtype) = dtype(tensor.dtype) else {
            let dtype = format!("{:?}", tensor.dtype);
            return Err(FormatError::Masks(MaskFileError::MaskType { path: self.path.clone(), name, dtype }));
        };
        let storage = match self.storages.get(&tensor.key) {
            Some(known) => known.clone(),
            None => {
                let bytes: Arc<[u8]> = self.file.storage(&tensor.key)?.into();
                self.storages.entry(tensor.key.clone()).or_insert(bytes).clone()
            }
        };
        let data = Data::View(View::new(self.file, tensor, storage)?.into());
        let mask = Mask { name: name.clone(), shape: tensor.shape.clone(), dtype, path: self.path.clone(), data };
        self.masks.insert(name, mask);
        Ok(())
    }
}
