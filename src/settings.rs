//! What decides over a run besides the model and the masks, where results go, and how far a run is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::Diagnostic;
use thiserror::Error;

use crate::format::Source;
use crate::format::torchscript::Input;
use crate::plan::Choices;
use crate::solve::Options;

/// What to do with operators that no rule describes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUnknown {
    /// Their axes stay, and the report says so.
    #[default]
    Lock,
    /// The run stops.
    Error,
}

/// Everything that decides over a run, besides the model and the masks.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// How masks are weighed.
    pub options: Options,
    /// What becomes of means and norms, and of branches that add nothing.
    pub choices: Choices,
    /// Parameters, buffers or modules whose axes all stay.
    pub freeze: Vec<String>,
    /// Sizes of the inputs of a TorchScript program.
    pub inputs: Vec<Input>,
    /// What to do with unknown operators.
    pub on_unknown: OnUnknown,
    /// The file that the masks come from, for messages.
    pub masks: PathBuf,
    /// Files beside the model that must be as they were when outputs get their names.
    pub sources: Vec<Arc<Source>>,
    /// Whether the small model is compared with the masked original before any output appears, and how that runs.
    #[cfg(feature = "torch")]
    pub verify: Option<crate::torch::Setup>,
}

/// What is wrong with the places where results go.
#[derive(Debug, Error, Diagnostic)]
pub enum OutputError {
    /// One file for two purposes.
    #[error("{} cannot be both {first} and {second}", path.display())]
    #[diagnostic(code(paring::output::same_file), help("give every output a file of its own"))]
    SameFile {
        /// The file.
        path: PathBuf,
        /// One purpose.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
}

/// Where results go.
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    /// The small model; without it weights are neither read nor written.
    pub model: Option<PathBuf>,
    /// The unified masks, if wanted.
    pub unified_masks: Option<PathBuf>,
    /// The plan as JSON, if wanted.
    pub plan: Option<PathBuf>,
    /// The report as a page for a browser, if wanted.
    pub report: Option<PathBuf>,
}

impl Outputs {
    /// Checks that no file serves twice; `inputs` are files or folders that are read, with what they are.
    ///
    /// # Errors
    /// Two outputs in one file, or an output in the place of an input or in a folder that is read.
    pub fn check(&self, inputs: &[(&'static str, &Path)]) -> Result<(), OutputError> {
        let outputs = [
            ("the small model", self.model.as_ref()),
            ("the unified masks", self.unified_masks.as_ref()),
            ("the plan", self.plan.as_ref()),
            ("the report", self.report.as_ref()),
        ];
        let outputs = outputs.iter().filter_map(|(what, path)| Some((*what, path.as_ref()?.as_path())));
        let mut seen: Vec<(&'static str, PathBuf)> = Vec::new();
        for (k, (what, path)) in inputs.iter().copied().chain(outputs).enumerate() {
            let place = place(path);
            let takes = |other: &PathBuf| *other == place || (other.is_dir() && place.starts_with(other));
            match seen.iter().find(|(_, other)| takes(other)) {
                Some((first, _)) if k >= inputs.len() => {
                    return Err(OutputError::SameFile { path: path.into(), first, second: what });
                }
                _ => seen.push((what, place)),
            }
        }
        Ok(())
    }
}

/// One path for each file, whether it is there yet or not.
fn place(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let new = || folder.canonicalize().ok().zip(path.file_name()).map(|(folder, name)| folder.join(name));
    path.canonicalize().ok().or_else(new).unwrap_or_else(|| path.to_path_buf())
}

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub enum Progress {
    /// A new step begins.
    Step(&'static str),
    /// About so many bytes will be written.
    Total(u64),
    /// So many bytes were written since the last call.
    Written(u64),
}
