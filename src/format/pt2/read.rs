//! Builds the [`Graph`] of an archive.

use super::tree::Value;

use super::archive::Archive;
use super::args;
use super::config::Folder;
use super::control::Control;
use super::dtype::dtype;
use super::json::{Fault, Read, Under, field, integer, items, list, text, union};
use super::names::{Named, names};
use super::scope::{Scope, Scopes};
use super::source::source;
use crate::format::FormatError;
use crate::format::pt2::Pt2Error;
use crate::model::{Arg, DType, Graph, Node, Origin, Role, Size, Tensor, Value as ModelValue, ValueId};

impl Archive {
    /// Builds the graph. Sub-graphs of wrapping operators are entered.
    pub fn graph(&self) -> Result<Graph, FormatError> {
        graph(self).map(|(graph, _)| graph)
    }
}

/// The graph, and the names in it.
pub(super) fn graph(archive: &Archive) -> Result<(Graph, Scopes), FormatError> {
    let mut builder = Builder { archive, graph: Graph::default(), scopes: Scopes::default() };
    builder.program(&archive.json).map_err(|f| archive.fault(f))?;
    Ok((builder.graph, builder.scopes))
}

pub(super) struct Builder<'a> {
    archive: &'a Archive,
    pub(super) graph: Graph,
    pub(super) scopes: Scopes,
}

