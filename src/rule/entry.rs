//! Entries of rule files that are read when they are needed: of a built-in one only the operators are read at first, for a model
//! uses few of them.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use miette::NamedSource;

use super::ast::Rule;
use super::builtin::{self, Part};
use super::define::Definitions;
use super::file::load_part;
use super::text::overloads;

/// An entry of a rule file.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The operators it is for.
    pub ops: Vec<String>,
    source: Arc<NamedSource<String>>,
    part: Range<usize>,
    line: usize,
    rule: OnceLock<Option<Arc<Rule>>>,
}

impl Entry {
    /// The rule; `None` if the entry has a mistake, which the tests of the built-in rules would show.
    pub fn rule(&self) -> Option<&Arc<Rule>> {
        let read = || {
            let definitions = Definitions::built_in(&self.source);
            let loaded = load_part(&self.source, self.part.clone(), self.line, definitions, None, &mut Vec::new()).pop();
            loaded.map(|l| Arc::new(l.rule))
        };
        self.rule.get_or_init(read).as_ref()
    }

    /// The built-in ones.
    pub fn builtin() -> Vec<Entry> {
        let about_operators = |part: &&Part| operators(part.text()).is_some();
        builtin::parts().iter().filter(about_operators).map(Entry::from).collect()
    }
}

impl From<&Part> for Entry {
    fn from(part: &Part) -> Entry {
        let ops = ops(part.text()).flat_map(overloads).collect();
        Entry { ops, source: part.source.clone(), part: part.at.clone(), line: part.line, rule: OnceLock::new() }
    }
}

impl From<Rule> for Entry {
    fn from(rule: Rule) -> Entry {
        let (source, part, line) = (rule.place.source.clone(), rule.place.span.clone(), rule.place.line);
        Entry { ops: rule.ops.clone(), source, part, line, rule: OnceLock::from(Some(Arc::new(rule))) }
    }
}

/// What follows `op:`, the first key of an entry: `- op: …`, or on one line `- { op: …, … }`.
fn operators(entry: &str) -> Option<&str> {
    let keys = entry.strip_prefix("- ")?;
    keys.strip_prefix("{ ").unwrap_or(keys).strip_prefix("op:").map(str::trim_start)
}

/// The operators of an entry: a name, or a list of names in brackets.
fn ops(entry: &str) -> impl Iterator<Item = &str> {
    let value = operators(entry).unwrap_or("");
    let list = match value.strip_prefix('[') {
        Some(list) => list.split(']').next(),
        None => value.lines().next().and_then(|line| line.split(',').next()),
    };
    list.unwrap_or("")
        .lines()
        .flat_map(|line| line.split('#').next().unwrap_or("").split(','))
        .map(str::trim)
        .filter(|op| !op.is_empty())
}
