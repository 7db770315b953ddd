//! From what stays to edits.

use std::collections::HashMap;

use super::repair::Builder;
use super::run;
use super::want::{Outcome, Sizes, mentions, outcome, value};
use super::{Change, Edit, NewConstant, NewNode, NewValue, Plan, PlanError};
use crate::axis::{Bound, Call, Given, LetterId, Propagation, Step};
use crate::model::{Arg, Graph, NodeId, Size, ValueId};
use crate::rule::{RuleSet, Val, eval};
use crate::solve::Solution;

/// What becomes of means and norms over axes that lose positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Statistics {
    /// They are repaired so that they compute what they did.
    #[default]
    Exact,
    /// The operator is left as it is, over fewer positions.
    Approximate,
}

/// The operator, described in the rules, that picks listed positions of one dimension.
const GATHER: &str = "paring.gather";

/// Makes the plan.
///
/// # Errors
/// Where an argument would have to change that is computed from symbolic sizes, or a rule cannot be worked out.
pub fn plan(graph: &Graph, rules: &RuleSet, p: &Propagation, solution: &Solution, statistics: Statistics) -> Result<Plan, PlanError> {
    let mut planner = Planner { graph, rules, p, solution, plan: Plan::default(), statistics };
    planner.slices();
    for (k, step) in p.steps.iter().enumerate() {
        match step {
            Step::Bound(bound) => planner.node(bound)?,
            Step::Chained(chain, _) if p.chains[*chain].whole.node.index() == k => planner.run(*chain)?,
            _ => {}
        }
    }
    Ok(planner.plan)
}

struct Planner<'a> {
    graph: &'a Graph,
    rules: &'a RuleSet,
    p: &'a Propagation,
    solution: &'a Solution<'a>,
    plan: Plan,
    statistics: Statistics,
}

impl<'a> Planner<'a> {
    fn push(&mut self, change: Change, reason: impl Into<String>) {
        self.plan.edits.push(Edit { change, reason: reason.into() });
    }

    fn slices(&mut self) {
        for (k, t) in self.graph.tensors.iter().enumerate() {
            for d in 0..t.shape.len() {
                let Some(kept) = self.solution.dim(self.p, t.value, d) else { continue };
                let keep: Vec<u32> = (0..kept.len() as u32).filter(|at| kept[*at as usize]).collect();
                let reason = format!("{} of {} positions of dimension {d} stay", keep.len(), kept.len());
                self.push(Change::Slice { tensor: k, dim: d, keep }, reason);
            }
        }
    }

