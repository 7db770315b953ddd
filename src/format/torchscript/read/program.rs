//! From an archive to a program: what `forward` is given and what it returns.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::archive::Archive;
use super::ast::Method;
use super::builder::{Builder, WORK, WORK_PER_BYTE};
use super::input::Input;
use super::item::{Item, Wrapped};
use super::syntax::Fault;
use crate::format::FormatError;
use crate::format::torchscript::{Interface, Part};
use crate::model::{Arg, DType, Graph, Role, Size, ValueId};

impl Archive {
    /// Builds the graph: methods are entered where they are called. Without `inputs` those of the trace count.
    pub fn graph(&self, inputs: &[Input]) -> Result<Graph, FormatError> {
        let inputs = if inputs.is_empty() { &self.traced } else { inputs };
        Builder::program(self, inputs).map(|(graph, _)| graph)
    }

    /// How callers give inputs and get results.
    pub fn interface(&self) -> Result<Interface, FormatError> {
        Builder::program(self, &self.traced).map(|(_, interface)| interface)
    }
}

impl<'a> Builder<'a> {
    /// Follows `forward` of the root.
    fn program(archive: &'a Archive, inputs: &[Input]) -> Result<(Graph, Interface), FormatError> {
        let mut builder = Builder {
            archive,
            graph: Graph::default(),
            constants: HashMap::new(),
            taken: HashSet::new(),
            counts: HashMap::new(),
            file: 0,
            module: String::new(),
            depth: 0,
            left: archive.code.files.iter().fold(WORK, |sum, f| sum.saturating_add(f.text.len().saturating_mul(WORK_PER_BYTE))),
        };
        builder.tensors();
        let root = &archive.objects.modules[0];
        let (file, class) = archive.code.class(&root.class).ok_or_else(|| archive.missing(&root.class))?;
        let method = class.methods.iter().find(|m| m.name == "forward");
        let method = method.ok_or_else(|| archive.missing(&format!("{}.forward", root.class)))?;
        builder.file = file;
        let args = builder.inputs(method, inputs)?;
        let face = args.iter().map(|(name, item)| (name.clone(), builder.part_of(item, &builder.graph.inputs))).collect();
        let found = builder.body(method, vec![("self".to_owned(), Item::Module(0))].into_iter().chain(args).collect())?;
        let whole = method.body.clone();
        let result = builder.settle(found, &whole)?;
        builder.outputs(&result, &whole)?;
        let mut next = 0;
        let result = returned(&result, &mut next);
        Ok((builder.graph, Interface { inputs: face, result }))
    }

    /// The parameters of `forward`, with the sizes that are given.
    fn inputs(&mut self, method: &Method, given: &[Input]) -> Result<Vec<(String, Item)>, FormatError> {
        let mut rest = given.iter();
        let mut args = Vec::new();
        for (name, ty) in &method.parameters {
            let item = self.input(name, ty, &mut rest, &method.body)?;
            args.push((name.clone(), item));
        }
        if rest.next().is_some() {
            let found = self.graph.inputs.len();
            return Err(self.archive.sizes(format!("it has {found} inputs, but {} are given", given.len())));
        }
        Ok(args)
    }

