//! Branches that add nothing: where all of an operand is zero, what adds it is left out, and so is what only made it.

use std::collections::{HashMap, HashSet};

use super::build::Planner;
use super::{Change, Edit, Keep, Plan, PlanError, apply};
use crate::axis::{Bound, Call, Given, Propagation, Step, needed, only_checks};
use crate::model::{Graph, Node, NodeId, Origin, Size, ValueId};
use crate::rule::{Binary, Expr, RuleSet, Unary};
use crate::solve::Solution;

/// The operators, described in the rules, that give their operand: the same memory, or memory of its own.
const SAME: &str = "paring.same";
const COPY: &str = "paring.copy";

/// A branch that went as a whole.
#[derive(Clone, Debug)]
pub struct Branch {
    /// The node that added it.
    pub node: NodeId,
    /// The nodes that only made what it added.
    pub nodes: Vec<NodeId>,
    /// The stored tensors that went with it.
    pub tensors: Vec<usize>,
}

impl Planner<'_> {
    /// What a node adds to an operand that is zero everywhere is that operand's partner.
    pub(super) fn branches(&mut self) -> Result<(), PlanError> {
        let (graph, p) = (self.graph, self.p);
        if graph.nodes.iter().any(|n| n.origin == Origin::Implied) {
            return Ok(()); // in conditions and loops, what a node needs is not all that it reads
        }
        let mut done = HashSet::new();
        for (node, zero) in &self.solution.absent {
            let Step::Bound(bound) = &p.steps[node.index()] else { continue };
            if done.contains(node) || self.plan.edits.iter().any(|e| e.change.node() == Some(*node)) {
                continue;
            }
            let Some((op, rest)) = instead(graph, p, bound, &self.call(*node), *zero) else { continue };
            done.insert(*node);
            let made = self.own(bound, op, &[("x", rest)], &[], bound.outputs[0].value.unwrap_or(rest))?;
            let reason = format!("{} is zero everywhere", graph.value(*zero).name);
            self.push(Change::Become { node: *node, target: made.target, args: made.args }, reason);
            self.plan.branches.push(Branch { node: *node, nodes: Vec::new(), tensors: Vec::new() });
        }
        Ok(())
    }
}

/// The operator that gives what a node does where one operand is zero, and its operand; `None` where that is another one than those
/// of the node, or a write in place would be missed.
fn instead(graph: &Graph, p: &Propagation, bound: &Bound, call: &Call, zero: ValueId) -> Option<(&'static str, ValueId)> {
    let of = |name: &str| bound.operands.iter().find(|o| o.arg == name).map(|o| o.given);
    let known = |name: &str| match of(name) {
        Some(Given::Tensor(v)) => (v == zero).then_some(0.0),
        Some(Given::Number(x)) => Some(x),
        None => call.val(name).and_then(|v| v.as_f64()),
    };
    let Term::Name(name) = term(bound.rule.facts.value.as_ref()?, &known)? else { return None };
    let Some(Given::Tensor(rest)) = of(&name) else { return None };
    let [out] = call.node.outputs[..] else { return None };
    let (a, b) = (graph.value(out), graph.value(rest));
    if a.shape.is_none() || a.shape != b.shape || a.dtype != b.dtype || call.node.graph != 0 {
        return None;
    }
    let written = p.aliases.writes(bound.node);
    if written.contains(&zero) {
        // Nobody else may look at the memory in which the result was.
        let root = p.aliases.root(zero);
        let made_here =
            graph.nodes.iter().any(|n| n.outputs.contains(&root)) && !graph.outputs.iter().any(|v| stale(p, *v, root, out));
        let later = graph.nodes[bound.node.index() + 1..].iter().flat_map(Node::reads);
        return (made_here && !later.into_iter().any(|v| stale(p, v, root, out))).then_some((COPY, rest));
    }
    let apart = written.is_empty() && (p.aliases.written(out) || p.aliases.written(rest));
    Some((if apart { COPY } else { SAME }, rest))
}

