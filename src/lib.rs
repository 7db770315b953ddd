//! Paring cuts pruned channels out of a traced PyTorch model.
//!
//! The pipeline reads like a sentence: [load](format) a program, [propagate](axis) its axes by the [rules](rule),
//! [solve](solve::solve) for what stays, [plan](plan::plan) the edits, [apply](plan::apply) them. [`speedup`] is all of it.

pub mod axis;
mod error;
pub mod format;
pub mod load;
pub mod model;
pub mod plan;
pub mod report;
pub mod rule;
pub mod solve;

use std::path::{Path, PathBuf};

pub use error::Error;

use axis::{Propagation, propagate};
use load::Model;
use model::Graph;
use plan::{Plan, Statistics};
use report::Summary;
use rule::RuleSet;
use solve::{Masks, Options, Solution};

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
    /// What becomes of means and norms.
    pub statistics: Statistics,
    /// Parameters, buffers or modules whose axes all stay.
    pub freeze: Vec<String>,
    /// What to do with unknown operators.
    pub on_unknown: OnUnknown,
}

/// Where results go.
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    /// The small model.
    pub model: PathBuf,
    /// The unified masks, if wanted.
    pub unified_masks: Option<PathBuf>,
    /// The plan as JSON, if wanted.
    pub plan: Option<PathBuf>,
}

/// Shrinks a model. `progress` is told of bytes written.
///
/// # Errors
/// Anything wrong with the model, the masks or the rules; then no file is written.
pub fn speedup(
    model: &Path,
    masks: &Masks,
    rules: &RuleSet,
    settings: &Settings,
    outputs: &Outputs,
    progress: &mut dyn FnMut(u64),
) -> Result<Summary, Error> {
    let model = Model::open(model)?;
    let graph = &model.graph;
    let axes = propagate(graph, rules, &frozen(graph, &settings.freeze)?)?;
    if settings.on_unknown == OnUnknown::Error {
        refuse_unknown(graph, &axes)?;
    }
    let solution = solve::solve(graph, rules, &axes, masks, &settings.options, &|k| model.flags(k))?;
    let plan = plan::plan(graph, rules, &axes, &solution, settings.statistics)?;
    let (small, again) = check(plan::apply(graph, &axes, &solution, &plan), rules)?;
    let summary = Summary::new(graph, &small, &axes, &again, &solution, &plan);
    write(&model, small, (&axes, &solution, &plan), settings, outputs, progress)?;
    Ok(summary)
}

fn refuse_unknown(graph: &Graph, axes: &Propagation) -> Result<(), Error> {
    let unknown = graph.nodes.iter().zip(&axes.steps).filter(|(_, step)| matches!(step, axis::Step::Unknown(_)));
    let mut ops: Vec<String> = unknown.map(|(node, _)| node.target.clone()).collect();
    ops.sort();
    ops.dedup();
    if ops.is_empty() { Ok(()) } else { Err(report::ReportError::Unknown { ops }.into()) }
}

/// Propagates the axes of the small graph, which checks every size, and fills in those of new values.
fn check(mut small: Graph, rules: &RuleSet) -> Result<(Graph, Propagation), Error> {
    let again = propagate(&small, rules, &[]).map_err(|e| Error::Check(e))?;
    for (value, shape) in small.values.iter_mut().zip(&again.shapes) {
        if value.shape.is_none() && value.scalar.is_none() {
            value.shape.clone_from(shape);
        }
    }
    Ok((small, again))
}

fn write(
    model: &Model,
    mut small: Graph,
    (axes, solution, plan): (&Propagation, &Solution, &Plan),
    settings: &Settings,
    outputs: &Outputs,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Error> {
    let Model { archive, graph } = model;
    let masks = plan::unified(graph, axes, solution, settings.options.policy);
    let payloads = plan::payloads(archive, graph, &mut small, plan, &masks)?;
    if let Some(path) = &outputs.unified_masks {
        let tensors = masks.tensors();
        let list: Vec<(String, Vec<usize>)> =
            tensors.iter().map(|k| (graph.tensors[*k].name.clone(), graph.tensors[*k].shape.clone())).collect();
        format::masks::write_safetensors(path, &list, |k| masks.mask(tensors[k]).into())?;
    }
    if let Some(path) = &outputs.plan {
        report::write_json(path, &plan::to_json(graph, plan))?;
    }
    format::write(archive, graph, &small, &payloads, &outputs.model, progress)?;
    Ok(())
}

/// The tensors that the user's names mean; a name that means none is an error.
fn frozen(graph: &Graph, names: &[String]) -> Result<Vec<String>, Error> {
    for name in names {
        let means = |t: &model::Tensor| t.name == *name || t.name.strip_prefix(name.as_str()).is_some_and(|r| r.starts_with('.'));
        if !graph.tensors.iter().any(means) {
            let closest = solve::closest(name, graph.tensors.iter().map(|t| t.name.as_str()));
            return Err(solve::SolveError::UnknownFrozen { name: name.clone(), closest }.into());
        }
    }
    Ok(names.to_vec())
}
