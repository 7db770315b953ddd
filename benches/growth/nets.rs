//! Networks of any number of nodes, made in memory, and all that is done to them between reading and writing.

use paring::axis::propagate;
use paring::model::{Arg, DType, Graph, Node, Origin, Role, Source, Tensor, Value, ValueId};
use paring::plan::{Choices, apply, plan};
use paring::rule::RuleSet;
use paring::solve::{Mask, Masks, Options, solve};

/// A kind of network, as a function of its number of nodes.
pub type Kind = fn(usize) -> Net;

/// The kinds by name.
pub const KINDS: [(&str, Kind); 5] = [
    ("residual chain", residual),
    ("dense blocks", dense),
    ("attention stack", attention),
    ("one wide cat", wide),
    ("one value, many readers", readers),
];

/// A network and its masks: every other channel of each layer that is masked.
#[derive(Default)]
pub struct Net {
    graph: Graph,
    masks: Masks<'static>,
}

impl Net {
    /// Number of nodes.
    pub fn nodes(&self) -> usize {
        self.graph.nodes.len()
    }

    /// Propagates, solves, plans, applies, and propagates the result. Returns how many elements of weights went.
    pub fn shrink(&self, rules: &RuleSet) -> usize {
        self.stages(rules, &mut |_| {})
    }

