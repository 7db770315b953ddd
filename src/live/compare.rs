//! Whether a program that was exported again is the small program: operator by operator, module by module.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use rustc_hash::FxHashMap;
use serde::Serialize;

use super::tree::{caller, is_within};
use crate::model::{Arg, Graph, Node, Size, ValueId};
use crate::rule::{Schemas, Val};

/// What a module computes otherwise than the small program.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// The module whose own code differs: dotted, empty at the top.
    pub module: String,
    /// The line of Python, if it is known.
    pub line: Option<String>,
    /// What differs.
    pub text: String,
    /// The operator's argument that has another value, and which.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arg: Option<String>,
}

/// The differences between the small program and that of the module that was cut in place; at most one for each module.
/// `exact` are modules that compute the same by other operators, `absorbed` modules and arguments that their weights stand for.
pub fn differences(small: &Graph, live: &Graph, exact: &[String], absorbed: &[(String, String)]) -> Vec<Difference> {
    let mut compare = Compare { small, live, absorbed, pairs: FxHashMap::default(), found: IndexMap::new() };
    compare.known();
    let (ours, theirs) = (by_module(small, exact), by_module(live, exact));
    let mut pairs: FxHashMap<usize, usize> = FxHashMap::default();
    for (module, nodes) in &ours {
        let others = theirs.get(module).map_or(&[][..], Vec::as_slice);
        let mut k = 0;
        while k < nodes.len().min(others.len()) && small.nodes[nodes[k]].target == live.nodes[others[k]].target {
            pairs.insert(nodes[k], others[k]);
            k += 1;
        }
        if k < nodes.len() || k < others.len() {
            compare.operators(module, nodes.get(k).map(|n| &small.nodes[*n]), others.get(k).map(|n| &live.nodes[*n]));
        }
    }
    for (module, nodes) in &theirs {
        if !ours.contains_key(module) {
            // Of a module that the small program does not call at all, the difference is its caller's.
            let caller = caller(module, ours.keys().copied());
            compare.operators(caller, None, nodes.first().map(|n| &live.nodes[*n]));
        }
    }
    for (k, node) in small.nodes.iter().enumerate() {
        if let Some(other) = pairs.get(&k) {
            compare.nodes(node, &live.nodes[*other]);
        }
    }
    let same = |(a, b): (&ValueId, &ValueId)| compare.pairs.get(a).is_none_or(|known| known == b);
    if small.outputs.len() != live.outputs.len() || !small.outputs.iter().zip(&live.outputs).all(same) {
        compare.add("", None, "the results are other values".to_owned(), None);
    }
    compare.found.into_values().collect()
}

/// The nodes of each module, in order, but for those in the modules named and those that only work out a size: whoever needs one may read
/// it from any tensor that has it.
fn by_module<'a>(graph: &'a Graph, exact: &[String]) -> IndexMap<&'a str, Vec<usize>> {
    let mut out: IndexMap<&str, Vec<usize>> = IndexMap::new();
    for (k, node) in graph.nodes.iter().enumerate() {
        let module = node.source.module.as_str();
        if !exact.iter().any(|e| is_within(module, e)) && !works_out_a_size(graph, node) {
            out.entry(module).or_default().push(k);
        }
    }
    out
}

fn works_out_a_size(graph: &Graph, node: &Node) -> bool {
    !node.outputs.is_empty() && node.outputs.iter().all(|v| size_of(graph, *v).is_some_and(|size| size.hint().is_some()))
}

fn size_of(graph: &Graph, scalar: ValueId) -> Option<&Size> {
    graph.value(scalar).scalar.as_ref()
}

struct Compare<'a> {
    small: &'a Graph,
    live: &'a Graph,
    absorbed: &'a [(String, String)],
    /// Values of the small program and what they are in the other.
    pairs: FxHashMap<ValueId, ValueId>,
    found: IndexMap<String, Difference>,
}

