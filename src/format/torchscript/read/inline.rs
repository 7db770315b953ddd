//! Follows the code from `forward` on, enters every method that it calls, and writes down the operators as a graph.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::Archive;
use super::ast::{Expr, Kind, Method, Statement};
use super::item::{Item, Wrapped};
use super::object::Attribute;
use super::syntax::{Fault, statement};
use super::{Input, element};
use crate::format::FormatError;
use crate::format::torchscript::{Interface, Part};
use crate::model::{Arg, DType, Graph, Node, Origin, Role, Size, Tensor, Value, ValueId};

/// How deep calls may nest.
const DEPTH: usize = 200;

/// A graph in the making.
pub(super) struct Builder<'a> {
    pub(super) archive: &'a Archive,
    pub(super) graph: Graph,
    /// Values of the constants that are in use.
    constants: HashMap<usize, ValueId>,
    taken: HashSet<String>,
    counts: HashMap<String, usize>,
    /// The file that is followed, and the path of the module.
    pub(super) file: usize,
    pub(super) module: String,
    depth: usize,
    /// Work that may still be done, see [`Builder::charge`].
    left: usize,
}

/// Work that any program may take, and for each byte of its code.
const WORK: usize = 1 << 22;
const WORK_PER_BYTE: usize = 64;
/// The work that a node or a value is.
const NODE: usize = 16;

