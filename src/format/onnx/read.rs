//! From the messages of a model to a graph.

use std::collections::HashMap;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::aliases::Aliases;
use super::archive::{Program, Source, Stored};
use super::control::{captured, results};
use super::data::{dtype, elements, extent, locate};
use super::error::OnnxError;
use super::operator::{namespace, operator};
use super::proto::{CAPTURED, Dim, GraphProto, NodeProto, Setting, TensorProto, ValueInfo};
use super::scope::source;
use super::types::Types;
use crate::format::FormatError;
use crate::model::{Arg, Content, DType, Node, Origin, Role, Size, Tensor, Value, ValueId};
use crate::rule::{Schema, Schemas};

/// Integers of longer tensors are not followed.
const LONGEST: usize = 1 << 16;

/// Numbers with a fraction of longer tensors are not.
const FEW: usize = 64;

/// Sizes that dynamic dimensions have in the arithmetic with examples: multiples of what strides divide by, and no two the same.
const EXAMPLES: [i64; 12] = [7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47];

/// Reads the graph of a model.
pub(super) fn program(archive: &Source) -> Result<Program, FormatError> {
    let graph = GraphProto::read(archive.graph_bytes()).map_err(|f| archive.fault(f))?;
    if graph.sparse > 0 {
        return Err(archive.unsupported("sparse initializers", "store them densely, with onnx.numpy_helper.from_array"));
    }
    let mut reader = Reader {
        archive,
        program: Program::default(),
        names: HashMap::new(),
        symbols: Vec::new(),
        infos: HashMap::new(),
        buffers: FxHashSet::default(),
        settled: FxHashSet::default(),
    };
    reader.program.graph.versions = archive.model.opsets.iter().map(|(domain, version)| (namespace(domain), *version)).collect();
    // The standard's own operators come first: what is added to a program is of them.
    reader.program.graph.versions.sort_by_key(|(set, _)| set != "onnx");
    reader.sizes(&graph)?;
    reader.tensors(&graph)?;
    reader.inputs(&graph)?;
    let mut aliases = Aliases::new(archive, &graph);
    for at in 0..archive.nodes.list.len() {
        let node = NodeProto::read(archive.node(at)).map_err(|f| archive.fault(f))?;
        reader.node(at, &node)?;
        aliases.node(&node);
    }
    for range in &graph.outputs {
        let info = ValueInfo::read(archive.part(range)).map_err(|f| archive.fault(f))?;
        let value = reader.find(info.name).ok_or_else(|| archive.order(format!("nothing makes its output `{}`", info.name)))?;
        reader.program.graph.outputs.push(value);
    }
    reader.finish();
    let mut program = reader.program;
    let stored = |k: usize| program.storages[program.graph.tensors[k].storage].bytes(&archive.bytes, &program.files);
    program.graph.aliases = aliases.of(&program.graph, &|a, b| a == b || stored(a) == stored(b));
    Ok(program)
}

pub(super) struct Reader<'a> {
    pub(super) archive: &'a Source,
    pub(super) program: Program,
    names: HashMap<&'a str, ValueId>,
    symbols: Vec<String>,
    /// What the file says of the values' types.
    infos: HashMap<&'a str, ValueInfo<'a>>,
    /// Values that are statistics.
    buffers: FxHashSet<ValueId>,
    /// Values of numbers with a fraction that settle sizes.
    settled: FxHashSet<ValueId>,
}

impl<'a> Reader<'a> {
    fn find(&self, name: &str) -> Option<ValueId> {
        self.names.get(name).copied()
    }

    fn value(&mut self, name: &'a str, shape: Option<Vec<Size>>, dtype: DType) -> Result<ValueId, FormatError> {
        let id = ValueId(self.program.graph.values.len() as u32);
        if self.names.insert(name, id).is_some() {
            return Err(self.archive.order(format!("the value `{name}` is made twice")));
        }
        self.program.graph.values.push(Value { name: name.to_owned(), shape, dtype, scalar: None });
        Ok(id)
    }

