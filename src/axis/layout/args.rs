//! What layout functions are given.

use crate::axis::node::DimExpr;
use crate::axis::node::{Call, Sketch, dim};
use crate::model::{Size, ValueId};
use crate::rule::{Expr, Val};

/// A tensor and its sizes.
pub type WithSizes = (ValueId, Vec<Size>);

/// The arguments of a layout function at a node.
pub struct Args<'a> {
    pub exprs: &'a [Expr],
    pub call: &'a Call<'a>,
}

impl Args<'_> {
    /// The operator's argument that stands at this place, if it is one and no formula.
    pub fn name(&self, at: usize) -> Option<&str> {
        match self.exprs.get(at) {
            Some(Expr::Name(name)) => Some(name),
            _ => None,
        }
    }

    /// As [`Args::name`], but only if the node writes the argument out as a value that can be edited: no tensor, or one whose elements
    /// are known.
    pub fn editable(&self, at: usize) -> Option<&str> {
        let known = |v: &ValueId| self.call.graph.contents.contains_key(v);
        self.name(at).filter(|n| self.call.node.arg(n).is_some_and(|a| a.tensors().iter().all(known)))
    }

    pub fn operand(&self) -> Result<(&str, ValueId, Vec<Size>), String> {
        let name = self.name(0).ok_or("the first argument of a layout names an operand")?;
        let value = self.call.tensor(name)?;
        Ok((name, value, self.call.shape(value)?.to_vec()))
    }

    pub fn operands(&self) -> Result<(&str, Vec<WithSizes>), String> {
        let name = self.name(0).ok_or("the first argument of a layout names an operand")?;
        let list = self.call.tensors(name)?;
        let list = list.into_iter().map(|v| Ok((v, self.call.shape(v)?.to_vec()))).collect::<Result<Vec<_>, String>>()?;
        if list.is_empty() { Err(format!("`{name}` is empty")) } else { Ok((name, list)) }
    }

    pub fn val(&self, at: usize) -> Result<Option<Val>, String> {
        match self.exprs.get(at) {
            None => Ok(None),
            Some(expr) => match self.call.eval(expr) {
                Ok(Val::None) => Ok(None),
                Ok(val) => Ok(Some(val)),
                Err(_) if matches!(expr, Expr::Name(_)) => Ok(None), // an argument at no default
                Err(e) => Err(e),
            },
        }
    }

    pub fn int(&self, at: usize) -> Result<Option<i64>, String> {
        match self.val(at)? {
            None => Ok(None),
            Some(Val::List(list)) if list.len() == 1 => {
                list[0].as_int().map(Some).ok_or_else(|| format!("argument {} is no plain integer", at + 1))
            }
            Some(val) => val.as_int().map(Some).ok_or_else(|| format!("argument {} is no plain integer", at + 1)),
        }
    }

    pub fn required(&self, at: usize) -> Result<i64, String> {
        self.int(at)?.ok_or_else(|| format!("argument {} is missing", at + 1))
    }

    pub fn dim(&self, at: usize, rank: usize, default: i64) -> Result<usize, String> {
        dim(self.int(at)?.unwrap_or(default), rank)
    }

    pub fn truth(&self, at: usize) -> Result<bool, String> {
        Ok(self.val(at)?.is_some_and(|v| v.truthy()))
    }

    /// A list of sizes; a single number is a list of one.
    pub fn sizes(&self, at: usize) -> Result<Option<Vec<Size>>, String> {
        let size = |v: &Val| v.as_size().ok_or_else(|| "a size is no integer".to_owned());
        match self.val(at)? {
            None => Ok(None),
            Some(Val::List(list)) => list.iter().map(size).collect::<Result<_, _>>().map(Some),
            Some(val) => Ok(Some(vec![size(&val)?])),
        }
    }

    /// A list of dimensions, counted from the start.
    pub fn dims(&self, at: usize, rank: usize) -> Result<Option<Vec<usize>>, String> {
        let Some(list) = self.sizes(at)? else { return Ok(None) };
        let of = |s: &Size| dim(s.as_int().ok_or("a dimension is no integer")?, rank);
        list.iter().map(of).collect::<Result<_, String>>().map(Some)
    }
}

/// Positions that are listed one by one. No weight has so long an axis; what is picked of a longer one stays as it is.
pub const LONGEST: i64 = 1 << 22;

/// True for an axis whose positions can be listed.
pub fn can_list(size: &Size) -> bool {
    size.as_int().is_some_and(|n| n <= LONGEST)
}

/// A letter for every dimension.
pub fn letters(sketch: &mut Sketch, shape: &[Size]) -> Vec<DimExpr> {
    shape.iter().enumerate().map(|(k, size)| DimExpr::Letter(sketch.letter(format!("d{k}"), size.clone()))).collect()
}
