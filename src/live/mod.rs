//! Shrinking a live module: what a plan means for the module that was exported, whose weights stay where they are.
//!
//! The archive of a live module holds no weights but one element in place of each ([`Program::open`] takes it from memory). What is
//! decided comes back as data: which positions of which tensors stay, which arguments of which modules have other values ([`Cut`]),
//! what attributes become by the class of a module ([`attributes()`]), and how the module, once changed and exported again, differs from
//! the small program ([`Cut::differences`]).

mod attributes;
mod changes;
mod compare;
mod error;
mod stubs;
mod tree;

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use crate::axis::{drop_unused, read_spellings};
use crate::error::Error;
use crate::format::FormatError;
use crate::load::Model;
use crate::model::Graph;
use crate::plan::Zeros;
use crate::prune::{self, Pruned};
use crate::report::{Analysis, Page, Summary};
use crate::rule::RuleSet;
use crate::session::Session;
use crate::settings::Settings;
use crate::solve::Masks;

pub use attributes::{Attributes, ModuleState, attributes};
pub use compare::Difference;
pub use error::LiveError;

/// An exported module, or a program in a file.
pub struct Program {
    session: Session,
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
    pub page: Page,
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
        Ok(Program { session: Session::of_bytes(Path::new("the exported module"), bytes, rules, freeze)? })
    }

    /// Reads a program from a file of any kind.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub fn of_file(path: &Path, rules: RuleSet, freeze: &[String]) -> Result<Program, Error> {
        Ok(Program { session: Session::open(path, &[], rules, freeze)? })
    }

    /// The program and its buffers.
    pub fn model(&self) -> &Model {
        self.session.model()
    }

    /// The rules that it was read with.
    pub fn rules(&self) -> &RuleSet {
        self.session.rules()
    }

    /// The job that it is.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The groups of coupled axes.
    pub fn groups(&self) -> Analysis {
        Analysis::new(self.session.graph(), self.session.axes(), self.session.rules())
    }

    /// Chooses masks.
    ///
    /// # Errors
    /// As [`prune::prune`].
    pub fn choose(&self, options: &prune::Options) -> Result<Pruned, Error> {
        prune::prune(self.session.model(), self.session.axes(), self.session.rules(), options)
    }

    /// Decides what stays under these masks, and what has to change for it.
    ///
    /// # Errors
    /// Masks that are not the program's, masks that disagree where that is an error, operators without a rule where that is one.
    pub fn cut(&self, masks: &Masks, settings: &Settings) -> Result<Cut, Error> {
        let mut cut = self.session.cut(masks, settings)?;
        let graph = self.session.graph();
        let unified = cut.unified();
        let zeros = unified.tensors().into_iter().filter_map(|k| Some((graph.tensors[k].name.clone(), unified.zeros(k)?)));
        let zeros = zeros.collect();
        let changes = changes::changes((graph, &cut.small), &cut.solution, &cut.plan);
        let (page, plan) = (cut.page(), cut.plan_json());
        let payloads = stubs::payloads(graph, &mut cut.small, &cut.plan);
        let archive = crate::format::write_bytes(&self.session.model().archive, graph, &cut.small, &payloads)?;
        Ok(Cut { changes, plan, summary: cut.summary, page, archive, zeros, small: cut.small })
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
        read_spellings(&mut live, rules);
        drop_unused(&mut live, rules);
        Ok(compare::differences(&self.small, &live, exact, absorbed))
    }
}