    /// What the file says of sizes.
    fn sizes(&mut self, graph: &GraphProto) -> Result<(), FormatError> {
        for range in graph.values.iter().chain(&graph.outputs).chain(&graph.inputs) {
            let info = ValueInfo::read(self.archive.part(range)).map_err(|f| self.archive.fault(f))?;
            self.infos.insert(info.name, info);
        }
        Ok(())
    }

    /// The sizes that the file records of a value. Of names that no input has only the name is known.
    fn recorded(&self, name: &str) -> Option<Vec<Size>> {
        self.sized(self.infos.get(name)?.dims.as_ref()?)
    }

    fn sized(&self, dims: &[Dim]) -> Option<Vec<Size>> {
        let size = |dim: &Dim| match dim {
            Dim::Number(n) => Size::int(*n),
            Dim::Name(name) => self.symbol(name),
            Dim::Unknown => Size::symbol("?", None),
        };
        dims.iter().all(|d| !matches!(d, Dim::Number(n) if *n < 0)).then(|| dims.iter().map(size).collect())
    }

    fn symbol(&self, name: &str) -> Size {
        let example = |k: usize| EXAMPLES.get(k).map_or(32 * (53 + 2 * k as i64), |p| 32 * p);
        Size::symbol(name, self.symbols.iter().position(|s| s == name).map(example))
    }

    /// The stored tensors.
    fn tensors(&mut self, graph: &GraphProto) -> Result<(), FormatError> {
        for (at, range) in graph.initializers.iter().enumerate() {
            let tensor = TensorProto::read(self.archive.part(range)).map_err(|f| self.archive.fault(f))?;
            self.tensor(tensor.name, &tensor, Stored::Initializer(at))?;
        }
        Ok(())
    }

    pub(super) fn tensor(&mut self, name: &'a str, proto: &TensorProto<'a>, stored: Stored) -> Result<(), FormatError> {
        let bad = |reason: &str| -> FormatError {
            let (path, tensor) = (self.archive.path.clone(), name.to_owned());
            OnnxError::Initializer { path, tensor, reason: reason.to_owned() }.into()
        };
        if name.is_empty() {
            return Err(bad("has no name"));
        }
        let sizes: Option<Vec<Size>> = proto.dims.iter().map(|n| usize::try_from(*n).ok().map(Size::from)).collect();
        let sizes = sizes.ok_or_else(|| bad("has a negative size"))?;
        let Some(dtype) = dtype(proto.kind) else {
            // Texts, and numbers of less than a byte: nothing of them is cut.
            let value = self.value(name, Some(sizes), DType::U8)?;
            self.program.graph.inputs.push(value);
            return Ok(());
        };
        let (shape, bytes) = extent(proto, dtype).ok_or_else(|| bad("has sizes that are too large"))?;
        let numel = bytes / dtype.bytes();
        let (archive, files) = (self.archive, &mut self.program.files);
        let storage = locate(&archive.path, files, proto, dtype, (bytes, numel), &|part| archive.offset_of(part))?;
        let value = self.value(name, Some(sizes), dtype)?;
        let weight = dtype.is_float() || (matches!(dtype, DType::I8 | DType::U8) && shape.len() > 1);
        let role = if weight && !shape.is_empty() { Role::Parameter } else { Role::Constant };
        let mut strides = vec![1; shape.len()];
        (0..shape.len().saturating_sub(1))
            .rev()
            .for_each(|d| strides[d] = usize::saturating_mul(strides[d + 1], shape[d + 1].max(1)));
        self.program.graph.tensors.push(Tensor {
            name: name.to_owned(),
            value,
            role,
            dtype,
            shape,
            strides,
            offset: 0,
            storage: self.program.storages.len(),
            updated: false,
            list: None,
        });
        self.program.storages.push(storage);
        self.program.stored.push(stored);
        Ok(())
    }