/// Whether a value shares the memory of `root` without being made from `new`.
fn stale(p: &Propagation, mut value: ValueId, root: ValueId, new: ValueId) -> bool {
    if p.aliases.root(value) != root {
        return false;
    }
    while value != new {
        match p.aliases.parent(value) {
            Some((parent, _)) => value = parent,
            None => return true,
        }
    }
    false
}

/// A formula of sums and products where some names are numbers.
enum Term {
    Number(f64),
    Name(String),
}

/// What is left of a formula; `None` if that is more than a number or a name.
fn term(e: &Expr, known: &dyn Fn(&str) -> Option<f64>) -> Option<Term> {
    Some(match e {
        Expr::Int(n) => Term::Number(*n as f64),
        Expr::Float(x) => Term::Number(*x),
        Expr::Name(name) => known(name).map_or_else(|| Term::Name(name.clone()), Term::Number),
        Expr::Unary(Unary::Neg, e) => match term(e, known)? {
            Term::Number(x) => Term::Number(-x),
            Term::Name(_) => return None,
        },
        Expr::Binary(Binary::Mul, a, b) => match (term(a, known), term(b, known)) {
            (Some(Term::Number(x)), _) | (_, Some(Term::Number(x))) if x == 0.0 => Term::Number(0.0),
            (Some(Term::Number(x)), Some(other)) | (Some(other), Some(Term::Number(x))) if x == 1.0 => other,
            (Some(Term::Number(x)), Some(Term::Number(y))) => Term::Number(x * y),
            _ => return None,
        },
        Expr::Binary(op @ (Binary::Add | Binary::Sub), a, b) => match (term(a, known)?, term(b, known)?) {
            (Term::Number(x), Term::Number(y)) => Term::Number(if *op == Binary::Add { x + y } else { x - y }),
            (a, Term::Number(0.0)) => a,
            (Term::Number(0.0), b) if *op == Binary::Add => b,
            _ => return None,
        },
        _ => return None,
    })
}

