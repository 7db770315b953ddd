//! What the readers of all kinds of entries share: texts, names, formulas and lists of them, and the mistakes in them.

use std::ops::Range;
use std::sync::Arc;

use indexmap::IndexMap;
use miette::NamedSource;

use super::ast::{Expr, Pick, Statement};
use super::error::{RuleError, closest};
use super::formula::{parse_formula, parse_item, parse_statement};
use super::sites::Sites;
use super::syntax::SyntaxError;
use super::tree::{Content, Node};

/// Reads one entry.
pub(super) struct Reader<'a> {
    pub source: &'a Arc<NamedSource<String>>,
    pub errors: &'a mut Vec<RuleError>,
    pub sites: Sites,
    /// Whether the sites are wanted.
    pub keep: bool,
}

impl<'a> Reader<'a> {
    pub fn new(source: &'a Arc<NamedSource<String>>, errors: &'a mut Vec<RuleError>) -> Reader<'a> {
        Reader { source, errors, sites: Sites::default(), keep: false }
    }
}

impl Reader<'_> {
    pub fn error(&mut self, kind: &'static str, at: Range<usize>, message: String, label: &str, help: Option<String>) {
        let labels = vec![(at, label.to_owned())];
        self.errors.push(RuleError { kind, message, labels, help, source_file: Some(self.source.clone()) });
    }

    pub fn read<T>(&mut self, result: Result<T, SyntaxError>) -> Option<T> {
        result.map_err(|e| self.error("syntax", e.span, e.message, &e.label, e.help)).ok()
    }

    pub fn site(&mut self, path: String, node: &Node) {
        if self.keep {
            self.sites.0.push((path, node.clone()));
        }
    }

    pub fn unknown_key(&mut self, key: &Node, known: &[&'static str]) {
        let name = key.text().unwrap_or("");
        let help = match closest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the keys are {}", known.join(", ")),
        };
        self.error("key", key.span(), format!("unknown key `{name}`"), "no key of a rule", Some(help));
    }

    pub fn wrong_type(&mut self, node: &Node, wanted: &str) {
        let found = match &node.content {
            Content::Null => "nothing",
            Content::Text(_) => "a text",
            Content::List(_) => "a list",
            Content::Map(_) => "a map",
        };
        let help = matches!(node.content, Content::Map(_) | Content::List(_))
            .then(|| "a text that begins with `[` or `{`, or holds `: ` or ` #`, needs quotes".to_owned());
        self.error("type", node.span(), format!("expected {wanted}, found {found}"), &format!("{found} here"), help);
    }

    pub fn text(&mut self, node: &Node, wanted: &str) -> Option<String> {
        if node.text().is_none() {
            self.wrong_type(node, wanted);
        }
        node.text().map(str::to_owned)
    }

    /// A list of texts, or one.
    pub fn strings(&mut self, path: &str, node: &Node) -> Vec<String> {
        match &node.content {
            Content::List(items) => {
                let mut out = Vec::with_capacity(items.len());
                for item in items {
                    self.site(format!("{path}.{}", out.len()), item);
                    out.extend(self.text(item, "a name"));
                }
                out
            }
            _ => {
                self.site(format!("{path}.0"), node);
                self.text(node, "a name or a list of names").into_iter().collect()
            }
        }
    }

    /// A formula; a list of formulas is one too.
    pub fn formula(&mut self, node: &Node) -> Option<Expr> {
        match &node.content {
            Content::Null => Some(Expr::None),
            Content::Text(text) => self.read(parse_formula(text, &node.offsets)),
            Content::List(items) => {
                let mut out = Vec::with_capacity(items.len());
                for item in items {
                    out.push(match item.text() {
                        Some(text) => self.read(parse_item(text, &item.offsets))?,
                        None => self.formula(item)?,
                    });
                }
                Some(Expr::List(out))
            }
            Content::Map(_) => {
                self.wrong_type(node, "a formula");
                None
            }
        }
    }

    pub fn formulas(&mut self, path: &str, node: &Node) -> IndexMap<String, Expr> {
        let mut out = IndexMap::new();
        let Content::Map(pairs) = &node.content else {
            self.wrong_type(node, "a map of names to formulas");
            return out;
        };
        for (key, value) in pairs {
            let Some(name) = self.text(key, "a name") else { continue };
            self.site(format!("{path}.{name}:"), key);
            self.site(format!("{path}.{name}"), value);
            out.extend(self.formula(value).map(|e| (name, e)));
        }
        out
    }

    pub fn picks(&mut self, path: &str, node: &Node) -> Vec<Pick> {
        let pick = |text: String| match text.strip_prefix('@') {
            Some(argument) => Pick::Dims(argument.to_owned()),
            None if text == "all" => Pick::All,
            None if text == "..." => Pick::Letter(text),
            None => Pick::Letter(text.trim_end_matches("...").to_owned()),
        };
        self.strings(path, node).into_iter().map(pick).collect()
    }

    pub fn statements(&mut self, path: &str, node: &Node) -> Vec<Statement> {
        let mut out = Vec::new();
        let texts = self.strings(path, node);
        let items = match &node.content {
            Content::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        for (text, item) in texts.iter().zip(items) {
            out.extend(self.read(parse_statement(text, &item.offsets)));
        }
        out
    }
}
