//! Names by graph: each graph of the file has its own, and a sub-graph's may stand for values of the outer one.

use rustc_hash::{FxHashMap, FxHashSet};

use super::json::{Fault, Read};
use super::names::Named;
use super::sym::Symbols;
use crate::model::ValueId;

/// Where a sub-graph stands in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parent {
    /// Number of the graph around it.
    pub(super) graph: usize,
    /// The wrapping node's position there.
    pub(super) node: usize,
    /// Which of that node's inputs is the sub-graph; what follows are its operands.
    pub(super) input: usize,
}

/// The names of one graph.
#[derive(Debug, Default)]
pub(super) struct Scope {
    /// `None` for the outermost graph.
    pub(super) parent: Option<Parent>,
    values: FxHashMap<String, ValueId>,
    names: FxHashMap<ValueId, String>,
    taken: FxHashSet<String>,
    /// Names given by [`Scope::bind_new`], in order.
    pub(super) added: Vec<(String, ValueId)>,
}

/// All graphs of a file by number, and what is known of the symbols in them.
#[derive(Debug, Default)]
pub(super) struct Scopes {
    /// By number; 0 is the outermost.
    pub(super) list: Vec<Scope>,
    /// How symbols are written.
    pub(super) symbols: Symbols,
    /// What the scalars are.
    pub(super) scalars: FxHashMap<ValueId, Named>,
}

impl Scope {
    /// The scope of a sub-graph.
    pub(super) fn inside(parent: Parent) -> Scope {
        Scope { parent: Some(parent), ..Scope::default() }
    }

    /// Gives a value a name. A name can be given once; the first of several names of a value is used for writing.
    pub(super) fn bind(&mut self, name: &str, value: ValueId) -> Read<()> {
        if self.values.insert(name.to_owned(), value).is_some() {
            return Err(Fault::schema(format!("`{name}` is defined twice")));
        }
        self.names.entry(value).or_insert_with(|| name.to_owned());
        Ok(())
    }

    /// The value of a name.
    pub(super) fn value(&self, name: &str) -> Read<ValueId> {
        self.find(name).ok_or_else(|| Fault::unknown(name))
    }

    /// The value of a name, if it is defined.
    pub(super) fn find(&self, name: &str) -> Option<ValueId> {
        self.values.get(name).copied()
    }

    /// The name of a value, if it has one here.
    pub(super) fn name(&self, value: ValueId) -> Option<&str> {
        self.names.get(&value).map(String::as_str)
    }

    /// Gives a value a name of its own, close to the one wanted.
    pub(super) fn bind_new(&mut self, wanted: &str, value: ValueId) -> String {
        let name = self.fresh(wanted);
        self.values.insert(name.clone(), value);
        self.names.insert(value, name.clone());
        self.added.push((name.clone(), value));
        name
    }

    /// All values that have a name here.
    pub(super) fn named(&self) -> impl Iterator<Item = ValueId> {
        self.names.keys().copied()
    }

    /// A name that is not in use, neither for a value nor for a node.
    pub(super) fn fresh(&mut self, wanted: &str) -> String {
        let mut base: String = wanted.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        if base.is_empty() || base.starts_with(|c: char| c.is_ascii_digit()) {
            base.insert(0, '_');
        }
        let free = |name: &String| !self.values.contains_key(name) && !self.taken.contains(name);
        let numbered = (1..).map(|i| format!("{base}_{i}"));
        let name = std::iter::once(base.clone()).chain(numbered).find(free).unwrap_or(base);
        self.taken.insert(name.clone());
        name
    }

    /// Marks a name as in use: that of a node.
    pub(super) fn take(&mut self, name: &str) {
        self.taken.insert(name.to_owned());
    }
}
