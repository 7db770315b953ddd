//! Writes in place: they change the facts of a value's bases and of all other views of them.

use super::clauses::Clauses;
use super::facts::{FINITE, NONNEG, NONZERO, ORDINARY, ValueFacts, ZERO};
use super::scene::Scene;
use crate::axis::{Bound, BoundOperand, DimExpr, Given, LetterId, Step};
use crate::model::ValueId;

impl Scene<'_> {
    /// After a write to `value`: its bases see the write through their views, and all other views see the bases.
    pub fn spread(&mut self, value: ValueId) {
        let (graph, p) = (self.graph, self.p);
        let mut path = vec![value];
        let mut child = value;
        while let Some((base, by)) = p.aliases.parent(child) {
            let before = self.facts[base.index()].clone();
            let after = match (&p.steps[by.index()], p.aliases.writes(by).is_empty()) {
                (_, false) => self.facts[child.index()].clone(), // the result of a write is its operand
                (Step::Bound(bound), true) => self.write_back(bound, child, base, &before),
                _ => ValueFacts {
                    dims: before.dims.iter().map(|d| d.as_ref().map(|f| f.iter().map(|_| 0).collect())).collect(),
                    ..ValueFacts::default()
                },
            };
            self.facts[base.index()] = after;
            path.push(base);
            child = base;
        }
        let root = p.aliases.root(value);
        for by in self.views.get(&root).cloned().unwrap_or_default() {
            for out in &graph.node(by).outputs {
                if path.contains(out) {
                    continue;
                }
                let Some((base, _)) = p.aliases.parent(*out) else { continue };
                if !p.aliases.writes(by).is_empty() {
                    self.facts[out.index()] = self.facts[base.index()].clone();
                } else if let Step::Bound(bound) = &p.steps[by.index()] {
                    let call = self.call(by);
                    let kept = self.snapshot.letters(bound);
                    if let Some((_, facts)) =
                        self.results(bound, &call, &self.frame(bound), &kept).into_iter().find(|(v, _)| v == out)
                    {
                        self.facts[out.index()] = facts;
                    }
                }
            }
        }
    }

    fn write_back(&self, bound: &Bound, child: ValueId, base: ValueId, before: &ValueFacts) -> ValueFacts {
        let call = self.call(bound.node);
        let kept = self.snapshot.letters(bound);
        let operand = bound.operands.iter().find(|o| o.given == Given::Tensor(base));
        let output = bound.outputs.iter().position(|o| o.value == Some(child));
        let (Some(operand), Some(output)) = (operand, output) else { return ValueFacts::default() };
        let view = self.facts[child.index()].clone();
        let frame = self.frame(bound);
        let mut clauses = Clauses::new(bound, &call, &frame, &kept, Vec::new());
        clauses.whole = self.exact.is_some();
        let mut after = ValueFacts { all: before.all & view.all, ..ValueFacts::default() };
        for (d, flags) in operand.dims.iter().zip(&before.dims) {
            after.dims.push(flags.as_ref().map(|flags| {
                let one =
                    |(at, f): (usize, &u8)| if *f == ORDINARY { *f } else { through_view(&clauses, &view, output, d, at, *f) };
                flags.iter().enumerate().map(one).collect()
            }));
        }
        after
    }
}

/// A view read backwards: the facts of a base after a write through one of its views, at one position of the base. The
/// clauses are those of the view's rule.
fn through_view(view: &Clauses, facts: &ValueFacts, output: usize, base_dim: &DimExpr, position: usize, before: u8) -> u8 {
    let bound = view.bound;
    let mut coords = view.frame.nowhere();
    view.frame.decode(base_dim, position, &mut coords);
    let apart: Vec<LetterId> = base_dim.letters().into_iter().filter(|l| coords[*l as usize].is_none()).collect();
    let out = &bound.outputs[output];
    let mut mirror = bound.clone();
    let given = bound.operands.first().map_or(Given::Number(0.0), |o| o.given);
    mirror.sketch.operands =
        vec![BoundOperand { arg: String::new(), given, read: true, dims: out.dims.clone(), at: out.at.clone() }];
    let mut clauses = Clauses::new(&mirror, view.call, view.frame, view.kept, vec![Some(facts)]);
    clauses.whole = view.whole;
    if clauses.giving(&apart).is_empty() {
        return before;
    }
    [ZERO, FINITE, NONNEG, NONZERO].into_iter().filter(|kind| before & kind != 0 && clauses.operand(0, *kind, &coords)).sum()
}
