//! From what stays to edits.

use std::collections::HashMap;

use super::composite::Views;
use super::numbers::Numbers;
use super::repair::{Builder, GHOST};
use super::want::{Outcome, Sizes, mentions, outcome, value};
use super::{Change, Edit, Elements, Keep, NewConstant, NewNode, NewValue, Plan, PlanError};
use crate::axis::{Bound, Call, DimExpr, Given, Joint, LetterId, Propagation, Split, Step, Want};
use crate::model::{Arg, Graph, NodeId, Size, ValueId};
use crate::rule::{RuleSet, Val, eval};
use crate::solve::{Ghost, Solution};

/// What becomes of means and norms over axes that lose positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Statistics {
    /// They are repaired so that they compute what they did.
    #[default]
    Exact,
    /// The operator is left as it is, over fewer positions.
    Approximate,
}

/// What there is to choose in a plan.
#[derive(Clone, Copy, Debug, Default)]
pub struct Choices {
    /// What becomes of means and norms.
    pub statistics: Statistics,
    /// Branches that add nothing stay, as small as they get.
    pub keep_branches: bool,
}

/// The operator, described in the rules, that picks listed positions of one dimension.
const GATHER: &str = "paring.gather";

/// Makes the plan.
///
/// # Errors
/// Where an argument would have to change that is computed from symbolic sizes, or a rule cannot be worked out.
pub fn plan(graph: &Graph, rules: &RuleSet, p: &Propagation, solution: &Solution, choices: Choices) -> Result<Plan, PlanError> {
    let numbers = Numbers::new(graph, rules, p, solution);
    let mut planner = Planner { graph, rules, p, solution, plan: Plan::default(), statistics: choices.statistics, numbers };
    planner.slices();
    for step in &p.steps {
        if let Step::Bound(bound) = step {
            planner.node(bound)?;
        }
    }
    for joint in &p.joint {
        planner.composite(joint)?;
    }
    planner.folds()?;
    if !choices.keep_branches {
        planner.branches()?;
    }
    let Planner { mut plan, numbers, .. } = planner;
    numbers.freeze(graph, rules, &mut plan);
    plan.numbers = numbers.values().collect();
    super::branch::prune(graph, rules, p, solution, &mut plan);
    Ok(plan)
}

/// A plan in the making.
pub(super) struct Planner<'a> {
    pub(super) graph: &'a Graph,
    rules: &'a RuleSet,
    pub(super) p: &'a Propagation,
    pub(super) solution: &'a Solution<'a>,
    pub(super) plan: Plan,
    statistics: Statistics,
    numbers: Numbers,
}

impl<'a> Planner<'a> {
    pub(super) fn push(&mut self, change: Change, reason: impl Into<String>) {
        self.plan.edits.push(Edit { change, reason: reason.into() });
    }

    fn slices(&mut self) {
        for (k, t) in self.graph.tensors.iter().enumerate() {
            for d in 0..t.shape.len() {
                let Some(kept) = self.solution.dim(self.p, t.value, d) else { continue };
                let list = |from: usize| (from..from + t.shape[d]).filter(|at| kept[*at]).map(|at| (at - from) as u32).collect();
                let keep = match self.solution.ragged(self.p, t.value, d) {
                    None => Keep::Same(list(0)),
                    Some(link) => Keep::By { link, lists: (0..link.outer).map(|a| list(a * t.shape[d])).collect() },
                };
                let each = if matches!(keep, Keep::By { .. }) { " in each outer position" } else { "" };
                let reason = format!("{} of {} positions of dimension {d} stay{each}", keep.len(), t.shape[d]);
                self.push(Change::Slice { tensor: k, dim: d, keep }, reason);
            }
        }
    }

