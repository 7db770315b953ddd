//! What a definition is.

use std::ops::Range;
use std::sync::Arc;

use indexmap::IndexMap;
use miette::NamedSource;

use super::super::tree::Node;
use super::call::Parameter;

/// A **definition**: a named part of rules.
#[derive(Debug)]
pub(super) struct Definition {
    pub parameters: Vec<Parameter>,
    /// Keys (a map), a list or a text, in which `$x` is a parameter.
    pub body: Node,
    pub source: Arc<NamedSource<String>>,
    /// Where its head stands.
    pub at: Range<usize>,
    /// It has a mistake, which is reported: what uses it is not read.
    pub broken: bool,
}

/// The definitions of some files, by name, and those that hold where these lack a name.
#[derive(Debug, Default)]
pub(in crate::rule) struct Definitions {
    pub(super) own: IndexMap<String, Definition>,
    pub(super) outer: Option<&'static Definitions>,
}

/// A definition that an entry uses.
#[derive(Clone, Debug)]
pub(in crate::rule) struct Used {
    /// Where the entry names it.
    pub at: Range<usize>,
    /// Its name, and the file and line of it.
    pub name: String,
    pub place: String,
}

impl Definitions {
    /// The definition of a name, and those among which its own names are looked up.
    pub(super) fn find(&self, name: &str) -> Option<(&Definition, &Definitions)> {
        match self.own.get(name) {
            Some(definition) => Some((definition, self)),
            None => self.outer?.find(name),
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let outer: Box<dyn Iterator<Item = &str>> = match self.outer {
            Some(outer) => Box::new(outer.names()),
            None => Box::new(std::iter::empty()),
        };
        self.own.keys().map(String::as_str).chain(outer)
    }
}

impl Definition {
    /// The number of a parameter.
    pub fn position(&self, parameter: &str) -> Option<usize> {
        self.parameters.iter().position(|p| p.name == parameter)
    }

    /// Its parameters, for messages.
    pub fn listed(&self) -> String {
        let names: Vec<String> = self.parameters.iter().map(|p| format!("`{}`", p.name)).collect();
        match names.as_slice() {
            [] => "no parameters".to_owned(),
            [one] => format!("one parameter, {one}"),
            many => format!("{} parameters, {}", many.len(), many.join(", ")),
        }
    }

    /// File and line.
    pub fn place(&self) -> String {
        let before = self.source.inner().get(..self.at.start).unwrap_or("");
        format!("{}:{}", self.source.name(), before.matches('\n').count() + 1)
    }
}
