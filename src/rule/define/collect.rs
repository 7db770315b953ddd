//! Finds the definitions of files, and their mistakes.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use indexmap::IndexMap;
use miette::NamedSource;
use rustc_hash::FxHashMap;

use super::super::builtin::{self, Part};
use super::super::error::RuleError;
use super::super::tree::{self, Content, Node};
use super::call;
use super::definition::{Definition, Definitions, Used};
use super::expand::{Expander, uses};

/// True for an entry of a rule file that is about names and not about an operator.
pub(in crate::rule) fn is_definition(node: &Node) -> bool {
    matches!(&node.content, Content::Map(pairs) if pairs.iter().any(|(key, _)| key.text() == Some("define")))
}

impl Definitions {
    /// Those that all files may use, of `rules/definitions.yaml`.
    pub fn shared() -> &'static Definitions {
        static READ: OnceLock<Definitions> = OnceLock::new();
        READ.get_or_init(|| {
            let mut out = Definitions::default();
            let parts = builtin::parts().iter().filter(|part| part.source.name() == builtin::SHARED);
            parts.for_each(|part| out.read(&part.source, part.at.clone(), &mut Vec::new()));
            out
        })
    }

    /// Those of a built-in file, before the shared ones.
    pub fn built_in(file: &NamedSource<String>) -> &'static Definitions {
        type Files = FxHashMap<&'static str, (Vec<&'static Part>, OnceLock<Definitions>)>;
        static FILES: OnceLock<Files> = OnceLock::new();
        let list = || {
            let mut out = Files::default();
            let defines = |part: &&Part| part.text().starts_with("- define:") && part.source.name() != builtin::SHARED;
            builtin::parts().iter().filter(defines).for_each(|part| out.entry(part.source.name()).or_default().0.push(part));
            out
        };
        let Some((parts, read)) = FILES.get_or_init(list).get(file.name()) else { return Definitions::shared() };
        // A model needs those of a few files.
        read.get_or_init(|| {
            let mut own = Definitions { own: IndexMap::new(), outer: Some(Definitions::shared()) };
            parts.iter().for_each(|part| own.read(&part.source, part.at.clone(), &mut Vec::new()));
            own
        })
    }

    /// Those of these files, before the shared ones.
    pub fn of(files: &[Arc<NamedSource<String>>], errors: &mut Vec<RuleError>) -> Definitions {
        Definitions::within(files, Some(Definitions::shared()), errors)
    }

    /// Those of these files, before others.
    pub fn within(
        files: &[Arc<NamedSource<String>>],
        outer: Option<&'static Definitions>,
        errors: &mut Vec<RuleError>,
    ) -> Definitions {
        let mut out = Definitions { own: IndexMap::new(), outer };
        for source in files.iter().filter(|source| source.inner().contains("define")) {
            out.read(source, 0..source.inner().len(), errors);
        }
        out.check(errors);
        out
    }

    /// Adds what a part of a file defines. A file that cannot be read is reported when its entries are.
    fn read(&mut self, source: &Arc<NamedSource<String>>, part: Range<usize>, errors: &mut Vec<RuleError>) {
        let entries = tree::entries(source.inner(), part).unwrap_or_default();
        let mut error = |at: Range<usize>, message: &str, label: &str, help: Option<&str>| {
            errors.push(RuleError::at(source, "define", at, message.to_owned(), label).help(help));
        };
        for entry in entries.into_iter().filter(|e| is_definition(&e.node)) {
            let Content::Map(pairs) = entry.node.content else { continue };
            for (key, value) in pairs {
                if key.text() != Some("define") {
                    error(key.span(), "an entry that defines names has no other keys", "does not belong here", Some(EXAMPLE));
                    continue;
                }
                let Content::Map(heads) = value.content else {
                    error(value.span(), "definitions are a map of names to what they stand for", "no map", Some(EXAMPLE));
                    continue;
                };
                for (head, body) in heads {
                    let Some((name, parameters)) = head.text().and_then(call::head) else {
                        error(head.span(), "no name of a definition", "expected `name` or `name(x, y = 1)`", Some(EXAMPLE));
                        continue;
                    };
                    let at = head.span();
                    if let Some(first) = self.own.get(name) {
                        let first = format!("the first is at {}", first.place());
                        error(at, &format!("`{name}` is defined twice"), "the second", Some(&first));
                        continue;
                    }
                    let new = Definition { parameters, body, source: source.clone(), at, broken: false };
                    self.own.insert(name.to_owned(), new);
                }
            }
        }
    }

    /// Puts into each definition what it uses, once, to find its mistakes.
    fn check(&mut self, errors: &mut Vec<RuleError>) {
        let mut broken = Vec::new();
        for (name, definition) in &self.own {
            let mut expander = Expander::new(self, &definition.source, errors);
            if expander.trial(name, definition).is_none() {
                broken.push(name.clone());
            }
        }
        for name in broken {
            self.own.entry(name).and_modify(|d| d.broken = true);
        }
    }

    /// An entry with what it uses put in, and the definitions that it names; `None` where something is wrong, which is reported.
    pub fn expand(
        &self,
        entry: Node,
        source: &Arc<NamedSource<String>>,
        errors: &mut Vec<RuleError>,
    ) -> Option<(Node, Vec<Used>)> {
        if !uses(&entry) {
            return Some((entry, Vec::new()));
        }
        let mut expander = Expander::new(self, source, errors);
        let node = expander.entry(&entry)?;
        Some((node, expander.used))
    }
}

/// How definitions look, for messages.
const EXAMPLE: &str = "as in `- define: { copies(x): { zero: $x, nonneg: $x } }`";