    pub(super) fn call(&self, node: NodeId) -> Call<'a> {
        let node = self.graph.node(node);
        Call { graph: self.graph, node, schema: self.rules.schemas().get(&node.target), shapes: &self.p.shapes }
    }

    pub(super) fn wrong(&self, bound: &Bound, why: String) -> PlanError {
        PlanError::Rule { place: bound.rule.place.to_string(), node: self.graph.node(bound.node).name.clone(), why }
    }

    fn node(&mut self, bound: &Bound) -> Result<(), PlanError> {
        let sizes = Sizes { p: self.p, solution: self.solution };
        let all = 0..bound.letters.len() as LetterId;
        if !sizes.changes(bound, all) {
            return Ok(());
        }
        let call = self.call(bound.node);
        let new = |l: LetterId| sizes.new_size(bound, l);
        let kept = |l: LetterId| self.solution.kept(self.p, bound.ids[l as usize]).map(|k| k.to_vec());
        for edit in &bound.edits {
            let found = outcome(bound, &call, edit, &self.numbers, &new, &kept).map_err(|e| self.wrong(bound, e))?;
            if matches!(edit.want, Want::Sizes(_) | Want::Size(_)) {
                self.numbers.settle(bound.node, &edit.arg);
            }
            match found {
                Outcome::Leave => {}
                Outcome::Set(list) => {
                    for (arg, to) in list {
                        if call.node.arg(&arg) != Some(&to) {
                            self.push(Change::Set { node: bound.node, arg, to }, "the sizes that it states changed");
                        }
                    }
                }
                Outcome::Parts(parts) => self.parts(bound, &call, parts, &new)?,
                Outcome::Gather(dim, places) => {
                    let (Some(Given::Tensor(x)), Some(out)) =
                        (bound.operands.first().map(|o| o.given), call.node.outputs.first())
                    else {
                        continue;
                    };
                    let nodes = self.gather(bound, x, *out, &[(dim, places)])?;
                    self.push(
                        Change::Insert { node: bound.node, original: None, nodes },
                        "the positions that stay do not follow each other evenly any more",
                    );
                }
                Outcome::Symbolic => {
                    let node = call.node;
                    return Err(PlanError::Symbolic { node: node.name.clone(), op: node.target.clone(), arg: edit.arg.clone() });
                }
            }
        }
        self.rescale(bound);
        self.defaults(bound, &call, &sizes)?;
        self.statistic(bound, &call, &sizes)
    }

    /// What the operator would work out from the sizes itself is written out as it was.
    fn defaults(&mut self, bound: &Bound, call: &Call, sizes: &Sizes) -> Result<(), PlanError> {
        for (arg, formula) in &bound.rule.default {
            let missing = matches!(call.node.arg(arg), None | Some(Arg::None));
            if !missing || !mentions(formula, bound, &|l| sizes.new_size(bound, l) != bound.size(l)) {
                continue;
            }
            let old = |l: LetterId| bound.size(l);
            let was =
                eval(formula, &super::want::Formula { bound, call, size: &old }).map_err(|e| self.wrong(bound, e.to_string()))?;
            let to = value(&was).ok_or_else(|| self.wrong(bound, format!("the default of `{arg}` is symbolic")))?;
            self.push(Change::Set { node: bound.node, arg: arg.clone(), to }, "its default depends on a size that changed");
        }
        Ok(())
    }

    fn statistic(&mut self, bound: &Bound, call: &Call, sizes: &Sizes) -> Result<(), PlanError> {
        let Some(statistic) = &bound.rule.statistic else { return Ok(()) };
        let ghost = self.solution.uniform.ghost(bound.node);
        let statements = if ghost.is_some() { &statistic.uniform } else { &statistic.repair };
        if !sizes.changes(bound, bound.over.iter().copied()) || statements.is_empty() {
            return Ok(());
        }
        if self.statistics == Statistics::Approximate && !statistic.repair.is_empty() {
            self.plan.approximate.push(bound.node);
            return Ok(());
        }
        let new = |l: LetterId| sizes.new_size(bound, l);
        let product = |f: &dyn Fn(LetterId) -> Size| bound.over.iter().fold(Size::int(1), |n, l| n.mul(&f(*l)));
        let (total, kept) = (product(&|l| bound.size(l)), product(&new));
        let removed = total.add(&kept.scale(-1));
        let extra = [("kept", kept.clone()), ("total", total.clone()), ("removed", removed)];
        let mut extra: HashMap<String, Val> = extra.into_iter().map(|(n, s)| (n.to_owned(), Val::Size(s))).collect();
        let Some(out) = call.node.outputs.first().copied() else { return Ok(()) };
        let (mut results, mut before) = (HashMap::new(), Vec::new());
        if let Some(Ghost { value, dim, letter }) = ghost {
            let lost = bound.size(letter).add(&new(letter).scale(-1));
            extra.insert("lost".to_owned(), Val::Size(lost));
            let (one, nodes) = self.ghost(bound, value, dim)?;
            results.insert(GHOST.to_owned(), one);
            before = nodes;
        }
        let mut builder = Builder { bound, call, new: &new, extra, results };
        let graph = self.graph;
        let made = builder.nodes(statements, out, &mut self.plan, &mut |plan, v| add(graph, plan, v));
        let (original, nodes) = made.map_err(|e| self.wrong(bound, e))?;
        let others = if ghost.is_some() { "equal" } else { "zero" };
        before.extend(nodes);
        self.push(
            Change::Insert { node: bound.node, original, nodes: before },
            format!("it averages over {kept} of {total} positions, the others being {others}"),
        );
        Ok(())
    }

    fn parts(&mut self, bound: &Bound, call: &Call, parts: Vec<i64>, new: &dyn Fn(LetterId) -> Size) -> Result<(), PlanError> {
        let Some(statement) = &bound.rule.becomes else {
            return Err(self.wrong(bound, format!("no argument can state parts of {parts:?}, and the rule has no `becomes`")));
        };
        let list = Val::List(parts.iter().map(|n| Val::Size(Size::int(*n))).collect());
        let builder = Builder { bound, call, new, extra: HashMap::from([("parts".to_owned(), list)]), results: HashMap::new() };
        let args = self.arguments(&builder, statement)?;
        let change = Change::Become { node: bound.node, target: statement.op.clone(), args };
        self.push(change, format!("the parts have unequal sizes now: {parts:?}"));
        Ok(())
    }

    fn arguments(&self, builder: &Builder, statement: &crate::rule::Statement) -> Result<Vec<(String, Arg)>, PlanError> {
        let of = |(name, e): &(String, crate::rule::Expr)| {
            Ok((name.clone(), builder.arg(e).map_err(|why| self.wrong(builder.bound, why))?))
        };
        let args: Vec<(String, Arg)> = statement.args.iter().map(of).collect::<Result<_, PlanError>>()?;
        Ok(args.into_iter().filter(|(_, a)| *a != Arg::None).collect())
    }

    /// A node that calls one of Paring's own operators, which the rules spell out.
    pub(super) fn own(
        &self,
        bound: &Bound,
        op: &str,
        tensors: &[(&str, ValueId)],
        names: &[(&str, Val)],
        output: ValueId,
    ) -> Result<NewNode, PlanError> {
        let rule = self.rules.for_target(op).first().cloned();
        let statement =
            rule.and_then(|r| r.becomes.clone()).ok_or_else(|| self.wrong(bound, format!("there is no rule for {op}")))?;
        let call = self.call(bound.node);
        let results = tensors.iter().map(|(n, v)| ((*n).to_owned(), *v)).collect();
        let extra = names.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect();
        let new = |l: LetterId| bound.size(l);
        let args = self.arguments(&Builder { bound, call: &call, new: &new, extra, results }, &statement)?;
        Ok(NewNode { target: statement.op.clone(), args, output })
    }

    pub(super) fn value(&mut self, name: String, like: ValueId) -> ValueId {
        add(self.graph, &mut self.plan, NewValue { name, like })
    }

    /// Nodes that pick listed positions of some dimensions of `x`, one after another.
    fn gather(
        &mut self,
        bound: &Bound,
        x: ValueId,
        out: ValueId,
        picks: &[(usize, Vec<i64>)],
    ) -> Result<Vec<NewNode>, PlanError> {
        if picks.is_empty() {
            return Ok(vec![self.own(bound, "paring.same", &[("x", x)], &[], out)?]);
        }
        let (mut from, mut nodes) = (x, Vec::new());
        for (k, (dim, places)) in picks.iter().enumerate() {
            let name = format!("paring_index_{}", self.plan.constants.len());
            let index = self.value(format!("c_{name}"), x);
            self.plan.constants.push(NewConstant {
                name,
                value: index,
                shape: vec![places.len()],
                data: Elements::Positions(places.clone()),
            });
            let output =
                if k + 1 == picks.len() { out } else { self.value(format!("{}_picked", self.graph.value(out).name), out) };
            let names = [("dim", Val::Size(Size::from(*dim)))];
            nodes.push(self.own(bound, GATHER, &[("x", from), ("index", index)], &names, output)?);
            from = output;
        }
        Ok(nodes)
    }

    fn composite(&mut self, joint: &Joint) -> Result<(), PlanError> {
        let composite = &joint.composite;
        let dims = self.p.dims[composite.from.index()].as_deref().unwrap_or(&[]);
        if dims.iter().all(|id| self.solution.kept(self.p, *id).is_none()) {
            return Ok(());
        }
        let views = Views { graph: self.graph, rules: self.rules, p: self.p, solution: self.solution, numbers: &self.numbers };
        if let Some(edits) = views.edits(joint) {
            for id in &composite.nodes {
                if let Step::Part(_, own) = &self.p.steps[id.index()] {
                    let sizes = own.edits.iter().filter(|e| matches!(e.want, Want::Sizes(_) | Want::Size(_)));
                    sizes.for_each(|e| self.numbers.settle(*id, &e.arg));
                }
            }
            self.plan.edits.extend(edits);
            return Ok(());
        }
        let (reason, new) = match &composite.split {
            None => ("what stays does not fit these views; one gather does the same", self.gathered(joint)?),
            Some(split) => ("the parts have unequal sizes now; each is sliced off instead", self.sliced(joint, split)?),
        };
        for id in composite.nodes.iter().filter(|n| !new.iter().any(|(at, _)| at == *n)) {
            self.push(Change::Drop { node: *id }, reason);
        }
        for (node, nodes) in new {
            self.push(Change::Insert { node, original: None, nodes }, reason);
        }
        Ok(())
    }

    fn gathered(&mut self, joint: &Joint) -> Result<Vec<(NodeId, Vec<NewNode>)>, PlanError> {
        let (whole, composite) = (&joint.whole, &joint.composite);
        let dims = self.p.dims[composite.from.index()].as_deref().unwrap_or(&[]);
        let mut picks = Vec::new();
        for (k, d) in whole.outputs[0].dims.iter().enumerate() {
            let DimExpr::Pick(from, map) = d else { continue };
            let before = self.solution.kept(self.p, dims[*from as usize]);
            let all = vec![true; map.len()];
            let places = crate::solve::ranks(before.as_deref().unwrap_or(&all), map);
            picks.push((k, places.into_iter().map(i64::from).collect::<Vec<_>>()));
        }
        let last = composite.nodes.last().copied().unwrap_or(whole.node);
        Ok(vec![(last, self.gather(whole, composite.from, composite.results[0], &picks)?)])
    }

    /// For each part: a slice, its digits apart, in the result's order, and together again as the result has them.
    fn sliced(&mut self, joint: &Joint, split: &Split) -> Result<Vec<(NodeId, Vec<NewNode>)>, PlanError> {
        let whole = &joint.whole;
        let sizes = Sizes { p: self.p, solution: self.solution };
        let size = |l: LetterId| sizes.new_size(whole, l);
        let source = whole.operands[0].dims.clone();
        let DimExpr::Sum(parts) = &source[split.dim] else { return Ok(Vec::new()) };
        let ends: Vec<i64> = parts
            .iter()
            .scan(0, |at, part| {
                *at += part.size(&size).as_int().unwrap_or(0);
                Some(*at)
            })
            .collect();
        let mut out: Vec<(NodeId, Vec<NewNode>)> = Vec::new();
        for ((node, part), output) in split.leaves.iter().zip(&whole.outputs) {
            let Some(result) = output.value else { continue };
            let start = if *part == 0 { 0 } else { ends[part - 1] };
            let int = |n: i64| Val::Size(Size::int(n));
            let mut steps: Vec<(&str, Vec<(&str, Val)>)> =
                vec![("paring.slice", vec![("dim", int(split.dim as i64)), ("start", int(start)), ("end", int(ends[*part]))])];
            // One dimension of size one before and one after are the same, and may have another size in another call.
            let ones = |dims: &[DimExpr]| dims.iter().filter(|d| **d == DimExpr::One).count();
            let moves = ones(&source) == 1 && ones(&output.dims) == 1;
            let letters =
                |d: &DimExpr| if moves && *d == DimExpr::One { smallvec::smallvec![LetterId::MAX] } else { d.letters() };
            let mut order: Vec<LetterId> = Vec::new();
            for k in (0..source.len()).rev() {
                let d = if k == split.dim { &parts[*part] } else { &source[k] };
                let letters = letters(d);
                match d {
                    DimExpr::One if moves => {}
                    DimExpr::One => steps.push(("paring.squeeze", vec![("dim", int(k as i64))])),
                    DimExpr::Product(_) => {
                        let list = letters.iter().map(|l| size(*l).as_int().unwrap_or(-1)).map(int).collect();
                        steps.push(("paring.unflatten", vec![("dim", int(k as i64)), ("sizes", Val::List(list))]));
                    }
                    _ => {}
                }
                order.splice(0..0, letters);
            }
            let wanted: Vec<LetterId> = output.dims.iter().flat_map(letters).collect();
            let places: Vec<i64> = wanted.iter().filter_map(|l| order.iter().position(|o| o == l)).map(|p| p as i64).collect();
            if places.windows(2).any(|w| w[0] > w[1]) {
                steps.push(("paring.permute", vec![("dims", Val::List(places.into_iter().map(int).collect()))]));
            }
            let mut at = wanted.len() as i64;
            for d in output.dims.iter().rev() {
                let n = letters(d).len() as i64;
                at -= n;
                if n > 1 {
                    steps.push(("paring.flatten", vec![("start", int(at)), ("end", int(at + n - 1))]));
                }
            }
            for k in (0..output.dims.len()).filter(|k| !moves && output.dims[*k] == DimExpr::One) {
                steps.push(("paring.unsqueeze", vec![("dim", int(k as i64))]));
            }
            steps.push(("paring.contiguous", vec![]));
            let (mut from, mut nodes) = (joint.composite.from, Vec::new());
            for (k, (op, names)) in steps.iter().enumerate() {
                let last = k + 1 == steps.len();
                let to = if last { result } else { self.value(format!("{}_part", self.graph.value(result).name), result) };
                nodes.push(self.own(whole, op, &[("x", from)], names, to)?);
                from = to;
            }
            match out.iter_mut().find(|(n, _)| n == node) {
                Some((_, list)) => list.extend(nodes),
                None => out.push((*node, nodes)),
            }
        }
        Ok(out)
    }
}

/// A value of the plan, with a name that no other value has.
pub(super) fn add(graph: &Graph, plan: &mut Plan, mut value: NewValue) -> ValueId {
    let taken =
        |plan: &Plan, name: &str| graph.values.iter().any(|v| v.name == name) || plan.values.iter().any(|v| v.name == name);
    let stem = value.name.clone();
    let mut n = 0;
    while taken(plan, &value.name) {
        n += 1;
        value.name = format!("{stem}_{n}");
    }
    plan.values.push(value);
    ValueId((graph.values.len() + plan.values.len() - 1) as u32)
}