impl Builder<'_> {
    fn program(&mut self, json: &Value) -> Read<()> {
        let module = field(json, "graph_module")?;
        let graph = field(module, "graph").under(|| "graph_module")?;
        let signature = field(module, "signature").under(|| "graph_module")?;
        self.scopes.list.push(Scope::default());
        self.inputs(graph, signature).under(|| "graph_module")?;
        self.nodes(graph, 0).under(|| "graph_module.graph")?;
        self.outputs(graph, signature).under(|| "graph_module")
    }

    /// The inputs of the program stand parallel to those of its signature.
    fn inputs(&mut self, graph: &Value, signature: &Value) -> Read<()> {
        let inputs = list(graph, "inputs").under(|| "graph")?;
        let specs = list(signature, "input_specs").under(|| "signature")?;
        if inputs.len() != specs.len() {
            let reason = format!("{} entries for {} inputs of the graph", specs.len(), inputs.len());
            return Err(Fault::schema(reason).under("signature.input_specs"));
        }
        for (i, (input, spec)) in inputs.iter().zip(specs).enumerate() {
            let defined = self.define(graph, 0, input).under(|| format!("graph.inputs[{i}]"))?;
            self.input(spec, &defined).under(|| format!("signature.input_specs[{i}]"))?;
        }
        Ok(())
    }

    fn input(&mut self, spec: &Value, defined: &[ValueId]) -> Read<()> {
        let (kind, spec) = union(spec)?;
        let (role, key) = match kind {
            "parameter" => (Role::Parameter, "parameter_name"),
            "buffer" => (Role::Buffer, "buffer_name"),
            "tensor_constant" => (Role::Constant, "tensor_constant_name"),
            "user_input" => {
                self.graph.inputs.extend(defined);
                return Ok(());
            }
            _ => return Ok(()),
        };
        let placeholder = text(field(spec, "arg")?, "name").under(|| kind)?;
        let value = self.scopes.list[0].value(placeholder).under(|| kind)?;
        if defined != [value] {
            return Err(Fault::schema(format!("`{placeholder}` is not the input at this place")).under(kind));
        }
        let name = text(spec, key).under(|| kind)?;
        let lasting = spec.get("persistent").and_then(Value::as_bool).unwrap_or(true);
        let folders = match role == Role::Constant || !lasting {
            true => [Folder::Constants, Folder::Weights],
            false => [Folder::Weights, Folder::Constants],
        };
        let Some(entry) = folders.iter().find_map(|f| self.archive.config(*f).entries.get(name)) else {
            let config = format!("{}{}", self.archive.prefix, folders[0].config(&self.archive.model));
            let path = self.archive.path().to_path_buf();
            return Err(FormatError::Pt2(Pt2Error::UnknownTensor { path, tensor: name.to_owned(), config }).into());
        };
        let carrier = &mut self.graph.values[value.index()];
        carrier.dtype = entry.dtype;
        carrier.shape.get_or_insert_with(|| entry.shape.iter().map(|n| Size::from(*n)).collect());
        self.graph.tensors.push(Tensor {
            name: name.to_owned(),
            value,
            role,
            dtype: entry.dtype,
            shape: entry.shape.clone(),
            strides: entry.strides.clone(),
            offset: entry.offset,
            storage: entry.storage,
            updated: false,
            list: None,
        });
        Ok(())
    }

    fn outputs(&mut self, graph: &Value, signature: &Value) -> Read<()> {
        let outputs = list(graph, "outputs").under(|| "graph")?;
        let specs = list(signature, "output_specs").under(|| "signature")?;
        if outputs.len() != specs.len() {
            let reason = format!("{} entries for {} outputs of the graph", specs.len(), outputs.len());
            return Err(Fault::schema(reason).under("signature.output_specs"));
        }
        for (i, output) in outputs.iter().enumerate() {
            let place = || format!("graph.outputs[{i}]");
            let (kind, spec) = union(&specs[i]).under(|| format!("signature.output_specs[{i}]"))?;
            let written = match (kind, spec.get("buffer_name").or(spec.get("parameter_name"))) {
                ("buffer_mutation" | "parameter_mutation", Some(name)) => {
                    let tensor = self.graph.tensors.iter_mut().find(|t| name.as_str() == Some(&t.name));
                    tensor.map(|t| {
                        t.updated = true;
                        t.value
                    })
                }
                ("user_input_mutation", _) => {
                    let name = spec.get("user_input_name").and_then(Value::as_str);
                    name.and_then(|name| self.scopes.list[0].value(name).ok())
                }
                _ => None,
            };
            for (kind, name) in names(output).under(place)? {
                let value = self.scopes.list[0].value(name).under(place)?;
                if kind == Named::Tensor {
                    self.graph.updates.extend(written.map(|to| (self.graph.outputs.len(), to)));
                    self.graph.outputs.push(value);
                }
            }
        }
        Ok(())
    }

    pub(super) fn nodes(&mut self, graph: &Value, number: usize) -> Read<()> {
        for (i, node) in list(graph, "nodes")?.iter().enumerate() {
            self.node(graph, number, i, node).under(|| format!("nodes[{i}]"))?;
        }
        Ok(())
    }

    fn node(&mut self, graph: &Value, number: usize, position: usize, node: &Value) -> Read<()> {
        let target = text(node, "target")?;
        let inputs = list(node, "inputs")?;
        if let Some(control) = Control::of(target, inputs, node) {
            return self.enter(graph, number, position, node, &control);
        }
        let scope = &self.scopes.list[number];
        let lookup = |name: &str| scope.value(name);
        let mut args: Vec<(String, Arg)> = Vec::with_capacity(inputs.len());
        for (i, input) in inputs.iter().enumerate() {
            let arg = field(input, "arg").and_then(|a| args::read(a, &lookup)).under(|| format!("inputs[{i}]"))?;
            args.push((text(input, "name").under(|| format!("inputs[{i}]"))?.to_owned(), arg));
        }
        let mut outputs = Vec::new();
        let defined = list(node, "outputs")?;
        let listed = matches!(defined, [only] if only.get("as_tensors").is_some());
        for (i, output) in defined.iter().enumerate() {
            outputs.extend(self.define(graph, number, output).under(|| format!("outputs[{i}]"))?);
        }
        let named = node.get("name").and_then(Value::as_str).map(str::to_owned);
        let name = named.or_else(|| outputs.first().map(|v| self.graph.value(*v).name.clone())).unwrap_or_default();
        self.scopes.list[number].take(&name);
        self.graph.nodes.push(Node {
            name,
            target: target.strip_prefix("torch.ops.").unwrap_or(target).to_owned(),
            args,
            outputs,
            listed,
            source: source(node.get("metadata").unwrap_or(&Value::Null)),
            graph: number,
            origin: Origin::Listed(position),
        });
        Ok(())
    }

    /// Makes the values that an output of a node or an input of a graph defines.
    pub(super) fn define(&mut self, graph: &Value, number: usize, argument: &Value) -> Read<Vec<ValueId>> {
        let mut defined = Vec::new();
        for (kind, name) in names(argument)? {
            let id = ValueId(u32::try_from(self.graph.values.len()).map_err(|_| Fault::schema("too many values"))?);
            self.scopes.list[number].bind(name, id)?;
            let mut value = ModelValue { name: name.to_owned(), shape: None, dtype: DType::default(), scalar: None };
            if kind == Named::Tensor {
                if let Some(meta) = recorded(graph, "tensor_values", name) {
                    (value.shape, value.dtype) = self.meta(meta).under(|| format!("tensor_values[{name:?}]"))?;
                }
            } else {
                value.dtype = if kind == Named::SymInt { DType::I64 } else { DType::default() };
                self.scopes.scalars.insert(id, kind);
                if let Some(size) = recorded(graph, "sym_int_values", name).filter(|_| kind == Named::SymInt) {
                    let size = self.scopes.symbols.read(size).under(|| format!("sym_int_values[{name:?}]"))?;
                    value.scalar = Some(size);
                } else {
                    // A float or boolean, or an integer of unknown size: some number.
                    value.scalar = Some(Size::symbol(name, None));
                }
            }
            self.graph.values.push(value);
            defined.push(id);
        }
        Ok(defined)
    }

    fn meta(&mut self, meta: &Value) -> Read<(Option<Vec<Size>>, DType)> {
        let code = integer(field(meta, "dtype")?).under(|| "dtype")?;
        let dtype = dtype(code).ok_or_else(|| Fault::dtype(code))?;
        let sizes = items(field(meta, "sizes")?).under(|| "sizes")?.iter().enumerate();
        let sizes = sizes.map(|(i, s)| {
            let size = self.scopes.symbols.read(s).under(|| format!("sizes[{i}]"))?;
            match size.as_int() {
                Some(n) if n < 0 => Err(Fault::schema(format!("sizes[{i}] is {n}"))),
                _ => Ok(size),
            }
        });
        Ok((Some(sizes.collect::<Read<_>>()?), dtype))
    }
}

fn recorded<'a>(graph: &'a Value, table: &str, name: &str) -> Option<&'a Value> {
    graph.get(table)?.get(name)
}
