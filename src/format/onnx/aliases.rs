//! Names that tensors have in the module that was exported, where the exporter gave them others: `val_12` and `onnx::MatMul_123` are weights of
//! linear layers, transposed.
//!
//! One exporter lists the module's parameters, and tells of each node which of them its call was given. Another names nodes by their module
//! alone, and a layer's parameters are called as in all of PyTorch's.

use indexmap::IndexMap;
use rustc_hash::FxHashMap;

use super::archive::Source;
use super::proto::{GraphProto, NodeProto, Setting, entry};
use super::scope::{about, module};
use crate::model::{Alias, Graph, Role};

/// What nodes tell of names.
pub(super) struct Aliases<'a> {
    /// Names of the module's parameters, by those that they have in the trace.
    listed: FxHashMap<&'a str, &'a str>,
    /// For each name the stored tensors, and whether they are transposed.
    found: IndexMap<String, Vec<(&'a str, bool)>>,
    /// Products with a matrix of a name that the exporter made, by their result: the name in the module, and the matrix.
    products: IndexMap<&'a str, (String, &'a str)>,
    /// What modules read by the name of another: a name that they may have for it, the tensor, and whether it is transposed.
    tied: Vec<(String, &'a str, bool)>,
}

impl<'a> Aliases<'a> {
    /// Of a graph whose exporter may have noted its parameters.
    pub(super) fn new(archive: &'a Source, graph: &GraphProto) -> Aliases<'a> {
        let entries = graph.about.iter().filter_map(|range| entry(archive.part(range)).ok());
        let signature = entries.filter(|(key, _)| key.ends_with("graph_signature")).map(|(_, text)| text);
        let listed = signature.flat_map(str::lines).filter_map(parameter).collect();
        Aliases { listed, found: IndexMap::new(), products: IndexMap::new(), tied: Vec::new() }
    }

    /// Looks at a node.
    pub(super) fn node(&mut self, node: &NodeProto<'a>) {
        let call = about(node, "pkg.torch.onnx.fx_node").and_then(Call::read);
        match call.filter(|_| !self.listed.is_empty()) {
            Some(call) => self.called(node, &call),
            None => self.inside(node),
        }
    }

    /// A node that was made of a call whose arguments are known.
    fn called(&mut self, node: &NodeProto<'a>, call: &Call<'a>) {
        // Other operators change the elements of their parameters, too.
        let (places, transposed): (&[usize], bool) = match (call.target, node.op) {
            ("aten.linear.default", "MatMul") => (&[1], true),
            ("aten.linear.default", "Gemm") => (&[1, 2], !flag(node, "transB")),
            (target, "Conv") if target.starts_with("aten.conv") => (&[1, 2], false),
            ("aten.embedding.default", "Gather") => (&[0], false),
            _ => return,
        };
        for k in places {
            let name = call.args.get(*k).and_then(|arg| self.listed.get(arg.strip_prefix('%')?)).copied();
            if let (Some(name), Some(tensor)) = (name, node.inputs.get(*k)) {
                let transposed = transposed && *k == 1;
                self.found.entry(name.to_owned()).or_default().push((tensor, transposed));
                if *k < 2 {
                    self.tied.push((format!("{}.weight", module(node)), tensor, transposed));
                }
            }
        }
    }

    /// A node of which only the module is known. Names that the exporter made say that a tensor was folded.
    fn inside(&mut self, node: &NodeProto<'a>) {
        let module = module(node);
        let name = |leaf: &str| if module.is_empty() { leaf.to_owned() } else { format!("{module}.{leaf}") };
        let made_up = |k: usize| node.inputs.get(k).copied().filter(|name| is_made_up(name));
        match (node.op, node.outputs.first()) {
            ("MatMul", Some(result)) => {
                if let Some(matrix) = made_up(1) {
                    self.products.insert(result, (name("weight"), matrix));
                }
            }
            // The bias of a linear layer has its name, whatever module calls it.
            ("Add", _) => {
                for (sum, bias) in [(0, 1), (1, 0)] {
                    let (Some(sum), Some(bias)) = (node.inputs.get(sum), node.inputs.get(bias)) else { continue };
                    let Some(stem) = bias.strip_suffix("bias") else { continue };
                    if let Some((name, _)) = self.products.get_mut(sum).filter(|_| !is_made_up(bias)) {
                        *name = format!("{stem}weight");
                    }
                }
            }
            ("Gemm" | "Conv" | "ConvTranspose", _) => {
                let transposed = node.op == "Gemm" && !flag(node, "transB");
                for (k, leaf) in [(1, "weight"), (2, "bias")] {
                    if let Some(tensor) = made_up(k) {
                        self.found.entry(name(leaf)).or_default().push((tensor, transposed && k == 1));
                    }
                }
            }
            _ => {}
        }
    }

    /// The names of a graph's tensors. `equal` compares the elements of two.
    pub(super) fn of(mut self, graph: &Graph, equal: &dyn Fn(usize, usize) -> bool) -> Vec<Alias> {
        for (_, (name, matrix)) in self.products {
            self.found.entry(name).or_default().push((matrix, true));
        }
        let parameters = graph.tensors.iter().enumerate().filter(|(_, t)| t.role == Role::Parameter);
        let stored: FxHashMap<&str, usize> = parameters.map(|(k, t)| (t.name.as_str(), k)).collect();
        let listed: Vec<&str> = self.listed.values().copied().collect();
        // Of tied parameters the trace has one; the module that reads it by another name has no other weight.
        for (name, tensor, transposed) in self.tied {
            if listed.contains(&name.as_str()) && !stored.contains_key(name.as_str()) && !self.found.contains_key(&name) {
                self.found.insert(name, vec![(tensor, transposed)]);
            }
        }
        let mut out: Vec<Alias> = Vec::new();
        for (name, places) in self.found {
            let mut tensors: Vec<usize> = Vec::new();
            let mut transposed: Vec<bool> = Vec::new();
            for (tensor, way) in places {
                let Some(k) = stored.get(tensor).copied().filter(|_| tensor != name) else { continue };
                let way = way && graph.tensors[k].shape.len() == 2;
                if !tensors.contains(&k) {
                    tensors.push(k);
                    transposed.push(way);
                }
            }
            let Some(way) = transposed.first().copied() else { continue };
            let one = tensors.iter().all(|k| equal(tensors[0], *k)) && transposed.iter().all(|t| *t == way);
            out.push(Alias { name, tensors, transposed: way, doubtful: !one });
        }
        let known = |name: &str| stored.contains_key(name) || out.iter().any(|a| a.name == name);
        let mut lost: Vec<&str> = listed.into_iter().filter(|name| !known(name)).collect();
        lost.sort_unstable();
        let lost =
            lost.into_iter().map(|name| Alias { name: name.to_owned(), tensors: vec![], transposed: false, doubtful: false });
        let lost: Vec<Alias> = lost.collect();
        out.extend(lost);
        out
    }
}

/// A call as the exporter noted it: `%linear : [...] = call_function[target=torch.ops.aten.linear.default](args = (%x, %w), kwargs = {})`.
struct Call<'a> {
    target: &'a str,
    /// The first arguments, up to a list.
    args: Vec<&'a str>,
}

