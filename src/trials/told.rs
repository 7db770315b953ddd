//! Lists of numbers that are tensors: axes, sizes, borders of slices. What they hold is known, as in models it mostly is.

use std::sync::Arc;

use super::draw::{Draw, Drawn};
use super::example::{Example, Ints};
use crate::model::{Arg, Content, DType, Role, Size};
use crate::rule::{Body, SchemaArg};

/// What an argument that is a tensor of a fixed or a named type of elements is to a rule.
enum Told {
    /// A list of whole numbers.
    List(DType),
    /// A list of numbers with a fraction.
    Reals,
    /// One number, of the type of the other operands.
    Number,
}

impl Draw<'_> {
    /// A tensor whose numbers are told, for an argument that is one; `None` for those that are data.
    pub(super) fn told(&mut self, arg: &SchemaArg, drawn: &Drawn, example: &mut Example) -> Option<Arg> {
        let (name, variable) = (&arg.name, arg.ty.split_once('<')?.1.split_once('>')?.0);
        if arg.ty.contains('[') {
            return None;
        }
        let kind = match variable {
            "int64" => Told::List(DType::I64),
            "int32" => Told::List(DType::I32),
            // Indices: often those of a constant.
            "Tind" if arg.default.is_some() || !matches!(self.rule.body, Body::Patterns(_)) && self.random.chance(0.7) => {
                Told::List(DType::I64)
            }
            "float" if matches!(self.rule.body, Body::Patterns(_)) && !arg.buffer => Told::Reals,
            _ if arg.default.is_some() || drawn.first.is_empty() => Told::Number,
            _ => return None,
        };
        let hinted = self.hints.values.get(name).cloned().unwrap_or_default();
        let (shape, dtype, ints, content) = match kind {
            Told::List(dtype) => {
                let known = self.hints.lengths.get(name).cloned().unwrap_or_default();
                let lengths = if known.is_empty() { vec![1, 1, drawn.first.len(), 2] } else { known };
                let length = drawn.pairs.or_else(|| self.random.one(&lengths)).filter(|_| self.random.chance(0.7));
                let list = self.list(length, drawn);
                let sizes: Arc<[Size]> = list.iter().map(|n| Size::int(*n)).collect();
                (vec![list.len()], dtype, Ints::List(list), Content::Sizes(sizes))
            }
            Told::Reals => {
                let free = drawn.first.len().saturating_sub(2);
                let list: Vec<i64> =
                    (0..drawn.first.len()).map(|k| if k < 2 { 1 } else { 1 + self.random.below(2) as i64 }).collect();
                let reals: Arc<[f64]> = list.iter().map(|n| *n as f64).collect();
                if free == 0 {
                    return None;
                }
                (vec![list.len()], DType::F32, Ints::List(list), Content::Numbers(reals))
            }
            Told::Number => {
                let hinted = hinted.iter().filter_map(|a| if let Arg::Int(n) = a { Some(*n as f64) } else { None });
                let all: Vec<f64> = hinted.chain([0.0, 1.0, 2.0, 0.5, -0.5]).collect();
                let x = self.random.one(&all)?;
                (Vec::new(), DType::F64, Ints::All(x), Content::Numbers([x].into()))
            }
        };
        let value = example.tensor(name, &shape);
        if let (Some(t), Some(known)) = (example.graph.tensors.last_mut(), example.ints.last_mut()) {
            t.role = Role::Constant;
            t.dtype = dtype;
            *known = Some(ints);
        }
        example.graph.values[value.index()].dtype = dtype;
        example.graph.contents.insert(value, content);
        Some(Arg::Tensor(value))
    }

    /// Lists before and after each dimension are as long as each other.
    pub(super) fn halves(args: &mut Vec<(String, Arg)>) {
        let names: Vec<String> = args.iter().filter_map(|(n, _)| n.strip_suffix("_end").map(str::to_owned)).collect();
        for name in names {
            let end = args.iter().position(|(n, _)| n.strip_suffix("_end") == Some(name.as_str()));
            let Some(Arg::List(end)) = end.map(|at| args[at].1.clone()) else { continue };
            match args.iter_mut().find(|(n, _)| *n == name) {
                Some((_, Arg::List(begin))) => begin.resize(end.len(), Arg::Int(0)),
                Some(_) => {}
                None => args.push((name, Arg::List(vec![Arg::Int(0); end.len()]))),
            }
        }
    }
}