    /// What the caller gives.
    fn inputs(&mut self, graph: &GraphProto) -> Result<(), FormatError> {
        for range in &graph.inputs {
            let info = ValueInfo::read(self.archive.part(range)).map_err(|f| self.archive.fault(f))?;
            if self.names.contains_key(info.name) {
                continue; // a stored tensor that older versions list as an input, too
            }
            let dims = info.dims.as_ref().filter(|_| !info.other).ok_or_else(|| {
                let what = format!("an input, `{}`, that is no tensor of known rank", info.name);
                self.archive.unsupported(&what, "export the model again with inputs that are tensors")
            })?;
            let mut shape = Vec::with_capacity(dims.len());
            for (k, dim) in dims.iter().enumerate() {
                let unnamed = format!("{}_{k}", info.name);
                shape.push(match dim {
                    Dim::Number(n) if *n >= 0 => Size::int(*n),
                    Dim::Name(name) => self.new_symbol(name),
                    _ => self.new_symbol(&unnamed),
                });
            }
            let value = self.value(info.name, Some(shape), dtype(info.kind).unwrap_or(DType::U8))?;
            self.program.graph.inputs.push(value);
        }
        Ok(())
    }

    fn new_symbol(&mut self, name: &str) -> Size {
        if !self.symbols.iter().any(|s| s == name) {
            self.symbols.push(name.to_owned());
        }
        self.symbol(name)
    }

    fn node(&mut self, at: usize, node: &NodeProto<'a>) -> Result<(), FormatError> {
        if (node.op, node.domain) == ("Constant", "")
            && let [name] = node.outputs.as_slice()
            && self.constant(name, at, node)?
        {
            return Ok(());
        }
        let function = self.archive.model.functions.iter().any(|f| f.is(node.domain, node.op, node.overload));
        let target = operator(&self.archive.model.opsets, node.domain, node.op, function);
        let schema = Schemas::builtin().get(&target).filter(|_| !function);
        let mut args = self.arguments(node, schema)?;
        let mut outside = Vec::new();
        captured(node, 0, &mut outside).map_err(|f| self.archive.fault(f))?;
        let captured: Vec<Arg> = outside.iter().filter_map(|name| self.find(name)).map(Arg::Tensor).collect();
        if !captured.is_empty() {
            args.push((CAPTURED.to_owned(), Arg::List(captured)));
        }
        let told = if function { Vec::new() } else { results(node).map_err(|f| self.archive.fault(f))? };
        let mut types = Types::of(schema, &args, &self.program.graph);
        let mut outputs = Vec::new();
        // Results that the program does not use are missing at the end; one in the middle has no name.
        let unnamed = || format!("{}_{}", node.outputs.first().unwrap_or(&"result"), at);
        for (k, name) in node.outputs.iter().enumerate() {
            let (kind, dims) = told.get(k).map_or((0, None), |(kind, dims)| (*kind, dims.as_ref()));
            let known = self.infos.get(name).and_then(|i| dtype(i.kind)).or_else(|| dtype(kind));
            let dtype = known.or_else(|| types.result(k)).unwrap_or(DType::F32);
            let shape = self.recorded(name).or_else(|| self.sized(dims?));
            outputs.push(match name.is_empty() {
                true => {
                    let id = ValueId(self.program.graph.values.len() as u32);
                    let name = format!("{}_{k}", unnamed());
                    self.program.graph.values.push(Value { name, shape: None, dtype, scalar: None });
                    id
                }
                false => self.value(name, shape, dtype)?,
            });
        }
        self.program.graph.nodes.push(Node {
            name: if node.name.is_empty() {
                node.outputs.first().copied().unwrap_or("").to_owned()
            } else {
                node.name.to_owned()
            },
            listed: schema.is_some_and(Schema::gives_list),
            target,
            args,
            outputs,
            source: source(node),
            graph: 0,
            origin: Origin::Listed(at),
        });
        Ok(())
    }

