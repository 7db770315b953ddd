//! A graph in the making: its values, stored tensors and nodes, and the work that was done.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::archive::Archive;
use super::element;
use super::syntax::Fault;
use crate::format::FormatError;
use crate::model::{Arg, DType, Graph, Node, Origin, Role, Size, Tensor, Value, ValueId};

/// A graph in the making.
pub(super) struct Builder<'a> {
    pub(super) archive: &'a Archive,
    pub(super) graph: Graph,
    /// Values of the constants that are in use.
    pub(super) constants: HashMap<usize, ValueId>,
    pub(super) taken: HashSet<String>,
    pub(super) counts: HashMap<String, usize>,
    /// The file that is followed, and the path of the module.
    pub(super) file: usize,
    pub(super) module: String,
    pub(super) depth: usize,
    /// Work that may still be done, see [`Builder::charge`].
    pub(super) left: usize,
}

/// Work that any program may take.
pub(super) const WORK: usize = 1 << 21;
/// And that for each byte of its code.
pub(super) const WORK_PER_BYTE: usize = 64;
/// The work that a node or a value is.
pub(super) const NODE: usize = 16;

impl Builder<'_> {
    /// All tensors of modules, in order, be they in use or not.
    pub(super) fn tensors(&mut self) {
        let archive = self.archive;
        for (number, stored) in archive.objects.tensors.iter().enumerate() {
            let Some((owner, name)) = &stored.owner else { continue };
            let class = archive.code.class(&archive.objects.modules[*owner].class).map(|(_, class)| class);
            let role = match class {
                Some(class) if class.parameters.contains(name) => Role::Parameter,
                Some(class) if class.buffers.contains(name) => Role::Buffer,
                _ => Role::Constant,
            };
            let value = self.stored(number, role);
            debug_assert_eq!(value.index(), number);
        }
    }

    fn stored(&mut self, number: usize, role: Role) -> ValueId {
        let t = &self.archive.objects.tensors[number];
        let shape = t.shape.iter().map(|n| Size::from(*n)).collect();
        let value = self.value(&t.name.replace('.', "_"), Some(shape), t.dtype, None);
        self.graph.tensors.push(Tensor {
            name: if t.owner.is_some() { t.name.clone() } else { t.name.replace("CONSTANTS.", "constant_") },
            value,
            role,
            dtype: t.dtype,
            shape: t.shape.clone(),
            strides: t.strides.clone(),
            offset: t.offset,
            storage: t.storage,
            updated: false,
            list: None,
        });
        value
    }

    /// A new value with a name of its own.
    pub(super) fn value(&mut self, wanted: &str, shape: Option<Vec<Size>>, dtype: DType, scalar: Option<Size>) -> ValueId {
        let name = self.fresh(wanted);
        self.graph.values.push(Value { name, shape, dtype, scalar });
        ValueId(self.graph.values.len() as u32 - 1)
    }

    /// The k-th result of a node; the first has the node's name.
    pub(super) fn output(&mut self, node: String, k: usize, dtype: DType, scalar: Option<Size>) -> ValueId {
        if k > 0 {
            return self.value(&format!("{node}_{k}"), None, dtype, scalar);
        }
        self.graph.values.push(Value { name: node, shape: None, dtype, scalar });
        ValueId(self.graph.values.len() as u32 - 1)
    }

    fn fresh(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        while !self.taken.insert(name.clone()) {
            let count = self.counts.entry(wanted.to_owned()).or_default();
            *count += 1;
            name = format!("{wanted}_{count}");
        }
        name
    }

    /// The value of a constant; it becomes a tensor of the graph when it is first used as one.
    pub(super) fn constant(&mut self, number: usize) -> ValueId {
        if let Some(known) = self.constants.get(&number) {
            return *known;
        }
        let v = self.stored(number, Role::Constant);
        self.constants.insert(number, v);
        v
    }

    /// Counts work: expressions, copies of what lists hold, nodes. A few lines can ask for any amount of it, as methods call each
    /// other and lists hold lists.
    pub(super) fn charge(&mut self, work: usize, at: &Range<usize>) -> Result<(), FormatError> {
        match self.left.checked_sub(work) {
            Some(left) => self.left = left,
            None => return Err(self.unsupported(at, "the code comes to more operations than any program has".to_owned())),
        }
        Ok(())
    }

    /// The error for a fault in the file that is followed.
    pub(super) fn fault(&self, fault: Fault) -> FormatError {
        let file = &self.archive.code.files[self.file];
        let source = file.source(fault.span.start, &self.module);
        let python = source.frame().filter(|f| !f.file.starts_with("code/")).map(|f| format!("{}:{}", f.file, f.line));
        FormatError::script(fault.of(self.archive.path(), &file.name, &file.text, python.as_deref()))
    }

    pub(super) fn unsupported(&self, at: &Range<usize>, what: String) -> FormatError {
        self.fault(Fault::unsupported(at, what))
    }

    /// An element of the list that a node gives.
    pub(super) fn part(&mut self, node: usize, k: usize) -> ValueId {
        while self.graph.nodes[node].outputs.len() <= k {
            let at = self.graph.nodes[node].outputs.len();
            let Node { target, args, .. } = &self.graph.nodes[node];
            let dtype = element::result(target, args, &|v| element::of(&self.graph, v), at);
            let name = format!("{}_{at}", self.graph.nodes[node].name);
            let v = self.value(&name, None, dtype, None);
            self.graph.nodes[node].outputs.push(v);
        }
        self.graph.nodes[node].outputs[k]
    }

    /// Adds a node; the results are for the caller to add.
    pub(super) fn node(&mut self, target: String, args: Vec<(String, Arg)>, at: &Range<usize>) -> usize {
        let base = target.split('.').nth(1).unwrap_or("node").trim_matches('_').to_owned();
        let name = self.fresh(&base);
        let position = self.graph.nodes.len();
        let source = self.archive.code.files[self.file].source(at.start, &self.module);
        let (graph, origin) = (0, Origin::Listed(position));
        self.graph.nodes.push(Node { name, target, args, outputs: Vec::new(), listed: false, source, graph, origin });
        position
    }
}
