//! Paring cuts pruned channels out of a traced PyTorch model.
//!
//! The pipeline reads like a sentence: [load](load) a program, [propagate](axis) its axes by the [rules](rule),
//! [solve](solve::solve) for what stays, [plan](plan::plan) the edits, [apply](plan::apply) them. A [`Session`] has these steps as
//! methods, in that order; [`speedup`] is all of it. [live](live) is the same for a module in memory, which the Python package holds;
//! [cli](cli) the command line.

// The command line names the library as others do.
extern crate self as paring;

pub mod axis;
pub mod cli;
mod error;
pub mod format;
pub mod live;
pub mod load;
pub mod model;
pub mod plan;
pub mod prune;
pub mod report;
pub mod rule;
pub mod rulebook;
mod session;
mod settings;
pub mod shown;
pub mod solve;
#[cfg(feature = "torch")]
pub mod torch;

use std::path::Path;

pub use error::Error;
pub use session::{Cut, Session};
pub use settings::{OnUnknown, OutputError, Outputs, Progress, Settings};

use report::Summary;
use rule::RuleSet;
use solve::Masks;

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
