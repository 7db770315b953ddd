//! A plan in the making: what all of its parts need to add to it.

use rustc_hash::FxHashSet;

use super::numbers::Numbers;
use super::repair::Builder;
use crate::axis::{Bound, Call, DimExpr, LetterId, Propagation};
use crate::model::{Arg, Graph, NodeId, Size, ValueId};
use crate::plan::change::{Change, Edit, Elements, NewConstant, NewNode, NewValue, Plan};
use crate::plan::error::PlanError;
use crate::rule::{Expr, RuleSet, Statement, Val};
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

/// What there is to choose in a plan.
#[derive(Clone, Copy, Debug, Default)]
pub struct Choices {
    /// What becomes of means and norms.
    pub statistics: Statistics,
    /// Branches that add nothing stay, as small as they get.
    pub keep_branches: bool,
    /// Masks that the program multiplies its parameters by become part of these, which the small program has under their own names.
    pub settle_masks: bool,
}

/// The operator, described in the rules, that picks listed positions of one dimension.
const GATHER: &str = "paring.gather";

/// A plan in the making.
pub struct Planner<'a> {
    /// The program.
    pub graph: &'a Graph,
    /// Its rules.
    pub rules: &'a RuleSet,
    /// Its axes.
    pub p: &'a Propagation,
    /// What stays.
    pub solution: &'a Solution<'a>,
    /// What there is so far.
    pub plan: Plan,
    /// The names of all values, with those that the plan adds.
    pub taken: FxHashSet<String>,
    /// What becomes of means and norms.
    pub statistics: Statistics,
    /// Numbers that are computed from sizes.
    pub numbers: Numbers,
}

impl<'a> Planner<'a> {
    /// Adds an edit.
    pub fn push(&mut self, change: Change, reason: impl Into<String>) {
        self.plan.edits.push(Edit { change, reason: reason.into() });
    }

    /// What a node says of its arguments.
    pub fn call(&self, node: NodeId) -> Call<'a> {
        let node = self.graph.node(node);
        Call { graph: self.graph, node, schema: self.rules.schemas().get(&node.target), shapes: &self.p.shapes }
    }

    /// A rule that cannot be worked out here.
    pub fn wrong(&self, bound: &Bound, why: String) -> PlanError {
        PlanError::Rule { place: bound.rule.place.to_string(), node: self.graph.node(bound.node).name.clone(), why }
    }

    /// The arguments of a statement, without those that it leaves out.
    pub fn arguments(&self, builder: &Builder, statement: &Statement) -> Result<Vec<(String, Arg)>, PlanError> {
        let of = |(name, e): &(String, Expr)| Ok((name.clone(), builder.arg(e).map_err(|why| self.wrong(builder.bound, why))?));
        let args: Vec<(String, Arg)> = statement.args.iter().map(of).collect::<Result<_, PlanError>>()?;
        Ok(args.into_iter().filter(|(_, a)| *a != Arg::None).collect())
    }

    /// A node that calls one of Paring's own operators, which the rules spell out.
    pub fn own(
        &self,
        bound: &Bound,
        op: &str,
        tensors: &[(&str, ValueId)],
        names: &[(&str, Val)],
        output: ValueId,
    ) -> Result<NewNode, PlanError> {
        let rule = self.rules.for_target(&format!("{op}.{}", self.set(bound))).first().cloned();
        let statement =
            rule.and_then(|r| r.becomes.clone()).ok_or_else(|| self.wrong(bound, format!("there is no rule for {op}")))?;
        let call = self.call(bound.node);
        let results = tensors.iter().map(|(n, v)| ((*n).to_owned(), Some(*v))).collect();
        let extra = names.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect();
        let new = |l: LetterId| bound.size(l);
        let args = self.arguments(&Builder { bound, call: &call, new: &new, extra, results }, &statement)?;
        Ok(NewNode { target: self.rules.schemas().resolved(&statement.op, &self.graph.versions), args, output })
    }

    /// The set of operators that a node is of: what stands in for it, or beside it, is of the same.
    fn set(&self, bound: &Bound) -> &str {
        let target = &self.graph.node(bound.node).target;
        match self.graph.versions.first() {
            Some((set, _)) => set,
            None => target.split('.').next().unwrap_or(target),
        }
    }

    /// A value of the plan.
    pub fn value(&mut self, name: String, like: ValueId) -> ValueId {
        add(self.graph, &mut self.plan, &mut self.taken, NewValue { name, like })
    }

    /// Nodes that pick listed positions of some dimensions of `x`, one after another.
    pub fn gather(
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
                shape: around(bound, *dim, places.len()),
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
}

/// The sizes of an index of `n` positions: where the result has more dimensions than the operand, they are ones around it.
fn around(bound: &Bound, dim: usize, n: usize) -> Vec<usize> {
    let rank = |dims: Option<&[DimExpr]>| dims.map_or(0, <[DimExpr]>::len);
    let out = bound.outputs.first().map(|o| o.dims.as_slice());
    let extra = rank(out).saturating_sub(rank(bound.operands.first().map(|o| o.dims.as_slice())));
    let inside = out.and_then(|dims| dims.get(dim..=dim + extra)).unwrap_or(&[]);
    let mut shape = vec![1; extra + 1];
    shape[inside.iter().position(|d| *d != DimExpr::One).unwrap_or(0)] = n;
    shape
}

/// A value of the plan, with a name that no other value has.
pub fn add(graph: &Graph, plan: &mut Plan, taken: &mut FxHashSet<String>, mut value: NewValue) -> ValueId {
    let stem = value.name.clone();
    let mut n = 0;
    while !taken.insert(value.name.clone()) {
        n += 1;
        value.name = format!("{stem}_{n}");
    }
    plan.values.push(value);
    ValueId((graph.values.len() + plan.values.len() - 1) as u32)
}
