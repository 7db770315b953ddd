//! What the checks of one rule share: the rule, the names that it may use, and the mistakes found.

use std::ops::Range;

use super::super::ast::{Body, Dim, Letter, Pick, Rule};
use super::super::error::{RuleError, closest};
use super::super::schema::{Schema, Schemas};
use super::super::sites::Sites;

/// A check of one rule.
pub(super) struct Check<'a> {
    pub rule: &'a Rule,
    pub sites: &'a Sites,
    pub schemas: &'a Schemas,
    /// The schemas that each of the rule's `op` stands for; empty where the table lacks it.
    pub meant: Vec<Vec<&'a Schema>>,
    pub known: Known<'a>,
    pub errors: Vec<RuleError>,
}

/// The names that a rule may use.
pub(super) struct Known<'a> {
    pub letters: Vec<&'a Letter>,
    pub operands: Vec<&'a str>,
    /// Arguments of any of the operators; `None` if the table lacks one of them.
    pub args: Option<Vec<&'a str>>,
}

impl<'a> Known<'a> {
    pub fn of(rule: &'a Rule, meant: &[Vec<&'a Schema>]) -> Known<'a> {
        let mut known = Known { letters: Vec::new(), operands: Vec::new(), args: None };
        if meant.iter().all(|schemas| !schemas.is_empty()) {
            known.args = Some(meant.iter().flatten().flat_map(|s| &s.args).map(|a| a.name.as_str()).collect());
        }
        match &rule.body {
            Body::Patterns(patterns) => {
                for pattern in patterns {
                    known.operands.extend(pattern.operands.iter().map(|o| o.name.as_str()));
                    let all = pattern.operands.iter().map(|o| &o.dims).chain(&pattern.outputs);
                    known.letters.extend(all.flat_map(|dims| letters_of(dims)));
                }
            }
            Body::Layout(_) => {
                let args = meant.iter().flatten().flat_map(|s| &s.args).filter(|a| a.is_tensor());
                known.operands.extend(args.map(|a| a.name.as_str()));
            }
        }
        known
    }

    pub fn has_letter(&self, name: &str) -> bool {
        self.letters.iter().any(|l| l.name == name)
    }

    /// True if it is an argument, or may be one for all that is known.
    pub fn may_be_arg(&self, name: &str) -> bool {
        self.args.as_ref().is_none_or(|args| args.contains(&name)) || self.operands.contains(&name)
    }
}

/// All letters in some dimensions.
pub(super) fn letters_of(dims: &[Dim]) -> Vec<&Letter> {
    let mut out = Vec::new();
    for dim in dims {
        match dim {
            Dim::Letter(letter) => out.push(letter),
            Dim::Product(inner) | Dim::Sum(inner) => out.extend(letters_of(inner)),
            Dim::Number(_) => {}
        }
    }
    out
}

impl<'a> Check<'a> {
    pub(super) fn error(
        &mut self,
        kind: &'static str,
        at: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
        help: Option<String>,
    ) {
        let source_file = Some(self.rule.place.source.clone());
        self.errors.push(RuleError { kind, message: message.into(), labels: vec![(at, label.into())], help, source_file });
    }

    pub(super) fn picks(&mut self, path: &str, picks: &'a [Pick]) {
        for (i, pick) in picks.iter().enumerate() {
            let at = self.sites.span(&format!("{path}.{i}"));
            match pick {
                Pick::All => {}
                Pick::Letter(letter) => {
                    self.letter(letter, at);
                }
                Pick::Dims(argument) if self.known.may_be_arg(argument) => {}
                Pick::Dims(argument) => self.unknown_argument(argument, at),
            }
        }
    }

    /// Reports a letter that no pattern has.
    pub(super) fn letter(&mut self, name: &str, at: Range<usize>) -> bool {
        let found = self.known.has_letter(name);
        if !found {
            let near = closest(name, self.known.letters.iter().map(|l| l.name.as_str()));
            let help = match (near, &self.rule.body) {
                (_, Body::Layout(_)) => {
                    Some("a layout has no letters; name dimensions by an argument, `'@dim'`, or `all`".into())
                }
                (Some(near), _) => Some(format!("did you mean `{near}`?")),
                (None, _) if self.known.may_be_arg(name) && self.known.args.is_some() => {
                    Some(format!("for the dimensions that the argument names write `'@{name}'`"))
                }
                _ => None,
            };
            self.error("letter", at, format!("`{name}` is no letter of the pattern"), "not in `rule:`", help);
        }
        found
    }

    pub(super) fn unknown_argument(&mut self, name: &str, at: Range<usize>) {
        let args = self.known.args.clone().unwrap_or_default();
        let help = match closest(name, args.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("its arguments are {}", listed(args)),
        };
        let message = format!("`{name}` is no argument of {}", self.op_names());
        self.error("argument", at, message, "not in the schema", Some(help));
    }

    pub(super) fn op_names(&self) -> String {
        match self.rule.ops.as_slice() {
            [one] => format!("`{one}`"),
            [first, ..] => format!("`{first}` and the others"),
            [] => "the operator".to_owned(),
        }
    }
}

/// Names once each, separated by commas.
pub(super) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut seen: Vec<&str> = Vec::new();
    for name in names {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen.join(", ")
}