impl<'a> Builder<'a> {
    /// Follows `forward` of the root.
    pub(super) fn program(archive: &'a Archive, inputs: &[Input]) -> Result<(Graph, Interface), FormatError> {
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

    /// All tensors of modules, in order, be they in use or not.
    fn tensors(&mut self) {
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
    fn charge(&mut self, work: usize, at: &Range<usize>) -> Result<(), FormatError> {
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
        fault.of(self.archive.path(), &file.name, &file.text, python.as_deref())
    }

    pub(super) fn unsupported(&self, at: &Range<usize>, what: String) -> FormatError {
        self.fault(Fault::unsupported(at, what))
    }

    /// Runs a method of a module.
    pub(super) fn call_method(
        &mut self,
        module: usize,
        name: &str,
        args: Vec<Item>,
        named: Vec<(String, Item)>,
        at: &Range<usize>,
    ) -> Result<Item, FormatError> {
        let archive = self.archive;
        let object = &archive.objects.modules[module];
        let Some((file, class)) = archive.code.class(&object.class) else { return Err(archive.missing(&object.class)) };
        let Some(method) = class.methods.iter().find(|m| m.name == name) else {
            return Err(self.unsupported(at, format!("{} has no method `{name}`", object.class)));
        };
        let own = ("self".to_owned(), Item::Module(module));
        self.enter((file, method), &object.path, Some(own), args, named, at)
    }

    /// Runs a method or function with its arguments.
    pub(super) fn enter(
        &mut self,
        (file, method): (usize, &Method),
        path: &str,
        own: Option<(String, Item)>,
        args: Vec<Item>,
        named: Vec<(String, Item)>,
        at: &Range<usize>,
    ) -> Result<Item, FormatError> {
        if args.len() + named.len() != method.parameters.len() {
            let what = format!("`{}` takes {} arguments, it is given {}", method.name, method.parameters.len(), args.len());
            return Err(self.unsupported(at, what));
        }
        if self.depth > DEPTH {
            return Err(self.unsupported(at, "calls nest too deep".to_owned()));
        }
        self.charge(NODE, at)?;
        let locals = method.parameters.iter().map(|(name, _)| name.clone()).zip(args).chain(named).chain(own).collect();
        let before = (self.file, std::mem::replace(&mut self.module, path.to_owned()));
        self.file = file;
        self.depth += 1;
        let result = self.body(method, locals);
        self.depth -= 1;
        if result.is_ok() {
            (self.file, self.module) = before;
        }
        result
    }

    fn body(&mut self, method: &Method, mut locals: HashMap<String, Item>) -> Result<Item, FormatError> {
        let text: &'a str = &self.archive.code.files[self.file].text;
        let mut at = method.body.start;
        while let Some((made, span)) = statement(text, &method.body, at).map_err(|f| self.fault(f))? {
            at = span.end;
            match made {
                Statement::Return(value) => return self.expression(&value, &locals),
                Statement::Assign { names, unpacks, value } => {
                    let item = self.expression(&value, &locals)?;
                    if let (Some(written), Item::Number(_, Wrapped::Tensor)) = (written(&value), &item) {
                        locals.insert(written.to_owned(), item.clone());
                    }
                    if !unpacks && names.len() < 2 {
                        locals.extend(names.into_iter().map(|n| (n, item.clone())));
                        continue;
                    }
                    let parts = self.unpack(item, names.len(), &value.span)?;
                    locals.extend(names.into_iter().zip(parts));
                }
            }
        }
        Ok(Item::None)
    }

    /// The parts of a tuple or list.
    fn unpack(&mut self, item: Item, count: usize, at: &Range<usize>) -> Result<Vec<Item>, FormatError> {
        let parts = match item {
            Item::List(items) | Item::Tuple(items) => items,
            Item::Results(node) => (0..count).map(|k| Item::Tensor(self.part(node, k))).collect(),
            Item::Sizes(v) => (0..count).map(|k| self.size(v, k as i64, at)).collect(),
            other => return Err(self.unsupported(at, format!("{} is taken apart", other.kind()))),
        };
        if parts.len() != count {
            return Err(self.unsupported(at, format!("{} items are given {count} names", parts.len())));
        }
        Ok(parts)
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

    /// The worth of an expression.
    pub(super) fn expression(&mut self, e: &Expr, locals: &HashMap<String, Item>) -> Result<Item, FormatError> {
        self.charge(1, &e.span)?;
        let all = |this: &mut Self, items: &[Expr]| -> Result<Vec<Item>, FormatError> {
            items.iter().map(|e| this.expression(e, locals)).collect()
        };
        Ok(match &e.kind {
            Kind::None => Item::None,
            Kind::Int(n) => Item::Int(*n),
            Kind::Float(x) => Item::Float(*x),
            Kind::Bool(b) => Item::Bool(*b),
            Kind::Str(s) => Item::Str(s.clone()),
            Kind::Name(name) => match locals.get(name) {
                Some(item) => {
                    self.charge(item.count(), &e.span)?;
                    item.clone()
                }
                None => return Err(self.unsupported(&e.span, format!("`{name}` is not defined"))),
            },
            Kind::List(items) => Item::List(all(self, items)?),
            Kind::Tuple(items) => Item::Tuple(all(self, items)?),
            Kind::Dict(pairs) => {
                let each = pairs.iter().map(|(k, v)| Ok((self.expression(k, locals)?, self.expression(v, locals)?)));
                Item::Dict(each.collect::<Result<_, FormatError>>()?)
            }
            Kind::Attribute(of, name) => self.attribute(of, name, locals, &e.span)?,
            Kind::Item(of, index) => {
                // One item of a long list is no copy of the list.
                if let (Kind::Name(name), Kind::Int(n)) = (&of.kind, &index.kind)
                    && let (Some(Item::List(items) | Item::Tuple(items)), Ok(n)) = (locals.get(name), usize::try_from(*n))
                    && let Some(item) = items.get(n)
                {
                    self.charge(item.count(), &e.span)?;
                    return Ok(item.clone());
                }
                let (of, index) = (self.expression(of, locals)?, self.expression(index, locals)?);
                self.item(of, &index, &e.span)?
            }
            Kind::Call(callee, args, named) => self.call(callee, args, named, locals, &e.span)?,
            Kind::Negative(of) => {
                let of = self.expression(of, locals)?;
                self.arithmetic("neg", &[of], &e.span)?
            }
            Kind::Binary(op, a, b) => {
                let name = match *op {
                    "+" => "add",
                    "-" => "sub",
                    "*" => "mul",
                    "//" => "floordiv",
                    "%" => "mod",
                    _ => return Err(self.unsupported(&e.span, format!("numbers are computed with `{op}`"))),
                };
                let (a, b) = (self.expression(a, locals)?, self.expression(b, locals)?);
                self.arithmetic(name, &[a, b], &e.span)?
            }
        })
    }

    fn attribute(
        &mut self,
        of: &Expr,
        name: &str,
        locals: &HashMap<String, Item>,
        at: &Range<usize>,
    ) -> Result<Item, FormatError> {
        if of.kind == Kind::Name("CONSTANTS".to_owned()) {
            let number = name.strip_prefix('c').and_then(|n| n.parse::<usize>().ok());
            let found = number.and_then(|n| self.archive.objects.constants.get(n).copied().flatten());
            return found.map(Item::Constant).ok_or_else(|| self.unsupported(at, format!("the constant `{name}` is no tensor")));
        }
        match self.expression(of, locals)? {
            Item::Module(number) => self.attribute_of(number, name, at),
            other => Err(self.unsupported(at, format!("`{name}` is read of {}", other.kind()))),
        }
    }

    /// An attribute of a module.
    pub(super) fn attribute_of(&mut self, module: usize, name: &str, at: &Range<usize>) -> Result<Item, FormatError> {
        let object = &self.archive.objects.modules[module];
        Ok(match object.attributes.get(name) {
            Some(Attribute::Tensor(n)) => Item::Tensor(ValueId(*n as u32)),
            Some(Attribute::Module(n)) => Item::Module(*n),
            Some(Attribute::Plain(item)) => {
                self.charge(item.count(), at)?;
                item.clone()
            }
            None => return Err(self.unsupported(at, format!("{} holds no `{name}`", object.class))),
        })
    }

    fn item(&mut self, of: Item, index: &Item, at: &Range<usize>) -> Result<Item, FormatError> {
        let place = |len: usize, n: i64| usize::try_from(if n < 0 { n + len as i64 } else { n }).ok().filter(|n| *n < len);
        let found = match (of, index) {
            (Item::List(items) | Item::Tuple(items), Item::Int(n)) => place(items.len(), *n).map(|n| items[n].clone()),
            (Item::Results(node), Item::Int(n)) if *n >= 0 => {
                let new = (*n as usize).saturating_sub(self.graph.nodes[node].outputs.len());
                self.charge(new.saturating_mul(NODE), at)?;
                Some(Item::Tensor(self.part(node, *n as usize)))
            }
            (Item::Sizes(v), Item::Int(n)) => Some(self.size(v, *n, at)),
            (Item::Dict(pairs), key) => pairs.into_iter().find(|(k, _)| k == key).map(|(_, item)| item),
            (other, _) => return Err(self.unsupported(at, format!("an item of {} is read", other.kind()))),
        };
        found.ok_or_else(|| self.unsupported(at, "there is no such item".to_owned()))
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

/// The variable that a call writes in place: `n` in `torch.mul_(n, 2)`.
fn written(e: &Expr) -> Option<&str> {
    match &e.kind {
        Kind::Call(callee, args, _) => match (&callee.kind, args.first().map(|a| &a.kind)) {
            (Kind::Attribute(_, op), Some(Kind::Name(of))) if op.ends_with('_') && !op.ends_with("__") => Some(of),
            _ => None,
        },
        _ => None,
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
