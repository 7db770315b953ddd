//! Follows the code: enters every method that is called, statement by statement, and works out what expressions are.

use std::collections::HashMap;
use std::ops::Range;

use super::ast::{Expr, Kind, Method, Statement};
use super::builder::{Builder, NODE};
use super::item::{Item, Wrapped};
use super::object::Attribute;
use super::syntax::statement;
use crate::format::FormatError;
use crate::model::ValueId;

/// How deep calls may nest.
const DEPTH: usize = 200;

impl<'a> Builder<'a> {
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

    pub(super) fn body(&mut self, method: &Method, mut locals: HashMap<String, Item>) -> Result<Item, FormatError> {
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
