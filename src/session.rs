//! A job from a model to a smaller one, step by step: open, solve, plan, apply, write.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::{info, info_span};

use crate::axis::{Propagation, derive, drop_unused, follow_lists, propagate, read_spellings, still_described};
use crate::error::Error;
use crate::format::torchscript::Input;
use crate::format::{self, Pending};
use crate::load::Model;
use crate::model::Graph;
use crate::plan::{self, Choices, Plan, Unified};
use crate::report::{self, Conflicts, Outlook, Page, ReportError, Summary};
use crate::rule::RuleSet;
use crate::rulebook::usage;
use crate::settings::{OnUnknown, Outputs, Progress, Settings};
use crate::solve::{self, Masks, Options, Policy, Solution, SolveError};

/// A model whose axes are known: what all work on it begins with.
///
/// Each step takes what the one before gave, and can be used alone: [`solve`](Session::solve) decides what stays,
/// [`plan`](Session::plan) what has to change, [`apply`](Session::apply) changes it in memory, [`Cut::write`] in files.
/// [`cut`](Session::cut) is solve, plan and apply, [`shrink`](Session::shrink) all of them.
pub struct Session {
    model: Model,
    axes: Propagation,
    rules: RuleSet,
    name: PathBuf,
}

impl Session {
    /// Opens a file, leaves out what no output needs, and propagates its axes. `freeze` names tensors or modules whose axes stay;
    /// `inputs` are the sizes of what a TorchScript program is given, where its archive does not tell them.
    ///
    /// # Errors
    /// Anything wrong with the model or the rules, and names that mean nothing.
    pub fn open(model: &Path, inputs: &[Input], rules: RuleSet, freeze: &[String]) -> Result<Session, Error> {
        Session::of(Model::with_inputs(model, inputs)?, model, rules, freeze)
    }

