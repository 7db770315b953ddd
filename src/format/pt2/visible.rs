//! Makes the values of an edited graph visible where they are used: names for new values, and ways into and out of
//! sub-graphs for values that an edit uses on the other side.

use rustc_hash::{FxHashMap, FxHashSet};

use super::scope::Scopes;
use crate::format::FormatError;
use crate::model::{Arg, Graph, Origin, ValueId};

/// Names and ways of all values of an edited graph.
pub(super) struct Visible {
    /// All names, those of new values included.
    pub(super) scopes: Scopes,
    /// The values that the edited graph defines.
    pub(super) defined: FxHashSet<ValueId>,
    /// By operator with sub-graphs: outer values that it must be given in addition.
    pub(super) imports: FxHashMap<usize, Vec<ValueId>>,
    /// By graph: its own values that it must return in addition.
    pub(super) exports: FxHashMap<usize, Vec<ValueId>>,
    /// Which stored tensor a value carries.
    pub(super) carriers: FxHashMap<ValueId, usize>,
    home: FxHashMap<ValueId, usize>,
}

impl Visible {
    /// Names what is new, and checks that every value is defined before it is used.
    pub(super) fn new(scopes: Scopes, original: &Graph, small: &Graph) -> Result<Visible, FormatError> {
        let mut visible = Visible {
            scopes,
            defined: FxHashSet::default(),
            imports: FxHashMap::default(),
            exports: FxHashMap::default(),
            carriers: small.tensors.iter().enumerate().map(|(i, t)| (t.value, i)).collect(),
            home: FxHashMap::default(),
        };
        visible.find_homes(original, small)?;
        visible.name_new(original, small)?;
        visible.connect(small)?;
        Ok(visible)
    }

    /// Where each value is defined. It must not move from one graph to another.
    fn find_homes(&mut self, original: &Graph, small: &Graph) -> Result<(), FormatError> {
        let produced = original.nodes.iter().flat_map(|n| n.outputs.iter().map(|v| (*v, n.graph)));
        self.home.extend(produced);
        let free: Vec<(ValueId, usize)> = self
            .scopes
            .list
            .iter()
            .enumerate()
            .flat_map(|(number, scope)| scope.named().map(move |v| (v, number)))
            .filter(|(v, _)| !self.home.contains_key(v))
            .collect();
        for (value, number) in free {
            self.defined.insert(value); // an input
            self.home.entry(value).and_modify(|n| *n = number.min(*n)).or_insert(number);
        }
        // What is stored no more has names, and is no input.
        original.tensors.iter().filter(|t| !self.carriers.contains_key(&t.value)).for_each(|t| _ = self.defined.remove(&t.value));
        self.defined.extend(small.tensors.iter().map(|t| t.value));
        for tensor in &small.tensors {
            self.home.entry(tensor.value).or_insert(0);
        }
        for node in &small.nodes {
            for value in &node.outputs {
                if value.index() >= small.values.len() || node.graph >= self.scopes.list.len() {
                    return Err(FormatError::edit(format!("node `{}` has an unknown output or graph", node.name)));
                }
                if *self.home.entry(*value).or_insert(node.graph) != node.graph {
                    let name = &small.value(*value).name;
                    return Err(FormatError::edit(format!("the value `{name}` moved to another graph")));
                }
                if !self.defined.insert(*value) {
                    let name = &small.value(*value).name;
                    return Err(FormatError::edit(format!("the value `{name}` is defined twice")));
                }
            }
        }
        Ok(())
    }

    fn name_new(&mut self, original: &Graph, small: &Graph) -> Result<(), FormatError> {
        let old: FxHashSet<ValueId> = original.tensors.iter().map(|t| t.value).collect();
        let constants = small.tensors.iter().filter(|t| !old.contains(&t.value)).map(|t| (t.value, 0));
        let outputs = small.nodes.iter().flat_map(|n| n.outputs.iter().map(|v| (*v, n.graph)));
        for (value, number) in constants.chain(outputs) {
            let Some(known) = small.values.get(value.index()) else {
                return Err(FormatError::edit(format!("there is no value {}", value.0)));
            };
            let scope = &mut self.scopes.list[number];
            if scope.name(value).is_none() {
                scope.bind_new(&known.name, value);
            }
        }
        Ok(())
    }

