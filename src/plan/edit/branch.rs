//! Branches that add nothing: what adds something that is zero everywhere gives its other operand.

use std::collections::HashSet;

use super::planner::Planner;
use crate::axis::{Bound, Call, Given, Propagation, Step};
use crate::model::{Graph, Node, Origin, ValueId};
use crate::plan::change::{Branch, Change};
use crate::plan::error::PlanError;
use crate::rule::{Binary, Expr, Unary};

/// The operators, described in the rules, that give their operand: the same memory, or memory of its own.
const SAME: &str = "paring.same";
const COPY: &str = "paring.copy";

impl Planner<'_> {
    /// What a node adds to an operand that is zero everywhere is that operand's partner.
    pub fn branches(&mut self) -> Result<(), PlanError> {
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
