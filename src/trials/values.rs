//! Drawing arguments that are no tensors, by their types.

use super::draw::{Draw, Drawn};
use super::random::Random;
use crate::model::Arg;
use crate::rule::{SchemaArg, Val};

fn is_flag(arg: &SchemaArg) -> bool {
    let counts = arg.name != "keepdims" && ["axis", "dim", "group", "size", "num_"].iter().any(|part| arg.name.contains(part));
    !counts && matches!(arg.default.as_ref().and_then(Val::as_int), Some(0 | 1))
}

impl Draw<'_> {
    /// A value by the type of the argument.
    pub(super) fn value(&mut self, arg: &SchemaArg, drawn: &Drawn) -> Option<Arg> {
        let (base, list) = match arg.ty.trim_end_matches('?').split_once('[') {
            Some((base, rest)) => (base, Some(rest.trim_end_matches(['?', ']']).parse::<usize>().ok())),
            None => (arg.ty.trim_end_matches('?'), None),
        };
        let fits = |a: &Arg| match a {
            Arg::Int(n) => (matches!(base, "int" | "SymInt" | "Scalar") || base == "float" && *n >= 0) && list.is_none(),
            Arg::Float(_) => matches!(base, "float" | "Scalar") && list.is_none(),
            Arg::Bool(_) => matches!(base, "bool" | "int") && list.is_none(),
            Arg::Str(_) => base == "str",
            Arg::None => arg.ty.ends_with('?'),
            _ => false,
        };
        let hinted: Vec<Arg> = self.hints.values.get(&arg.name).into_iter().flatten().filter(|a| fits(a)).cloned().collect();
        if !hinted.is_empty() && self.random.chance(0.7) {
            // Where a truth value is a number, it is 0 or 1.
            return self.random.one(&hinted).map(|a| match a {
                Arg::Bool(b) if base == "int" => Arg::Int(b.into()),
                other => other,
            });
        }
        if let Some(length) = list {
            let hinted = self.hints.lengths.get(&arg.name).cloned().unwrap_or_default();
            let length = match length {
                Some(1) if self.random.chance(0.5) => Some(1),
                Some(1) | None => {
                    // One for each dimension that an ellipsis stands for, or as many as the rule asks for.
                    drawn.listed.or_else(|| self.random.one(&hinted))
                }
                many => many,
            };
            return match base {
                "int" | "SymInt" => Some(Arg::List(self.list(length, drawn).into_iter().map(Arg::Int).collect())),
                _ if arg.ty.ends_with('?') => Some(Arg::None),
                _ => None,
            };
        }
        match base {
            // Where types are told, what is 0 or 1 by default is a truth value, but for axes and counts.
            "int" if self.by.is_typed() && is_flag(arg) => Some(Arg::Int(self.random.below(2) as i64)),
            "int" | "SymInt" => self.random.one(&[-2, -1, 0, 1, 1, 2, 2, 3, 4]).map(Arg::Int),
            "float" => self.random.one(&[0.5, 1.5, 0.3, 2.0, 1e-3]).map(Arg::Float),
            "Scalar" => self.random.one(&[
                Arg::Int(0),
                Arg::Int(1),
                Arg::Int(2),
                Arg::Int(3),
                Arg::Float(0.5),
                Arg::Float(1.5),
                Arg::Float(-0.5),
                Arg::Int(-1),
            ]),
            "bool" => Some(Arg::Bool(self.random.chance(0.5))),
            "ScalarType" => Some(match arg.ty.ends_with('?') {
                true => Arg::None,
                false => Arg::Opaque(r#"{"as_scalar_type": 8}"#.into()),
            }),
            "Device" if !arg.ty.ends_with('?') => Some(Arg::Opaque(r#"{"as_device": {"type": "cpu", "index": null}}"#.into())),
            _ if arg.ty.ends_with('?') => Some(Arg::None),
            "Tensor" => None,
            _ => None,
        }
    }

    /// A list of integers: dimensions, an order, parts, other sizes of as many elements, or small numbers.
    pub(super) fn list(&mut self, length: Option<usize>, drawn: &Drawn) -> Vec<i64> {
        let shape = &drawn.first;
        let rank = shape.len();
        let small = |random: &mut Random, n: usize| (0..n).map(|_| 1 + random.below(3) as i64).collect();
        let counts = |random: &mut Random, n: usize| -> Vec<i64> {
            let list: &[i64] = if random.chance(0.3) { &[-1, 0, 1, 2] } else { &[0, 0, 1, 1, 2] };
            (0..n).filter_map(|_| random.one(list)).collect()
        };
        match (self.random.below(if length.is_some() { 3 } else { 9 }), length) {
            (0 | 1, Some(n)) => small(&mut self.random, n),
            (2, Some(n)) => counts(&mut self.random, n),
            (0, _) => self.random.order(rank).into_iter().map(|d| d as i64).collect(),
            (1 | 2, _) => {
                let n = self.random.below(rank + 1);
                let dims = self.random.order(rank).into_iter().take(n.max(1));
                dims.map(|d| d as i64 - if self.random.chance(0.3) { rank as i64 } else { 0 }).collect()
            }
            (3 | 4, _) => self.other_sizes(shape),
            (5, _) => {
                let mut sizes: Vec<i64> = shape.iter().map(|n| if *n == 1 { 3 } else { *n as i64 }).collect();
                if self.random.chance(0.5) {
                    sizes.insert(0, 2);
                }
                sizes
            }
            (6, _) => {
                let n = self.random.one(shape).unwrap_or(4);
                let first = 1 + self.random.below(n);
                [first as i64, n as i64 - first as i64].into_iter().filter(|n| *n > 0).collect()
            }
            (7, _) => {
                let n = 2 * (1 + self.random.below(rank.max(1)));
                counts(&mut self.random, n)
            }
            _ => small(&mut self.random, rank.max(1)),
        }
    }

    /// Neighbouring dimensions joined, or one read as two.
    fn other_sizes(&mut self, shape: &[usize]) -> Vec<i64> {
        let mut sizes: Vec<i64> = shape.iter().map(|n| *n as i64).collect();
        for _ in 0..1 + self.random.below(2) {
            let at = self.random.below(sizes.len());
            if self.random.chance(0.5) && at + 1 < sizes.len() {
                let n = sizes.remove(at);
                sizes[at] *= n;
            } else if let Some(n) = sizes.get(at).copied() {
                let factors: Vec<i64> = (2..n).filter(|f| n % f == 0).collect();
                if let Some(f) = self.random.one(&factors) {
                    sizes[at] = n / f;
                    sizes.insert(at, f);
                }
            }
        }
        if self.random.chance(0.3) && !sizes.is_empty() {
            let at = self.random.below(sizes.len());
            sizes[at] = -1;
        }
        sizes
    }
}