    fn arguments(&mut self, node: &NodeProto<'a>, schema: Option<&Schema>) -> Result<Vec<(String, Arg)>, FormatError> {
        let mut args: Vec<(String, Arg)> = Vec::new();
        let ports: Vec<_> = schema.into_iter().flat_map(|s| &s.args).filter(|a| !a.kwarg_only).collect();
        for (k, name) in node.inputs.iter().enumerate() {
            if name.is_empty() {
                continue;
            }
            let value = self.find(name).ok_or_else(|| {
                self.archive.order(format!("the node `{}` ({}) reads `{name}` before it is made", node.name, node.op))
            })?;
            if ports.get(k).is_some_and(|port| port.buffer) {
                self.buffers.insert(value);
            }
            let port = ports.get(k).or(ports.last());
            match port.filter(|p| k < ports.len() || p.ty.starts_with("Tensor[]")) {
                Some(port) if port.ty.starts_with("Tensor[]") => match args.iter_mut().find(|(n, _)| *n == port.name) {
                    Some((_, Arg::List(items))) => items.push(Arg::Tensor(value)),
                    _ => args.push((port.name.clone(), Arg::List(vec![Arg::Tensor(value)]))),
                },
                Some(port) => {
                    if port.ty.starts_with("Tensor<float>") {
                        self.settled.insert(value);
                    }
                    args.push((port.name.clone(), Arg::Tensor(value)));
                }
                None => args.push((format!("input{k}"), Arg::Tensor(value))),
            }
        }
        for attribute in &node.attributes {
            let halves = schema.and_then(|s| s.arg(&format!("{}_end", attribute.name)));
            match (&attribute.value, halves) {
                (Setting::Ints(list), Some(ends)) if list.len() % 2 == 0 => {
                    let (begin, end) = list.split_at(list.len() / 2);
                    args.push((attribute.name.to_owned(), ints(begin)));
                    args.push((ends.name.clone(), ints(end)));
                }
                (value, _) => args.push((attribute.name.to_owned(), self.setting(value))),
            }
        }
        // Into how many parts a tensor is split is told by the results.
        if node.op == "Split" && !args.iter().any(|(n, _)| ["split", "num_outputs"].contains(&n.as_str())) {
            args.push(("num_outputs".to_owned(), Arg::Int(node.outputs.len() as i64)));
        }
        Ok(args)
    }

    /// Roles, and what small constants hold.
    fn finish(&mut self) {
        let Program { graph, storages, files, .. } = &mut self.program;
        let mut contents: FxHashMap<ValueId, Content> = FxHashMap::default();
        for t in &mut graph.tensors {
            if self.buffers.contains(&t.value) {
                t.role = Role::Buffer;
            }
            let whole = !t.dtype.is_float() && t.numel() <= LONGEST && (t.role == Role::Constant || t.shape.is_empty());
            let fraction = t.dtype.is_float() && (t.shape.is_empty() || (self.settled.contains(&t.value) && t.numel() <= FEW));
            if !whole && !fraction {
                continue;
            }
            let bytes = storages[t.storage].bytes(&self.archive.bytes, files);
            let mut numbers = Vec::with_capacity(t.numel());
            if elements(&bytes, t.dtype, &mut |x| numbers.push(x)).is_none() {
                continue;
            }
            if fraction {
                t.role = if t.role == Role::Parameter { Role::Constant } else { t.role };
                contents.insert(t.value, Content::Numbers(numbers.into()));
            } else {
                let sizes: Arc<[Size]> = numbers.into_iter().map(|x| Size::int(x as i64)).collect();
                contents.insert(t.value, Content::Sizes(sizes));
            }
        }
        graph.contents = contents;
    }
}

/// A list of numbers.
pub(super) fn ints(list: &[i64]) -> Arg {
    Arg::List(list.iter().map(|n| Arg::Int(*n)).collect())
}