    /// The same for an archive of `torch.export.save` in memory; `name` is what messages call it.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub fn of_bytes(name: &Path, bytes: Arc<[u8]>, rules: RuleSet, freeze: &[String]) -> Result<Session, Error> {
        Session::of(Model::of_bytes(name, bytes)?, name, rules, freeze)
    }

    fn of(mut model: Model, name: &Path, rules: RuleSet, freeze: &[String]) -> Result<Session, Error> {
        info_span!("rules").in_scope(|| rules.read(model.graph.nodes.iter().map(|n| n.target.as_str())));
        info_span!("unused").in_scope(|| {
            read_spellings(&mut model.graph, &rules);
            drop_unused(&mut model.graph, &rules);
            follow_lists(&mut model.graph, &rules);
        });
        if !model.archive.is_sized(&model.graph)? {
            info_span!("sizes").in_scope(|| derive(&mut model.graph, &rules))?;
        }
        let frozen = frozen(&model.graph, freeze)?;
        let axes = info_span!("propagate").in_scope(|| propagate(&model.graph, &rules, &frozen))?;
        let Graph { nodes, values, tensors, .. } = &model.graph;
        info!(nodes = nodes.len(), values = values.len(), tensors = tensors.len(), classes = axes.axes.counts().1);
        Ok(Session { model, axes, rules, name: name.to_path_buf() })
    }

    /// The program and its weights.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The file, or what messages call the model.
    pub fn path(&self) -> &Path {
        &self.name
    }

    /// The program.
    pub fn graph(&self) -> &Graph {
        &self.model.graph
    }

    /// Its axes.
    pub fn axes(&self) -> &Propagation {
        &self.axes
    }

    /// The rules that it was read with.
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// Decides what stays under these masks.
    ///
    /// # Errors
    /// Masks that are not the model's, masks that disagree where that is an error, operators without a rule where that is one.
    pub fn solve<'a>(&'a self, masks: &'a Masks<'a>, settings: &Settings) -> Result<Solution<'a>, Error> {
        let _stage = info_span!("solve").entered();
        if settings.on_unknown == OnUnknown::Error {
            self.refuse_unknown()?;
        }
        let solve = |options: &Options| solve::solve(self.graph(), &self.rules, &self.axes, masks, options, &self.model);
        match solve(&settings.options) {
            Err(SolveError::Conflict { .. }) => {
                let with = |policy| solve(&Options { policy, ..settings.options.clone() });
                let (keep, restore, prune) = (with(Policy::Keep)?, with(Policy::Restore)?, with(Policy::Prune)?);
                let outlook = |policy, solution| Outlook::new(policy, self.graph(), &self.axes, solution);
                let outlooks = vec![outlook("keep", &keep), outlook("restore", &restore), outlook("prune", &prune)];
                let conflicts = Conflicts::new(self.graph(), &self.axes, &keep, &settings.masks, outlooks);
                Err(ReportError::from(Box::new(conflicts)).into())
            }
            other => Ok(other?),
        }
    }

    fn refuse_unknown(&self) -> Result<(), Error> {
        let missing = usage(self.graph(), &self.rules, &self.axes).missing;
        let mut ops: Vec<String> = missing.into_iter().map(|m| m.op).collect();
        ops.sort();
        ops.dedup();
        if ops.is_empty() { Ok(()) } else { Err(ReportError::Unknown { ops }.into()) }
    }

    /// Works out what has to change so that only this stays.
    ///
    /// # Errors
    /// An argument that would have to change and is computed from symbolic sizes, a rule that cannot be worked out.
    pub fn plan(&self, solution: &Solution, choices: Choices) -> Result<Plan, Error> {
        let _stage = info_span!("plan").entered();
        let mut plan = plan::plan(self.graph(), &self.rules, &self.axes, solution, choices)?;
        if choices.settle_masks {
            plan::settle(self.graph(), &self.rules, &self.axes, &self.model.masked(&self.rules), &mut plan);
        }
        Ok(plan)
    }

    /// Makes the changes in memory, and checks every size by propagating the axes of the small program.
    ///
    /// # Errors
    /// A small program that does not fit together.
    pub fn apply<'a>(&'a self, solution: Solution<'a>, plan: Plan, policy: Policy) -> Result<Cut<'a>, Error> {
        let mut small = info_span!("edit").in_scope(|| plan::apply(self.graph(), &self.axes, &solution, &plan));
        let again = info_span!("check").in_scope(|| {
            let again = propagate(&small, &self.rules, &[])?;
            still_described((self.graph(), &self.axes), (&small, &again)).map(|()| again)
        });
        let again = again.map_err(Error::Check)?;
        for (value, shape) in small.values.iter_mut().zip(&again.shapes) {
            if value.shape.is_none() && value.scalar.is_none() {
                value.shape.clone_from(shape);
            }
        }
        let parts = ((self.graph(), &self.axes), (&small, &again));
        let _stage = info_span!("summary").entered();
        let summary = Summary::new(parts.0, parts.1, &self.rules, (&solution, policy), &plan);
        Ok(Cut { session: self, solution, plan, small, summary, policy })
    }

    /// [Solves](Session::solve), [plans](Session::plan) and [applies](Session::apply).
    ///
    /// # Errors
    /// As these.
    pub fn cut<'a>(&'a self, masks: &'a Masks<'a>, settings: &Settings) -> Result<Cut<'a>, Error> {
        let solution = self.solve(masks, settings)?;
        let plan = self.plan(&solution, settings.choices)?;
        self.apply(solution, plan, settings.options.policy)
    }

    /// [Cuts](Session::cut) and [writes](Cut::write). `progress` is told what happens.
    ///
    /// # Errors
    /// Anything wrong with the masks, and files that cannot be written; then none is.
    pub fn shrink(
        &self,
        masks: &Masks,
        settings: &Settings,
        outputs: &Outputs,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Summary, Error> {
        if outputs.model.is_some() {
            self.model.archive.check_data()?;
        }
        progress(Progress::Step("solving for what stays"));
        let solution = self.solve(masks, settings)?;
        progress(Progress::Step("planning the edits"));
        let plan = self.plan(&solution, settings.choices)?;
        self.apply(solution, plan, settings.options.policy)?.write(settings, outputs, progress)
    }

    /// The model as a page for a browser, without masks.
    pub fn page(&self) -> Page {
        let summary = Summary::untouched(self.graph(), &self.axes, &self.rules);
        Page::new(&self.name, (self.graph(), &self.axes), &self.rules, &summary, None)
    }
}

/// A smaller program in memory; its weights are cut as they are written.
pub struct Cut<'a> {
    session: &'a Session,
    /// What stays.
    pub solution: Solution<'a>,
    /// What changes.
    pub plan: Plan,
    /// The small program.
    pub small: Graph,
    /// The outcome in numbers and reasons.
    pub summary: Summary,
    policy: Policy,
}

