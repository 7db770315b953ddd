//! The outcome of a run in numbers and reasons.

use indexmap::IndexMap;
use rustc_hash::FxHashSet;
use serde::Serialize;

use super::branch::{self, Gone};
use super::disagreement::{Disagreement, disagreements};
use super::note::{Note, note};
use super::stayed::{Kept, Stays, kept, stays};
use super::words::spaced;
use crate::axis::{Bound, Call, Propagation};
use crate::groups::macs;
use crate::model::{Graph, NodeId, Role};
use crate::plan::{Change, Plan};
use crate::rule::{RuleSet, eval};
use crate::rulebook::{Missing, usage};
use crate::solve::{Aliased, Given, Policy, Renamed, Solution};

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

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A model without the positions that go.
    #[default]
    Smaller,
    /// A copy: nothing could be removed.
    Copy,
    /// A model of the same sizes, whose masked weights are zero: nothing could be removed.
    Masked,
}

/// The outcome of a run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// What was written.
    pub outcome: Outcome,
    /// Modules with parameters, in the order of the model.
    pub layers: Vec<Layer>,
    /// Parameters; tied ones count once.
    pub parameters: Total,
    /// Multiply-accumulates of a forward pass.
    pub macs: Total,
    /// Bytes of parameters and buffers.
    pub bytes: Total,
    /// Branches that went as a whole.
    pub branches: Vec<Gone>,
    /// Where masks disagreed.
    pub conflicts: Vec<Disagreement>,
    /// What stayed although it could have been asked to go.
    pub kept: Vec<Kept>,
    /// For each axis of a parameter whose mask drops positions that stay: how many, and why.
    pub stays: Vec<Stays>,
    /// Operators that no rule describes.
    pub unknown: Vec<Note>,
    /// Statistics that were left approximate, and other things to know.
    pub notes: Vec<Note>,
    /// What a comparison with the masked original showed, if one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<Verified>,
}

/// Both models were run, and are equal.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// On so many inputs.
    pub inputs: usize,
    /// The largest relative error of any output.
    pub relative: f64,
    /// Median time of a forward of the original, in milliseconds.
    pub before: f64,
    /// That of the small model.
    pub after: f64,
}

impl Summary {
    /// Compares a program before and after.
    pub fn new(
        (graph, p): (&Graph, &Propagation),
        (small, again): (&Graph, &Propagation),
        rules: &RuleSet,
        (solution, policy): (&Solution, Policy),
        plan: &Plan,
    ) -> Summary {
        let macs = Total { before: macs(graph, rules, p), after: macs(small, rules, again) };
        let mut s = Summary { macs, ..Summary::default() };
        s.layers(graph, small, &plan.removed());
        s.branches = branch::gone(graph, plan);
        let went: FxHashSet<usize> = plan.branches.iter().flat_map(|b| &b.tensors).copied().collect();
        s.conflicts = disagreements(graph, p, &branch::without(graph, &solution.conflicts, &went), policy);
        let masked = |g: &Given| g.mask.keep.contains(&0);
        s.outcome = match (solution.is_everything() && plan.branches.is_empty(), policy) {
            (false, _) => Outcome::Smaller,
            (true, Policy::Restore) => Outcome::Copy,
            (true, _) if !solution.given.iter().flatten().any(masked) => Outcome::Copy,
            (true, _) => Outcome::Masked,
        };
        s.kept = kept(graph, p, solution);
        s.stays = stays(graph, p, solution, &went);
        s.unknown = unknown(graph, rules, p);
        for id in &plan.approximate {
            s.notes.push(note(graph, *id, "the mean or norm is over fewer positions now, and so approximate".into()));
        }
        s.notes.extend(repaired(plan.repaired.len()));
        s.notes.extend(settled(graph, plan));
        for (id, map) in &plan.maps {
            let n = plan.constants.iter().find(|c| c.value == *map).map_or(0, |c| c.data.len());
            let text = format!("a tensor of {} numbers is added to the result, which now has a fixed size", spaced(n as u64));
            s.notes.push(note(graph, *id, text));
        }
        s.notes.extend(training(graph, rules, p));
        if let Some(Renamed { strip, add }) = &solution.renamed {
            let subject =
                if strip.is_empty() { "the masks' names".to_owned() } else { format!("all masks begin with `{strip}`") };
            let text = match (strip.as_str(), add.as_str()) {
                ("module.", "") => "as DataParallel adds; it is left out".to_owned(),
                ("_orig_mod.", "") => "as torch.compile adds; it is left out".to_owned(),
                (_, "") => "it is left out".to_owned(),
                ("", add) => format!("the model's begin with `{add}`, which is put before them"),
                (_, add) => format!("the model's parameters with `{add}`, which is put in its place"),
            };
            s.notes.push(Note { subject, text, line: None });
        }
        s.notes.extend(aliased(&solution.aliased));
        for name in &solution.ignored {
            let text = "this weight is computed from other parameters (parametrizations), and no masks of these are the same as its own, which is ignored: use their names";
            s.notes.push(Note { subject: name.clone(), text: text.into(), line: None });
        }
        let mut used = vec![false; graph.values.len()];
        graph.nodes.iter().flat_map(|n| &n.args).flat_map(|(_, a)| a.tensors()).for_each(|v| used[v.index()] = true);
        let first = graph.first_names();
        let mut read = vec![false; graph.tensors.len()];
        for (t, k) in graph.tensors.iter().zip(&first) {
            read[*k] |= used[t.value.index()];
        }
        for (k, (t, given)) in graph.tensors.iter().zip(&solution.given).enumerate() {
            if given.is_some() && !read[first[k]] {
                let text = "the program does not use this parameter; it loses what its own mask drops, and nothing else does";
                s.notes.push(Note { subject: t.name.clone(), text: text.into(), line: None });
            }
        }
        s
    }