    /// The same; `done` is told each stage when it is done.
    pub fn stages(&self, rules: &RuleSet, done: &mut dyn FnMut(&'static str)) -> usize {
        let graph = &self.graph;
        let axes = propagate(graph, rules, &[]).expect("the rules fit");
        done("propagate");
        let solution = solve(graph, rules, &axes, &self.masks, &Options::default(), &()).expect("the masks fit");
        done("solve");
        let plan = plan(graph, rules, &axes, &solution, Choices::default()).expect("there is a plan");
        done("plan");
        let small = apply(graph, &axes, &solution, &plan);
        done("edit");
        propagate(&small, rules, &[]).expect("the result is sound");
        done("check");
        let size = |graph: &Graph| graph.tensors.iter().map(Tensor::numel).sum::<usize>();
        size(graph) - size(&small)
    }

    fn value(&mut self, shape: Option<&[usize]>) -> ValueId {
        let id = ValueId(self.graph.values.len() as u32);
        let shape = shape.map(|s| s.iter().map(|n| (*n).into()).collect());
        self.graph.values.push(Value { name: format!("v{}", id.0), shape, dtype: DType::F32, scalar: None });
        id
    }

    fn input(&mut self, shape: &[usize]) -> ValueId {
        let id = self.value(Some(shape));
        self.graph.inputs.push(id);
        id
    }

    fn parameter(&mut self, shape: &[usize], masked: bool) -> Arg {
        let (value, k) = (self.value(Some(shape)), self.graph.tensors.len());
        let name = format!("p{k}");
        let inner: usize = shape[1..].iter().product();
        if masked {
            let keep: Vec<u8> = (0..shape[0] * inner).map(|at| u8::from((at / inner).is_multiple_of(2))).collect();
            self.masks.insert(name.clone(), Mask { shape: shape.to_vec(), keep: keep.into() });
        }
        let strides = (0..shape.len()).map(|d| shape[d + 1..].iter().product()).collect();
        let (role, dtype, shape) = (Role::Parameter, DType::F32, shape.to_vec());
        self.graph.tensors.push(Tensor {
            name,
            value,
            role,
            dtype,
            shape,
            strides,
            offset: 0,
            storage: k,
            updated: false,
            list: None,
        });
        Arg::Tensor(value)
    }

    fn call(&mut self, target: &str, args: &[(&str, Arg)], results: usize) -> Vec<ValueId> {
        let outputs: Vec<ValueId> = (0..results).map(|_| self.value(None)).collect();
        self.graph.nodes.push(Node {
            name: format!("n{}", self.graph.nodes.len()),
            target: target.to_owned(),
            args: args.iter().map(|(name, arg)| ((*name).to_owned(), arg.clone())).collect(),
            outputs: outputs.clone(),
            listed: false,
            source: Source::default(),
            graph: 0,
            origin: Origin::Listed(self.graph.nodes.len()),
        });
        outputs
    }

    fn one(&mut self, target: &str, args: &[(&str, Arg)]) -> ValueId {
        self.call(target, args, 1)[0]
    }

    fn linear(&mut self, x: ValueId, from: usize, to: usize, masked: bool) -> ValueId {
        let (weight, bias) = (self.parameter(&[to, from], masked), self.parameter(&[to], masked));
        self.one("aten.linear.default", &[("input", Arg::Tensor(x)), ("weight", weight), ("bias", bias)])
    }

    fn relu(&mut self, x: ValueId) -> ValueId {
        self.one("aten.relu.default", &[("self", Arg::Tensor(x))])
    }

    fn add(&mut self, x: ValueId, y: ValueId) -> ValueId {
        self.one("aten.add.Tensor", &[("self", Arg::Tensor(x)), ("other", Arg::Tensor(y))])
    }

    fn cat(&mut self, parts: &[ValueId]) -> ValueId {
        let parts = Arg::List(parts.iter().map(|v| Arg::Tensor(*v)).collect());
        self.one("aten.cat.default", &[("tensors", parts), ("dim", Arg::Int(-1))])
    }

    fn layout(&mut self, target: &str, x: ValueId, arg: &str, numbers: &[i64]) -> ValueId {
        let numbers = Arg::List(numbers.iter().copied().map(Arg::Int).collect());
        self.one(target, &[("self", Arg::Tensor(x)), (arg, numbers)])
    }

    fn done(mut self, output: ValueId) -> Net {
        self.graph.outputs.push(output);
        self
    }
}

/// `x + linear(relu(linear(x)))` again and again.
fn residual(nodes: usize) -> Net {
    let mut net = Net::default();
    let x = net.input(&[2, 4]);
    let mut x = net.linear(x, 4, 16, true);
    for _ in 0..nodes / 4 {
        let inner = net.linear(x, 16, 8, true);
        let inner = net.relu(inner);
        let branch = net.linear(inner, 8, 16, true);
        x = net.add(x, branch);
    }
    let out = net.linear(x, 16, 4, false);
    net.done(out)
}

/// Blocks of 32 layers, each of which reads the cat of all before it in its block.
fn dense(nodes: usize) -> Net {
    let mut net = Net::default();
    let x = net.input(&[2, 4]);
    let mut x = net.linear(x, 4, 8, true);
    for _ in 0..(nodes / 97).max(1) {
        let mut all = vec![x];
        for layer in 0..32 {
            let read = net.cat(&all);
            let made = net.linear(read, 8 + 4 * layer, 4, true);
            all.push(net.relu(made));
        }
        let read = net.cat(&all);
        x = net.linear(read, 8 + 4 * 32, 8, true);
    }
    let out = net.linear(x, 8, 4, false);
    net.done(out)
}

/// Attention with queries, keys and values from one weight.
fn attention(nodes: usize) -> Net {
    let mut net = Net::default();
    let x = net.input(&[2, 5, 4]);
    let mut x = net.linear(x, 4, 16, true);
    for _ in 0..nodes / 10 {
        let (weight, bias) = (net.parameter(&[16], false), net.parameter(&[16], false));
        let shape = Arg::List(vec![Arg::Int(16)]);
        let args = [("input", Arg::Tensor(x)), ("normalized_shape", shape), ("weight", weight), ("bias", bias)];
        let normed = net.one("aten.layer_norm.default", &args);
        let fused = net.linear(normed, 16, 48, true);
        let fused = net.layout("aten.reshape.default", fused, "shape", &[2, 5, 3, 2, 8]);
        let fused = net.layout("aten.permute.default", fused, "dims", &[2, 0, 3, 1, 4]);
        let parts = net.call("aten.unbind.int", &[("self", Arg::Tensor(fused)), ("dim", Arg::Int(0))], 3);
        let args = [("query", parts[0]), ("key", parts[1]), ("value", parts[2])].map(|(name, v)| (name, Arg::Tensor(v)));
        let mixed = net.one("aten.scaled_dot_product_attention.default", &args);
        let args = [("self", Arg::Tensor(mixed)), ("dim0", Arg::Int(1)), ("dim1", Arg::Int(2))];
        let mixed = net.one("aten.transpose.int", &args);
        let mixed = net.layout("aten.reshape.default", mixed, "shape", &[2, 5, 16]);
        let branch = net.linear(mixed, 16, 16, true);
        x = net.add(x, branch);
    }
    let out = net.linear(x, 16, 4, false);
    net.done(out)
}

/// One cat of many parts.
fn wide(nodes: usize) -> Net {
    let mut net = Net::default();
    let x = net.input(&[2, 4]);
    let count = nodes / 2;
    let mut parts = Vec::new();
    for _ in 0..count {
        let part = net.linear(x, 4, 4, true);
        parts.push(net.relu(part));
    }
    let read = net.cat(&parts);
    let out = net.linear(read, 4 * count, 4, false);
    net.done(out)
}

/// One value that many layers read.
fn readers(nodes: usize) -> Net {
    let mut net = Net::default();
    let x = net.input(&[2, 4]);
    let x = net.linear(x, 4, 8, true);
    let mut sum = net.linear(x, 8, 4, false);
    for _ in 0..nodes / 2 {
        let read = net.linear(x, 8, 4, false);
        sum = net.add(sum, read);
    }
    net.done(sum)
}
