//! Comparing a small model with its masked original, output by output, and finding where they part.

use std::path::Path;
use std::time::Duration;

use tch::Tensor;

use super::bench::bench;
use super::compare::distance;
use super::error::TorchError;
use super::inputs::{Inputs, read_inputs};
use super::locate::locate;
use super::memory::memory;
use super::program::Program;
use super::setup::{Precision, Setup};
use super::verdict::{OutputError, Verdict, Verify};
use crate::Error;
use crate::load::Model;
use crate::model::{DType, Graph};
use crate::report::Verified;
use crate::rule::RuleSet;
use crate::solve::Masks;

/// Runs both models and compares.
///
/// # Errors
/// Models that cannot be lowered or run, inputs that do not fit. A difference is no error.
pub fn verify(v: &Verify<'_>) -> Result<Verdict, Error> {
    v.setup.apply()?;
    let (original, small) = (&v.original.graph, &v.small.graph);
    let results = |graph: &Graph| graph.outputs.len() - graph.updates.len();
    if (original.inputs.len(), results(original)) != (small.inputs.len(), results(small)) {
        let count = |g: &Graph| format!("{} inputs and {} outputs", g.inputs.len(), results(g));
        let reason = format!("the original has {}, the small one {}", count(original), count(small));
        return Err(TorchError::Incomparable { reason }.into());
    }
    let masked = Program::new(original, &v.original.archive, None, &v.setup)?;
    masked.mask(v.masks)?;
    let all = inputs(v, &masked)?;
    let memory = {
        let shapes = |g: &Graph| g.values.iter().map(|v| v.shape.clone()).collect::<Vec<_>>();
        (memory(original, &shapes(original)), memory(small, &shapes(small)))
    };
    let cut = Program::new(small, &v.small.archive, None, &v.setup)?;
    let returned = returned(original);
    let mut outputs: Vec<OutputError> = Vec::new();
    for (k, inputs) in all.iter().enumerate() {
        let want = masked.run(inputs)?;
        let got = match cut.run(inputs) {
            Ok(got) => got,
            Err(_) => {
                let difference = Some(locate(v, inputs)?);
                return Ok(Verdict { outputs, difference, inputs: k + 1, times: None, memory });
            }
        };
        let other = masked.run(&inputs.other())?;
        for (at, (want, got)) in want.iter().zip(&got).enumerate() {
            let found = compare(want, got, other.get(at));
            match outputs.get_mut(at) {
                Some(known) => {
                    known.absolute = known.absolute.max(found.0);
                    known.relative = known.relative.max(found.1);
                }
                None => outputs.push(OutputError {
                    name: returned.get(at).cloned().unwrap_or_default(),
                    shape: want.size(),
                    absolute: found.0,
                    relative: found.1,
                    tolerance: tolerance(v, want),
                }),
            }
        }
    }
    let wrong = outputs.iter().any(|o| !o.holds());
    let difference = match all.first() {
        Some(first) if wrong => Some(locate(v, first)?),
        _ => None,
    };
    let times = match all.first() {
        Some(first) if v.runs > 0 && !wrong => {
            let mut times =
                bench(&[&Program::new(original, &v.original.archive, None, &v.setup)?, &cut], first, v.runs, PATIENCE)?;
            times.pop().and_then(|small| Some((times.pop()?, small)))
        }
        _ => None,
    };
    Ok(Verdict { outputs, difference, inputs: all.len(), times, memory })
}

/// Compares a small model in a file with its masked original, on random inputs.
///
/// # Errors
/// As [`verify`]; and a difference.
pub fn prove(
    original: &Model,
    small: &Path,
    masks: &Masks<'_>,
    rules: &RuleSet,
    lossless: bool,
    setup: Setup,
) -> Result<Verified, Error> {
    let small = &Model::open(small)?;
    let verdict =
        verify(&Verify { original, small, masks, lossless, rules, setup, inputs: None, tolerance: None, seed: 0, runs: 10 })?;
    if !verdict.holds() {
        return Err(TorchError::differs(&verdict).into());
    }
    let relative = verdict.outputs.iter().map(|o| o.relative).fold(0.0, f64::max);
    let (before, after) = verdict.times.map_or((0.0, 0.0), |(before, after)| (before.median, after.median));
    Ok(Verified { inputs: verdict.inputs, relative, before, after })
}

/// Timing ends after about so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Names of what the program returns.
fn returned(graph: &Graph) -> Vec<String> {
    let written = |at: usize| graph.updates.iter().any(|(k, _)| *k == at);
    let outputs = graph.outputs.iter().enumerate().filter(|(at, _)| !written(*at));
    outputs.map(|(_, v)| graph.value(*v).name.clone()).collect()
}

/// The inputs to compare on: those of the file, or two random ones, and one of twice the size where sizes are dynamic.
fn inputs(v: &Verify<'_>, masked: &Program) -> Result<Vec<Inputs>, TorchError> {
    let (graph, precision) = (&v.original.graph, v.setup.precision);
    if let Some(path) = v.inputs {
        return Ok(vec![read_inputs(path, graph, precision)?]);
    }
    let bounds = Inputs::bounds(graph, masked, precision)?;
    let mut all = Vec::new();
    for seed in 0..2 {
        all.push(Inputs::random(graph, 1, &bounds, v.seed + seed, precision)?);
    }
    let dynamic = |s: &crate::model::Size| s.as_int().is_none();
    if graph.inputs.iter().any(|i| graph.shape(*i).iter().any(dynamic)) {
        let twice = Inputs::random(graph, 2, &bounds, v.seed + 2, precision)?;
        // The program may allow less than twice; then the sizes of the example have to do.
        if masked.run(&twice).is_ok() {
            all.push(twice);
        }
    }
    Ok(all)
}

fn compare(want: &Tensor, got: &Tensor, other: Option<&Tensor>) -> (f64, f64) {
    if want.size() != got.size() || want.kind() != got.kind() {
        return (f64::INFINITY, f64::INFINITY);
    }
    let floats = want.is_floating_point() || want.is_complex();
    let found = distance(want, got, other.filter(|_| floats));
    (found.absolute, if floats { found.relative } else { found.absolute })
}

fn tolerance(v: &Verify<'_>, want: &Tensor) -> f64 {
    let own = match want.kind() {
        tch::Kind::Double | tch::Kind::ComplexDouble => 1e-6,
        tch::Kind::Half | tch::Kind::BFloat16 => 5e-2,
        _ if want.is_floating_point() || want.is_complex() => 1e-3,
        _ => 0.0,
    };
    // Results of 64 bits may still be computed in 32 on the way.
    let narrow = v.original.graph.values.iter().any(|x| x.shape.is_some() && matches!(x.dtype, DType::F32));
    let own = if own == 1e-6 && narrow && v.setup.precision == Precision::Own { 1e-3 } else { own };
    v.tolerance.unwrap_or(own)
}