impl<'a> Call<'a> {
    fn read(text: &'a str) -> Option<Call<'a>> {
        let (_, rest) = text.split_once("[target=torch.ops.")?;
        let (target, rest) = rest.split_once(']')?;
        let (_, args) = rest.split_once("args = (")?;
        let end = args.find([')', '[', '(']).unwrap_or(args.len());
        Some(Call { target, args: args[..end].split(',').map(str::trim).collect() })
    }
}

/// A line of the signature: `p_fc_weight: PARAMETER target='fc.weight'`.
fn parameter(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.split_once(": PARAMETER target='")?;
    Some((name, rest.split_once('\'')?.0))
}

/// Whether an exporter made this name.
fn is_made_up(name: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    name.starts_with("onnx::") || number(name) || name.strip_prefix("val_").is_some_and(number)
}

fn flag(node: &NodeProto, name: &str) -> bool {
    node.attributes.iter().any(|a| a.name == name && matches!(a.value, Setting::Int(n) if n != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exporters_note() {
        assert_eq!(parameter("p_fc_weight: PARAMETER target='fc.weight'"), Some(("p_fc_weight", "fc.weight")));
        assert_eq!(parameter("b_mean: BUFFER target='mean' persistent=True"), None);
        let call = "%conv2d : [num_users=1] = call_function[target=torch.ops.aten.conv2d.default](args = (%x, %w, None, [2, 2]), kwargs = {})";
        let call = Call::read(call).unwrap();
        assert_eq!((call.target, call.args[..3].to_vec()), ("aten.conv2d.default", vec!["%x", "%w", "None"]));
        for (name, made_up) in [("onnx::MatMul_12", true), ("val_7", true), ("123", true), ("val_a", false), ("fc.weight", false)]
        {
            assert_eq!(is_made_up(name), made_up, "{name}");
        }
    }
}
