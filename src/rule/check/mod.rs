//! Checks of rules against themselves, each other and PyTorch's schemas.

mod layout;
mod names;
mod pattern;
mod shared;
mod statement;

pub use layout::layout_meaning;
pub(super) use statement::mistakes;

use std::ops::Range;

use rustc_hash::FxHashMap;

use self::shared::{Check, Known, letters_of};
use super::ast::{Body, Rule};
use super::error::RuleError;
use super::name::{NAMESPACE, dotted};
use super::schema::{Schema, Schemas};
use super::sites::Sites;
use super::syntax::is_word;

/// The mistakes of one rule.
pub(super) fn check(rule: &Rule, sites: &Sites, schemas: &Schemas) -> Vec<RuleError> {
    let meant: Vec<Vec<&Schema>> = rule.ops.iter().map(|op| schemas.meant_by(op)).collect();
    let mut c = Check { rule, sites, schemas, known: Known::of(rule, &meant), meant, errors: Vec::new() };
    c.ops();
    match &rule.body {
        Body::Patterns(patterns) => c.patterns(patterns),
        Body::Layout(call) => c.layout(call),
    }
    c.letters();
    c.arguments();
    c.formulas();
    c.facts();
    c.statements();
    c.errors
}

impl Check<'_> {
    /// Names of operators have one or two dots.
    fn ops(&mut self) {
        for (i, op) in self.rule.ops.iter().enumerate() {
            let plain = dotted(op);
            let parts = plain.split('.').count();
            let words = plain.split('.').all(|part| !part.is_empty() && part.chars().all(is_word));
            if words && (2..=3).contains(&parts) && plain == *op {
                continue;
            }
            let help = match (words, parts) {
                (true, 1) => format!("write `{NAMESPACE}.{plain}` for all overloads, or `{NAMESPACE}.{plain}.default` for one"),
                (true, 2 | 3) => format!("write `{plain}`"),
                _ => format!("write `{NAMESPACE}.conv2d` for all overloads, or `{NAMESPACE}.conv2d.default` for one"),
            };
            let at = self.sites.span(&format!("op.{i}"));
            self.error("op", at, format!("`{op}` is no name of an operator"), "expected `namespace.operator`", Some(help));
        }
    }

    /// Letters named beside the pattern.
    fn letters(&mut self) {
        for letter in self.rule.sizes.keys() {
            self.letter(letter, self.sites.span(&format!("sizes.{letter}:")));
        }
        for (letter, through) in &self.rule.through {
            self.letter(letter, self.sites.span(&format!("through.{letter}:")));
            self.letter(&through.of, self.sites.span(&format!("through.{letter}.of")));
        }
        for (i, letter) in self.rule.free.iter().enumerate() {
            let at = self.sites.span(&format!("free.{i}"));
            if self.letter(letter, at.clone()) && self.on_input(letter) {
                let help = Some("letters of the inputs may lose positions unless `lock:` names them".to_owned());
                self.error("letter", at, format!("`{letter}` is on an input"), "`free` is for what the operator makes", help);
            }
        }
        self.picks("lock", &self.rule.lock);
        if let Some(statistic) = &self.rule.statistic {
            self.picks("over", &statistic.over);
        }
        if let Some(norm) = &self.rule.norm {
            self.picks("norm.over", &norm.over);
        }
    }

    fn on_input(&self, letter: &str) -> bool {
        let Body::Patterns(patterns) = &self.rule.body else { return false };
        patterns.iter().flat_map(|p| &p.operands).any(|o| letters_of(&o.dims).iter().any(|l| l.name == letter))
    }

    /// Arguments and operands named beside the pattern.
    fn arguments(&mut self) {
        let keyed = [("args", &self.rule.args), ("default", &self.rule.default)];
        for (path, name) in keyed.iter().flat_map(|(path, map)| map.keys().map(move |name| (path, name))) {
            if !self.known.may_be_arg(name) {
                self.unknown_argument(name, self.sites.span(&format!("{path}.{name}:")));
            }
        }
        let lists = [("makes", &self.rule.makes), ("writes", &self.rule.writes), ("sustain", &self.rule.facts.sustain)];
        let lists = lists.iter().flat_map(|(path, list)| list.iter().flatten().map(move |name| (*path, name)));
        for (path, name) in lists
            .chain(self.rule.views.iter().map(|name| ("views", name)))
            .chain(self.rule.kernel.iter().map(|name| ("kernel", name)))
        {
            let plain = name.split('[').next().unwrap_or(name); // an item of a list
            if !self.known.operands.contains(&plain) && !self.known.may_be_arg(plain) {
                self.unknown_argument(name, self.sites.word(path, name));
            }
        }
    }
}

/// A rule that was read.
pub(super) struct Loaded {
    pub rule: Rule,
    /// Where each of its `ops` stands (if it was checked).
    pub op_places: Vec<Range<usize>>,
}

/// Mistakes between rules: entries that can never be reached.
pub(super) fn check_set(rules: &[Loaded]) -> Vec<RuleError> {
    let mut first: FxHashMap<&str, (&Loaded, Range<usize>)> = FxHashMap::default();
    let mut errors = Vec::new();
    for loaded in rules {
        for (op, at) in loaded.rule.ops.iter().zip(&loaded.op_places) {
            match first.get(op.as_str()) {
                Some((earlier, place)) => errors.push(unreachable(op, earlier, place, loaded, at)),
                None if loaded.rule.when.is_none() => {
                    first.insert(op, (loaded, at.clone()));
                }
                None => {}
            }
        }
    }
    errors
}

fn unreachable(op: &str, earlier: &Loaded, place: &Range<usize>, later: &Loaded, at: &Range<usize>) -> RuleError {
    let (kind, message) = match later.rule.when {
        None => ("overlap", format!("`{op}` has two entries without `when:`")),
        Some(_) => ("unreachable", format!("this entry for `{op}` is never reached")),
    };
    let (here, there) = (&later.rule.place, &earlier.rule.place);
    let mut labels = vec![(at.clone(), "the second is never tried".to_owned())];
    let place_text = match std::sync::Arc::ptr_eq(&here.source, &there.source) {
        true => {
            labels.push((place.clone(), "this one always applies".to_owned()));
            String::new()
        }
        false => format!("the one at {}:{} always applies; ", there.source.name(), there.line),
    };
    let help = match later.rule.when {
        None => "drop one, or give the first a `when:`",
        Some(_) => "put the entry without `when:` last",
    };
    RuleError { kind, message, labels, help: Some(format!("{place_text}{help}")), source_file: Some(here.source.clone()) }
}
