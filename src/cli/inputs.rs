//! What several commands read: rules and masks.

use std::path::{Path, PathBuf};

use clap::Args;
use miette::Result;
use paring::format::masks::{self, Stored};
use paring::format::torchscript::Input;
use paring::load::Model;
use paring::prune::masks_of_yaml;
use paring::rule::{RuleErrors, RuleSet};
use paring::solve::{Mask, Masks};

/// Rules of the user's own.
#[derive(Args)]
pub struct RuleDirs {
    /// Read further rules from the YAML files of a folder (may be repeated)
    #[arg(long, value_name = "DIR")]
    rules: Vec<PathBuf>,
}

/// Rules of the user's own, and what they want to keep.
#[derive(Args)]
pub struct Rules {
    #[command(flatten)]
    pub dirs: RuleDirs,
    /// Keep all channels of a parameter, buffer or module (may be repeated)
    #[arg(long, value_name = "NAME")]
    pub freeze: Vec<String>,
    /// The sizes of an input of a TorchScript program, such as 1x3x224x224 or 1x128:int64 (repeated for each input)
    #[arg(long = "input", value_name = "SIZES")]
    pub inputs: Vec<Input>,
}

impl RuleDirs {
    /// The built-in rules and those of the folders.
    pub fn set(&self) -> Result<RuleSet, RuleErrors> {
        if self.rules.is_empty() { Ok(RuleSet::builtin()) } else { RuleSet::with_dirs(&self.rules) }
    }
}

/// Where masks come from.
pub enum MaskFile {
    /// A file of safetensors or of `torch.save`.
    Stored(Stored),
    /// A YAML file: its path and its text.
    Yaml(PathBuf, String),
    /// What is zero in the weights already.
    Zeros,
    /// What the program itself multiplies its parameters by.
    Model,
}

impl MaskFile {
    /// Opens a file; `zeros` and `model` are none.
    pub fn open(path: &Path) -> Result<MaskFile> {
        if path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            return Ok(MaskFile::Yaml(path.to_path_buf(), paring::format::read_text(path)?));
        }
        match path.to_str() {
            Some("zeros") => Ok(MaskFile::Zeros),
            Some("model") => Ok(MaskFile::Model),
            _ => Ok(MaskFile::Stored(masks::read(path)?)),
        }
    }

    /// The masks for a model, which is only opened where they are in it.
    pub fn masks(&self, model: &Path) -> Result<Masks<'_>> {
        let (files, graph) = match self {
            MaskFile::Zeros => return Ok(Model::open(model)?.zeros()?),
            MaskFile::Yaml(path, text) => {
                return Ok(masks_of_yaml(path, text, &Model::open(model)?).map_err(|e| *e)?);
            }
            MaskFile::Model => return Ok(Model::open(model)?.active_masks(&RuleSet::builtin())?),
            MaskFile::Stored(Stored::Safetensors(files)) => (files, None),
            MaskFile::Stored(Stored::Saved(saved)) => {
                for name in &saved.ignored {
                    eprintln!("note: the mask `{name}` is of a layer's input or output, and ignored: Paring works out its own");
                }
                (&saved.masks, Some(Model::open(model)?.graph))
            }
        };
        let mut all = Masks::new();
        for (name, mask) in files {
            // A model exported while torch.nn.utils.prune is active calls its weights so.
            let has = |name: &str| graph.as_ref().is_none_or(|g| g.tensors.iter().any(|t| t.name == name));
            let original = format!("{name}_orig");
            let name = if !has(name) && has(&original) { original } else { name.clone() };
            all.insert(name, Mask { shape: mask.shape.clone(), keep: mask.keep()? });
        }
        Ok(all)
    }
}