impl Compare<'_> {
    /// Inputs by their order and stored tensors by their names.
    fn known(&mut self) {
        self.pairs.extend(self.small.inputs.iter().copied().zip(self.live.inputs.iter().copied()));
        let named: FxHashMap<&str, ValueId> = self.live.tensors.iter().map(|t| (t.name.as_str(), t.value)).collect();
        for t in &self.small.tensors {
            if let Some(other) = named.get(t.name.as_str()) {
                self.pairs.insert(t.value, *other);
            }
        }
    }

    fn add(&mut self, module: &str, line: Option<String>, text: String, arg: Option<String>) {
        let difference = || Difference { module: module.to_owned(), line, text, arg };
        self.found.entry(module.to_owned()).or_insert_with(difference);
    }

    fn operators(&mut self, module: &str, ours: Option<&Node>, theirs: Option<&Node>) {
        let name = |n: Option<&Node>| n.map_or("nothing".to_owned(), |n| n.target.clone());
        let line = theirs.or(ours).and_then(|n| n.source.line());
        self.add(module, line, format!("it calls {} where the small program calls {}", name(theirs), name(ours)), None);
    }

    fn nodes(&mut self, ours: &Node, theirs: &Node) {
        let module = ours.source.module.as_str();
        let schema = Schemas::builtin().get(&ours.target);
        let mut names: Vec<&str> = ours.args.iter().map(|(n, _)| n.as_str()).collect();
        names.extend(theirs.args.iter().map(|(n, _)| n.as_str()).filter(|n| ours.arg(n).is_none()));
        let default = |name: &str| schema.and_then(|s| s.default(name)).as_ref().and_then(plain);
        // Operators without a schema may have several arguments without a name.
        if schema.is_none() && ours.args.len() == theirs.args.len() {
            for ((name, a), (_, b)) in ours.args.iter().zip(&theirs.args) {
                self.argument(ours, theirs, name, a, b);
            }
        } else {
            for name in names {
                let of = |node: &Node| node.arg(name).cloned().or_else(|| default(name)).unwrap_or(Arg::None);
                self.argument(ours, theirs, name, &of(ours), &of(theirs));
            }
        }
        for (a, b) in ours.outputs.iter().zip(&theirs.outputs) {
            let known = *self.pairs.entry(*a).or_insert(*b);
            let sizes = |graph: &Graph, v: ValueId| graph.value(v).shape.clone();
            if let (Some(x), Some(y)) = (sizes(self.small, *a), sizes(self.live, *b))
                && (known != *b || !same_sizes(&x, &y))
            {
                let text = format!("{} gives {} where the small program has {}", ours.target, shown(&y), shown(&x));
                self.add(module, theirs.source.line(), text, None);
            }
        }
    }

    fn argument(&mut self, ours: &Node, theirs: &Node, name: &str, a: &Arg, b: &Arg) {
        let stands = |(module, arg): &(String, String)| *module == ours.source.module && arg == name;
        if self.absorbed.iter().any(stands) || self.same(a, b) || self.same_but_for_inferred(ours, theirs, a, b) {
            return;
        }
        let (was, is) = (text(self.small, a), text(self.live, b));
        let text = format!("`{name}` of {} is {is} where the small program has {was}", ours.target);
        self.add(&ours.source.module, theirs.source.line(), text, Some(name.to_owned()));
    }

    fn same(&mut self, a: &Arg, b: &Arg) -> bool {
        match (a, b) {
            (Arg::Tensor(a), Arg::Tensor(b)) => *self.pairs.entry(*a).or_insert(*b) == *b,
            (Arg::Scalar(a), Arg::Scalar(b)) => match (size_of(self.small, *a), size_of(self.live, *b)) {
                (Some(x), Some(y)) if x.hint().is_some() && y.hint().is_some() => same_size(x, y),
                _ => *self.pairs.entry(*a).or_insert(*b) == *b,
            },
            (Arg::List(x), Arg::List(y)) => x.len() == y.len() && x.iter().zip(y).all(|(a, b)| self.same(a, b)),
            (Arg::Float(x), Arg::Float(y)) => x == y || (x - y).abs() <= 1e-12 * x.abs().max(y.abs()) || x.is_nan() && y.is_nan(),
            (Arg::Int(n), Arg::Float(x)) | (Arg::Float(x), Arg::Int(n)) => *x == *n as f64,
            (a, b) => a == b,
        }
    }

    /// Lists of sizes that differ where one leaves a size to be inferred: what comes out is of the same sizes.
    fn same_but_for_inferred(&self, ours: &Node, theirs: &Node, a: &Arg, b: &Arg) -> bool {
        let (Arg::List(x), Arg::List(y)) = (a, b) else { return false };
        let inferred = |a: &Arg, b: &Arg| a == b || *a == Arg::Int(-1) || *b == Arg::Int(-1);
        let shape = |graph: &'_ Graph, n: &Node| n.outputs.first().and_then(|v| graph.value(*v).shape.clone());
        x.len() == y.len()
            && x.iter().zip(y).all(|(a, b)| inferred(a, b))
            && shape(self.small, ours).zip(shape(self.live, theirs)).is_some_and(|(a, b)| same_sizes(&a, &b))
    }
}

fn same_sizes(a: &[Size], b: &[Size]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_size(a, b))
}

/// Sizes of two exports. Where their symbols have other names, their values in the example decide.
fn same_size(a: &Size, b: &Size) -> bool {
    let symbols = |size: &Size| size.terms().keys().flatten().cloned().collect::<BTreeSet<String>>();
    a == b || symbols(a) != symbols(b) && a.hint().is_some() && a.hint() == b.hint()
}

fn shown(sizes: &[Size]) -> String {
    format!("[{}]", sizes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
}

fn plain(v: &Val) -> Option<Arg> {
    Some(match v {
        Val::None => Arg::None,
        Val::Bool(b) => Arg::Bool(*b),
        Val::Float(x) => Arg::Float(*x),
        Val::Size(n) => Arg::Int(n.as_int()?),
        Val::List(items) => Arg::List(items.iter().map(plain).collect::<Option<_>>()?),
        Val::Str(s) => Arg::Str(s.clone()),
    })
}

fn text(graph: &Graph, arg: &Arg) -> String {
    match arg {
        Arg::None => "none".to_owned(),
        Arg::Int(n) => n.to_string(),
        Arg::Float(x) => x.to_string(),
        Arg::Bool(b) => b.to_string(),
        Arg::Str(s) => format!("'{s}'"),
        Arg::Scalar(v) | Arg::Tensor(v) => graph.value(*v).name.clone(),
        Arg::List(items) => format!("[{}]", items.iter().map(|a| text(graph, a)).collect::<Vec<_>>().join(", ")),
        Arg::Opaque(text) => text.clone(),
    }
}
