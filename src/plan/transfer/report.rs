//! What was done, and what a Python class has to do that no weights can.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::file::{PlanFile, PlannedEdit, PlannedNode};

/// What was done, and what weights alone cannot do.
#[derive(Debug, Serialize)]
pub struct Transferred {
    /// The tensors that have other sizes now, by name.
    pub changed: Vec<Changed>,
    /// Those that have another name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub renamed: Vec<Renamed>,
    /// Names of those that are in the new one no more: masks that its weights need not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
    /// How many are as they were.
    pub copied: usize,
    /// Bytes of weights before.
    pub bytes_before: u64,
    /// Bytes of weights after.
    pub bytes_after: u64,
    /// What was taken from the front of the plan's names.
    pub strip_prefix: String,
    /// What was put in front of them.
    pub add_prefix: String,
    /// Arguments that the plan gives other values, with how often it does so.
    pub arguments: Vec<Argument>,
    /// What else to know.
    pub notes: Vec<String>,
    /// Of a part: the files that were written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub written: Vec<String>,
    /// Of a part: its files that an earlier run finished.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub finished: Vec<String>,
    /// Of a part: files of the whole that are not there yet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Of a part: the index, where all files are there and it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
}

/// A tensor that has other sizes now.
#[derive(Debug, Serialize)]
pub struct Changed {
    /// Its name in the state dict.
    pub name: String,
    /// Its sizes before.
    pub before: Vec<usize>,
    /// Its sizes after.
    pub after: Vec<usize>,
}

/// A tensor that has another name now.
#[derive(Debug, Serialize)]
pub struct Renamed {
    /// Its name in the state dict.
    pub from: String,
    /// Its name in the new one.
    pub to: String,
}

/// An argument in the program that has another value.
#[derive(Debug, Serialize)]
pub struct Argument {
    /// The module that calls the operator.
    pub module: String,
    /// The operator.
    pub op: String,
    /// The argument.
    pub arg: String,
    /// Its value before.
    pub old: Value,
    /// Its value after.
    pub new: Value,
    /// How often.
    pub times: usize,
}

/// Arguments that the plan gives other values: sizes that a Python class may have written out.
pub(super) fn arguments(plan: &PlanFile) -> Vec<Argument> {
    let mut all: Vec<Argument> = Vec::new();
    for edit in &plan.edits {
        let PlannedEdit::Set { node, arg, old, new } = edit else { continue };
        let (module, op, arg, old, new) = (node.module.clone(), node.op.clone(), arg.clone(), old.clone(), new.clone());
        let one = Argument { module, op, arg, old, new, times: 1 };
        let same = |a: &&mut Argument| {
            (&a.module, &a.op, &a.arg, &a.old, &a.new) == (&one.module, &one.op, &one.arg, &one.old, &one.new)
        };
        match all.iter_mut().find(same) {
            Some(known) => known.times += 1,
            None => all.push(one),
        }
    }
    all
}

/// What the Python class must do that no weights can.
pub(super) fn notes(plan: &PlanFile) -> Vec<String> {
    let at = |n: &PlannedNode| if n.module.is_empty() { format!("node {}", n.name) } else { format!("`{}`", n.module) };
    let why = |r: &Option<String>| r.as_ref().map_or(String::new(), |r| format!(" ({r})"));
    let mut notes: BTreeMap<String, usize> = BTreeMap::new();
    for edit in &plan.edits {
        let note = match edit {
            PlannedEdit::Become { node, op, reason } => {
                format!("{}: the Python class must call {op} in place of {}{}", at(node), node.op, why(reason))
            }
            PlannedEdit::Insert { node, nodes, reason } => {
                let ops: Vec<&str> = nodes.iter().map(|n| n.op.as_str()).collect();
                format!("{}: the Python class must compute {} with {}{}", at(node), node.op, ops.join(", "), why(reason))
            }
            PlannedEdit::Drop { node } => format!("{}: the Python class must leave out {}", at(node), node.op),
            _ => continue,
        };
        *notes.entry(note).or_default() += 1;
    }
    let mut notes: Vec<String> =
        notes.into_iter().map(|(note, n)| if n > 1 { format!("{note}, {n} times") } else { note }).collect();
    if plan.repaired > 0 {
        notes.push(format!(
            "{} of these are means and norms over fewer positions that compute what they did before; with `speedup --statistics approximate` they are the plain ones, which the class has, and the results are near, not equal",
            plan.repaired
        ));
    }
    notes
}
