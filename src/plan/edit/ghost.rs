//! Ghosts: one removed position of a value that is equal at all of them, computed by the same operators once more.

use std::collections::HashMap;

use super::planner::Planner;
use crate::axis::{Bound, DimExpr, Given, Step};
use crate::model::{Arg, NodeId, Size, ValueId};
use crate::plan::change::NewNode;
use crate::plan::error::PlanError;
use crate::rule::Val;

/// Ghosts and zeros that are made already, by value and dimension.
type Made = HashMap<(ValueId, usize), ValueId>;

impl Planner<'_> {
    /// The ghost of a value for a node, with the nodes that compute it.
    pub fn ghost(&mut self, bound: &Bound, value: ValueId, dim: usize) -> Result<(ValueId, Vec<NewNode>), PlanError> {
        let mut nodes = Vec::new();
        let ghost = self.one(bound, value, dim, &mut Made::new(), &mut nodes)?;
        Ok((ghost, nodes))
    }

    fn one(
        &mut self,
        needs: &Bound,
        value: ValueId,
        dim: usize,
        made: &mut Made,
        nodes: &mut Vec<NewNode>,
    ) -> Result<ValueId, PlanError> {
        if let Some(known) = made.get(&(value, dim)) {
            return Ok(*known);
        }
        let name = &self.graph.value(value).name;
        let ghost = if self.solution.uniform.holds(value, dim) {
            let lost = || self.wrong(needs, format!("nothing computes `{name}`"));
            let (p, graph) = (self.p, self.graph);
            let maker = graph.node_ids().find(|n| graph.node(*n).outputs.contains(&value)).ok_or_else(lost)?;
            let letter = self.letter(maker, dim).ok_or_else(lost)?;
            let Step::Bound(bound) = &p.steps[maker.index()] else { return Err(lost()) };
            let mut with: HashMap<ValueId, ValueId> = HashMap::new();
            for operand in &bound.operands {
                let Given::Tensor(v) = operand.given else { continue };
                if let Some(d) = operand.dims.iter().position(|d| *d == DimExpr::Letter(letter)) {
                    with.insert(v, self.one(needs, v, d, made, nodes)?);
                }
            }
            let node = graph.node(maker);
            let args = node.args.iter().map(|(name, arg)| (name.clone(), replaced(arg, &with))).collect();
            let output = self.value(format!("{name}_ghost"), value);
            nodes.push(NewNode { target: node.target.clone(), args, output });
            output
        } else {
            let int = |n: i64| Val::Size(Size::int(n));
            let first = self.value(format!("{name}_first"), value);
            let names = [("dim", int(dim as i64)), ("start", int(0)), ("end", int(1))];
            nodes.push(self.own(needs, "paring.slice", &[("x", value)], &names, first)?);
            let zeros = self.value(format!("{name}_zeros"), value);
            nodes.push(self.own(needs, "paring.zeros", &[("x", first)], &[], zeros)?);
            zeros
        };
        made.insert((value, dim), ghost);
        Ok(ghost)
    }

    /// The letter that a dimension of a node's result is.
    fn letter(&self, node: NodeId, dim: usize) -> Option<u32> {
        match self.p.bound_at(node)?.outputs.first()?.dims.get(dim)? {
            DimExpr::Letter(l) => Some(*l),
            _ => None,
        }
    }
}

/// An argument with other tensors in it.
fn replaced(arg: &Arg, with: &HashMap<ValueId, ValueId>) -> Arg {
    match arg {
        Arg::Tensor(v) => Arg::Tensor(*with.get(v).unwrap_or(v)),
        Arg::List(items) => Arg::List(items.iter().map(|a| replaced(a, with)).collect()),
        other => other.clone(),
    }
}
