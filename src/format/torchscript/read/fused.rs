//! Whole layers that PyTorch computes as one operator where no gradient is wanted, which a trace then holds: they are taken
//! apart into the operators that they stand for.

use std::ops::Range;

use super::inline::Builder;
use super::item::Item;
use crate::format::FormatError;
use crate::model::Arg;

/// Arguments of the operator by name.
type Args<'a> = [(&'a str, &'a str, Item)];

impl Builder<'_> {
    /// The parts of a fused layer; `None` for all other operators, and where it does more than a plain layer.
    pub(super) fn fused(&mut self, target: &str, args: &Args<'_>, at: &Range<usize>) -> Result<Option<Item>, FormatError> {
        let plain = |name: &str| args.iter().filter(|(n, ..)| *n == name).all(|(.., item)| *item == Item::None);
        let int = |name: &str| match get(args, name) {
            Item::Int(n) => Some(n),
            _ => None,
        };
        match target {
            "aten._native_multi_head_attention.default" => {
                let query = get(args, "query");
                let alone = get(args, "need_weights") == Item::Bool(false) && plain("mask");
                let (Some(heads), true) = (int("num_head"), alone && query == get(args, "key") && query == get(args, "value"))
                else {
                    return Ok(None);
                };
                let attended = self.attention(query, heads, args, at)?;
                Ok(Some(Item::Tuple(vec![attended, Item::None])))
            }
            "aten._transformer_encoder_layer_fwd.default" => match (int("num_heads"), int("embed_dim")) {
                (Some(heads), Some(width)) if plain("mask") => self.encoder_layer(heads, width, args, at).map(Some),
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// Attention of a tensor to itself, with one projection for queries, keys and values.
    fn attention(&mut self, x: Item, heads: i64, args: &Args<'_>, at: &Range<usize>) -> Result<Item, FormatError> {
        let x = self.linear(x, args, ["qkv_weight", "qkv_bias"], at)?;
        let sizes = Item::List([3, heads, -1].map(Item::Int).into());
        let x = self.apply("aten.unflatten.int", vec![("self", x), ("dim", Item::Int(2)), ("sizes", sizes)], at)?;
        let order = Item::List([2, 0, 3, 1, 4].map(Item::Int).into());
        let x = self.apply("aten.permute.default", vec![("self", x), ("dims", order)], at)?;
        let parts = self.argument(x, "Tensor", at)?;
        let node = self.node("aten.unbind.int".to_owned(), vec![("self".to_owned(), parts), ("dim".to_owned(), Arg::Int(0))], at);
        self.graph.nodes[node].listed = true;
        let [query, key, value] = [0, 1, 2].map(|k| Item::Tensor(self.part(node, k)));
        let each = vec![("query", query), ("key", key), ("value", value)];
        let x = self.apply("aten.scaled_dot_product_attention.default", each, at)?;
        let x = self.apply("aten.transpose.int", vec![("self", x), ("dim0", Item::Int(1)), ("dim1", Item::Int(2))], at)?;
        let ends = vec![("self", x), ("start_dim", Item::Int(2)), ("end_dim", Item::Int(3))];
        let x = self.apply("aten.flatten.using_ints", ends, at)?;
        self.linear(x, args, ["proj_weight", "proj_bias"], at)
    }

    fn encoder_layer(&mut self, heads: i64, width: i64, args: &Args<'_>, at: &Range<usize>) -> Result<Item, FormatError> {
        let first = get(args, "norm_first") == Item::Bool(true);
        let activation = if get(args, "use_gelu") == Item::Bool(true) { "aten.gelu.default" } else { "aten.relu.default" };
        let norm = |this: &mut Self, x: Item, [weight, bias]: [&str; 2]| {
            let given = vec![
                ("input", x),
                ("normalized_shape", Item::List(vec![Item::Int(width)])),
                ("weight", get(args, weight)),
                ("bias", get(args, bias)),
                ("eps", get(args, "eps")),
            ];
            this.apply("aten.layer_norm.default", given, at)
        };
        let norms = [["norm_weight_1", "norm_bias_1"], ["norm_weight_2", "norm_bias_2"]];
        let src = get(args, "src");
        let x = if first { norm(self, src.clone(), norms[0])? } else { src.clone() };
        let x = self.attention(x, heads, args, at)?;
        let mut x = self.apply("aten.add.Tensor", vec![("self", src), ("other", x)], at)?;
        if !first {
            x = norm(self, x, norms[0])?;
        }
        let y = if first { norm(self, x.clone(), norms[1])? } else { x.clone() };
        let y = self.linear(y, args, ["ffn_weight_1", "ffn_bias_1"], at)?;
        let y = self.apply(activation, vec![("self", y)], at)?;
        let y = self.linear(y, args, ["ffn_weight_2", "ffn_bias_2"], at)?;
        let x = self.apply("aten.add.Tensor", vec![("self", x), ("other", y)], at)?;
        if first { Ok(x) } else { norm(self, x, norms[1]) }
    }

    fn linear(&mut self, x: Item, args: &Args<'_>, [weight, bias]: [&str; 2], at: &Range<usize>) -> Result<Item, FormatError> {
        let given = vec![("input", x), ("weight", get(args, weight)), ("bias", get(args, bias))];
        self.apply("aten.linear.default", given, at)
    }

    /// Adds a node with one result.
    fn apply(&mut self, target: &str, args: Vec<(&str, Item)>, at: &Range<usize>) -> Result<Item, FormatError> {
        let each = args.into_iter().map(|(name, item)| Ok((name.to_owned(), self.argument(item, "", at)?)));
        let args = each.collect::<Result<Vec<_>, FormatError>>()?;
        let node = self.node(target.to_owned(), args, at);
        Ok(self.result(node, 0, "Tensor"))
    }
}

/// An argument; `None` where it is not given.
fn get(args: &Args<'_>, name: &str) -> Item {
    args.iter().find(|(n, ..)| *n == name).map_or(Item::None, |(.., item)| item.clone())
}
