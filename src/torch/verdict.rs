//! What is compared, and what came of it.

use std::path::Path;

use miette::{NamedSource, SourceSpan};
use serde::Serialize;

use super::error::{Differs, TorchError};
use super::memory::Memory;
use super::setup::Setup;
use super::timing::Timing;
use crate::load::Model;
use crate::rule::RuleSet;
use crate::solve::Masks;

/// What to compare, and how.
pub struct Verify<'a> {
    /// The original.
    pub original: &'a Model,
    /// The small model.
    pub small: &'a Model,
    /// The masks that the original's parameters are multiplied by.
    pub masks: &'a Masks<'a>,
    /// The masks are those that were given, and the small model was to lose nothing else.
    pub lossless: bool,
    /// The rules, which tell where values of the two belong together if they differ.
    pub rules: &'a RuleSet,
    /// Where and in which floats.
    pub setup: Setup,
    /// Inputs from a file; random ones otherwise.
    pub inputs: Option<&'a Path>,
    /// The largest relative error; by default 1e-6 for results in 64 bits, 1e-3 in 32 and 5e-2 in 16.
    pub tolerance: Option<f64>,
    /// For random inputs.
    pub seed: i64,
    /// Forwards to time of each; 0 for none.
    pub runs: usize,
}

/// What was found for one output.
#[derive(Clone, Debug, Serialize)]
pub struct OutputError {
    /// Its name in the original.
    pub name: String,
    /// Its sizes.
    pub shape: Vec<i64>,
    /// The largest absolute difference over all inputs.
    pub absolute: f64,
    /// The same against what the input changes in it.
    pub relative: f64,
    /// The largest that is tolerated.
    pub tolerance: f64,
}

impl OutputError {
    /// True if it is tolerated.
    pub fn holds(&self) -> bool {
        self.relative <= self.tolerance
    }
}

/// The first node whose result is not what it is in the masked original.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// The node.
    pub node: String,
    /// Its operator.
    pub op: String,
    /// The Python line.
    pub line: Option<String>,
    /// How far the results are apart; `None` if the small model fails there.
    pub relative: Option<f64>,
    /// What libtorch says where it fails.
    pub reason: Option<String>,
}

/// What a comparison found.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// Each output.
    pub outputs: Vec<OutputError>,
    /// The first node that differs, if an output does.
    pub difference: Option<Difference>,
    /// Inputs that were tried.
    pub inputs: usize,
    /// Times of the original and of the small model.
    pub times: Option<(Timing, Timing)>,
    /// Memory of the original and of the small model.
    pub memory: (Memory, Memory),
}

impl Verdict {
    /// True if all outputs hold.
    pub fn holds(&self) -> bool {
        self.difference.is_none() && self.outputs.iter().all(OutputError::holds)
    }
}

impl TorchError {
    /// The error for a verdict that does not hold.
    pub fn differs(verdict: &Verdict) -> TorchError {
        let worst = verdict.outputs.iter().max_by(|a, b| a.relative.total_cmp(&b.relative));
        let of =
            |o: &OutputError| format!("output `{}` by {:.2e} (relative; {:.0e} is tolerated)", o.name, o.relative, o.tolerance);
        let mut what = worst.map_or_else(|| "it does not run".to_owned(), of);
        let mut label = String::new();
        let mut text = None;
        if let Some(first) = &verdict.difference {
            label = match (&first.relative, &first.reason) {
                (Some(x), _) => format!("node `{}` ({}) is the first that differs, by {x:.2e}", first.node, first.op),
                (None, Some(reason)) => format!("node `{}` ({}) fails: {reason}", first.node, first.op),
                (None, None) => format!("the values of all nodes before the last, `{}` ({}), are equal", first.node, first.op),
            };
            text.clone_from(&first.line);
            if text.is_none() {
                what = format!("{what}; {label}");
            }
        }
        let (file, code) = match text.as_deref().and_then(|t| t.split_once(": ")) {
            Some((place, code)) => (place.to_owned(), code.to_owned()),
            None => (String::new(), text.clone().unwrap_or_default()),
        };
        let span = text.is_some().then(|| SourceSpan::new(0.into(), code.len()));
        TorchError::Differs(Box::new(Differs {
            what,
            help: "if the small model was written by this version of Paring from this original, please report it".to_owned(),
            line: text.is_some().then(|| NamedSource::new(file, code)),
            span,
            label,
        }))
    }
}
