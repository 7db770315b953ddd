//! Paring cuts pruned channels out of a traced PyTorch model.
//!
//! A [`Session`] is a model whose axes are known; its steps are methods, in order: [`Session::solve`] decides by [masks](Masks) what
//! stays, [`Session::plan`] what has to change, [`Session::apply`] changes the program in memory, [`Cut::write`] writes it.
//! [`speedup`] is all of it, from file to file:
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::path::Path;
//! use paring::{MaskFile, Outputs, RuleSet, Settings};
//!
//! let model = Path::new("model.pt2");
//! let file = MaskFile::open(Path::new("masks.safetensors"))?;
//! let outputs = Outputs { model: Some("small.pt2".into()), ..Outputs::default() };
//! let summary = paring::speedup(model, &file.masks(model)?, RuleSet::builtin(), &Settings::default(), &outputs, &mut |_| {})?;
//! println!("{} of {} parameters are left", summary.parameters.after, summary.parameters.before);
//! # Ok(())
//! # }
//! ```
//!
//! What is listed here is the library's interface. The other modules are its rooms, for the command line, the Python package and
//! the tests of this workspace; they change without notice. They read like a sentence: `load` a program, propagate its `axis`es by the
//! `rule`s, `solve` for what stays, `plan` the edits and apply them; `groups` are what can go together, of which `prune` chooses, and
//! `live` is the same for a module in memory.

// The command line names the library as others do.
extern crate self as paring;

#[doc(hidden)]
pub mod axis;
#[doc(hidden)]
pub mod cli;
mod error;
#[doc(hidden)]
pub mod format;
mod glob;
#[doc(hidden)]
pub mod groups;
#[doc(hidden)]
pub mod live;
#[doc(hidden)]
pub mod load;
#[doc(hidden)]
pub mod model;
#[doc(hidden)]
pub mod onnxruntime;
#[doc(hidden)]
pub mod plan;
#[doc(hidden)]
pub mod prune;
#[doc(hidden)]
pub mod report;
#[doc(hidden)]
pub mod rule;
#[doc(hidden)]
pub mod rulebook;
mod session;
mod settings;
#[doc(hidden)]
pub mod shown;
#[doc(hidden)]
pub mod solve;
#[cfg(feature = "torch")]
#[doc(hidden)]
pub mod torch;
#[doc(hidden)]
pub mod trials;

use std::path::Path;

#[doc(inline)]
pub use cli::MaskFile;
pub use error::Error;
#[doc(inline)]
pub use format::torchscript::Input;
#[doc(inline)]
pub use load::Model;
#[doc(inline)]
pub use plan::{Choices, Statistics};
#[doc(inline)]
pub use report::{Summary, table};
#[doc(inline)]
pub use rule::{RuleErrors, RuleSet};
pub use session::{Cut, Session};
pub use settings::{OnUnknown, OutputError, Outputs, Progress, Settings};
#[doc(inline)]
pub use solve::{Mask, Masks, Options, Policy};

/// Shrinks a model. `progress` is told what happens.
///
/// # Errors
/// Anything wrong with the model, the masks or the rules; then no file is written.
pub fn speedup(
    model: &Path,
    masks: &Masks,
    rules: RuleSet,
    settings: &Settings,
    outputs: &Outputs,
    progress: &mut dyn FnMut(Progress),
) -> Result<Summary, Error> {
    outputs.check(&[("the model that is read", model)])?;
    progress(Progress::Step("reading the program and propagating axes"));
    Session::open(model, &settings.inputs, rules, &settings.freeze)?.shrink(masks, settings, outputs, progress)
}
