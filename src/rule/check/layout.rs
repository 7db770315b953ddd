//! Checks of layout calls.

use super::super::ast::{Expr, LayoutCall};
use super::super::error::closest;
use super::Check;

/// The layout functions, with the least and the largest number of arguments and an example.
const LAYOUTS: [(&str, usize, usize, &str); 32] = [
    ("cat", 2, 2, "cat(tensors, dim)"),
    ("stack", 2, 2, "stack(tensors, dim)"),
    ("split", 3, 3, "split(x, sizes, dim)"),
    ("chunk", 3, 3, "chunk(x, n, dim)"),
    ("tensor_split", 3, 3, "tensor_split(x, n_or_indices, dim)"),
    ("slice", 5, 5, "slice(x, dim, start, end, step)"),
    ("narrow", 4, 4, "narrow(x, dim, start, length)"),
    ("select", 3, 3, "select(x, dim, index)"),
    ("unbind", 2, 2, "unbind(x, dim)"),
    ("same", 1, 1, "same(x)"),
    ("permute", 2, 2, "permute(x, dims)"),
    ("transpose", 1, 3, "transpose(x, a, b)"),
    ("reshape", 2, 2, "reshape(x, sizes)"),
    ("flatten", 3, 3, "flatten(x, first, last)"),
    ("unflatten", 3, 3, "unflatten(x, dim, sizes)"),
    ("squeeze", 1, 2, "squeeze(x, dims)"),
    ("unsqueeze", 2, 2, "unsqueeze(x, dim)"),
    ("expand", 2, 2, "expand(x, sizes)"),
    ("repeat", 2, 2, "repeat(x, times)"),
    ("repeat_interleave", 3, 3, "repeat_interleave(x, times, dim)"),
    ("pad", 2, 3, "pad(x, amounts)"),
    ("reduce", 3, 3, "reduce(x, dims, keepdim)"),
    ("einsum", 2, 2, "einsum(equation, tensors)"),
    ("index", 2, 2, "index(x, indices)"),
    ("create", 1, 1, "create(sizes)"),
    ("meshgrid", 1, 2, "meshgrid(tensors)"),
    ("select_scatter", 4, 4, "select_scatter(x, src, dim, index)"),
    ("movedim", 3, 3, "movedim(x, from, to)"),
    ("flip", 2, 2, "flip(x, dims)"),
    ("roll", 3, 3, "roll(x, shifts, dims)"),
    ("take", 3, 3, "take(x, dim, index)"),
    ("slice_scatter", 6, 6, "slice_scatter(x, src, dim, start, end, step)"),
];

impl Check<'_> {
    pub(super) fn layout(&mut self, call: &LayoutCall) {
        let Some((_, least, most, example)) = LAYOUTS.iter().find(|(name, ..)| *name == call.name) else {
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
