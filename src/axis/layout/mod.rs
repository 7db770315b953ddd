//! The layout functions: operators whose dimensions depend on their arguments. Each turns a call into letters; nothing
//! else about operators is code.

mod along;
mod args;
mod border;
mod join;
mod part;
mod pick;
mod reduce;
mod reorder;
mod reshape;
mod several;
mod spread;

pub use part::{evenly, sections};

use super::node::{Call, Sketch};
use crate::rule::LayoutCall;
use args::Args;
pub(super) use args::can_list;

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
        "slices" => several::slices(&args),
        "pads" => border::pads(&args),
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
        "pad" => border::pad(&args),
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
