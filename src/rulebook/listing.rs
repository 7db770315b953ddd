//! Which rules there are.

use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;
use serde::Serialize;

use super::RulebookError;
use crate::rule::{Rule, RuleSet, base, closest, dotted, qualified, spellings};

/// An operator and where its entries are.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// `aten.conv2d` (all overloads) or `aten.add.Tensor`.
    pub op: String,
    /// The name of the rule file without its ending.
    pub family: String,
    /// The rule file.
    pub file: String,
    /// The lines of its entries, in the order in which they are tried.
    pub lines: Vec<usize>,
    /// Whether the rule is built into the program.
    pub built_in: bool,
}

/// All operators that have a rule, in the order of the files.
pub fn listing(rules: &RuleSet) -> Vec<Listed> {
    let known: std::collections::HashSet<&str> = rules.ops().collect();
    let mut found: IndexMap<(String, String), Listed> = IndexMap::new();
    for rule in rules.rules() {
        let file = rule.place.source.name();
        for op in rule.ops.iter().filter(|op| known.contains(op.as_str())) {
            // An entry of the user's replaces the built-in ones, whose other operators stay.
            if !rules.named(op).iter().any(|r| Arc::ptr_eq(r, rule)) {
                continue;
            }
            let listed = found.entry((op.clone(), file.to_owned())).or_insert_with(|| Listed {
                op: op.clone(),
                family: Path::new(file).file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default(),
                file: file.to_owned(),
                lines: Vec::new(),
                built_in: !rules.is_own(rule),
            });
            listed.lines.push(rule.place.line);
        }
    }
    found.into_values().collect()
}

/// A name that rules are given for, with its entries.
pub type Found<'r> = (String, Vec<&'r Arc<Rule>>);

/// The entries for a name: of the overload, of the operator, or of all overloads of an operator. The namespace may be left out.
///
/// # Errors
/// Where there is none.
pub fn find<'r>(rules: &'r RuleSet, name: &str) -> Result<Vec<Found<'r>>, RulebookError> {
    let plain = dotted(name);
    for op in spellings(&plain) {
        let mut names: Vec<&str> = rules.ops().filter(|known| *known == op || base(known) == op).collect();
        names.sort_unstable();
        if !names.is_empty() {
            return Ok(names.into_iter().map(|n| (n.to_owned(), rules.named(n))).collect());
        }
        let entries = rules.for_target(&op);
        if !entries.is_empty() {
            return Ok(vec![(op, entries.iter().collect())]);
        }
        // `relu_` is served by the entry for `relu`.
        let serving = rules.for_target(&format!("{op}.default"));
        if op.matches('.').count() == 1 && !serving.is_empty() {
            return Ok(vec![(op, serving.iter().collect())]);
        }
    }
    Err(RulebookError::Unknown { op: name.to_owned(), help: help(rules, &plain) })
}

/// A name with its namespace: PyTorch's own, where none is written.
pub(super) fn in_full(name: &str) -> String {
    if name.contains('.') { name.to_owned() } else { qualified(name) }
}

fn help(rules: &RuleSet, plain: &str) -> String {
    let mut known: Vec<&str> = rules.ops().flat_map(|op| [op, base(op)]).collect();
    known.sort_unstable();
    known.dedup();
    let full = in_full(plain);
    if let Some(schema) = rules.schemas().get(&full).or_else(|| rules.schemas().overloads(base(&full)).first().copied()) {
        return format!("PyTorch has `{}`; `paring rules new {full} --model MODEL.pt2` proposes a rule for it", schema.name);
    }
    match closest(&full, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`paring rules list` shows all; for an operator of yours, pass `--rules DIR`".to_owned(),
    }
}
