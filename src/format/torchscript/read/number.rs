//! Numbers that are computed from sizes: nodes of their own, as `.pt2` files have them.

use std::ops::Range;

use super::builder::Builder;
use super::item::{Item, Wrapped};
use crate::format::FormatError;
use crate::model::{Arg, DType, Size, ValueId};

impl Builder<'_> {
    /// A size of a tensor.
    pub(super) fn size(&mut self, of: ValueId, dim: i64, at: &Range<usize>) -> Item {
        let args = vec![("self".to_owned(), Arg::Tensor(of)), ("dim".to_owned(), Arg::Int(dim))];
        Item::Number(self.number("aten.sym_size.int", args, at), Wrapped::Plain)
    }

    /// A node that gives an integer.
    fn number(&mut self, target: &str, args: Vec<(String, Arg)>, at: &Range<usize>) -> ValueId {
        let node = self.node(target.to_owned(), args, at);
        let name = self.graph.nodes[node].name.clone();
        let v = self.output(name.clone(), 0, DType::I64, Some(Size::symbol(name, None)));
        self.graph.nodes[node].outputs.push(v);
        v
    }

    /// Operators on sizes alone; `None` for all else. `rounding` is how a division rounds, where it does.
    pub(super) fn of_sizes(
        &mut self,
        op: &str,
        args: &[Item],
        rounding: Option<&str>,
        at: &Range<usize>,
    ) -> Result<Option<Item>, FormatError> {
        let tensor = |this: &mut Self, item: &Item| match item {
            Item::Tensor(v) => Some(*v),
            Item::Constant(n) => Some(this.constant(*n)),
            _ => None,
        };
        match (op, args) {
            ("size", [of, Item::Int(dim)]) => Ok(tensor(self, of).map(|v| self.size(v, *dim, at))),
            ("size", [of]) => Ok(tensor(self, of).map(Item::Sizes)),
            ("numel", [of]) => Ok(tensor(self, of).map(|v| {
                let args = vec![("self".to_owned(), Arg::Tensor(v))];
                Item::Number(self.number("aten.sym_numel.default", args, at), Wrapped::Plain)
            })),
            ("ScalarImplicit" | "IntImplicit" | "Int" | "item", [of]) => self.number_of(of, true, at).map(Some),
            ("FloatImplicit" | "Float", [of]) => self.number_of(of, false, at).map(Some),
            _ => {
                let sized = args.iter().any(|a| matches!(a, Item::Number(..)));
                let whole = args.iter().all(|a| self.integer(a).is_some());
                let wrapped = args.iter().any(|a| matches!(a, Item::Number(_, Wrapped::Tensor)));
                // Written in place, a size is another from here on; the code calls it by another name.
                let (name, operands) = match (op.strip_suffix('_').unwrap_or(op), args) {
                    _ if !sized || !whole => return Ok(None),
                    ("div" | "divide", [a, b]) => match rounding {
                        Some("floor") => ("floordiv", vec![a.clone(), b.clone()]),
                        Some("trunc") => ("truncdiv", vec![a.clone(), b.clone()]),
                        _ => return Ok(None),
                    },
                    _ if rounding.is_some() => return Ok(None),
                    ("add", [a, b]) | ("add", [a, b, Item::Int(1)]) => ("add", vec![a.clone(), b.clone()]),
                    ("sub", [a, b]) | ("sub", [a, b, Item::Int(1)]) => ("sub", vec![a.clone(), b.clone()]),
                    ("rsub", [b, a]) | ("rsub", [b, a, Item::Int(1)]) => ("sub", vec![a.clone(), b.clone()]),
                    ("mul", [a, b]) => ("mul", vec![a.clone(), b.clone()]),
                    ("floor_divide" | "floordiv", [a, b]) => ("floordiv", vec![a.clone(), b.clone()]),
                    ("remainder", [a, b]) => ("mod", vec![a.clone(), b.clone()]),
                    ("neg", [a]) => ("neg", vec![a.clone()]),
                    _ => return Ok(None),
                };
                let item = self.arithmetic(name, &operands, at)?;
                Ok(Some(match item {
                    Item::Number(v, _) if wrapped => Item::Number(v, Wrapped::Tensor),
                    other => other,
                }))
            }
        }
    }

    /// The integer that an item is, as an argument; `None` for all else.
    fn integer(&self, item: &Item) -> Option<Arg> {
        match item {
            Item::Int(n) => Some(Arg::Int(*n)),
            Item::Number(v, _) => Some(Arg::Scalar(*v)),
            Item::Constant(n) => match self.literal(*n) {
                Some(Item::Int(n)) => Some(Arg::Int(n)),
                _ => None,
            },
            _ => None,
        }
    }

    /// Arithmetic on integers.
    pub(super) fn arithmetic(&mut self, op: &str, of: &[Item], at: &Range<usize>) -> Result<Item, FormatError> {
        let args: Option<Vec<Arg>> = of.iter().map(|i| self.integer(i)).collect();
        let Some(args) = args else {
            let kinds: Vec<&str> = of.iter().map(Item::kind).collect();
            return Err(self.unsupported(at, format!("arithmetic on {}", kinds.join(" and "))));
        };
        let known = match (op, args.as_slice()) {
            ("add", [Arg::Int(a), Arg::Int(b)]) => a.checked_add(*b),
            ("sub", [Arg::Int(a), Arg::Int(b)]) => a.checked_sub(*b),
            ("mul", [Arg::Int(a), Arg::Int(b)]) => a.checked_mul(*b),
            ("floordiv", [Arg::Int(a), Arg::Int(b)]) => floor_div(*a, *b),
            ("truncdiv", [Arg::Int(a), Arg::Int(b)]) => a.checked_div(*b),
            ("mod", [Arg::Int(a), Arg::Int(b)]) => floor_div(*a, *b).and_then(|q| a.checked_sub(q.checked_mul(*b)?)),
            ("neg", [Arg::Int(a)]) => a.checked_neg(),
            _ => None,
        };
        if let Some(n) = known {
            return Ok(Item::Int(n));
        }
        let names = ["a", "b"].map(str::to_owned);
        let target = match op {
            "truncdiv" => "aten.__round_to_zero_floordiv.int".to_owned(),
            op => format!("_operator.{op}"),
        };
        let v = self.number(&target, names.into_iter().zip(args).collect(), at);
        Ok(Item::Number(v, Wrapped::Plain))
    }

    /// `int(x)` and `float(x)`.
    pub(super) fn number_of(&mut self, of: &Item, whole: bool, at: &Range<usize>) -> Result<Item, FormatError> {
        match of {
            Item::Int(n) if whole => Ok(Item::Int(*n)),
            Item::Int(n) => Ok(Item::Float(*n as f64)),
            Item::Float(x) if whole && x.is_finite() => Ok(Item::Int(*x as i64)),
            Item::Float(x) => Ok(Item::Float(*x)),
            Item::Bool(b) => Ok(Item::Int(i64::from(*b))),
            Item::Number(v, _) if whole || self.graph.value(*v).dtype != DType::I64 => Ok(Item::Number(*v, Wrapped::Plain)),
            Item::Constant(n) => match self.literal(*n) {
                Some(item) => self.number_of(&item, whole, at),
                None => Err(self.unsupported(at, "a number is read from a tensor of several".to_owned())),
            },
            Item::Tensor(v) => {
                let args = vec![("self".to_owned(), Arg::Tensor(*v))];
                let number = self.number("aten.item.default", args, at);
                self.graph.values[number.index()].dtype = if whole { DType::I64 } else { DType::F64 };
                Ok(Item::Number(number, Wrapped::Plain))
            }
            other => Err(self.unsupported(at, format!("a number is made of {}", other.kind()))),
        }
    }

    /// The number that a constant without dimensions holds.
    pub(super) fn literal(&self, constant: usize) -> Option<Item> {
        let t = self.archive.objects.tensors.get(constant).filter(|t| t.shape.is_empty())?;
        let bytes = self.archive.storage(t.storage).ok()?;
        let width = t.dtype.bytes();
        let b = bytes.get(t.offset * width..(t.offset + 1) * width)?;
        Some(match t.dtype {
            DType::I64 => Item::Int(i64::from_le_bytes(b.try_into().ok()?)),
            DType::I32 => Item::Int(i32::from_le_bytes(b.try_into().ok()?).into()),
            DType::F64 => Item::Float(f64::from_le_bytes(b.try_into().ok()?)),
            DType::F32 => Item::Float(f32::from_le_bytes(b.try_into().ok()?).into()),
            DType::Bool => Item::Bool(b[0] != 0),
            _ => return None,
        })
    }
}

/// The quotient rounded down.
fn floor_div(a: i64, b: i64) -> Option<i64> {
    let (q, rest) = (a.checked_div(b)?, a.checked_rem(b)?);
    Some(if rest != 0 && (rest < 0) != (b < 0) { q - 1 } else { q })
}
