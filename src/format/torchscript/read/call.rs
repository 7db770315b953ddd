//! Calls: of operators, of methods, and of the few functions that TorchScript has itself.

use std::collections::HashMap;
use std::ops::Range;

use super::ast::{Expr, Kind};
use super::builder::Builder;
use super::element;
use super::item::{Item, Wrapped};
use super::overload::{Chosen, choose};
use crate::format::FormatError;
use crate::model::{Arg, DType, Size, ValueId};
use crate::rule::Schemas;

type Named = Vec<(String, Item)>;

impl Builder<'_> {
    /// A call of anything.
    pub(super) fn call(
        &mut self,
        callee: &Expr,
        args: &[Expr],
        named: &[(String, Expr)],
        locals: &HashMap<String, Item>,
        at: &Range<usize>,
    ) -> Result<Item, FormatError> {
        if let Kind::Name(name) = &callee.kind
            && let ("annotate" | "unchecked_cast", [_, of]) = (name.as_str(), args)
        {
            return self.expression(of, locals);
        }
        let given = args.iter().map(|e| self.expression(e, locals)).collect::<Result<Vec<_>, _>>()?;
        let named =
            named.iter().map(|(n, e)| Ok((n.clone(), self.expression(e, locals)?))).collect::<Result<Named, FormatError>>()?;
        if let Kind::Name(name) = &callee.kind {
            return self.function(name, given, at);
        }
        if let Some(path) = path(callee).filter(|p| !locals.contains_key(p.split('.').next().unwrap_or(""))) {
            let parts: Vec<&str> = path.split('.').collect();
            return match parts.as_slice() {
                ["torch", "device"] => self.device(&given, at),
                ["torch", op] | ["ops", "aten", op] => self.operator("aten", op, given, named, at),
                ["ops", "prim", op] => self.prim(op, given, at),
                ["ops", namespace, op] => self.operator(namespace, op, given, named, at),
                ["__torch__", ..] => {
                    let archive = self.archive;
                    let found = archive.code.function(&path).ok_or_else(|| archive.missing(&path))?;
                    let module = self.module.clone();
                    self.enter(found, &module, None, given, named, at)
                }
                _ => Err(self.unsupported(at, format!("`{path}` is not known"))),
            };
        }
        let Kind::Attribute(of, method) = &callee.kind else {
            return Err(self.unsupported(at, "what is called is no function".to_owned()));
        };
        match self.expression(of, locals)? {
            Item::Module(module) => self.call_method(module, method, given, named, at),
            other => Err(self.unsupported(at, format!("`{method}` is called of {}", other.kind()))),
        }
    }

    /// TorchScript's own functions.
    fn function(&mut self, name: &str, args: Vec<Item>, at: &Range<usize>) -> Result<Item, FormatError> {
        match (name, args.as_slice()) {
            ("getattr", [Item::Module(module), Item::Str(name)]) => self.attribute_of(*module, name, at),
            ("int", [of]) => self.number_of(of, true, at),
            ("float", [of]) => self.number_of(of, false, at),
            ("bool", [Item::Bool(b)]) => Ok(Item::Bool(*b)),
            ("len", [Item::List(items) | Item::Tuple(items)]) => Ok(Item::Int(items.len() as i64)),
            _ => {
                let kinds: Vec<&str> = args.iter().map(Item::kind).collect();
                Err(self.unsupported(at, format!("`{name}` of {} is not known", kinds.join(" and "))))
            }
        }
    }

    /// Operators of the interpreter itself.
    fn prim(&mut self, op: &str, args: Vec<Item>, at: &Range<usize>) -> Result<Item, FormatError> {
        match (op, args.as_slice()) {
            ("NumToTensor", [Item::Number(v, _)]) => Ok(Item::Number(*v, Wrapped::Tensor)),
            ("NumToTensor", [Item::Int(n)]) => {
                let v = self.tensor_of(Arg::Int(*n), 4, at);
                Ok(Item::Tensor(v))
            }
            ("ImplicitTensorToNum", [of]) => self.number_of(of, true, at),
            ("device", [_]) => Ok(Item::None),
            ("data" | "requires_grad", [of]) => Ok(of.clone()),
            _ => Err(self.unsupported(at, format!("`ops.prim.{op}` is not known"))),
        }
    }

    fn device(&mut self, args: &[Item], at: &Range<usize>) -> Result<Item, FormatError> {
        let [Item::Str(name)] = args else { return Err(self.unsupported(at, "a device without a name".to_owned())) };
        let (kind, index) = match name.split_once(':') {
            Some((kind, index)) => (kind, index.parse::<i64>().ok()),
            None => (name.as_str(), None),
        };
        Ok(Item::Device(serde_json::json!({"as_device": {"type": kind, "index": index}}).to_string()))
    }

    /// A call of an operator.
    fn operator(
        &mut self,
        namespace: &str,
        op: &str,
        args: Vec<Item>,
        named: Named,
        at: &Range<usize>,
    ) -> Result<Item, FormatError> {
        let rounding = match named.as_slice() {
            [] => Some(None),
            [(name, Item::Str(mode))] if name == "rounding_mode" => Some(Some(mode.as_str())),
            _ => None,
        };
        if namespace == "aten"
            && let Some(rounding) = rounding
            && let Some(item) = self.of_sizes(op, &args, rounding, at)?
        {
            return Ok(item);
        }
        let schemas = Schemas::builtin();
        let base = format!("{namespace}.{op}");
        let chosen = choose(schemas, &base, &args, &named, &|n| self.literal(n).is_some());
        let Some(Chosen { schema, args }) = chosen else {
            if !schemas.overloads(&base).is_empty() {
                return Err(self.unsupported(at, format!("no overload of {base} takes these arguments")));
            }
            return self.custom(&base, args, named, at);
        };
        if let Some(item) = self.fused(&schema.name, &args, at)? {
            return Ok(item);
        }
        let mut written = Vec::with_capacity(args.len());
        for (name, ty, item) in args {
            let arg = self.argument(item, ty, at)?;
            written.push((name.to_owned(), arg));
        }
        let node = self.node(schema.name.clone(), written, at);
        let returns: Vec<&str> = schema.returns.iter().map(|r| r.ty.as_str()).collect();
        if let [one] = returns.as_slice()
            && one.contains('[')
        {
            if !one.starts_with("Tensor") {
                return Err(self.unsupported(at, format!("{base} gives a list of numbers")));
            }
            self.graph.nodes[node].listed = true;
            return Ok(Item::Results(node));
        }
        let each = returns.iter().enumerate().map(|(k, ty)| self.result(node, k, ty)).collect::<Vec<_>>();
        Ok(match <[Item; 1]>::try_from(each) {
            Ok([one]) => one,
            Err(each) if each.is_empty() => Item::None,
            Err(each) => Item::Tuple(each),
        })
    }

    /// An operator that PyTorch does not have: one result, arguments without names.
    fn custom(&mut self, base: &str, args: Vec<Item>, named: Named, at: &Range<usize>) -> Result<Item, FormatError> {
        let unnamed = args.into_iter().enumerate().map(|(k, item)| (format!("arg{k}"), item));
        let mut written = Vec::new();
        for (name, item) in unnamed.chain(named) {
            let arg = self.argument(item, "", at)?;
            written.push((name, arg));
        }
        let node = self.node(format!("{base}.default"), written, at);
        Ok(self.result(node, 0, "Tensor"))
    }

    /// Adds a result to a node.
    pub(super) fn result(&mut self, node: usize, k: usize, ty: &str) -> Item {
        let made = &self.graph.nodes[node];
        let dtype = element::result(&made.target, &made.args, &|v| element::of(&self.graph, v), k);
        let wanted = made.name.clone();
        let v = match ty {
            "Tensor" => self.output(wanted, k, dtype, None),
            _ => self.output(wanted.clone(), k, DType::I64, Some(Size::symbol(wanted, None))),
        };
        self.graph.nodes[node].outputs.push(v);
        if ty == "Tensor" { Item::Tensor(v) } else { Item::Number(v, Wrapped::Plain) }
    }

    /// An item as an argument of a type.
    pub(super) fn argument(&mut self, item: Item, ty: &str, at: &Range<usize>) -> Result<Arg, FormatError> {
        let ty = ty.strip_suffix('?').unwrap_or(ty);
        if let Some((element, _)) = ty.strip_suffix(']').and_then(|t| t.rsplit_once('['))
            && let Item::List(items) = item
        {
            let each = items.into_iter().map(|i| self.argument(i, element, at));
            return each.collect::<Result<_, _>>().map(Arg::List);
        }
        let opaque = |kind: &str, n: i64| Arg::Opaque(serde_json::json!({ kind: n }).to_string());
        Ok(match (item, ty) {
            (Item::None, _) => Arg::None,
            (Item::Int(n), "ScalarType") => opaque("as_scalar_type", element::exported(n).unwrap_or(n)),
            (Item::Int(0), "Layout") => opaque("as_layout", 7),
            (Item::Int(n), "Layout") => return Err(self.unsupported(at, format!("a layout ({n}) that is not dense"))),
            (Item::Int(n), "MemoryFormat") => {
                let code = match n {
                    0 => 1,
                    1 => 4,
                    n => n,
                };
                opaque("as_memory_format", code)
            }
            (Item::Int(n), "Tensor") => Arg::Tensor(self.tensor_of(Arg::Int(n), 4, at)),
            (Item::Float(x), "Tensor") => Arg::Tensor(self.tensor_of(Arg::Float(x), 7, at)),
            (Item::Number(v, _), "Tensor") => Arg::Tensor(self.tensor_of(Arg::Scalar(v), 4, at)),
            (Item::Constant(n), ty) if !ty.starts_with("Tensor") && !ty.is_empty() => match self.literal(n) {
                Some(Item::Int(n)) => Arg::Int(n),
                Some(Item::Float(x)) => Arg::Float(x),
                _ => return Err(self.unsupported(at, "a tensor stands where a number is expected".to_owned())),
            },
            (Item::Int(n), "float") => Arg::Float(n as f64),
            (Item::Bool(b), _) => Arg::Bool(b),
            (Item::Int(n), _) => Arg::Int(n),
            (Item::Float(x), _) => Arg::Float(x),
            (Item::Str(s), "Device") => match self.device(&[Item::Str(s)], at)? {
                Item::Device(json) => Arg::Opaque(json),
                _ => Arg::None,
            },
            (Item::Str(s), _) => Arg::Str(s),
            (Item::Device(json), _) => Arg::Opaque(json),
            (Item::Number(v, _), _) => Arg::Scalar(v),
            (Item::Tensor(v), _) => Arg::Tensor(v),
            (Item::Constant(n), _) => Arg::Tensor(self.constant(n)),
            (Item::Results(node), _) if !self.graph.nodes[node].outputs.is_empty() => {
                Arg::List(self.graph.nodes[node].outputs.iter().map(|v| Arg::Tensor(*v)).collect())
            }
            (Item::List(items), _) => {
                let each = items.into_iter().map(|i| self.argument(i, "", at));
                Arg::List(each.collect::<Result<_, _>>()?)
            }
            (other, _) => return Err(self.unsupported(at, format!("{} is passed to an operator", other.kind()))),
        })
    }

    /// A number as a tensor without dimensions, of a type of c10.
    pub(super) fn tensor_of(&mut self, number: Arg, c10: i64, at: &Range<usize>) -> ValueId {
        let code = element::exported(c10).unwrap_or(c10);
        let dtype = Arg::Opaque(serde_json::json!({"as_scalar_type": code}).to_string());
        let node =
            self.node("aten.scalar_tensor.default".to_owned(), vec![("s".to_owned(), number), ("dtype".to_owned(), dtype)], at);
        match self.result(node, 0, "Tensor") {
            Item::Tensor(v) => v,
            _ => ValueId(0),
        }
    }
}

/// `torch.relu` of names with points between.
fn path(e: &Expr) -> Option<String> {
    match &e.kind {
        Kind::Name(name) => Some(name.clone()),
        Kind::Attribute(of, name) => path(of).map(|p| format!("{p}.{name}")),
        _ => None,
    }
}
