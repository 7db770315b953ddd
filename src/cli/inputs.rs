//! What several commands read: rules and masks.

use std::borrow::Cow;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use miette::Result;
use paring::Session;
use paring::format::Source;
use paring::format::masks::{self, Stored};
use paring::format::torchscript::Input;
use paring::load::Model;
use paring::model::{Graph, Tensor};
use paring::prune::masks_of_yaml;
use paring::rule::{RuleErrors, RuleSet};
use paring::solve::{Mask, Masks};
use tracing::info_span;

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
    /// A model and the folders, for the check that no output takes their place.
    pub fn with_model<'a>(&'a self, model: &'a Path) -> impl Iterator<Item = (&'static str, &'a Path)> {
        let rules = self.rules.iter().map(|path| ("part of the rules that are read", path.as_path()));
        std::iter::once(("the model that is read", model)).chain(rules)
    }

    /// The built-in rules and those of the folders.
    pub fn set(&self) -> Result<RuleSet, RuleErrors> {
        let _stage = info_span!("rules").entered();
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
        let _stage = info_span!("masks").entered();
        if path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            return Ok(MaskFile::Yaml(path.to_path_buf(), paring::format::read_text(path)?));
        }
        match path.to_str() {
            Some("zeros") => Ok(MaskFile::Zeros),
            Some("model") => Ok(MaskFile::Model),
            _ => Ok(MaskFile::Stored(masks::read(path)?)),
        }
    }

    /// Opens a file as [`MaskFile::open`] does and reads all of it into memory: whoever makes it shorter meanwhile does no harm to the process.
    pub fn load(path: &Path) -> Result<MaskFile> {
        match MaskFile::open(path)? {
            MaskFile::Stored(_) => Ok(MaskFile::Stored(masks::load(path)?)),
            read => Ok(read),
        }
    }

    /// The file, where masks are read from it when they are asked for.
    pub fn source(&self) -> Option<Arc<Source>> {
        match self {
            MaskFile::Stored(stored) => stored.source().cloned(),
            _ => None,
        }
    }

    /// The masks for a model's file, which is only opened where they are in it.
    pub fn masks(&self, model: &Path) -> Result<Masks<'_>> {
        let open = || match self {
            // What goes by ratio is ranked with all that is coupled to it.
            MaskFile::Yaml(_, text) if text.contains("ratio") => {
                Ok(Opened::Ready(Box::new(Session::open(model, &[], RuleSet::builtin(), &[])?)))
            }
            _ => Ok(Model::open(model)?.into()),
        };
        self.masks_of(&open, &mut |note| super::say::note(&note))
    }

    /// The masks for a model that `model` gives, where it is needed; `note` is told what else to know.
    pub fn masks_of<'m>(&self, model: &dyn Fn() -> Result<Opened<'m>>, note: &mut dyn FnMut(String)) -> Result<Masks<'_>> {
        let _stage = info_span!("masks").entered();
        let (files, model) = match self {
            MaskFile::Zeros => return Ok(model()?.zeros()?),
            MaskFile::Yaml(path, text) => {
                let opened = model()?;
                let axes = opened.session().map(|s| (s.axes(), s.rules()));
                return Ok(masks_of_yaml(path, text, &opened, axes).map_err(|e| *e)?);
            }
            MaskFile::Model => return Ok(model()?.active_masks(&RuleSet::builtin())?),
            MaskFile::Stored(Stored::Safetensors(files)) => (files, None),
            MaskFile::Stored(Stored::Saved(saved)) => {
                for name in &saved.ignored {
                    note(format!("the mask `{name}` is of a layer's input or output, and ignored: Paring works out its own"));
                }
                (&saved.masks, Some(model()?))
            }
        };
        let graph = model.as_deref().map(|m| &m.graph);
        let mut all = Masks::new();
        for (name, mask) in files {
            // A model exported while torch.nn.utils.prune is active calls its weights so.
            let has = |name: &str| graph.is_none_or(|g| g.tensors.iter().any(|t| t.name == name));
            let original = format!("{name}{}", masks::PRUNED.0);
            let name = if !has(name) && has(&original) { original } else { name.clone() };
            // A mask that is larger than its parameter, as it claims, has not its sizes: that is said without looking at more.
            let fits = graph.is_none_or(|g| mask.numel() <= room(g, &name));
            let keep = if fits { mask.keep()? } else { Cow::Borrowed(&[][..]) };
            if fits && mask.looks_like_scores(&keep) {
                note(format!(
                    "the mask `{name}` has no zero and many different numbers: are these scores? `paring prune --scores` takes them"
                ));
            }
            all.insert(name, Mask { shape: mask.shape.clone(), keep });
        }
        Ok(all)
    }
}

/// Elements that a mask of this name can have.
fn room(graph: &Graph, name: &str) -> usize {
    let own = graph.tensors.iter().find(|t| t.name == name).map(Tensor::numel);
    own.unwrap_or_else(|| graph.tensors.iter().map(Tensor::numel).max().unwrap_or(0))
}

/// A model that was opened for this, or one that somebody has.
pub enum Opened<'m> {
    /// Opened.
    Own(Box<Model>),
    /// Somebody's, with its axes.
    Of(&'m Session),
    /// Opened, with its axes.
    Ready(Box<Session>),
}

impl Opened<'_> {
    /// With its axes, where they are known.
    fn session(&self) -> Option<&Session> {
        match self {
            Opened::Own(_) => None,
            Opened::Of(session) => Some(session),
            Opened::Ready(session) => Some(session),
        }
    }
}

impl From<Model> for Opened<'_> {
    fn from(model: Model) -> Self {
        Opened::Own(Box::new(model))
    }
}

impl Deref for Opened<'_> {
    type Target = Model;

    fn deref(&self) -> &Model {
        match self {
            Opened::Own(model) => model,
            Opened::Of(session) => session.model(),
            Opened::Ready(session) => session.model(),
        }
    }
}
