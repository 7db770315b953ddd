//! Nodes of an edited graph: as they were, with other inputs and attributes, or new.

use rustc_hash::{FxHashMap, FxHashSet};

use super::archive::Source;
use super::data::named;
use super::encode::{Constant, attribute, elements};
use super::operator::domain;
use super::piece::names;
use super::proto::{CAPTURED, NodeProto};
use super::wire::{fields, put_bytes};
use crate::format::FormatError;
use crate::model::{Arg, DType, Graph, Node, Origin, Size, ValueId};
use crate::rule::{Schema, SchemaArg, Schemas};

/// The nodes before and after.
pub(super) struct Nodes<'a> {
    source: &'a Source,
    small: &'a Graph,
    /// The old nodes by their place in the file.
    old: FxHashMap<usize, &'a Node>,
    by_name: FxHashMap<&'a str, ValueId>,
    /// Values that something makes.
    made: FxHashSet<ValueId>,
    taken: FxHashSet<String>,
    /// Constants that were arguments.
    pub(super) constants: Vec<Constant>,
    /// For each old value the sizes that changed.
    changed: FxHashMap<ValueId, Vec<Option<Size>>>,
}

impl<'a> Nodes<'a> {
    pub(super) fn new(source: &'a Source, read: &'a Graph, small: &'a Graph) -> Nodes<'a> {
        let old = read.nodes.iter().filter_map(|n| if let Origin::Listed(at) = n.origin { Some((at, n)) } else { None });
        let mut made: FxHashSet<ValueId> = small.nodes.iter().flat_map(|n| n.outputs.iter().copied()).collect();
        made.extend(small.inputs.iter().chain(small.tensors.iter().map(|t| &t.value)));
        let taken = small.values.iter().map(|v| v.name.clone()).collect();
        Nodes {
            source,
            small,
            old: old.collect(),
            by_name: names(read),
            made,
            taken,
            constants: Vec::new(),
            changed: changed(read, small),
        }
    }

    /// Nothing makes the value any more.
    pub(super) fn is_gone(&self, name: &str) -> bool {
        self.by_name.get(name).is_some_and(|v| !self.made.contains(v))
    }

    /// The sizes of a value that are others now, by dimension.
    pub(super) fn resized(&self, name: &str) -> Option<&[Option<Size>]> {
        self.changed.get(self.by_name.get(name)?).map(Vec::as_slice)
    }

    /// Whether a node is what it was.
    pub(super) fn is_same(&self, k: usize) -> bool {
        let new = &self.small.nodes[k];
        let old = if let Origin::Listed(at) = new.origin { self.old.get(&at) } else { None };
        old.is_some_and(|old| old.target == new.target && old.args == new.args && old.outputs == new.outputs)
    }

    /// The message of a node that was there; `None` if it is what it was.
    pub(super) fn patched(&mut self, k: usize, bytes: &[u8]) -> Result<Option<Vec<u8>>, FormatError> {
        let new = &self.small.nodes[k];
        let Origin::Listed(at) = new.origin else { return Ok(None) };
        let old = self.old.get(&at).copied().ok_or_else(|| FormatError::edit(format!("`{}` was no node", new.name)))?;
        if self.is_same(k) {
            return Ok(None);
        }
        let proto = NodeProto::read(bytes).map_err(|f| self.source.fault(f))?;
        let schema = schema(new)?;
        let inputs = self.inputs(new, Some(old), schema)?;
        let outputs: Vec<String> = (0..new.outputs.len().max(proto.outputs.len()))
            .map(|i| match (old.outputs.get(i), new.outputs.get(i)) {
                (Some(a), Some(b)) if a == b => proto.outputs.get(i).copied().unwrap_or("").to_owned(),
                (_, Some(b)) => self.small.value(*b).name.clone(),
                (_, None) => String::new(),
            })
            .collect();
        let (op, set) = name_of(&new.target);
        let mut out = Vec::with_capacity(bytes.len());
        inputs.iter().for_each(|n| put_bytes(&mut out, 1, n.as_bytes()));
        outputs.iter().for_each(|n| put_bytes(&mut out, 2, n.as_bytes()));
        let same = |name: &str| old.target == new.target && old.arg(name) == new.arg(name);
        let mut kept: Vec<&str> = Vec::new();
        let mut next = proto.attributes.iter();
        for part in fields(bytes) {
            let part = part.map_err(|f| self.source.fault(f))?;
            match part.number {
                1 | 2 => {}
                4 => put_bytes(&mut out, 4, op.as_bytes()),
                7 => put_bytes(&mut out, 7, domain(set).as_bytes()),
                5 => {
                    let name = next.next().map_or("", |a| a.name);
                    if same(name) && same(&format!("{name}_end")) {
                        out.extend_from_slice(&bytes[part.span.clone()]);
                        kept.push(name);
                    }
                }
                _ => out.extend_from_slice(&bytes[part.span.clone()]),
            }
        }
        self.attributes(new, schema, &kept, &mut out)?;
        Ok(Some(out))
    }

    /// The message of a new node.
    pub(super) fn new_node(&mut self, k: usize) -> Result<Vec<u8>, FormatError> {
        let node = &self.small.nodes[k];
        let schema = schema(node)?;
        let (op, set) = name_of(&node.target);
        let mut out = Vec::new();
        self.inputs(node, None, schema)?.iter().for_each(|n| put_bytes(&mut out, 1, n.as_bytes()));
        node.outputs.iter().for_each(|v| put_bytes(&mut out, 2, self.small.value(*v).name.as_bytes()));
        put_bytes(&mut out, 3, node.name.as_bytes());
        put_bytes(&mut out, 4, op.as_bytes());
        if !domain(set).is_empty() {
            put_bytes(&mut out, 7, domain(set).as_bytes());
        }
        self.attributes(node, schema, &[], &mut out)?;
        Ok(out)
    }

    /// The names of a node's inputs; numbers become constants.
    fn inputs(&mut self, node: &Node, old: Option<&Node>, schema: &Schema) -> Result<Vec<String>, FormatError> {
        let mut out = Vec::new();
        for port in schema.args.iter().filter(|a| !a.kwarg_only) {
            match node.arg(&port.name) {
                None | Some(Arg::None) => out.push(String::new()),
                Some(Arg::Tensor(v)) => out.push(self.small.value(*v).name.clone()),
                Some(Arg::List(items)) if items.iter().any(|a| matches!(a, Arg::Tensor(_))) => {
                    out.extend(items.iter().map(|a| match a {
                        Arg::Tensor(v) => self.small.value(*v).name.clone(),
                        _ => String::new(),
                    }));
                }
                Some(literal) => out.push(self.constant(node, old, port, literal, schema)?),
            }
        }
        while out.last().is_some_and(String::is_empty) {
            out.pop();
        }
        Ok(out)
    }

    fn constant(
        &mut self,
        node: &Node,
        old: Option<&Node>,
        port: &SchemaArg,
        literal: &Arg,
        schema: &Schema,
    ) -> Result<String, FormatError> {
        let before = match old.and_then(|o| o.arg(&port.name)) {
            Some(Arg::Tensor(v)) => Some(self.small.value(*v)),
            _ => None,
        };
        let dtype = before.map(|v| v.dtype).unwrap_or_else(|| self.dtype(node, port, literal, schema));
        // Numbers that the standard has as 64-bit ones are lists.
        let listed = usize::from(port.ty.contains("<int64>"));
        let rank = before.map_or(Some(listed), |v| v.shape.as_ref().map(Vec::len));
        let dims = match literal {
            Arg::List(items) => vec![items.len()],
            _ => vec![1; rank.unwrap_or(0)],
        };
        let wrong = || FormatError::edit(format!("`{}` of `{}` cannot be a constant", port.name, node.name));
        let bytes = elements(literal, dtype).ok_or_else(wrong)?;
        let stem = node.outputs.first().map_or(node.name.as_str(), |v| self.small.value(*v).name.as_str());
        let mut name = format!("{stem}_{}", port.name);
        while !self.taken.insert(name.clone()) {
            name.push('_');
        }
        self.constants.push(Constant { name: name.clone(), dtype, dims, bytes });
        Ok(name)
    }

    /// The type that a number must have: that of what has the same type variable, else what the schema or the number says.
    fn dtype(&self, node: &Node, port: &SchemaArg, literal: &Arg, schema: &Schema) -> DType {
        let inner = |ty: &str| ty.split_once('<').and_then(|(_, t)| t.split_once('>')).map(|(t, _)| t.to_owned());
        let of =
            |arg: &SchemaArg| node.arg(&arg.name).and_then(|a| a.tensors().first().copied()).map(|v| self.small.value(v).dtype);
        let variable = inner(&port.ty);
        let bound = schema.args.iter().filter(|a| inner(&a.ty) == variable).find_map(of);
        let whole = match literal {
            Arg::Int(_) | Arg::Bool(_) => true,
            Arg::List(items) => items.iter().all(|i| matches!(i, Arg::Int(_))),
            _ => false,
        };
        let first = || schema.args.iter().find_map(of);
        let other = || if whole { Some(DType::I64) } else { first() };
        variable.as_deref().and_then(named).or(bound).or_else(other).unwrap_or(DType::F32)
    }

    /// The attributes of a node but for those that are written already.
    fn attributes(&self, node: &Node, schema: &Schema, kept: &[&str], out: &mut Vec<u8>) -> Result<(), FormatError> {
        for (name, arg) in &node.args {
            let half = name.strip_suffix("_end").is_some_and(|n| schema.arg(n).is_some());
            let Some(_) = schema.arg(name).filter(|a| a.kwarg_only && !half && !kept.contains(&name.as_str())) else { continue };
            let arg = match (arg, node.arg(&format!("{name}_end"))) {
                (Arg::List(a), Some(Arg::List(b))) => &Arg::List([a.as_slice(), b].concat()),
                (Arg::List(a), None) if schema.arg(&format!("{name}_end")).is_some() => {
                    &Arg::List([a.clone(), vec![Arg::Int(0); a.len()]].concat())
                }
                (arg, _) => arg,
            };
            if matches!(arg, Arg::None) || name == CAPTURED {
                continue;
            }
            // One number where the operator has a list.
            let list = schema.arg(name).is_some_and(|a| a.ty.contains("[]")) && !matches!(arg, Arg::List(_));
            let arg = if list { &Arg::List(vec![arg.clone()]) } else { arg };
            let message = attribute(name, arg);
            let message = message.ok_or_else(|| FormatError::edit(format!("`{name}` of `{}` cannot be written", node.name)))?;
            put_bytes(out, 5, &message);
        }
        Ok(())
    }
}

fn schema(node: &Node) -> Result<&'static Schema, FormatError> {
    let known = Schemas::builtin().get(&node.target);
    known.ok_or_else(|| FormatError::edit(format!("{} of `{}` is no operator with a schema", node.target, node.name)))
}

/// `Conv` and `onnx` of `onnx.Conv.11`.
fn name_of(target: &str) -> (&str, &str) {
    let mut parts = target.split('.');
    let (set, op) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    (op, set)
}

/// The sizes that are others than before.
fn changed(read: &Graph, small: &Graph) -> FxHashMap<ValueId, Vec<Option<Size>>> {
    let stored: FxHashMap<ValueId, usize> = small.tensors.iter().enumerate().map(|(k, t)| (t.value, k)).collect();
    let mut out = FxHashMap::default();
    for (k, value) in read.values.iter().enumerate() {
        let v = ValueId(k as u32);
        let now = match stored.get(&v) {
            Some(at) => Some(small.tensors[*at].shape.iter().copied().map(Size::from).collect::<Vec<_>>()),
            None => small.value(v).shape.clone(),
        };
        let (Some(before), Some(now)) = (&value.shape, now) else { continue };
        if before.len() == now.len() && *before != now {
            // What was worked out where the file has a name stays what the file says.
            let one = |(b, n): (&Size, Size)| (b.as_int().is_some() && *b != n).then_some(n);
            out.insert(v, before.iter().zip(now).map(one).collect());
        }
    }
    out
}
