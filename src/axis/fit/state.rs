//! A pattern while it is fitted to a node: its letters so far.

use std::collections::HashMap;

use super::given::{given, items};
use crate::axis::node::{BoundLetter, Call, DimExpr, Given, LetterId};
use crate::model::{Size, ValueId};
use crate::rule::{Dim, Letter, Operand, Pattern, Rule};

/// The name of the nameless ellipsis.
pub(super) const ANY: &str = "...";

/// A pattern while it is fitted.
pub(super) struct Fit<'a> {
    pub(super) pattern: &'a Pattern,
    pub(super) rule: &'a Rule,
    pub(super) call: &'a Call<'a>,
    pub(super) optional: bool,
    /// The operands of the pattern, every item of a list for itself, and what is given for each.
    pub(super) given: Vec<(&'a Operand, Option<Given>)>,
    /// Number of dimensions that an ellipsis stands for.
    pub(super) lengths: HashMap<String, usize>,
    pub(super) letters: Vec<BoundLetter>,
    pub(super) known: Vec<bool>,
    pub(super) index: HashMap<(String, usize), LetterId>,
}

impl<'a> Fit<'a> {
    pub(super) fn new(pattern: &'a Pattern, rule: &'a Rule, call: &'a Call<'a>, optional: bool) -> Result<Fit<'a>, String> {
        let mut all = Vec::with_capacity(pattern.operands.len());
        for operand in &pattern.operands {
            for item in items(operand, call) {
                all.push((operand, given(operand, item, call)?));
            }
        }
        let empty = (HashMap::new(), Vec::new(), Vec::new(), HashMap::new());
        let fit =
            Fit { pattern, rule, call, optional, given: all, lengths: empty.0, letters: empty.1, known: empty.2, index: empty.3 };
        Ok(fit)
    }

    pub(super) fn shape(&self, value: ValueId) -> Result<&'a [Size], String> {
        self.call.shape(value)
    }

    pub(super) fn tensors(&self) -> Vec<(&'a Operand, ValueId)> {
        self.given.iter().filter_map(|(o, g)| if let Some(Given::Tensor(v)) = g { Some((*o, *v)) } else { None }).collect()
    }

    pub(super) fn is_ellipsis(&self, d: &Dim) -> bool {
        ellipsis(d).is_some()
    }

    pub(super) fn present(&self, d: &Dim) -> bool {
        !matches!(d, Dim::Letter(l) if l.optional && !self.optional)
    }

    pub(super) fn id(&mut self, name: &str, item: usize) -> LetterId {
        if let Some(id) = self.index.get(&(name.to_owned(), item)) {
            return *id;
        }
        let id = self.letters.len() as LetterId;
        self.letters.push(BoundLetter { name: name.to_owned(), item, size: Size::int(1), made: false, free: false });
        self.known.push(false);
        self.index.insert((name.to_owned(), item), id);
        id
    }

    /// The dimensions of a tensor; with `rank` (an operand) an ellipsis may have fewer than its full length.
    pub(super) fn dims(&mut self, dims: &[Dim], rank: Option<usize>) -> Result<Vec<DimExpr>, String> {
        let fixed = dims.iter().filter(|d| !self.is_ellipsis(d) && self.present(d)).count();
        let spans = dims.iter().filter(|d| self.is_ellipsis(d)).count();
        let mut out = Vec::new();
        let present: Vec<&Dim> = dims.iter().filter(|d| self.present(d)).collect();
        for d in present {
            match ellipsis(d) {
                Some(l) => {
                    let full = *self
                        .lengths
                        .get(&l.name)
                        .ok_or_else(|| format!("`{}...` stands for an unknown number of dimensions", l.name))?;
                    let here = match rank {
                        Some(rank) if spans == 1 => rank.saturating_sub(fixed).min(full),
                        _ => full,
                    };
                    out.extend((full - here..full).map(|item| DimExpr::Letter(self.id(&l.name, item))));
                }
                None => out.push(self.dim(d)?),
            }
        }
        match rank {
            Some(rank) if out.len() != rank => Err(format!("{} dimensions, not {rank}", out.len())),
            _ => Ok(out),
        }
    }

    pub(super) fn dim(&mut self, d: &Dim) -> Result<DimExpr, String> {
        Ok(match d {
            Dim::Letter(l) => DimExpr::Letter(self.id(&l.name, 0)),
            Dim::Number(1) => DimExpr::One,
            Dim::Number(n) => {
                let id = self.id(&format!("#{n}"), 0);
                self.letters[id as usize].size = Size::int(*n as i64);
                self.known[id as usize] = true;
                DimExpr::Letter(id)
            }
            Dim::Product(parts) => {
                let mut list = Vec::new();
                for part in parts {
                    match ellipsis(part) {
                        Some(l) => {
                            let full = *self.lengths.get(&l.name).ok_or_else(|| format!("`{}...` is not known", l.name))?;
                            list.extend((0..full).map(|item| DimExpr::Letter(self.id(&l.name, item))));
                        }
                        None => list.push(self.dim(part)?),
                    }
                }
                DimExpr::Product(list)
            }
            Dim::Sum(parts) => DimExpr::Sum(parts.iter().map(|p| self.dim(p)).collect::<Result<_, _>>()?),
        })
    }
}

/// The letter of an ellipsis.
pub(super) fn ellipsis(d: &Dim) -> Option<&Letter> {
    match d {
        Dim::Letter(l) if l.ellipsis => Some(l),
        _ => None,
    }
}

/// Every dimension of the operand is marked as broadcasting.
pub(super) fn operand_broadcasts(operand: &Operand) -> bool {
    operand.dims.iter().all(|d| matches!(d, Dim::Letter(l) if l.broadcast)) && !operand.dims.is_empty()
}

/// An operand that has another number of dimensions.
pub(super) fn ranks(operand: &Operand, rank: usize) -> String {
    format!("`{}` has {rank} dimensions, which `{operand}` does not fit", operand.name)
}
