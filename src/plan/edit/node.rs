//! The edits of one node: what its arguments state, its defaults, its means and norms.

use std::collections::HashMap;

use super::planner::{Planner, Statistics, add};
use super::repair::{Builder, GHOST};
use super::want::{Formula, Outcome, Sizes, mentions, outcome};
use crate::axis::{Bound, Call, Given, LetterId, Want};
use crate::model::{Arg, Size};
use crate::plan::change::Change;
use crate::plan::error::PlanError;
use crate::rule::{Val, eval};
use crate::solve::Ghost;

impl Planner<'_> {
    /// Adds the edits of a node.
    pub fn node(&mut self, bound: &Bound) -> Result<(), PlanError> {
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
            let was = eval(formula, &Formula { bound, call, size: &old }).map_err(|e| self.wrong(bound, e.to_string()))?;
            let to = was.as_arg().ok_or_else(|| self.wrong(bound, format!("the default of `{arg}` is symbolic")))?;
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
            results.insert(GHOST.to_owned(), Some(one));
            before = nodes;
        }
        let mut builder = Builder { bound, call, new: &new, extra, results };
        let graph = self.graph;
        let made = builder.nodes(statements, out, &mut self.plan, &mut |plan, v| add(graph, plan, &mut self.taken, v));
        let (original, nodes) = made.map_err(|e| self.wrong(bound, e))?;
        let others = if ghost.is_some() { "equal" } else { "zero" };
        if !statistic.repair.is_empty() {
            self.plan.repaired.push(bound.node);
        }
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
        let target = self.rules.schemas().resolved(&statement.op, &self.graph.versions);
        let change = Change::Become { node: bound.node, target, args };
        self.push(change, format!("the parts have unequal sizes now: {parts:?}"));
        Ok(())
    }
}
