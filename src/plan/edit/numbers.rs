//! Numbers that a program computes from sizes, when those change: they follow where they are meant as sizes, and stay what
//! they were everywhere else.

use std::collections::HashSet;

use crate::axis::{Propagation, held, numbers};
use crate::model::{Arg, Content, Graph, NodeId, Size, ValueId};
use crate::plan::change::{Change, Edit, Plan};
use crate::rule::RuleSet;
use crate::solve::Solution;
use rustc_hash::FxHashMap;

/// What becomes of computed numbers.
#[derive(Default)]
pub struct Numbers {
    /// Before and after, by value, of those that change.
    changed: Vec<Option<(Size, Size)>>,
    /// What small tensors hold after the cut, of those that hold something else then.
    held: FxHashMap<ValueId, Content>,
    /// Arguments whose every item was compared with what it must become.
    settled: HashSet<(NodeId, String)>,
}

impl Numbers {
    /// Computes the numbers of a program before and after the cut.
    pub fn new(graph: &Graph, rules: &RuleSet, p: &Propagation, solution: &Solution) -> Numbers {
        if graph.contents.is_empty() && graph.nodes.iter().all(|n| n.outputs.iter().all(|v| graph.value(*v).scalar.is_none())) {
            return Numbers::default();
        }
        let mut shapes = p.shapes.clone();
        for (v, shape) in shapes.iter_mut().enumerate() {
            let (Some(shape), Some(dims)) = (shape, &p.dims[v]) else { continue };
            for (size, id) in shape.iter_mut().zip(dims) {
                if let Some(n) = solution.size(p, *id) {
                    *size = Size::from(n);
                }
            }
        }
        let (before, after) = (numbers(graph, rules, &p.shapes), numbers(graph, rules, &shapes));
        let pairs = before.into_iter().zip(after).map(|(b, a)| b.zip(a).filter(|(b, a)| a != b));
        Numbers { changed: pairs.collect(), held: held(graph, rules, &shapes), settled: HashSet::new() }
    }

    /// The number that a value has after the cut, if it is another one.
    pub fn after(&self, v: ValueId) -> Option<&Size> {
        self.changed.get(v.index())?.as_ref().map(|(_, after)| after)
    }

    /// What a tensor holds after the cut, if it is something else.
    pub fn held(&self, v: ValueId) -> Option<&Content> {
        self.held.get(&v)
    }

    /// What small tensors hold that is left to change; `None` where it is not known any more.
    pub fn contents(&self) -> impl Iterator<Item = (ValueId, Option<Content>)> {
        self.held.iter().map(|(v, c)| (*v, (!is_open(c)).then(|| c.clone())))
    }

    /// An argument was compared with what it must become, and changed where it must.
    pub fn settle(&mut self, node: NodeId, arg: &str) {
        if self.changed.iter().any(Option::is_some) || !self.held.is_empty() {
            self.settled.insert((node, arg.to_owned()));
        }
    }

    /// The numbers that a plan leaves to change.
    pub fn values(&self) -> impl Iterator<Item = (ValueId, Size)> {
        let known = self.changed.iter().enumerate().filter_map(|(v, pair)| Some((v, pair.as_ref()?)));
        known.map(|(v, (_, after))| (ValueId(v as u32), after.clone()))
    }

    /// Writes the old number wherever one that changes is no size that changes along.
    pub fn freeze(&self, graph: &Graph, rules: &RuleSet, plan: &mut Plan) {
        if self.changed.iter().all(Option::is_none) && self.held.is_empty() {
            return;
        }
        for edit in &mut plan.edits {
            match &mut edit.change {
                Change::Set { node, arg, to } if !self.settled.contains(&(*node, arg.clone())) => self.old(graph, to),
                Change::Become { args, .. } => args.iter_mut().for_each(|(_, a)| self.old(graph, a)),
                Change::Insert { nodes, .. } => nodes.iter_mut().flat_map(|n| &mut n.args).for_each(|(_, a)| self.old(graph, a)),
                _ => {}
            }
        }
        let stated: HashSet<(NodeId, String)> = plan.edits.iter().filter_map(stated).collect();
        for id in graph.node_ids() {
            let node = graph.node(id);
            let known = |v: &ValueId| graph.contents.contains_key(v) && !self.held.get(v).is_some_and(is_open);
            let anew = !node.outputs.is_empty() && node.outputs.iter().all(known);
            if anew || rules.for_target(&node.target).iter().any(|r| r.number.is_some()) {
                continue; // it is computed anew
            }
            for (arg, given) in &node.args {
                let key = (id, arg.clone());
                let mut to = given.clone();
                self.old(graph, &mut to);
                if to != *given && !self.settled.contains(&key) && !stated.contains(&key) {
                    let change = Change::Set { node: id, arg: arg.clone(), to };
                    let reason = "it was computed from a size that changed, and must stay what it was".to_owned();
                    plan.edits.push(Edit { change, reason });
                }
            }
        }
    }

    /// Puts old numbers in the place of those that change.
    fn old(&self, graph: &Graph, arg: &mut Arg) {
        match arg {
            Arg::Scalar(v) => {
                if let Some(Some((before, _))) = self.changed.get(v.index())
                    && let Some(n) = before.as_int()
                {
                    *arg = Arg::Int(n);
                }
            }
            Arg::Tensor(v) if self.held.contains_key(v) => {
                if let Some(was) = graph.contents.get(v).and_then(|c| literal(c, graph.shape(*v).is_empty())) {
                    *arg = was;
                }
            }
            Arg::List(items) => items.iter_mut().for_each(|a| self.old(graph, a)),
            _ => {}
        }
    }
}

fn stated(edit: &Edit) -> Option<(NodeId, String)> {
    match &edit.change {
        Change::Set { node, arg, .. } => Some((*node, arg.clone())),
        _ => None,
    }
}

/// What a tensor holds, written out: a number, or a list of numbers.
fn literal(content: &Content, alone: bool) -> Option<Arg> {
    let mut items: Vec<Arg> = match content {
        Content::Sizes(list) => list.iter().map(|s| s.as_int().map(Arg::Int)).collect::<Option<_>>()?,
        Content::Numbers(list) => list.iter().copied().map(Arg::Float).collect(),
    };
    if alone { items.pop() } else { Some(Arg::List(items)) }
}

/// Whether it is not known what a tensor holds after the cut.
fn is_open(content: &Content) -> bool {
    matches!(content, Content::Numbers(list) if list.iter().any(|x| x.is_nan()))
}
