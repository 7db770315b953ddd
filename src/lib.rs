//! Paring cuts pruned channels out of a traced PyTorch model.
//!
//! The pipeline reads like a sentence: [load](load) a program, [propagate](axis) its axes by the [rules](rule),
//! [solve](solve::solve) for what stays, [plan](plan::plan) the edits, [apply](plan::apply) them. [`speedup`] is all of it.
//! [live](live) is the same for a module in memory, which the Python package holds; [cli](cli) the command line.

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
mod settings;
pub mod shown;
pub mod solve;
#[cfg(feature = "torch")]
pub mod torch;

use std::path::Path;

pub use error::Error;
pub use settings::{OnUnknown, Outputs, Progress, Settings};

use axis::{Propagation, derive, drop_unused, follow_lists, propagate, still_described};
use format::torchscript::Input;
use load::Model;
use model::Graph;
use plan::Plan;
use report::Summary;
use rule::RuleSet;
use solve::{Masks, Policy, Solution, SolveError};

/// Opens a model, leaves out what no output needs, and propagates its axes: what all commands begin with. `freeze` names tensors or modules whose axes stay;
/// `inputs` are the sizes of what a TorchScript program is given, where its archive does not tell them.
///
/// # Errors
/// Anything wrong with the model or the rules, and names that mean nothing.
pub fn open(model: &Path, inputs: &[Input], rules: &RuleSet, freeze: &[String]) -> Result<(Model, Propagation), Error> {
    prepare(Model::with_inputs(model, inputs)?, rules, freeze)
}

/// The same for a model that is open.
fn prepare(mut model: Model, rules: &RuleSet, freeze: &[String]) -> Result<(Model, Propagation), Error> {
    drop_unused(&mut model.graph, rules);
    follow_lists(&mut model.graph, rules);
    if !model.archive.is_sized(&model.graph)? {
        derive(&mut model.graph, rules)?;
    }
    let axes = propagate(&model.graph, rules, &frozen(&model.graph, freeze)?)?;
    Ok((model, axes))
}

/// Shrinks a model. `progress` is told what happens.
///
/// # Errors
/// Anything wrong with the model, the masks or the rules; then no file is written.
pub fn speedup(
    model: &Path,
    masks: &Masks,
    rules: &RuleSet,
    settings: &Settings,
    outputs: &Outputs,
    progress: &mut dyn FnMut(Progress),
) -> Result<Summary, Error> {
    outputs.check(&[("the model that is read", model)])?;
    progress(Progress::Step("reading the program and propagating axes"));
    let file = model;
    let (model, axes) = open(file, &settings.inputs, rules, &settings.freeze)?;
    if outputs.model.is_some() {
        model.archive.check_data()?;
    }
    let graph = &model.graph;
    if settings.on_unknown == OnUnknown::Error {
        refuse_unknown(graph, rules, &axes)?;
    }
    progress(Progress::Step("solving for what stays"));
    let solve = |options: &solve::Options| solve::solve(graph, rules, &axes, masks, options, &model);
    let solution = match solve(&settings.options) {
        Err(SolveError::Conflict { .. }) => return Err(conflicts(graph, &axes, settings, solve)?.into()),
        other => other?,
    };
    progress(Progress::Step("planning the edits"));
    let plan = plan::plan(graph, rules, &axes, &solution, settings.choices)?;
    let (small, again) = check((graph, &axes), plan::apply(graph, &axes, &solution, &plan), rules)?;
    #[cfg_attr(not(feature = "torch"), allow(unused_mut))]
    let mut summary = Summary::new((graph, &axes), (&small, &again), rules, (&solution, settings.options.policy), &plan);
    drop(again);
    let page = || report::Page::new(file, (graph, &axes), rules, &summary, Some(&solution));
    let report = outputs.report.as_ref().map(|path| report::write_html(path, &page())).transpose()?;
    progress(Progress::Step("writing"));
    progress(Progress::Total(if outputs.model.is_some() { summary.bytes.after } else { 0 }));
    let files = write(&model, small, (&axes, &solution, &plan), settings, outputs, report, progress)?;
    #[cfg(feature = "torch")]
    if let (Some(setup), Some(written), Some(_)) = (settings.verify, files.last(), &outputs.model) {
        progress(Progress::Step("comparing with the masked original"));
        let masks = plan::unified(graph, &axes, (&solution, &plan), settings.options.policy).to_masks();
        summary.verified = Some(torch::prove(&model, written.path(), &masks, rules, settings.options.lossless, setup)?);
    }
    format::persist_all(files)?;
    Ok(summary)
}

/// What there is to say of masks that disagree, where the user insists that they do not.
fn conflicts<'a>(
    graph: &Graph,
    axes: &Propagation,
    settings: &Settings,
    solve: impl Fn(&solve::Options) -> Result<Solution<'a>, SolveError>,
) -> Result<report::ReportError, Error> {
    let with = |policy| solve(&solve::Options { policy, ..settings.options.clone() });
    let (keep, prune) = (with(Policy::Keep)?, with(Policy::Prune)?);
    let outlook = |policy, solution| report::Outlook::new(policy, graph, axes, solution);
    let outlooks = vec![outlook("keep", &keep), outlook("prune", &prune)];
    Ok(Box::new(report::Conflicts::new(graph, axes, &keep, &settings.masks, outlooks)).into())
}

fn refuse_unknown(graph: &Graph, rules: &RuleSet, axes: &Propagation) -> Result<(), Error> {
    let mut ops: Vec<String> = rulebook::usage(graph, rules, axes).missing.into_iter().map(|m| m.op).collect();
    ops.sort();
    ops.dedup();
    if ops.is_empty() { Ok(()) } else { Err(report::ReportError::Unknown { ops }.into()) }
}

/// Propagates the axes of the small graph, which checks every size, and fills in those of new values.
fn check(original: (&Graph, &Propagation), mut small: Graph, rules: &RuleSet) -> Result<(Graph, Propagation), Error> {
    let again = propagate(&small, rules, &[]).map_err(Error::Check)?;
    still_described(original, (&small, &again)).map_err(Error::Check)?;
    for (value, shape) in small.values.iter_mut().zip(&again.shapes) {
        if value.shape.is_none() && value.scalar.is_none() {
            value.shape.clone_from(shape);
        }
    }
    Ok((small, again))
}

/// Writes all files, the small model last. They have no names yet.
fn write(
    model: &Model,
    mut small: Graph,
    (axes, solution, plan): (&Propagation, &Solution, &Plan),
    settings: &Settings,
    outputs: &Outputs,
    report: Option<format::Pending>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<format::Pending>, Error> {
    let Model { archive, graph } = model;
    let masks = plan::unified(graph, axes, (solution, plan), settings.options.policy);
    // All files are written before the first gets its name.
    let mut files: Vec<format::Pending> = report.into_iter().collect();
    if let Some(path) = &outputs.unified_masks {
        let tensors = masks.tensors();
        let list: Vec<(String, Vec<usize>)> =
            tensors.iter().map(|k| (graph.tensors[*k].name.clone(), graph.tensors[*k].shape.clone())).collect();
        files.push(format::masks::write_safetensors(path, &list, |k| masks.mask(tensors[k]).into())?);
    }
    if let Some(path) = &outputs.plan {
        files.push(report::write_json(path, &plan::to_json(graph, plan, &masks))?);
    }
    if let Some(path) = &outputs.model {
        let payloads = plan::payloads(archive, graph, &mut small, plan, &masks)?;
        files.push(format::write(archive, graph, &small, &payloads, path, &mut |n| progress(Progress::Written(n)))?);
    }
    Ok(files)
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
