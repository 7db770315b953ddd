//! The outcome of a run in numbers and reasons.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::Serialize;

use super::macs;
use crate::axis::{Propagation, Step};
use crate::model::{Graph, NodeId, Role};
use crate::plan::Plan;
use crate::rule::RuleSet;
use crate::solve::Solution;

/// A quantity before and after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Total {
    /// Before.
    pub before: u64,
    /// After.
    pub after: u64,
}

/// A module and its largest parameter.
#[derive(Clone, Debug, Serialize)]
pub struct Layer {
    /// The module's dotted name.
    pub name: String,
    /// Sizes of its largest parameter before.
    pub before: Vec<usize>,
    /// And after.
    pub after: Vec<usize>,
    /// Parameters of the module.
    pub parameters: Total,
}

/// A place and what to know of it.
#[derive(Clone, Debug, Serialize)]
pub struct Note {
    /// What it is about.
    pub subject: String,
    /// What to know.
    pub text: String,
    /// The Python line, if there is one.
    pub line: Option<String>,
}

/// The outcome of a run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// Modules with parameters, in the order of the model.
    pub layers: Vec<Layer>,
    /// Parameters; tied ones count once.
    pub parameters: Total,
    /// Multiply-accumulates of a forward pass.
    pub macs: Total,
    /// Bytes of parameters and buffers.
    pub bytes: Total,
    /// Where masks disagreed.
    pub conflicts: Vec<Note>,
    /// What stayed although it could have been asked to go.
    pub kept: Vec<Note>,
    /// Operators that no rule describes.
    pub unknown: Vec<Note>,
    /// Statistics that were left approximate, and other things to know.
    pub notes: Vec<Note>,
}

impl Summary {
    /// Compares a program before and after.
    pub fn new(
        (graph, p): (&Graph, &Propagation),
        (small, again): (&Graph, &Propagation),
        rules: &RuleSet,
        solution: &Solution,
        plan: &Plan,
    ) -> Summary {
        let macs = Total { before: macs(graph, rules, p), after: macs(small, rules, again) };
        let mut s = Summary { macs, ..Summary::default() };
        s.layers(graph, small);
        s.conflicts = solution.conflicts.iter().map(conflict).collect();
        s.kept = obstacles(graph, p, solution);
        s.unknown = unknown(graph, p);
        for id in &plan.approximate {
            s.notes.push(note(graph, *id, "the mean or norm is over fewer positions now, and so approximate".into()));
        }
        let mut used = vec![false; graph.values.len()];
        graph.nodes.iter().flat_map(|n| &n.args).flat_map(|(_, a)| a.tensors()).for_each(|v| used[v.index()] = true);
        for (t, given) in graph.tensors.iter().zip(&solution.given) {
            let twin = |o: &crate::model::Tensor| o.tied_to(t) && o.role == t.role && used[o.value.index()];
            if given.is_some() && !graph.tensors.iter().any(twin) {
                let text = "the program does not use this parameter; its mask is ignored";
                s.notes.push(Note { subject: t.name.clone(), text: text.into(), line: None });
            }
        }
        s
    }

    /// True if nothing was removed.
    pub fn is_copy(&self) -> bool {
        self.parameters.before == self.parameters.after
    }

    fn layers(&mut self, graph: &Graph, small: &Graph) {
        let mut layers: IndexMap<String, Layer> = IndexMap::new();
        for (k, (t, s)) in graph.tensors.iter().zip(&small.tensors).enumerate() {
            let twin = graph.tensors[..k].iter().any(|o| o.tied_to(t) && o.role == t.role);
            let (before, after) = (t.numel() as u64, s.numel() as u64);
            if !twin {
                let width = t.dtype.bytes() as u64;
                self.bytes.before += before * width;
                self.bytes.after += after * width;
            }
            if t.role != Role::Parameter {
                continue;
            }
            let name = t.name.rsplit_once('.').map_or("", |(module, _)| module).to_owned();
            let layer = layers.entry(name.clone()).or_insert_with(|| Layer { name, before: vec![], after: vec![], parameters: Total::default() });
            if t.numel() > layer.before.iter().product() || layer.before.is_empty() {
                (layer.before, layer.after) = (t.shape.clone(), s.shape.clone());
            }
            if !twin {
                layer.parameters.before += before;
                layer.parameters.after += after;
                self.parameters.before += before;
                self.parameters.after += after;
            }
        }
        self.layers = layers.into_values().collect();
    }
}

