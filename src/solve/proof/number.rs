//! Numbers at removed positions: where a value is the same number at all elements of a position, whatever the model's input
//! is, as after the batch norm of a masked channel. They are evaluated in double precision by the `value:` clauses of rules.
//!
//! Only where the given masks alone count (`--lossless`) are there any: else a removed position's parameters are zero.

use std::cell::RefCell;

use super::clauses::{Clauses, part_of};
use super::facts::{FINITE, NONNEG, NONZERO, ZERO};
use crate::axis::{Call, DimExpr, Given as Operand, LetterId};
use crate::model::Size;
use crate::rule::{EvalError, Expr, Scope, Val, eval};
use crate::solve::positions::Coords;

impl Clauses<'_> {
    /// The number that a result is at one position of one dimension, if it is one.
    pub fn output_number(&mut self, dim: &DimExpr, position: usize) -> Option<f64> {
        let mut coords = self.frame.nowhere();
        self.frame.decode(dim, position, &mut coords);
        let apart: Vec<LetterId> = dim.letters().into_iter().filter(|l| coords[*l as usize].is_none()).collect();
        let rule = self.bound.rule.clone();
        let x = match &rule.facts.value {
            Some(value) => {
                let call = self.call;
                let names = Names { call, clauses: RefCell::new(self), coords: &coords, apart: &apart };
                eval(value, &names).ok()?.as_f64()?
            }
            None if self.bound.copies && rule.facts.zero.is_none() => self.copied(&coords, &apart)?,
            None => return None,
        };
        x.is_finite().then_some(x)
    }

    /// The number that all elements of a copy are at these coordinates.
    fn copied(&mut self, coords: &Coords, apart: &[LetterId]) -> Option<f64> {
        let giving = self.giving(apart);
        let mut numbers: Vec<Option<f64>> = giving.iter().map(|k| self.number(*k, coords)).collect();
        if giving.is_empty() || self.filled(coords, apart) {
            numbers.push(Some(self.bound.fill));
        }
        let first = numbers.first().copied().flatten()?;
        numbers.iter().all(|x| *x == Some(first)).then_some(first)
    }

    /// The number that an operand is at these coordinates, if it is one.
    pub fn number(&mut self, k: usize, coords: &Coords) -> Option<f64> {
        let operand = &self.bound.operands[k];
        let value = match operand.given {
            Operand::Number(x) => return x.is_finite().then_some(x),
            Operand::Tensor(_) => self.operands[k]?,
        };
        if let Some(x) = value.whole {
            return Some(x);
        }
        if self.operand(k, ZERO, coords) {
            return Some(0.0);
        }
        if self.twice(operand, coords).is_some() {
            return None;
        }
        for (d, dim) in operand.dims.iter().enumerate() {
            let Some(Some(numbers)) = value.numbers.get(d) else { continue };
            if dim.letters().iter().all(|l| coords[*l as usize].is_none()) {
                continue;
            }
            let found = match self.frame.encode(dim, coords, self.asked_part()) {
                Some(at) => numbers.get(at).copied(),
                None => self.over(dim, numbers, coords),
            };
            if let Some(x) = found.filter(|x| x.is_finite()) {
                return Some(x);
            }
        }
        None
    }

    /// The number at all positions of a dimension that meet the coordinates.
    fn over(&self, dim: &DimExpr, numbers: &[f64], coords: &Coords) -> Option<f64> {
        let mut found: Option<f64> = None;
        for (at, x) in numbers.iter().enumerate().filter(|(at, _)| self.frame.within(dim, *at, self.asked_part())) {
            let mut here = self.frame.nowhere();
            self.frame.decode(dim, at, &mut here);
            let meets = dim.letters().iter().all(|l| match (coords[*l as usize], here[*l as usize]) {
                (Some(wanted), Some(c)) => wanted == c,
                (Some(_), None) => false,
                (None, _) => true,
            });
            if meets && found.is_some_and(|y| y != *x) {
                return None;
            }
            if meets {
                found = Some(*x);
            }
        }
        found
    }
}

/// Names in a `value:` clause: operands are their numbers, `zero(x)` asks for a fact.
struct Names<'a, 'b, 'c> {
    call: &'a Call<'a>,
    clauses: RefCell<&'b mut Clauses<'c>>,
    coords: &'b Coords,
    apart: &'b [LetterId],
}

impl Names<'_, '_, '_> {
    /// The position of a letter.
    fn place(&self, letter: &str) -> Option<Val> {
        let clauses = self.clauses.borrow();
        let at = clauses.bound.letters.iter().position(|l| l.name == letter)?;
        Some(Val::int(i64::from(self.coords[at]?)))
    }

    fn number(&self, name: &str) -> Option<Option<f64>> {
        let mut clauses = self.clauses.borrow_mut();
        let found: Vec<usize> = (0..clauses.bound.operands.len()).filter(|k| clauses.bound.operands[*k].arg == name).collect();
        let first = *found.first()?;
        let x = clauses.number(first, self.coords);
        Some(if found[1..].iter().all(|k| clauses.number(*k, self.coords) == x) { x } else { None })
    }
}

impl Scope for Names<'_, '_, '_> {
    fn get(&self, name: &str) -> Option<Val> {
        match self.number(name) {
            Some(x) => x.map(Val::Float),
            None => self.call.val(name).or_else(|| self.place(name)),
        }
    }

    fn spread(&self, _: &str) -> Option<Vec<Size>> {
        None
    }

    fn shape(&self, operand: &str) -> Option<Vec<Size>> {
        Scope::shape(self.call, operand)
    }

    fn call(&self, function: &str, args: &[Expr]) -> Option<Result<Val, EvalError>> {
        if function == "part" {
            let called = Expr::Call(function.to_owned(), args.to_vec());
            let Some((name, part)) = part_of(&called) else {
                return Some(Err(EvalError::Arguments { function: "part", takes: "an operand and the number of a part" }));
            };
            let mut clauses = self.clauses.borrow_mut();
            let operand = clauses.bound.operands.iter().position(|o| o.arg == name);
            let x = operand.and_then(|k| clauses.in_part(part, |clauses| clauses.number(k, self.coords)));
            return Some(Ok(x.map_or(Val::None, Val::Float)));
        }
        let kind = match function {
            "zero" => ZERO,
            "finite" => FINITE,
            "nonneg" => NONNEG,
            "nonzero" => NONZERO,
            _ => return None,
        };
        let [operand] = args else { return Some(Err(EvalError::Arguments { function: "zero", takes: "one operand" })) };
        Some(Ok(Val::Bool(self.clauses.borrow_mut().clause(operand, kind, self.coords, self.apart))))
    }
}