impl Cut<'_> {
    /// The masks that the small program is equal to.
    pub fn unified(&self) -> Unified<'_> {
        plan::unified(self.session.graph(), &self.session.axes, (&self.solution, &self.plan), self.policy)
    }

    /// The report as a page for a browser.
    pub fn page(&self) -> Page {
        let Session { axes, rules, name, .. } = self.session;
        Page::new(name, (self.session.graph(), axes), rules, &self.summary, Some(&self.solution))
    }

    /// The plan as JSON.
    pub fn plan_json(&self) -> serde_json::Value {
        plan::to_json(self.session.graph(), &self.plan, &self.unified())
    }

    /// Writes what is asked for; all files get their names once all are written, and the comparison that the settings ask for has
    /// shown no difference.
    ///
    /// # Errors
    /// Files that cannot be read or written, a small model that computes something else.
    pub fn write(mut self, settings: &Settings, outputs: &Outputs, progress: &mut dyn FnMut(Progress)) -> Result<Summary, Error> {
        let _stage = info_span!("write").entered();
        let report = outputs.report.as_ref().map(|path| report::write_html(path, &self.page())).transpose()?;
        progress(Progress::Step("writing"));
        progress(Progress::Total(if outputs.model.is_some() { self.summary.bytes.after } else { 0 }));
        // Of an input that changed meanwhile all may be wrong, and a write of what it has no longer fails.
        let files = self.files(outputs, report, progress).or_else(|e| self.unchanged(settings).and(Err(e)))?;
        #[cfg(feature = "torch")]
        if let (Some(setup), Some(written), Some(_)) = (settings.verify, files.last(), &outputs.model) {
            progress(Progress::Step("comparing with the masked original"));
            let _stage = info_span!("compare").entered();
            let Session { model, rules, .. } = self.session;
            let masks = self.unified().to_masks();
            let verified = crate::torch::prove(model, written.path(), &masks, rules, settings.options.lossless, setup)?;
            self.summary.verified = Some(verified);
        }
        self.unchanged(settings)?;
        format::persist_all(files)?;
        Ok(self.summary)
    }

    /// An error if the model, or a file that its masks are read from, is not as it was.
    fn unchanged(&self, settings: &Settings) -> Result<(), Error> {
        self.session.model.archive.unchanged()?;
        Ok(settings.sources.iter().try_for_each(|source| source.unchanged())?)
    }

    /// Writes all files, the small model last. They have no names yet.
    fn files(
        &mut self,
        outputs: &Outputs,
        report: Option<Pending>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Vec<Pending>, Error> {
        let Model { archive, graph } = &self.session.model;
        let mut small = std::mem::take(&mut self.small);
        let masks = self.unified();
        let mut files: Vec<Pending> = report.into_iter().collect();
        if let Some(path) = &outputs.unified_masks {
            files.push(plan::write_unified(path, archive, graph, &masks)?);
        }
        if let Some(path) = &outputs.plan {
            let name = outputs.unified_masks.as_deref().and_then(|masks| beside(path, masks));
            files.push(format::write_by(path, &mut |to| plan::write_json(to, graph, &self.plan, &masks, name))?);
        }
        if let Some(path) = &outputs.model {
            let payloads = plan::payloads(archive, graph, &mut small, &self.plan, &masks)?;
            files.push(format::write(archive, graph, &small, &payloads, path, &mut |n| progress(Progress::Written(n)))?);
        }
        Ok(files)
    }
}

/// The name of a file that lies in the folder of another.
fn beside<'a>(one: &Path, other: &'a Path) -> Option<&'a str> {
    (one.parent() == other.parent()).then(|| other.file_name()?.to_str()).flatten()
}

/// The tensors that the user's names mean; a name that means none is an error.
fn frozen(graph: &Graph, names: &[String]) -> Result<Vec<String>, Error> {
    for name in names {
        let all = 0..graph.tensors.len();
        if !all.clone().any(|k| graph.is_meant(k, name)) {
            let closest = solve::closest(name, all.flat_map(|k| graph.names(k)).map(|(name, _)| name));
            return Err(SolveError::UnknownFrozen { name: name.clone(), closest }.into());
        }
    }
    Ok(names.to_vec())
}