    fn input<'i>(
        &mut self,
        name: &str,
        ty: &str,
        rest: &mut impl Iterator<Item = &'i Input>,
        at: &Range<usize>,
    ) -> Result<Item, FormatError> {
        if let Some(inner) = ty.strip_prefix("Tuple[").and_then(|t| t.strip_suffix(']')) {
            let parts = split(inner);
            let each = parts.iter().enumerate().map(|(i, t)| self.input(&format!("{name}_{i}"), t, rest, at));
            return each.collect::<Result<_, _>>().map(Item::Tuple);
        }
        if !matches!(ty, "Tensor" | "" | "Optional[Tensor]") {
            return Err(self.fault(Fault::unsupported(&(at.start..at.start), format!("the input `{name}` is of type {ty}"))));
        }
        // What only copies or runs a program needs no sizes.
        let input = rest.next();
        let shape = input.map(|i| i.shape.iter().map(|n| Size::int(*n)).collect());
        let dtype = input.and_then(|i| i.dtype).unwrap_or(self.floats());
        let v = self.value(name, shape, dtype, None);
        self.graph.inputs.push(v);
        Ok(Item::Tensor(v))
    }

    /// The type of the model's own numbers, which its inputs have where nothing else is said.
    fn floats(&self) -> DType {
        let parameters = self.graph.tensors.iter().filter(|t| t.role == Role::Parameter && t.dtype.is_float());
        parameters.map(|t| t.dtype).next().unwrap_or(DType::F32)
    }

    /// The form of an input.
    fn part_of(&self, item: &Item, among: &[ValueId]) -> Part {
        match item {
            Item::Tensor(v) => among.iter().position(|w| w == v).map_or(Part::None, Part::Tensor),
            Item::Tuple(items) => Part::Tuple(items.iter().map(|i| self.part_of(i, among)).collect()),
            _ => Part::None,
        }
    }

    fn outputs(&mut self, item: &Item, at: &Range<usize>) -> Result<(), FormatError> {
        match item {
            Item::Tensor(v) => self.graph.outputs.push(*v),
            Item::List(items) | Item::Tuple(items) => items.iter().try_for_each(|i| self.outputs(i, at))?,
            Item::Dict(pairs) => pairs.iter().try_for_each(|(_, i)| self.outputs(i, at))?,
            Item::None | Item::Int(_) | Item::Float(_) | Item::Bool(_) | Item::Str(_) => {}
            other => return Err(self.unsupported(at, format!("the model returns {}", other.kind()))),
        }
        Ok(())
    }

    /// An item whose constants and lists are tensors.
    fn settle(&mut self, item: Item, at: &Range<usize>) -> Result<Item, FormatError> {
        Ok(match item {
            Item::Constant(n) => Item::Tensor(self.constant(n)),
            Item::Results(node) if self.graph.nodes[node].outputs.is_empty() => {
                return Err(self.unsupported(at, "the model returns a list whose length is not known".to_owned()));
            }
            Item::Results(node) => Item::List(self.graph.nodes[node].outputs.iter().map(|v| Item::Tensor(*v)).collect()),
            Item::Number(v, Wrapped::Tensor) => Item::Tensor(self.tensor_of(Arg::Scalar(v), 4, at)),
            Item::List(items) => Item::List(items.into_iter().map(|i| self.settle(i, at)).collect::<Result<_, _>>()?),
            Item::Tuple(items) => Item::Tuple(items.into_iter().map(|i| self.settle(i, at)).collect::<Result<_, _>>()?),
            Item::Dict(pairs) => {
                let each = pairs.into_iter().map(|(k, i)| Ok((k, self.settle(i, at)?)));
                Item::Dict(each.collect::<Result<_, FormatError>>()?)
            }
            other => other,
        })
    }
}

/// The form of a result whose tensors are the graph's outputs in order.
fn returned(item: &Item, next: &mut usize) -> Part {
    match item {
        Item::Tensor(_) => {
            *next += 1;
            Part::Tensor(*next - 1)
        }
        Item::List(items) => Part::List(items.iter().map(|i| returned(i, next)).collect()),
        Item::Tuple(items) => Part::Tuple(items.iter().map(|i| returned(i, next)).collect()),
        Item::Dict(pairs) => Part::Dict(pairs.iter().map(|(k, i)| (returned(k, &mut 0), returned(i, next))).collect()),
        Item::Bool(b) => Part::Bool(*b),
        Item::Int(n) => Part::Int(*n),
        Item::Float(x) => Part::Float(*x),
        Item::Str(s) => Part::Str(s.clone()),
        _ => Part::None,
    }
}

/// The parts of a list of types.
fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (i, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[start..i].trim());
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts.retain(|p| !p.is_empty());
    parts
}
