//! How core forms spell an operator out: `- spelled:` entries of rule files. What a program computes so is read as that operator.

use std::sync::{Arc, OnceLock};

use miette::NamedSource;

use super::ast::{Expr, Statement};
use super::builtin;
use super::check::mistakes;
use super::error::{RuleError, closest};
use super::formula::parse_statement;
use super::reader::Reader;
use super::schema::Schemas;
use super::tree::{self, Content, Node};

/// The keys of an entry.
const KEYS: [&str; 3] = ["spelled", "when", "means"];

/// Nodes that compute what one operator does.
#[derive(Clone, Debug)]
pub struct Spelling {
    /// The nodes, each after those that it reads; the last gives the result. A name that no statement gives is whatever stands there, and
    /// the same wherever it stands.
    pub statements: Vec<Statement>,
    /// What has to hold of sizes and numbers.
    pub when: Option<Expr>,
    /// The operator, with its arguments.
    pub means: Statement,
}

/// True for an entry of a rule file that spells an operator out.
pub(super) fn is_spelling(node: &Node) -> bool {
    node.has("spelled")
}

/// Those that are built in.
pub(super) fn built_in() -> &'static [Spelling] {
    static READ: OnceLock<Vec<Spelling>> = OnceLock::new();
    READ.get_or_init(|| builtin::files_with("spelled").flat_map(|source| load(source, &mut Vec::new())).collect())
}

/// Reads such entries of one file; what is wrong in them is reported.
pub(super) fn load(source: &Arc<NamedSource<String>>, errors: &mut Vec<RuleError>) -> Vec<Spelling> {
    tree::entries_of(source, is_spelling)
        .iter()
        .filter_map(|node| Reader { keep: true, ..Reader::new(source, errors) }.spelling(node))
        .collect()
}

impl Reader<'_> {
    fn spelling(&mut self, node: &Node) -> Option<Spelling> {
        let Content::Map(pairs) = &node.content else { return None };
        let (mut statements, mut when, mut means) = (Vec::new(), None, None);
        let before = self.errors.len();
        for (key, value) in pairs {
            match key.text().unwrap_or("") {
                "spelled" => {
                    statements = self.statements("spelled", value);
                    statements.iter().enumerate().for_each(|(i, s)| self.operator(&format!("spelled.{i}"), s, false));
                }
                "when" => when = self.formula(value),
                "means" => {
                    self.site("means".to_owned(), value);
                    means = self.text(value, "a call").and_then(|t| self.read(parse_statement(&t, &value.offsets)));
                    means.iter().for_each(|s| self.operator("means", s, true));
                }
                _ => self.unknown_key(key, &KEYS),
            }
        }
        if means.is_none() && self.errors.len() == before {
            let help = Some("`means: \"out = aten.relu.default(self=x)\"`".to_owned());
            self.error("entry", node.span(), "an entry lacks a key".into(), "expected `means:`", help);
        }
        let given: Vec<&str> = statements.iter().flat_map(|s| &s.args).flat_map(|(_, e)| e.names()).collect();
        let asked = means.iter().flat_map(|s| s.args.iter().map(|(_, e)| e)).chain(&when);
        let unknown = asked.flat_map(Expr::names).find(|name| !given.contains(name)).map(str::to_owned);
        if let Some(name) = unknown.filter(|_| self.errors.len() == before) {
            let help = closest(&name, given.iter().copied()).map(|near| format!("did you mean `{near}`?"));
            self.error("name", node.span(), format!("nothing is called `{name}`"), "in no line of this spelling", help);
        }
        means.filter(|_| self.errors.len() == before && !statements.is_empty()).map(|means| Spelling { statements, when, means })
    }

    /// A call of an operator that exists, with arguments that it has; all that it needs, where it is `made`.
    fn operator(&mut self, path: &str, statement: &Statement, made: bool) {
        for mistake in mistakes(statement, Schemas::builtin(), made) {
            let at = mistake.place(&self.sites, path);
            self.error("statement", at, mistake.message, mistake.label, mistake.help);
        }
    }
}
