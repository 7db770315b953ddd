//! Whole layers that PyTorch computes as one operator where no gradient is wanted, which a trace then holds: they are taken
//! apart into the operators that they stand for.

use std::ops::Range;

use super::builder::Builder;
use super::item::Item;
use super::syntax::{Fault, Reason};
use crate::format::FormatError;
use crate::model::Arg;

/// Arguments of the operator by name.
type Args<'a> = [(&'a str, &'a str, Item)];

impl Builder<'_> {
    /// The parts of a fused layer; `None` for all other operators. What does more than a plain layer is refused.
    pub(super) fn fused(&mut self, target: &str, args: &Args<'_>, at: &Range<usize>) -> Result<Option<Item>, FormatError> {
        let int = |name: &str| match get(args, name) {
            Item::Int(n) => Some(n),
            _ => None,
        };
        match target {
            "aten._native_multi_head_attention.default" => {
                let query = get(args, "query");
                let (Some(heads), Some(width), true) =
                    (int("num_head"), int("embed_dim"), query == get(args, "key") && query == get(args, "value"))
                else {
                    return Err(self.whole("attention of one tensor to another, as one operator", at));
                };
                // Without a value of its own, an argument has the schema's: the weights are wanted, and their mean.
                let wanted = |name: &str| get(args, name) != Item::Bool(false);
                let weights = wanted("need_weights").then(|| wanted("average_attn_weights"));
                self.attention(query, (heads, width), weights, args, at).map(|(x, weights)| Some(Item::Tuple(vec![x, weights])))
            }
            "aten._transformer_encoder_layer_fwd.default" => match (int("num_heads"), int("embed_dim")) {
                (Some(heads), Some(width)) => self.encoder_layer(heads, width, args, at).map(Some),
                _ => Err(self.whole("a layer of a transformer as one operator", at)),
            },
            "aten._nested_tensor_from_mask.default" | "aten._nested_tensor_from_mask_left_aligned.default" => {
                Err(self.whole("sequences of unequal lengths in one nested tensor", at))
            }
            _ => Ok(None),
        }
    }

    /// A fused layer that cannot be taken apart.
    fn whole(&self, what: &str, at: &Range<usize>) -> FormatError {
        self.fault(Fault { span: at.clone(), reason: Reason::Fused(what.to_owned()) })
    }

    /// Attention of a tensor to itself, with one projection for queries, keys and values: the result, and the weights of its
    /// sum, if they are wanted; `Some(true)` for their mean over all heads.
    fn attention(
        &mut self,
        x: Item,
        (heads, width): (i64, i64),
        weights: Option<bool>,
        args: &Args<'_>,
        at: &Range<usize>,
    ) -> Result<(Item, Item), FormatError> {
        let x = self.linear(x, args, ["qkv_weight", "qkv_bias"], at)?;
        let sizes = Item::List([3, heads, -1].map(Item::Int).into());
        let x = self.apply("aten.unflatten.int", vec![("self", x), ("dim", Item::Int(2)), ("sizes", sizes)], at)?;
        let order = Item::List([2, 0, 3, 1, 4].map(Item::Int).into());
        let x = self.apply("aten.permute.default", vec![("self", x), ("dims", order)], at)?;
        let parts = self.argument(x, "Tensor", at)?;
        let node = self.node("aten.unbind.int".to_owned(), vec![("self".to_owned(), parts), ("dim".to_owned(), Arg::Int(0))], at);
        self.graph.nodes[node].listed = true;
        let [query, key, value] = [0, 1, 2].map(|k| Item::Tensor(self.part(node, k)));
        let mask = get(args, "mask");
        let (x, weights) = if mask == Item::None && weights.is_none() {
            let each = vec![("query", query), ("key", key), ("value", value)];
            (self.apply("aten.scaled_dot_product_attention.default", each, at)?, Item::None)
        } else {
            let scale = Item::Float(1.0 / ((width / heads.max(1)) as f64).sqrt());
            let query = self.apply("aten.mul.Scalar", vec![("self", query), ("other", scale)], at)?;
            let key =
                self.apply("aten.transpose.int", vec![("self", key), ("dim0", Item::Int(2)), ("dim1", Item::Int(3))], at)?;
            let mut scores = self.apply("aten.matmul.default", vec![("self", query), ("other", key)], at)?;
            if mask != Item::None {
                let mask = self.truths(mask, get(args, "mask_type"), at)?;
                let given = vec![("self", scores), ("mask", mask), ("value", Item::Float(f64::NEG_INFINITY))];
                scores = self.apply("aten.masked_fill.Scalar", given, at)?;
            }
            let scores = self.apply("aten.softmax.int", vec![("self", scores), ("dim", Item::Int(3))], at)?;
            let x = self.apply("aten.matmul.default", vec![("self", scores.clone()), ("other", value)], at)?;
            let weights = match weights {
                None => Item::None,
                Some(false) => scores,
                Some(true) => {
                    let dims = Item::List(vec![Item::Int(1)]);
                    self.apply("aten.mean.dim", vec![("self", scores), ("dim", dims)], at)?
                }
            };
            (x, weights)
        };
        let x = self.apply("aten.transpose.int", vec![("self", x), ("dim0", Item::Int(1)), ("dim1", Item::Int(2))], at)?;
        let ends = vec![("self", x), ("start_dim", Item::Int(2)), ("end_dim", Item::Int(3))];
        let x = self.apply("aten.flatten.using_ints", ends, at)?;
        Ok((self.linear(x, args, ["proj_weight", "proj_bias"], at)?, weights))
    }

    /// A mask of the fused operators as truth values, true for what is not attended to, over samples, heads, and pairs of
    /// positions. Its type tells which of these it has: 0 the last, 1 the samples and the positions attended to, 2 all.
    fn truths(&mut self, mask: Item, kind: Item, at: &Range<usize>) -> Result<Item, FormatError> {
        let mask = self.apply("aten.to.dtype", vec![("self", mask), ("dtype", Item::Int(11))], at)?;
        match kind {
            Item::Int(0 | 2) => Ok(mask),
            Item::Int(1) => {
                let mask = self.apply("aten.unsqueeze.default", vec![("self", mask), ("dim", Item::Int(1))], at)?;
                self.apply("aten.unsqueeze.default", vec![("self", mask), ("dim", Item::Int(1))], at)
            }
            _ => Err(self.whole("attention with a mask of unknown type, as one operator", at)),
        }
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
        let (x, _) = self.attention(x, (heads, width), None, args, at)?;
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
        let each = args.into_iter().map(|(name, item)| {
            let ty = if name == "dtype" { "ScalarType" } else { "" };
            Ok((name.to_owned(), self.argument(item, ty, at)?))
        });
        let args = each.collect::<Result<Vec<_>, FormatError>>()?;
        let node = self.node(target.to_owned(), args, at);
        Ok(self.result(node, 0, "Tensor"))
    }
}

/// An argument; `None` where it is not given.
fn get(args: &Args<'_>, name: &str) -> Item {
    args.iter().find(|(n, ..)| *n == name).map_or(Item::None, |(.., item)| item.clone())
}
