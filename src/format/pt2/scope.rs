//! Names by graph: each graph of the file has its own, and a sub-graph's may stand for values of the outer one.

use rustc_hash::{FxHashMap, FxHashSet};

use super::json::{Fault, Read};
use super::names::Named;
use super::sym::Symbols;
use crate::model::ValueId;

/// An operator that runs sub-graphs: where it stands, and where its sub-graphs and their operands are.
#[derive(Clone, Debug)]
pub(super) struct Entered {
    /// Number of the graph around it.
    pub(super) graph: usize,
    /// Its position there.
    pub(super) node: usize,
    /// Its sub-graphs: which of its inputs each is, and its number.
    pub(super) inner: Vec<(usize, usize)>,
    /// The first of its inputs that holds operands; all after it do.
    pub(super) operands: usize,
    /// Whether each of these inputs is a list of operands, not one.
    pub(super) lists: bool,
}

/// The names of one graph.
#[derive(Debug, Default)]
pub(super) struct Scope {
    /// Which of [`Scopes::entered`] it is in; `None` for the outermost graph.
    pub(super) parent: Option<usize>,
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
    /// The operators that run sub-graphs, in order.
    pub(super) entered: Vec<Entered>,
    /// How symbols are written.
    pub(super) symbols: Symbols,
    /// What the scalars are.
    pub(super) scalars: FxHashMap<ValueId, Named>,
}

impl Scopes {
    /// The operator that runs a graph; `None` for the outermost.
    pub(super) fn parent(&self, graph: usize) -> Option<&Entered> {
        self.entered.get(self.list.get(graph)?.parent?)
    }
}

impl Scope {
    /// The scope of a sub-graph of an operator, which [`Scopes::entered`] lists here.
    pub(super) fn inside(parent: usize) -> Scope {
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