    /// Goes through the nodes in order.
    fn connect(&mut self, small: &Graph) -> Result<(), FormatError> {
        let outputs: FxHashSet<ValueId> = small.nodes.iter().flat_map(|n| n.outputs.iter().copied()).collect();
        let mut seen: FxHashSet<ValueId> = self.defined.iter().copied().filter(|v| !outputs.contains(v)).collect();
        for node in &small.nodes {
            let mut used = Vec::new();
            node.args.iter().for_each(|(_, arg)| values(arg, &mut used));
            for value in used {
                if !seen.contains(&value) {
                    let name = small.values.get(value.index()).map_or("?", |v| v.name.as_str());
                    let reason = format!("node `{}` uses `{name}` before it is defined", node.name);
                    return Err(FormatError::edit(reason));
                }
                if node.origin != Origin::Implied {
                    self.reach(value, node.graph)?;
                }
            }
            seen.extend(&node.outputs);
        }
        for value in &small.outputs {
            if !seen.contains(value) {
                return Err(FormatError::edit(format!("the output {} is not defined", value.0)));
            }
            self.reach(*value, 0)?;
        }
        Ok(())
    }

    /// Gives a value a name in a graph, by way of the graphs between that and its home.
    fn reach(&mut self, value: ValueId, graph: usize) -> Result<(), FormatError> {
        if self.scopes.list[graph].name(value).is_some() {
            return Ok(());
        }
        let home = self.home.get(&value).copied();
        let mut at = home.ok_or_else(|| FormatError::edit(format!("value {} is nowhere defined", value.0)))?;
        let around = self.around(graph);
        while !around.contains(&at) {
            let Some(parent) = self.scopes.parent(at) else { break };
            let outer = parent.graph;
            if parent.lists {
                let name = self.scopes.list[at].name(value).unwrap_or("?");
                return Err(FormatError::edit(format!("the value `{name}` of a branch or loop is used outside of it")));
            }
            if self.scopes.list[outer].name(value).is_none() {
                self.exports.entry(at).or_default().push(value);
                self.copy_name(value, at, outer);
            }
            at = outer;
        }
        let shared = at;
        for inner in around.iter().rev().skip_while(|n| **n != shared).skip(1) {
            if self.scopes.list[*inner].name(value).is_none() {
                // All sub-graphs of an operator get the same operands.
                let Some(parent) = self.scopes.list[*inner].parent else { break };
                let siblings: Vec<usize> = self.scopes.entered[parent].inner.iter().map(|(_, number)| *number).collect();
                self.imports.entry(parent).or_default().push(value);
                siblings.into_iter().for_each(|number| self.copy_name(value, at, number));
            }
            at = *inner;
        }
        Ok(())
    }

    /// The graph and all those around it, from the inside out.
    fn around(&self, graph: usize) -> Vec<usize> {
        let parent = |n: &usize| self.scopes.parent(*n).map(|p| p.graph);
        std::iter::successors(Some(graph), parent).collect()
    }

    fn copy_name(&mut self, value: ValueId, from: usize, to: usize) {
        let wanted = self.scopes.list[from].name(value).unwrap_or("value").to_owned();
        self.scopes.list[to].bind_new(&wanted, value);
    }

    /// The name of a value in a graph.
    pub(super) fn name(&self, graph: usize, value: ValueId) -> Result<String, FormatError> {
        let name = self.scopes.list.get(graph).and_then(|s| s.name(value));
        name.map(str::to_owned).ok_or_else(|| FormatError::edit(format!("value {} has no name in graph {graph}", value.0)))
    }
}

/// All values in an argument.
fn values(arg: &Arg, found: &mut Vec<ValueId>) {
    match arg {
        Arg::Tensor(v) | Arg::Scalar(v) => found.push(*v),
        Arg::List(items) => items.iter().for_each(|a| values(a, found)),
        _ => {}
    }
}
