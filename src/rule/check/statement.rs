//! Checks of the statements in `repair:`, `uniform:` and `becomes:`.

use std::ops::Range;

use super::super::ast::Statement;
use super::super::error::closest;
use super::super::name::base;
use super::super::schema::Schemas;
use super::super::sites::Sites;
use super::shared::{Check, listed};

impl<'a> Check<'a> {
    pub(super) fn statements(&mut self) {
        let rule = self.rule;
        if let Some(call) = &rule.becomes {
            self.statement("becomes", call, &["out", "parts", "old"]);
        }
        let Some(statistic) = &rule.statistic else { return };
        let names = ["out", "kept", "total", "removed", "old", "dims"];
        for (key, statements, more) in
            [("repair", &statistic.repair, &[][..]), ("uniform", &statistic.uniform, &["ghost", "lost"][..])]
        {
            let mut known: Vec<&str> = names.iter().chain(more).copied().collect();
            for (i, statement) in statements.iter().enumerate() {
                self.statement(&format!("{key}.{i}"), statement, &known);
                known.push(&statement.name);
            }
            if let Some(last) = statements.last().filter(|s| s.name.trim_end_matches(|c: char| c.is_ascii_digit()) != "out") {
                let at = last.span.start..last.span.start + last.name.len();
                let message = "the last statement must assign `out`";
                self.error("statement", at, message, format!("assigns `{}`", last.name), None);
            }
        }
    }

    fn statement(&mut self, path: &str, statement: &'a Statement, known: &[&str]) {
        self.call(path, statement);
        for (_, value) in &statement.args {
            self.names_in(path, value, known);
        }
        if let Some(condition) = &statement.condition {
            self.names_in(path, condition, known);
        }
    }

    /// The operator exists and is given the arguments that it has and needs.
    fn call(&mut self, path: &str, statement: &Statement) {
        for mistake in mistakes(statement, self.schemas, true) {
            let at = mistake.place(self.sites, path);
            self.error("statement", at, mistake.message, mistake.label, mistake.help);
        }
    }
}

/// What is wrong with a call of an operator.
pub(in crate::rule) struct Mistake {
    /// The operator, or `argument=`.
    word: String,
    pub message: String,
    pub label: &'static str,
    pub help: Option<String>,
}

impl Mistake {
    /// Where it stands in the text of a site.
    pub(in crate::rule) fn place(&self, sites: &Sites, path: &str) -> Range<usize> {
        let at = sites.word(path, &self.word);
        if self.word.ends_with('=') { at.start..at.start + self.word.len() - 1 } else { at }
    }
}

/// What is wrong with a call: an operator or arguments that there are not, and, of a call that is made, arguments that it lacks.
pub(in crate::rule) fn mistakes(statement: &Statement, schemas: &Schemas, made: bool) -> Vec<Mistake> {
    let op = &statement.op;
    let Some(schema) = schemas.get(op) else {
        return match schemas.is_versioned(op) {
            true => versions(statement, schemas),
            false => unknown(op, schemas).into_iter().collect(),
        };
    };
    let mut found = Vec::new();
    let names = || schema.args.iter().map(|a| a.name.as_str());
    for (name, _) in statement.args.iter().filter(|(name, _)| schema.arg(name).is_none()) {
        let help = match closest(name, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("its arguments are {}", listed(names())),
        };
        let message = format!("`{op}` has no argument `{name}`");
        found.push(Mistake { word: format!("{name}="), message, label: "not in the schema", help: Some(help) });
    }
    let given = |name: &str| statement.args.iter().any(|(n, _)| n == name);
    for arg in schema.args.iter().filter(|a| made && a.default.is_none() && !given(&a.name)) {
        let message = format!("`{op}` needs the argument `{}`", arg.name);
        let help = Some(format!("add `{}=…`", arg.name));
        found.push(Mistake { word: op.clone(), message, label: "an argument is missing", help });
    }
    found
}

/// An operator of a set that has it not.
fn unknown(op: &str, schemas: &Schemas) -> Option<Mistake> {
    let (namespace, _) = op.split_once('.')?;
    if !schemas.lists(namespace) {
        return None;
    }
    let overloads = schemas.overloads(base(op));
    let names: Vec<String> = schemas.operators().collect();
    let help = match overloads.is_empty() {
        true => closest(base(op), names.iter().map(String::as_str)).map(|near| format!("did you mean `{near}`?")),
        false => Some(match closest(op, overloads.iter().map(|s| s.name.as_str())) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("its overloads are {}", listed(overloads.iter().map(|s| s.name.as_str()))),
        }),
    };
    let message = format!("there is no operator `{op}`");
    Some(Mistake { word: op.to_owned(), message, label: "not in the table of operators", help })
}

/// Arguments that no version of the operator has.
fn versions(statement: &Statement, schemas: &Schemas) -> Vec<Mistake> {
    let all = schemas.overloads(&statement.op);
    let args: Vec<&str> = all.iter().flat_map(|s| &s.args).map(|a| a.name.as_str()).collect();
    let unknown = statement.args.iter().filter(|(name, _)| !args.contains(&name.as_str()));
    let mistake = |(name, _): &(String, _)| Mistake {
        word: format!("{name}="),
        message: format!("`{}` has no argument `{name}`", statement.op),
        label: "in no version",
        help: Some(format!("its arguments are {}", listed(args.iter().copied()))),
    };
    unknown.map(mistake).collect()
}
