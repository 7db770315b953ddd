//! A call of one operator on small tensors.

use super::backend::Backend;
use crate::axis::{Bound, PropagateError, Propagation, Step, propagate};
use crate::model::{Arg, DType, Graph, Node, NodeId, Origin, Role, Size, Source, Tensor, Value, ValueId};
use crate::rule::{Body, Rule, RuleSet, Schema};
use std::rc::Rc;
use std::sync::Arc;

/// The numbers that a tensor may hold, where not all are allowed.
#[derive(Clone, Debug)]
pub(super) enum Ints {
    /// From 0 on, below this.
    Below(i64),
    /// These, along the last dimension.
    List(Vec<i64>),
    /// This number with a fraction.
    All(f64),
}

/// A program of one node; all its tensors may lose positions.
#[derive(Clone, Debug)]
pub(super) struct Example {
    pub graph: Graph,
    /// By tensor, of those that hold integers.
    pub ints: Vec<Option<Ints>>,
    /// How many nodes after that of the operator read its results.
    pub readers: usize,
    /// What runs it.
    pub by: Rc<dyn Backend>,
}

/// Whether a rule describes an example.
pub(super) enum Fit {
    /// It does.
    Yes(Box<Propagation>),
    /// It may: only the recorded sizes of results can tell.
    Unsized,
    /// It does not.
    No(String),
    /// It does, wrongly: it derives other sizes than those recorded.
    Wrong(String),
}

impl Example {
    /// An empty program.
    pub fn new(by: &Rc<dyn Backend>) -> Example {
        Example { graph: Graph::default(), ints: Vec::new(), readers: 0, by: by.clone() }
    }

    /// The node that calls the operator: the last but for those that read its results.
    pub fn node(&self) -> NodeId {
        NodeId(self.graph.nodes.len().saturating_sub(1 + self.readers) as u32)
    }

    /// Adds a tensor.
    pub fn tensor(&mut self, name: &str, shape: &[usize]) -> ValueId {
        let sizes = shape.iter().map(|n| Size::from(*n)).collect();
        let id = value(&mut self.graph, name, Some(sizes));
        let (shape, strides, storage) = (shape.to_vec(), vec![0; shape.len()], self.graph.tensors.len());
        self.graph.tensors.push(Tensor {
            name: name.to_owned(),
            value: id,
            role: Role::Buffer,
            dtype: DType::F64,
            shape,
            strides,
            offset: 0,
            storage,
            updated: false,
            list: None,
        });
        self.ints.push(None);
        id
    }

    /// Says that these tensors hold whole numbers, until types are tried.
    pub fn set_whole(&mut self, names: &[String]) {
        for t in self.graph.tensors.iter_mut().filter(|t| names.contains(&t.name)) {
            t.dtype = DType::I64;
            self.graph.values[t.value.index()].dtype = DType::I64;
        }
    }

    /// The same with tensors of these types.
    pub fn with(&self, types: &[(DType, Option<Ints>)]) -> Example {
        let mut example = self.clone();
        for (k, (dtype, ints)) in types.iter().enumerate() {
            let value = example.graph.tensors[k].value;
            example.graph.tensors[k].dtype = *dtype;
            example.graph.values[value.index()].dtype = *dtype;
            example.ints[k] = ints.clone();
        }
        example
    }

    /// Adds a value that a node computes.
    pub fn value(&mut self, name: &str) -> ValueId {
        value(&mut self.graph, name, None)
    }

    /// Adds the node.
    pub fn call(&mut self, target: &str, args: Vec<(String, Arg)>) {
        self.graph.nodes.push(Node {
            name: "node".into(),
            target: target.to_owned(),
            args,
            outputs: Vec::new(),
            listed: false,
            source: Source::default(),
            graph: 0,
            origin: Origin::New(None),
        });
    }

    /// Gives the node as many results as its operator has. Of a list, the rule tells how many there are.
    pub fn results(&mut self, rules: &RuleSet, rule: &Rule, schema: Option<&Schema>) {
        let node = self.node();
        let at = node.index();
        self.graph.nodes[at].outputs.clear();
        let kinds: Vec<bool> = match schema {
            Some(s) if s.gives_list() => {
                self.graph.nodes[at].listed = true;
                let parts = propagate(&self.graph, rules, &[]).ok().and_then(|p| Some(p.bound_at(node)?.outputs.len()));
                vec![true; parts.unwrap_or(1)]
            }
            // Of results that may be left out, those that the rule describes.
            Some(s) if self.by.is_typed() => vec![true; described(rule).unwrap_or(1).min(s.returns.len())],
            Some(s) => s.returns.iter().map(|r| r.ty.starts_with("Tensor")).collect(),
            None => vec![true; described(rule).unwrap_or(1)],
        };
        for (k, tensor) in kinds.into_iter().enumerate() {
            let id = value(&mut self.graph, &format!("out{k}"), None);
            if !tensor {
                self.graph.values[id.index()].scalar = Some(Size::symbol("number", None));
            }
            self.graph.nodes[at].outputs.push(id);
        }
    }

