//! The layout functions: operators whose dimensions depend on their arguments. Each turns a call into letters; nothing
//! else about operators is code.

mod along;
mod join;
mod part;
mod pick;
mod reduce;
mod reorder;
mod reshape;
mod spread;

pub use part::{evenly, sections};

use super::bound::DimExpr;
use super::sketch::{Call, Sketch, dim};
use crate::model::{Size, ValueId};
use crate::rule::{Expr, LayoutCall, Val};

/// Applies a layout function to a node.
///
/// # Errors
/// A sentence that says what does not fit.
pub fn layout(function: &LayoutCall, call: &Call) -> Result<Sketch, String> {
    let args = Args { exprs: &function.args, call };
    let mut sketch = match function.name.as_str() {
        "cat" => join::cat(&args),
        "stack" => join::stack(&args),
        "split" => part::split(&args),
        "chunk" => part::chunk(&args),
        "tensor_split" => part::tensor_split(&args),
        "slice" => part::slice(&args),
        "narrow" => part::narrow(&args),
        "select" => part::select(&args),
        "unbind" => part::unbind(&args),
        "movedim" => reorder::movedim(&args),
        "flip" => reorder::flip(&args),
        "roll" => reorder::roll(&args),
        "take" => pick::take(&args),
        "same" => reorder::same(&args),
        "permute" => reorder::permute(&args),
        "transpose" => reorder::transpose(&args),
        "reshape" => reshape::reshape(&args),
        "flatten" => reshape::flatten(&args),
        "unflatten" => reshape::unflatten(&args),
        "squeeze" => reshape::squeeze(&args),
        "unsqueeze" => reshape::unsqueeze(&args),
        "expand" => spread::expand(&args),
        "repeat" => spread::repeat(&args),
        "repeat_interleave" => spread::repeat_interleave(&args),
        "pad" => spread::pad(&args),
        "reduce" => reduce::reduce(&args),
        "einsum" => reduce::einsum(&args),
        "index" => pick::index(&args),
        "index_put" => pick::index_put(&args),
        "resize" => along::resize(&args),
        "gather" => along::gather(&args),
        "scatter" => along::scatter(&args),
        "put" => along::put(&args),
        "broadcast" => join::broadcast(&args),
        "create" => pick::create(&args),
        "meshgrid" => join::meshgrid(&args),
        "select_scatter" => pick::select_scatter(&args),
        "slice_scatter" => pick::slice_scatter(&args),
        other => Err(format!("there is no layout function `{other}`")),
    }?;
    let makes = ["reduce", "einsum", "create", "resize", "scatter", "put", "index_put"];
    sketch.copies = !makes.contains(&function.name.as_str());
    Ok(sketch)
}

/// A tensor and its sizes.
type WithSizes = (ValueId, Vec<Size>);

/// The arguments of a layout function at a node.
struct Args<'a> {
    exprs: &'a [Expr],
    call: &'a Call<'a>,
}

impl Args<'_> {
    /// The operator's argument that stands at this place, if it is one and no formula.
    fn name(&self, at: usize) -> Option<&str> {
        match self.exprs.get(at) {
            Some(Expr::Name(name)) => Some(name),
            _ => None,
        }
    }

    /// As [`Args::name`], but only if the node writes the argument out as a tensor-free value that can be edited.
    fn editable(&self, at: usize) -> Option<&str> {
        self.name(at).filter(|n| self.call.node.arg(n).is_some_and(|a| a.tensors().is_empty()))
    }

    fn operand(&self) -> Result<(&str, ValueId, Vec<Size>), String> {
        let name = self.name(0).ok_or("the first argument of a layout names an operand")?;
        let value = self.call.tensor(name)?;
        Ok((name, value, self.call.shape(value)?.to_vec()))
    }

    fn operands(&self) -> Result<(&str, Vec<WithSizes>), String> {
        let name = self.name(0).ok_or("the first argument of a layout names an operand")?;
        let list = self.call.tensors(name)?;
        let list = list.into_iter().map(|v| Ok((v, self.call.shape(v)?.to_vec()))).collect::<Result<Vec<_>, String>>()?;
        if list.is_empty() { Err(format!("`{name}` is empty")) } else { Ok((name, list)) }
    }

    fn val(&self, at: usize) -> Result<Option<Val>, String> {
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

    fn int(&self, at: usize) -> Result<Option<i64>, String> {
        match self.val(at)? {
            None => Ok(None),
            Some(val) => val.as_int().map(Some).ok_or_else(|| format!("argument {} is no plain integer", at + 1)),
        }
    }

    fn required(&self, at: usize) -> Result<i64, String> {
        self.int(at)?.ok_or_else(|| format!("argument {} is missing", at + 1))
    }

    fn dim(&self, at: usize, rank: usize, default: i64) -> Result<usize, String> {
        dim(self.int(at)?.unwrap_or(default), rank)
    }

    fn truth(&self, at: usize) -> Result<bool, String> {
        Ok(self.val(at)?.is_some_and(|v| v.truthy()))
    }

    /// A list of sizes; a single number is a list of one.
    fn sizes(&self, at: usize) -> Result<Option<Vec<Size>>, String> {
        let size = |v: &Val| v.as_size().ok_or_else(|| "a size is no integer".to_owned());
        match self.val(at)? {
            None => Ok(None),
            Some(Val::List(list)) => list.iter().map(size).collect::<Result<_, _>>().map(Some),
            Some(val) => Ok(Some(vec![size(&val)?])),
        }
    }

    /// A list of dimensions, counted from the start.
    fn dims(&self, at: usize, rank: usize) -> Result<Option<Vec<usize>>, String> {
        let Some(list) = self.sizes(at)? else { return Ok(None) };
        let of = |s: &Size| dim(s.as_int().ok_or("a dimension is no integer")?, rank);
        list.iter().map(of).collect::<Result<_, String>>().map(Some)
    }
}

/// Positions that are listed one by one. No weight has so long an axis; what is picked of a longer one stays as it is.
const LONGEST: i64 = 1 << 22;

/// True for an axis whose positions can be listed.
pub(super) fn can_list(size: &Size) -> bool {
    size.as_int().is_some_and(|n| n <= LONGEST)
}

/// A letter for every dimension.
fn letters(sketch: &mut Sketch, shape: &[Size]) -> Vec<DimExpr> {
    shape.iter().enumerate().map(|(k, size)| DimExpr::Letter(sketch.letter(format!("d{k}"), size.clone()))).collect()
}