    /// Of a program that nobody shrinks: what it has, and after is as before.
    pub fn untouched(graph: &Graph, p: &Propagation, rules: &RuleSet) -> Summary {
        let macs = macs(graph, rules, p);
        let mut s = Summary { outcome: Outcome::Copy, macs: Total { before: macs, after: macs }, ..Summary::default() };
        s.layers(graph, graph, &FxHashSet::default());
        s.unknown = unknown(graph, rules, p);
        s
    }

    fn layers(&mut self, graph: &Graph, small: &Graph, removed: &FxHashSet<usize>) {
        let mut layers: IndexMap<String, Layer> = IndexMap::new();
        let first = graph.first_names();
        let names = graph.module_names();
        for (k, (t, s)) in graph.tensors.iter().zip(&small.tensors).enumerate() {
            let twin = first[k] != k;
            let (before, after) = (t.numel() as u64, if removed.contains(&k) { 0 } else { s.numel() as u64 });
            if !twin {
                let width = t.dtype.bytes() as u64;
                self.bytes.before += before * width;
                self.bytes.after += after * width;
            }
            if t.role != Role::Parameter {
                continue;
            }
            let name = names[k].rsplit_once('.').map_or("", |(module, _)| module).to_owned();
            let layer = layers.entry(name.clone()).or_insert_with(|| Layer {
                name,
                before: vec![],
                after: vec![],
                parameters: Total::default(),
            });
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

/// What it costs that means and norms compute what they did before.
fn repaired(n: usize) -> Option<Note> {
    let subject = if n == 1 { "1 mean or norm".to_owned() } else { format!("{n} means and norms") };
    let text = "over fewer positions now, and computed as before with operators beside them (a layer norm takes what it took before the cut); `statistics` approximate leaves the plain ones, near the masked original instead of equal";
    (n > 0).then(|| Note { subject, text: text.into(), line: None })
}

/// What became of the masks that the program multiplied its parameters by.
fn settled(graph: &Graph, plan: &Plan) -> Option<Note> {
    let masked = plan.masked().len();
    let to =
        plan.edits.iter().find_map(|e| if let Change::Rename { tensor, to } = &e.change { Some((*tensor, to)) } else { None });
    let example = to.map_or(String::new(), |(k, to)| format!(": `{}` is `{to}` there", graph.tensors[k].name));
    let subject = if masked == 1 { "1 weight".to_owned() } else { format!("{masked} weights") };
    let text = format!("stored masked in the small model, without the masks, as torch.nn.utils.prune.remove does it{example}");
    (masked > 0).then_some(Note { subject, text, line: None })
}

/// Notes on masks that go by names of the exported module.
fn aliased(names: &Aliased) -> Vec<Note> {
    const MOST: usize = 3;
    let listed = |all: &[String]| match all.len() {
        n if n > MOST => format!("{} and {} more", all[..MOST].join(", "), n - MOST),
        _ => all.join(", "),
    };
    let pair = |(name, tensors, transposed): &(String, Vec<String>, bool)| {
        format!("`{name}` is `{}`{}", tensors.join("` and `"), if *transposed { " transposed" } else { "" })
    };
    let note = |subject: &str, list: Vec<String>, text: &str| {
        let text = format!("{}{text}", listed(&list));
        (!list.is_empty()).then(|| Note { subject: subject.to_owned(), text, line: None })
    };
    let found = names.found.iter().map(pair).collect();
    let lost = names.lost.iter().map(|name| format!("`{name}`")).collect();
    let why = ": the file has no tensor of its own for it, since it was folded into others or nothing reads it";
    note("masks by names of the exported module", found, "")
        .into_iter()
        .chain(note("masks that are ignored", lost, why))
        .collect()
}

fn unknown(graph: &Graph, rules: &RuleSet, p: &Propagation) -> Vec<Note> {
    let note = |m: Missing| Note {
        subject: m.op,
        text: format!("{} {}: {}", m.nodes, if m.nodes == 1 { "node" } else { "nodes" }, m.why),
        line: m.line,
    };
    usage(graph, rules, p).missing.into_iter().map(note).collect()
}

/// A note where the program does what is meant for training: it was exported in that mode.
fn training(graph: &Graph, rules: &RuleSet, p: &Propagation) -> Option<Note> {
    let trains = |bound: &&Bound| {
        let node = graph.node(bound.node);
        let call = Call { graph, node, schema: rules.schemas().get(&node.target), shapes: &p.shapes };
        bound.rule.facts.training.as_ref().is_some_and(|e| eval(e, &call).is_ok_and(|v| v.truthy()))
    };
    let nodes: Vec<NodeId> = p.bounds().filter(trains).map(|b| b.node).collect();
    let (first, n) = (*nodes.first()?, nodes.len());
    let act = if n == 1 { "node acts" } else { "nodes act" };
    let text = format!("{n} {act} as in training (dropout, statistics of the batch): was the model exported without `eval()`?");
    Some(Note { subject: "training mode".to_owned(), ..note(graph, first, text) })
}
