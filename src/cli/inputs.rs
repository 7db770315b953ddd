//! What several commands read: rules and masks.

use std::path::{Path, PathBuf};

use clap::Args;
use indexmap::IndexMap;
use miette::Result;
use paring::format::masks::{self, read_safetensors};
use paring::format::torchscript::Input;
use paring::load::Model;
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
    /// A file, mapped.
    Stored(IndexMap<String, masks::Mask>),
    /// What is zero in the weights already.
    Zeros,
}

impl MaskFile {
    /// Opens a safetensors file; `zeros` is none.
    pub fn open(path: &Path) -> Result<MaskFile> {
        if path.as_os_str() == "zeros" { Ok(MaskFile::Zeros) } else { Ok(MaskFile::Stored(read_safetensors(path)?)) }
    }

    /// The masks for a model, which is only opened where they are in it.
    pub fn masks(&self, model: &Path) -> Result<Masks<'_>> {
        let MaskFile::Stored(files) = self else { return Ok(Model::open(model)?.zeros()?) };
        let mut all = Masks::new();
        for (name, mask) in files {
            all.insert(name.clone(), Mask { shape: mask.shape.clone(), keep: mask.keep()? });
        }
        Ok(all)
    }
}