/// Leaves out of a plan what only made the branches that it dropped: nodes, and stored tensors, of which nothing stays.
pub(super) fn prune(graph: &Graph, rules: &RuleSet, p: &Propagation, solution: &Solution, plan: &mut Plan) {
    if plan.branches.is_empty() {
        return;
    }
    let before = needed(graph, rules, |_| false);
    let small = apply(graph, p, solution, plan);
    let at: HashMap<(usize, usize), usize> =
        graph.nodes.iter().enumerate().filter_map(|(k, n)| Some(((n.graph, place(n)?), k))).collect();
    let of = |n: &Node| place(n).and_then(|place| at.get(&(n.graph, place)).copied());
    let checks: Vec<bool> = graph.nodes.iter().map(|n| only_checks(n, rules)).collect();
    // What nothing used before goes on being there.
    let after =
        needed(&small, rules, |k| of(&small.nodes[k]).is_none_or(|k| !(before[k] || checks[k]) || graph.nodes[k].graph != 0));
    let (mut lost, mut stays) = (vec![false; graph.nodes.len()], vec![false; graph.nodes.len()]);
    for (n, needed) in small.nodes.iter().zip(&after) {
        if let Some(k) = of(n) {
            *(if *needed { &mut stays[k] } else { &mut lost[k] }) = true;
        }
    }
    let mut gone: Vec<bool> = (0..lost.len()).map(|k| lost[k] && !stays[k] && !checks[k]).collect();
    // What the plan drops anyway is part of a branch if all that reads it is.
    let mut readers: HashMap<ValueId, Vec<usize>> = HashMap::new();
    graph.nodes.iter().enumerate().for_each(|(k, n)| n.reads().into_iter().for_each(|v| readers.entry(v).or_default().push(k)));
    let readers = |v: &ValueId| readers.get(v).map_or(&[][..], Vec::as_slice);
    for k in (0..gone.len()).rev().filter(|k| !lost[*k] && !stays[*k] && before[*k]) {
        gone[k] = graph.nodes[k].outputs.iter().all(|v| readers(v).iter().all(|n| gone[*n]));
    }
    // And so is an assertion about what is no longer there, or of a module that computes nothing any more.
    let of_nodes = |gone: bool, all: &[bool]| -> HashSet<&str> {
        let list = graph.nodes.iter().zip(all).enumerate().filter(|(k, (_, g))| **g == gone && !checks[*k]);
        list.map(|(_, (n, _))| n.source.module.as_str()).collect()
    };
    let (left, went) = (of_nodes(false, &gone), of_nodes(true, &gone));
    let made: HashSet<ValueId> =
        graph.nodes.iter().zip(&gone).filter(|(_, gone)| **gone).flat_map(|(n, _)| n.outputs.clone()).collect();
    for k in (0..gone.len()).filter(|k| checks[*k]) {
        let module = graph.nodes[k].source.module.as_str();
        gone[k] = went.contains(module) && !left.contains(module) || graph.nodes[k].reads().iter().any(|v| made.contains(v));
    }
    let left = small.nodes.iter().filter(|n| of(n).is_none_or(|k| !gone[k]));
    let read: HashSet<ValueId> = left.flat_map(Node::reads).chain(small.outputs.iter().copied()).collect();
    let first = graph.first_names();
    let kept: HashSet<usize> =
        graph.tensors.iter().enumerate().filter(|(_, t)| read.contains(&t.value) || t.updated).map(|(k, _)| first[k]).collect();
    let adds = |plan: &Plan, node: usize| plan.branches.iter().position(|b| b.node.index() > node);
    for node in graph.node_ids().filter(|n| gone[n.index()]) {
        if let Some(branch) = adds(plan, node.index()) {
            plan.branches[branch].nodes.push(node);
        }
    }
    for (k, t) in graph.tensors.iter().enumerate().filter(|(k, t)| !kept.contains(&first[*k]) && !t.shape.is_empty()) {
        let reader = readers(&t.value).iter().copied().find(|n| gone[*n]);
        if let Some(branch) = reader.and_then(|node| adds(plan, node)) {
            plan.branches[branch].tensors.push(k);
        }
    }
    let tensors: HashSet<usize> = plan.branches.iter().flat_map(|b| &b.tensors).copied().collect();
    plan.edits.retain(|e| match &e.change {
        Change::Slice { tensor, dim, .. } => !(tensors.contains(tensor) && *dim == 0),
        Change::Fold { tensor, .. } => !tensors.contains(tensor),
        Change::Rescale { tensor, of } => !tensors.contains(tensor) && !tensors.contains(of),
        change => change.node().is_none_or(|n| !gone[n.index()]),
    });
    let mut edit = |change, reason: &str| plan.edits.push(Edit { change, reason: reason.to_owned() });
    for node in graph.node_ids().filter(|n| gone[n.index()]) {
        edit(Change::Drop { node }, "it only made what is zero everywhere");
    }
    for k in plan.branches.iter().flat_map(|b| &b.tensors).copied() {
        let t = &graph.tensors[k];
        edit(Change::Slice { tensor: k, dim: 0, keep: Keep::Same(Vec::new()) }, "it only made what is zero everywhere");
        let sizes = small.value(t.value).shape.iter().flatten().enumerate();
        let sizes = sizes.map(|(d, n)| if d == 0 { Size::int(0) } else { n.clone() }).collect();
        edit(Change::Resize { value: t.value, sizes }, "it only made what is zero everywhere");
    }
}

/// The place in the file of a node, or of the one that it stands for.
fn place(node: &Node) -> Option<usize> {
    match node.origin {
        Origin::Listed(at) => Some(at),
        Origin::New(at) => at,
        Origin::Implied => None,
    }
}