    fn call(&self, node: NodeId) -> Call<'a> {
        let node = self.graph.node(node);
        Call { graph: self.graph, node, schema: self.rules.schemas().get(&node.target), shapes: &self.p.shapes }
    }

    fn wrong(&self, bound: &Bound, why: String) -> PlanError {
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
            let found = outcome(bound, &call, &edit.arg, &edit.want, edit.from_end, &new, &kept).map_err(|e| self.wrong(bound, e))?;
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
                    let (Some(Given::Tensor(x)), Some(out)) = (bound.operands.first().map(|o| o.given), call.node.outputs.first()) else { continue };
                    let nodes = self.gather(bound, &call, x, *out, &[(dim, places)])?;
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
            let was = eval(formula, &super::want::Formula { bound, call, size: &old }).map_err(|e| self.wrong(bound, e.to_string()))?;
            let to = value(&was).ok_or_else(|| self.wrong(bound, format!("the default of `{arg}` is symbolic")))?;
            self.push(Change::Set { node: bound.node, arg: arg.clone(), to }, "its default depends on a size that changed");
        }
        Ok(())
    }

    fn statistic(&mut self, bound: &Bound, call: &Call, sizes: &Sizes) -> Result<(), PlanError> {
        let Some(statistic) = &bound.rule.statistic else { return Ok(()) };
        if !sizes.changes(bound, bound.over.iter().copied()) || statistic.repair.is_empty() {
            return Ok(());
        }
        if self.statistics == Statistics::Approximate {
            self.plan.approximate.push(bound.node);
            return Ok(());
        }
        let new = |l: LetterId| sizes.new_size(bound, l);
        let product = |f: &dyn Fn(LetterId) -> Size| bound.over.iter().fold(Size::int(1), |n, l| n.mul(&f(*l)));
        let (total, kept) = (product(&|l| bound.size(l)), product(&new));
        let removed = total.add(&kept.scale(-1));
        let extra = [("kept", kept.clone()), ("total", total.clone()), ("removed", removed)];
        let extra = extra.into_iter().map(|(n, s)| (n.to_owned(), Val::Size(s))).collect();
        let Some(out) = call.node.outputs.first().copied() else { return Ok(()) };
        let mut builder = Builder { bound, call, new: &new, extra, results: HashMap::new() };
        let graph = self.graph;
        let made = builder.nodes(&statistic.repair, out, &mut self.plan, &mut |plan, v| add(graph, plan, v));
        let (original, nodes) = made.map_err(|e| self.wrong(bound, e))?;
        self.push(
            Change::Insert { node: bound.node, original, nodes },
            format!("it averages over {kept} of {total} positions, the others being zero"),
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
        let of = |(name, e): &(String, crate::rule::Expr)| Ok((name.clone(), builder.arg(e).map_err(|why| self.wrong(builder.bound, why))?));
        let args: Vec<(String, Arg)> = statement.args.iter().map(of).collect::<Result<_, PlanError>>()?;
        Ok(args.into_iter().filter(|(_, a)| *a != Arg::None).collect())
    }

    /// Nodes that pick listed positions of some dimensions of `x`, one after another.
    fn gather(&mut self, bound: &Bound, call: &Call, x: ValueId, out: ValueId, picks: &[(usize, Vec<i64>)]) -> Result<Vec<NewNode>, PlanError> {
        let rule = self.rules.for_target(GATHER).first().cloned();
        let statement = rule.and_then(|r| r.becomes.clone()).ok_or_else(|| self.wrong(bound, format!("there is no rule for {GATHER}")))?;
        let new = |l: LetterId| bound.size(l);
        let (mut from, mut nodes) = (x, Vec::new());
        for (k, (dim, places)) in picks.iter().enumerate() {
            let name = format!("paring_index_{}", self.plan.constants.len());
            let index = add(self.graph, &mut self.plan, NewValue { name: format!("c_{name}"), like: x });
            self.plan.constants.push(NewConstant { name, value: index, data: places.clone() });
            let output = if k + 1 == picks.len() {
                out
            } else {
                let name = format!("{}_picked", self.graph.value(out).name);
                add(self.graph, &mut self.plan, NewValue { name, like: out })
            };
            let results = HashMap::from([("x".to_owned(), from), ("index".to_owned(), index)]);
            let extra = HashMap::from([("dim".to_owned(), Val::Size(Size::from(*dim)))]);
            let args = self.arguments(&Builder { bound, call, new: &new, extra, results }, &statement)?;
            nodes.push(NewNode { target: statement.op.clone(), args, output });
            from = output;
        }
        Ok(nodes)
    }

    fn run(&mut self, chain: usize) -> Result<(), PlanError> {
        let whole = &self.p.chains[chain].whole;
        let run = &self.p.chains[chain].run;
        let dims = self.p.dims[run.from.index()].as_deref().unwrap_or(&[]);
        if dims.iter().all(|id| self.solution.kept(self.p, *id).is_none()) {
            return Ok(());
        }
        if let Some(edits) = run::views(self.graph, self.rules, self.p, self.solution, chain) {
            self.plan.edits.extend(edits);
            return Ok(());
        }
        let mut picks = Vec::new();
        for (k, d) in run.dims.iter().enumerate() {
            let Some((from, Some(map))) = d else { continue };
            let before = self.solution.kept(self.p, dims[*from]);
            let all = vec![true; map.len()];
            let places = crate::solve::ranks(before.as_deref().unwrap_or(&all), map);
            picks.push((k, places.into_iter().map(i64::from).collect::<Vec<_>>()));
        }
        let call = self.call(whole.node);
        let nodes = self.gather(whole, &call, run.from, run.to, &picks)?;
        let reason = "what stays does not fit these views; one gather does the same";
        for id in run.nodes.iter().filter(|n| **n != whole.node) {
            self.push(Change::Drop { node: *id }, reason);
        }
        self.push(Change::Insert { node: whole.node, original: None, nodes }, reason);
        Ok(())
    }
}

/// A value of the plan, with a name that no other value has.
fn add(graph: &Graph, plan: &mut Plan, mut value: NewValue) -> ValueId {
    let taken = |plan: &Plan, name: &str| graph.values.iter().any(|v| v.name == name) || plan.values.iter().any(|v| v.name == name);
    let stem = value.name.clone();
    let mut n = 0;
    while taken(plan, &value.name) {
        n += 1;
        value.name = format!("{stem}_{n}");
    }
    plan.values.push(value);
    ValueId((graph.values.len() + plan.values.len() - 1) as u32)
}
