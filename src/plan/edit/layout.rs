//! The edits of a run of layouts that is one map of positions: its views as they are, one gather, or a slice for each part.

use super::composite::Views;
use super::planner::Planner;
use super::want::Sizes;
use crate::axis::{DimExpr, Joint, LetterId, Split, Step, Want};
use crate::model::NodeId;
use crate::model::Size;
use crate::plan::change::{Change, NewNode};
use crate::plan::error::PlanError;
use crate::rule::Val;

impl Planner<'_> {
    /// Adds the edits of a run.
    pub fn composite(&mut self, joint: &Joint) -> Result<(), PlanError> {
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
            let number = |l: LetterId| if l == LetterId::MAX { -1 } else { size(l).as_int().unwrap_or(-1) };
            let mut order: Vec<LetterId> = Vec::new();
            for k in (0..source.len()).rev() {
                let d = if k == split.dim { &parts[*part] } else { &source[k] };
                let letters = letters(d);
                match d {
                    DimExpr::One if moves => {}
                    DimExpr::One => steps.push(("paring.squeeze", vec![("dim", int(k as i64))])),
                    DimExpr::Product(_) => {
                        let list: Vec<Val> = letters.iter().map(|l| int(number(*l))).collect();
                        // All sizes, for operators that take no less: what is before stays, which 0 says.
                        let all = vec![int(0); k].into_iter().chain(list.clone()).chain(order.iter().map(|l| int(number(*l))));
                        let all = Val::List(all.collect());
                        steps.push(("paring.unflatten", vec![("dim", int(k as i64)), ("sizes", Val::List(list)), ("all", all)]));
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
            let mut after: Vec<Val> = Vec::new();
            for d in output.dims.iter().rev() {
                let n = letters(d).len() as i64;
                at -= n;
                let flat = letters(d).iter().map(|l| number(*l)).try_fold(1, |all, n| (n >= 0).then_some(all * n)).unwrap_or(-1);
                after.splice(0..0, (n > 0).then(|| int(flat)));
                if n > 1 {
                    let all = Val::List(vec![int(0); at as usize].into_iter().chain(after.clone()).collect());
                    steps.push(("paring.flatten", vec![("start", int(at)), ("end", int(at + n - 1)), ("all", all)]));
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