fn conflict(c: &crate::solve::Conflict) -> Note {
    let list = |names: &[String]| match names {
        [a, b, c, rest @ ..] if !rest.is_empty() => format!("{a}, {b}, {c} and {} more", rest.len()),
        names => names.join(", "),
    };
    let stay = if c.stayed { "stay" } else { "go" };
    Note {
        subject: list(&c.drop),
        text: format!("{} masked positions {stay}: {} keeps them", c.positions, list(&c.keep)),
        line: None,
    }
}

fn note(graph: &Graph, id: NodeId, text: String) -> Note {
    let node = graph.node(id);
    let line = node.source.frame().map(|f| format!("{}:{}: {}", f.file, f.line, f.text));
    Note { subject: format!("{} ({})", node.name, node.target), text, line }
}

fn obstacles(graph: &Graph, p: &Propagation, solution: &Solution) -> Vec<Note> {
    let mut notes: Vec<Note> = Vec::new();
    for o in &solution.obstacles {
        let why = if o.unproven {
            "summed over here, and not proven to be zero"
        } else {
            "the operator's arguments could not say what would be left"
        };
        notes.push(note(graph, o.node, format!("{} positions stay: {why}", o.positions)));
    }
    for value in &solution.last {
        let text = "a dimension would be left empty; one position stays".to_owned();
        notes.push(Note { subject: graph.value(*value).name.clone(), text, line: None });
    }
    // Masked positions of axes that are locked.
    let reasons = p.axes.locked_because();
    let mut locked: BTreeMap<String, (usize, Vec<String>)> = BTreeMap::new();
    for (k, t) in graph.tensors.iter().enumerate() {
        let Some(given) = &solution.given[k] else { continue };
        for (d, id) in p.dims[t.value.index()].iter().flatten().enumerate() {
            let Some(any) = given.slices.get(d).and_then(Option::as_ref).filter(|_| solution.makes[k][d]) else { continue };
            let dropped = any.iter().filter(|a| !**a).count();
            if let (true, Some(reason)) = (dropped > 0, reasons.get(&p.axes.class(*id))) {
                let entry = locked.entry(super::table::reason(graph, reason)).or_default();
                entry.0 += dropped;
                entry.1.push(t.name.clone());
            }
        }
    }
    for (why, (positions, names)) in locked {
        let subject = if names.len() > 3 { format!("{} and {} more", names[..3].join(", "), names.len() - 3) } else { names.join(", ") };
        notes.push(Note { subject, text: format!("{positions} masked positions stay: {why}"), line: None });
    }
    notes
}

fn unknown(graph: &Graph, p: &Propagation) -> Vec<Note> {
    let mut by_op: IndexMap<(String, String), (usize, NodeId)> = IndexMap::new();
    for (id, step) in graph.node_ids().zip(&p.steps) {
        if let Step::Unknown(why) = step {
            let entry = by_op.entry((graph.node(id).target.clone(), why.clone())).or_insert((0, id));
            entry.0 += 1;
        }
    }
    let text = |((op, why), (times, id)): ((String, String), (usize, NodeId))| {
        let line = graph.node(id).source.frame().map(|f| format!("{}:{}: {}", f.file, f.line, f.text));
        Note { subject: op, text: format!("used {times} times: {why}"), line }
    };
    by_op.into_iter().map(text).collect()
}
