//! How large each letter is.

use super::scope::Letters;
use super::state::{ANY, Fit, operand_broadcasts};
use crate::axis::node::{BoundOperand, BoundOutput, DimExpr, Given, LetterId};
use crate::model::Size;
use crate::rule::{Dim, Operand, Val, eval};

impl Fit<'_> {
    /// Sizes of letters that have a dimension to themselves.
    pub(super) fn sizes_of_letters(&mut self, operands: &[(&Operand, BoundOperand)]) -> Result<(), String> {
        for (operand, bound) in operands {
            let Given::Tensor(v) = bound.given else { continue };
            for (d, size) in bound.dims.iter().zip(self.shape(v)?) {
                let DimExpr::Letter(l) = d else { continue };
                let at = *l as usize;
                let broadcasts = self.may_broadcast(operand, &self.letters[at].name);
                if broadcasts && size.is(1) {
                    continue;
                }
                if !self.known[at] {
                    self.letters[at].size = size.clone();
                    self.known[at] = true;
                } else if !same(&self.letters[at].size, size) {
                    let l = &self.letters[at];
                    return Err(format!("`{}` is {} and, in `{}`, {size}", l.name, l.size, operand.name));
                }
            }
        }
        for (operand, bound) in operands {
            for d in &bound.dims {
                if let DimExpr::Letter(l) = d
                    && self.may_broadcast(operand, &self.letters[*l as usize].name)
                {
                    self.known[*l as usize] = true; // of size one wherever it stands
                }
            }
        }
        Ok(())
    }

    pub(super) fn may_broadcast(&self, operand: &Operand, name: &str) -> bool {
        name == ANY
            || operand_broadcasts(operand)
            || operand.dims.iter().any(|d| matches!(d, Dim::Letter(l) if l.name == name && l.broadcast))
    }

    /// Sizes from formulas, and of the one unknown factor or part of a dimension, until nothing new is found.
    pub(super) fn derive(&mut self, operands: &[(&Operand, BoundOperand)]) -> Result<(), String> {
        loop {
            let before = self.known.iter().filter(|k| **k).count();
            for l in 0..self.letters.len() {
                let (name, item) = (self.letters[l].name.clone(), self.letters[l].item);
                if self.known[l] {
                    continue;
                }
                if let Some(formula) = self.rule.sizes.get(&name)
                    && let Ok(val) = eval(formula, &Letters { fit: self, item: self.lengths.contains_key(&name).then_some(item) })
                    && val != Val::None
                // it depends on values: the recorded size serves
                {
                    let size = val.as_size().ok_or_else(|| format!("the size of `{name}` is no integer"))?;
                    self.letters[l].size = size;
                    self.known[l] = true;
                }
            }
            for (_, bound) in operands {
                let Given::Tensor(v) = bound.given else { continue };
                let shape = self.shape(v)?;
                for (d, size) in bound.dims.iter().zip(shape) {
                    self.infer(d, size);
                }
            }
            if self.known.iter().filter(|k| **k).count() == before {
                return Ok(());
            }
        }
    }

    pub(super) fn infer(&mut self, d: &DimExpr, size: &Size) {
        let unknown: Vec<LetterId> = d.letters().into_iter().filter(|l| !self.known[*l as usize]).collect();
        let [one] = unknown.as_slice() else { return };
        let rest = |part: &DimExpr| !part.letters().contains(one);
        let of = |l: LetterId| self.letters[l as usize].size.clone();
        let found = match d {
            DimExpr::Letter(_) => Some(size.clone()),
            DimExpr::Product(parts) => {
                let known = parts.iter().filter(|p| rest(p)).fold(Size::int(1), |n, p| n.mul(&p.size(&of)));
                let simple = parts.iter().any(|p| matches!(p, DimExpr::Letter(l) if l == one));
                if simple { size.div_exact(&known) } else { None }
            }
            DimExpr::Sum(parts) => {
                let known = parts.iter().filter(|p| rest(p)).fold(Size::int(0), |n, p| n.add(&p.size(&of)));
                parts.iter().any(|p| matches!(p, DimExpr::Letter(l) if l == one)).then(|| size.add(&known.scale(-1)))
            }
            _ => None,
        };
        if let Some(found) = found {
            self.letters[*one as usize].size = found;
            self.known[*one as usize] = true;
        }
    }

    /// Where a rule gives no formula, the recorded size of the result serves.
    pub(super) fn recorded(&mut self, outputs: &[BoundOutput]) {
        for (k, out) in outputs.iter().enumerate() {
            let Some(shape) = self.call.recorded(k).filter(|s| s.len() == out.dims.len()) else { continue };
            for (d, size) in out.dims.iter().zip(shape) {
                self.infer(d, size);
            }
        }
    }

    pub(super) fn check(&self, operands: Vec<(&Operand, BoundOperand)>) -> Result<Vec<BoundOperand>, String> {
        let of = |l: LetterId| self.letters[l as usize].size.clone();
        for (operand, bound) in &operands {
            let Given::Tensor(v) = bound.given else { continue };
            for (d, size) in bound.dims.iter().zip(self.shape(v)?) {
                let derived = d.size(&of);
                let broadcast = matches!(d, DimExpr::Letter(l) if self.may_broadcast(operand, &self.letters[*l as usize].name));
                let fits = same(&derived, size) || (broadcast && size.is(1));
                if !fits {
                    return Err(format!("a dimension of `{}` is {size}; the rule makes it {derived}", operand.name));
                }
            }
        }
        Ok(operands.into_iter().map(|(_, bound)| bound).collect())
    }

    /// A dimension of one that meets a larger letter is no place of that letter.
    pub(super) fn mark_broadcast(&self, operand: &mut BoundOperand) {
        let Given::Tensor(v) = operand.given else { return };
        let Ok(shape) = self.shape(v) else { return };
        for (d, size) in operand.dims.iter_mut().zip(shape) {
            if let DimExpr::Letter(l) = d
                && size.is(1)
                && !self.letters[*l as usize].size.is(1)
            {
                *d = DimExpr::One;
            }
        }
    }
}

/// Equal, or not comparable and equal in the traced example.
pub(super) fn same(a: &Size, b: &Size) -> bool {
    a == b || ((a.as_int().is_none() || b.as_int().is_none()) && a.hint() == b.hint())
}
