//! Checks of layout calls.

use super::super::ast::{Expr, LayoutCall};
use super::super::error::closest;
use super::shared::Check;

/// The layout functions, with the least and the largest number of arguments, an example, and what the result is.
const LAYOUTS: [(&str, usize, usize, &str, &str); 40] = [
    ("cat", 2, 2, "cat(tensors, dim)", "the tensors, joined along a dimension"),
    ("stack", 2, 2, "stack(tensors, dim)", "the tensors, joined along a new dimension"),
    ("split", 3, 3, "split(x, sizes, dim)", "cut into parts of these sizes along a dimension (a number: parts of that size)"),
    ("chunk", 3, 3, "chunk(x, n, dim)", "cut into so many parts along a dimension"),
    (
        "tensor_split",
        3,
        3,
        "tensor_split(x, n_or_indices, dim)",
        "cut into so many parts, or at these positions, along a dimension",
    ),
    ("slice", 5, 5, "slice(x, dim, start, end, step)", "some positions of a dimension"),
    ("narrow", 4, 4, "narrow(x, dim, start, length)", "so many positions of a dimension from a start"),
    ("select", 3, 3, "select(x, dim, index)", "one position of a dimension, which is then gone"),
    ("unbind", 2, 2, "unbind(x, dim)", "all positions of a dimension, one result each"),
    ("same", 1, 1, "same(x)", "a copy: every axis is the operand's"),
    ("permute", 2, 2, "permute(x, dims)", "the dimensions in another order"),
    ("transpose", 1, 3, "transpose(x, a, b)", "two dimensions exchanged (without arguments: all in reverse)"),
    ("reshape", 2, 3, "reshape(x, sizes)", "the same elements in other dimensions"),
    ("flatten", 3, 3, "flatten(x, first, last)", "dimensions in a row as one"),
    ("unflatten", 3, 3, "unflatten(x, dim, sizes)", "one dimension as several"),
    ("squeeze", 1, 2, "squeeze(x, dims)", "without dimensions of size one"),
    ("unsqueeze", 2, 2, "unsqueeze(x, dim)", "with a new dimension of size one"),
    ("expand", 2, 3, "expand(x, sizes)", "dimensions of size one, repeated"),
    ("repeat", 2, 2, "repeat(x, times)", "copies after another in each dimension"),
    ("repeat_interleave", 3, 4, "repeat_interleave(x, times, dim)", "each position repeated"),
    ("slices", 5, 5, "slices(x, starts, ends, dims, steps)", "some positions of several dimensions"),
    (
        "pads",
        4,
        5,
        "pads(x, amounts, value, dims, whole)",
        "new positions before and after dimensions; with `whole` what is there comes from the tensor",
    ),
    ("pad", 2, 3, "pad(x, amounts)", "new positions at the ends of dimensions"),
    ("reduce", 3, 3, "reduce(x, dims, keepdim)", "these dimensions (all, if None) are summed over"),
    ("einsum", 2, 2, "einsum(equation, tensors)", "a product of the tensors as in the equation"),
    ("index", 2, 2, "index(x, indices)", "picked by index tensors; what is picked from stays whole"),
    ("index_put", 3, 3, "index_put(x, indices, values)", "the operand, written where index tensors say; that stays whole"),
    ("resize", 3, 4, "resize(x, dims, sizes)", "as the operand; these dimensions (all, if None) are made anew and stay whole"),
    (
        "gather",
        3,
        3,
        "gather(x, dim, index)",
        "picked along a dimension for each element of an index; that dimension stays whole",
    ),
    ("scatter", 3, 4, "scatter(x, dim, index, src)", "the operand, written along a dimension for each element of an index"),
    ("put", 3, 4, "put(x, dim, index, source)", "the operand, written at the positions of a dimension that an index lists"),
    ("broadcast", 1, 1, "broadcast(tensors)", "the tensors, each with the dimensions of all"),
    ("create", 1, 1, "create(sizes)", "a new tensor, all positions of which may go"),
    ("meshgrid", 1, 2, "meshgrid(tensors)", "grids of coordinates: one axis for each tensor"),
    ("movedim", 3, 3, "movedim(x, from, to)", "dimensions moved to other places"),
    ("flip", 2, 2, "flip(x, dims)", "the positions of dimensions in reverse order"),
    ("roll", 3, 3, "roll(x, shifts, dims)", "the positions of dimensions moved in a circle"),
    ("take", 3, 3, "take(x, dim, index)", "picked along a dimension by an index tensor; a constant index is followed"),
    (
        "select_scatter",
        4,
        4,
        "select_scatter(x, src, dim, index)",
        "the operand with one position of a dimension replaced by another tensor",
    ),
    (
        "slice_scatter",
        6,
        6,
        "slice_scatter(x, src, dim, start, end, step)",
        "the operand with some positions of a dimension replaced by another tensor",
    ),
];

/// What the result of a layout function is, in words.
pub fn layout_meaning(name: &str) -> Option<&'static str> {
    LAYOUTS.iter().find(|(known, ..)| *known == name).map(|(.., meaning)| *meaning)
}

impl Check<'_> {
    pub(super) fn layout(&mut self, call: &LayoutCall) {
        let Some((_, least, most, example, _)) = LAYOUTS.iter().find(|(name, ..)| *name == call.name) else {
            let names: Vec<&str> = LAYOUTS.iter().map(|(name, ..)| *name).collect();
            let help = match closest(&call.name, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the layouts are {}", names.join(", ")),
            };
            let at = call.span.start..call.span.start + call.name.len();
            self.error("layout", at, format!("unknown layout `{}`", call.name), "no such function", Some(help));
            return;
        };
        let count = call.args.len();
        if count < *least || count > *most || (call.name == "transpose" && count == 2) {
            let message = format!("`{}` with {count} argument{}", call.name, if count == 1 { "" } else { "s" });
            let help = Some("arguments may be formulas: `dim`, `0`, `[0, 1]`".to_owned());
            self.error("layout", call.span.clone(), message, format!("expected `{example}`"), help);
            return;
        }
        for (i, arg) in call.args.iter().enumerate() {
            // The first argument is the tensor, but for `create`, and `einsum`, where the equation comes first.
            let tensor = i == 0 && !matches!(call.name.as_str(), "create" | "einsum");
            match arg {
                Expr::Name(name) if tensor && self.known.args.is_some() && !self.known.operands.contains(&name.as_str()) => {
                    let at = self.sites.word("layout", name);
                    self.unknown_argument(name, at);
                }
                Expr::Name(_) => self.names_in("layout", arg, &[]),
                _ if tensor => {
                    let message = format!("`{arg}` is no operand");
                    self.error("layout", call.span.clone(), message, format!("expected `{example}`"), None);
                }
                _ => self.names_in("layout", arg, &[]),
            }
        }
    }
}