    /// Makes the program read those results of which rules for the operator ask whether it does; `all` of them, or only where
    /// this rule is for no others.
    pub fn read(&mut self, rules: &RuleSet, rule: &Rule, all: bool) {
        let node = self.graph.node(self.node());
        let (target, outputs) = (node.target.clone(), node.outputs.clone());
        for (k, v) in outputs.into_iter().enumerate() {
            let others = || rules.for_target(&target).iter().any(|r| r.asks_for(k));
            if rule.leaves_out(k) || !(if rule.asks_for(k) { all } else { others() }) {
                continue;
            }
            let (copy, args) = self.by.copy(v);
            self.call(&copy, args);
            let read = value(&mut self.graph, &format!("read{k}"), None);
            self.graph.nodes.last_mut().into_iter().for_each(|n| n.outputs.push(read));
            self.readers += 1;
        }
    }

    /// The results that are tensors.
    pub fn outputs(&self) -> Vec<ValueId> {
        let node = self.graph.node(self.node());
        node.outputs.iter().copied().filter(|v| self.graph.value(*v).scalar.is_none()).collect()
    }

    /// Fits the rule.
    pub fn fit(&self, rules: &RuleSet, rule: &Arc<Rule>) -> Fit {
        let p = match propagate(&self.graph, rules, &[]) {
            Ok(p) => p,
            Err(PropagateError::Unsized { why, .. }) if why.contains("fewer results") || why.contains("cannot be derived") => {
                return Fit::Unsized;
            }
            Err(PropagateError::Unsized { why, .. }) => return Fit::No(why),
            Err(e @ (PropagateError::Derived(_) | PropagateError::Sizes { .. })) => return Fit::Wrong(e.to_string()),
            Err(e) => return Fit::No(e.to_string()),
        };
        match p.steps.get(self.node().index()) {
            Some(Step::Bound(bound)) if is(&bound.rule, rule) => Fit::Yes(Box::new(p)),
            Some(Step::Bound(bound)) => Fit::No(format!("{} describes it", bound.rule.place)),
            Some(Step::Unknown(why)) => Fit::No(why.clone()),
            _ => Fit::No("it has no tensors".into()),
        }
    }

    /// The rule as applied.
    pub fn bound<'p>(&self, p: &'p Propagation) -> Option<&'p Bound> {
        p.bound_at(self.node())
    }

    /// As a test of the rule would have it: `{ self: [2, 3], dim: 1 }`.
    pub fn text(&self) -> String {
        let args = &self.graph.node(self.node()).args;
        let list: Vec<String> = args.iter().map(|(name, arg)| format!("{name}: {}", self.arg(arg))).collect();
        format!("{{ {} }}", list.join(", "))
    }

    /// The arguments that are no tensors, as text.
    pub fn beside(&self) -> String {
        let args = self.graph.node(self.node()).args.iter().filter(|(_, a)| a.tensors().is_empty());
        args.map(|(name, arg)| format!("{name}: {} ", self.arg(arg))).collect()
    }

    /// The truth values among the arguments, with their names.
    pub fn flags(&self) -> Vec<(String, bool)> {
        let flag = |(name, arg): &(String, Arg)| if let Arg::Bool(b) = arg { Some((name.clone(), *b)) } else { None };
        self.graph.node(self.node()).args.iter().filter_map(flag).collect()
    }

    fn arg(&self, arg: &Arg) -> String {
        match arg {
            Arg::None => "none".into(),
            Arg::Int(n) => n.to_string(),
            Arg::Float(x) => format!("{x:?}"),
            Arg::Bool(b) => b.to_string(),
            Arg::Str(s) => format!("\"'{s}'\""),
            Arg::Tensor(v) | Arg::Scalar(v) => {
                let sizes: Vec<String> = self.graph.shape(*v).iter().map(ToString::to_string).collect();
                format!("[{}]", sizes.join(", "))
            }
            Arg::List(items) => {
                format!("[{}]", items.iter().map(|a| self.arg(a)).collect::<Vec<_>>().join(", "))
            }
            Arg::Opaque(json) => json.clone(),
        }
    }
}

/// The same entry of the same file.
pub(super) fn is(a: &Rule, b: &Rule) -> bool {
    a.place.span == b.place.span && a.place.source.name() == b.place.source.name()
}

/// How many results a rule describes; `None` where the arguments tell.
fn described(rule: &Rule) -> Option<usize> {
    match &rule.body {
        Body::Patterns(patterns) => patterns.iter().map(|p| p.outputs.len()).max(),
        Body::Layout(_) => None,
    }
}

fn value(graph: &mut Graph, name: &str, shape: Option<Vec<Size>>) -> ValueId {
    graph.values.push(Value { name: name.to_owned(), shape, dtype: DType::F64, scalar: None });
    ValueId(graph.values.len() as u32 - 1)
}
