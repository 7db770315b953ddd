//! Checks of the statements in `repair:`, `uniform:` and `becomes:`.

use super::super::ast::Statement;
use super::super::error::closest;
use super::super::name::base;
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
        let op = &statement.op;
        let schemas = self.schemas;
        let Some(schema) = schemas.get(op) else {
            if schemas.is_versioned(op) {
                self.versions(path, statement);
            } else if op.split_once('.').is_some_and(|(namespace, _)| schemas.lists(namespace)) {
                let overloads = schemas.overloads(base(op));
                let names: Vec<String> = schemas.operators().collect();
                let help = match overloads.is_empty() {
                    true => closest(base(op), names.iter().map(String::as_str)).map(|near| format!("did you mean `{near}`?")),
                    false => Some(match closest(op, overloads.iter().map(|s| s.name.as_str())) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("its overloads are {}", listed(overloads.iter().map(|s| s.name.as_str()))),
                    }),
                };
                let at = self.sites.word(path, op);
                self.error("statement", at, format!("there is no operator `{op}`"), "not in the table of operators", help);
            }
            return;
        };
        for (name, _) in &statement.args {
            if schema.arg(name).is_none() {
                let args = || schema.args.iter().map(|a| a.name.as_str());
                let help = match closest(name, args()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("its arguments are {}", listed(args())),
                };
                let at = self.sites.word(path, &format!("{name}="));
                let at = at.start..at.start + name.len();
                self.error("statement", at, format!("`{op}` has no argument `{name}`"), "not in the schema", Some(help));
            }
        }
        let given = |name: &str| statement.args.iter().any(|(n, _)| n == name);
        for arg in schema.args.iter().filter(|a| a.default.is_none() && !given(&a.name)) {
            let at = self.sites.word(path, op);
            let help = Some(format!("add `{}=…`", arg.name));
            self.error("statement", at, format!("`{op}` needs the argument `{}`", arg.name), "an argument is missing", help);
        }
    }

    /// Some version of the operator has the arguments.
    fn versions(&mut self, path: &str, statement: &Statement) {
        let all = self.schemas.overloads(&statement.op);
        let args: Vec<&str> = all.iter().flat_map(|s| &s.args).map(|a| a.name.as_str()).collect();
        for (name, _) in statement.args.iter().filter(|(name, _)| !args.contains(&name.as_str())) {
            let at = self.sites.word(path, &format!("{name}="));
            let at = at.start..at.start + name.len();
            let help = Some(format!("its arguments are {}", listed(args.iter().copied())));
            self.error("statement", at, format!("`{}` has no argument `{name}`", statement.op), "in no version", help);
        }
    }
}
