//! Shrinking a live module: what a plan means for the module that was exported, whose weights stay where they are.
//!
//! The archive of a live module holds no weights but one element in place of each ([`Program::open`] takes it from memory). What is
//! decided comes back as data: which positions of which tensors stay, which arguments of which modules have other values ([`Cut`]),
//! what attributes become by the class of a module ([`attributes()`]), and how the module, once changed and exported again, differs from
//! the small program ([`Cut::differences`]).

mod attributes;
mod changes;
mod compare;
mod stubs;
mod tree;

use std::path::Path;
use std::sync::Arc;

use miette::Diagnostic;
use serde_json::Value;
use thiserror::Error;

use crate::axis::{Propagation, drop_unused};
use crate::format::FormatError;
use crate::load::Model;
use crate::model::Graph;
use crate::plan::{self, Zeros};
use crate::report::{self, Summary};
use crate::rule::RuleSet;
use crate::settings::{OnUnknown, Settings};
use crate::solve::{self, Masks, SolveError};
use crate::{Error, check, conflicts, prepare, refuse_unknown};

pub use attributes::{Attributes, ModuleState, attributes};
pub use compare::Difference;

/// What can go wrong with a live module besides what can with a file.
#[derive(Debug, Error, Diagnostic)]
pub enum LiveError {
    /// A formula of an entry about a class of modules.
    #[error("`{attribute}` of {class} cannot be worked out: {reason}")]
    #[diagnostic(
        code(paring::live::attribute),
        help("`sizes:` of the entry for its class says what it is; rules/modules.yaml has examples")
    )]
    Attribute {
        /// The class.
        class: String,
        /// Its attribute.
        attribute: String,
        /// Why.
        reason: String,
    },
}

/// An exported module.
pub struct Program {
    model: Model,
    axes: Propagation,
    rules: RuleSet,
}

/// What a cut of a module is.
pub struct Cut {
    /// Edits of tensors and of the program, as JSON for the holder of the module.
    pub changes: Value,
    /// The plan as `--plan` writes it.
    pub plan: Value,
    /// The outcome in numbers and reasons.
    pub summary: Summary,
    /// The report as a page for a browser.
    pub page: report::Page,
    /// The small program, an archive of `torch.export.save` without weights.
    pub archive: Vec<u8>,
    zeros: Vec<(String, Zeros)>,
    small: Graph,
}

impl Program {
    /// Reads an archive of `torch.export.save` in memory, and propagates its axes. `freeze` names tensors or modules whose axes stay.
    ///
    /// # Errors
    /// Anything wrong with the archive or the rules, and names that mean nothing.
    pub fn open(bytes: Arc<[u8]>, rules: RuleSet, freeze: &[String]) -> Result<Program, Error> {
        let (model, axes) = prepare(Model::of_bytes(Path::new("the exported module"), bytes)?, &rules, freeze)?;
        Ok(Program { model, axes, rules })
    }

    /// The program and its buffers.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The rules that it was read with.
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// Decides what stays under these masks, and what has to change for it.
    ///
    /// # Errors
    /// Masks that are not the program's, masks that disagree where that is an error, operators without a rule where that is one.
    pub fn cut(&self, masks: &Masks, settings: &Settings) -> Result<Cut, Error> {
        let (graph, axes, rules) = (&self.model.graph, &self.axes, &self.rules);
        if settings.on_unknown == OnUnknown::Error {
            refuse_unknown(graph, rules, axes)?;
        }
        let solve = |options: &solve::Options| solve::solve(graph, rules, axes, masks, options, &self.model);
        let solution = match solve(&settings.options) {
            Err(SolveError::Conflict { .. }) => return Err(conflicts(graph, axes, settings, solve)?.into()),
            other => other?,
        };
        let plan = plan::plan(graph, rules, axes, &solution, settings.choices)?;
        let (mut small, again) = check((graph, axes), plan::apply(graph, axes, &solution, &plan), rules)?;
        let summary = Summary::new((graph, axes), (&small, &again), rules, (&solution, settings.options.policy), &plan);
        let page = report::Page::new(Path::new("the module"), (graph, axes), rules, &summary, Some(&solution));
        let unified = plan::unified(graph, axes, (&solution, &plan), settings.options.policy);
        let zeros = unified.tensors().into_iter().filter_map(|k| Some((graph.tensors[k].name.clone(), unified.zeros(k)?)));
        let zeros = zeros.collect();
        let changes = changes::changes((graph, &small), &solution, &plan);
        let payloads = stubs::payloads(graph, &mut small, &plan);
        let archive = crate::format::write_bytes(&self.model.archive, graph, &small, &payloads)?;
        Ok(Cut { changes, plan: plan::to_json(graph, &plan, &unified), summary, page, archive, zeros, small })
    }
}

impl Cut {
    /// What a given mask makes zero of a parameter besides the positions that go; `None` if nothing.
    pub fn zeros(&self, name: &str) -> Option<&Zeros> {
        self.zeros.iter().find(|(known, _)| known == name).map(|(_, zeros)| zeros)
    }

    /// The parameters that have such zeros.
    pub fn zeroed(&self) -> impl Iterator<Item = &str> {
        self.zeros.iter().map(|(name, _)| name.as_str())
    }

    /// How the module, changed and exported again, differs from the small program; nothing, if it is the same. `exact` are modules
    /// that compute what they did by other operators, `absorbed` modules and arguments that their weights stand for.
    ///
    /// # Errors
    /// An archive that cannot be read.
    pub fn differences(
        &self,
        again: Arc<[u8]>,
        rules: &RuleSet,
        exact: &[String],
        absorbed: &[(String, String)],
    ) -> Result<Vec<Difference>, FormatError> {
        let mut live = Model::of_bytes(Path::new("the changed module"), again)?.graph;
        drop_unused(&mut live, rules);
        Ok(compare::differences(&self.small, &live, exact, absorbed))
    }
}
