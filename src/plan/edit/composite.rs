//! Composites after the cut: the same views with other sizes if what stays fits them, else one gather (a run) or a slice for
//! each part (a split).

use super::numbers::Numbers;
use super::want::{Outcome, Sizes, outcome};
use crate::axis::{Bound, Call, Digit, DimExpr, Joint, LetterId, Propagation, Split, Step};
use crate::model::{Graph, NodeId, Size};
use crate::plan::change::{Change, Edit};
use crate::rule::RuleSet;
use crate::solve::Solution;

/// For each position whether it stays; `None` where all do.
type Stays = Option<Vec<bool>>;

/// Looks at composites after the cut.
pub struct Views<'a> {
    /// The program.
    pub graph: &'a Graph,
    /// The rules.
    pub rules: &'a RuleSet,
    /// The axes.
    pub p: &'a Propagation,
    /// What stays.
    pub solution: &'a Solution<'a>,
    /// Numbers that change.
    pub numbers: &'a Numbers,
}

impl Views<'_> {
    /// The edits of all nodes of a composite, if what stays fits its views; `None` if it does not.
    pub fn edits(&self, joint: &Joint) -> Option<Vec<Edit>> {
        match &joint.composite.split {
            None => self.run(joint),
            Some(split) => self.split(joint, split),
        }
    }

    /// Rectangular in each view.
    fn run(&self, joint: &Joint) -> Option<Vec<Edit>> {
        let composite = &joint.composite;
        let from = self.p.dims[composite.from.index()].as_ref()?;
        let mut stays: Vec<Stays> = from.iter().map(|id| self.solution.kept(self.p, *id).map(|k| k.to_vec())).collect();
        let mut edits = Vec::new();
        for id in &composite.nodes {
            let bound = self.own(*id)?;
            let letters = letters(bound, &stays)?;
            let new = |l: LetterId| match &letters[l as usize] {
                Some(k) => Size::from(k.iter().filter(|k| **k).count()),
                None => bound.size(l),
            };
            self.node(*id, bound, &new, &mut edits)?;
            stays = bound.outputs.first()?.dims.iter().map(|d| positions(d, bound, &letters)).collect();
        }
        Some(edits)
    }

    /// Equal sizes in each part: then order does the rest.
    fn split(&self, joint: &Joint, split: &Split) -> Option<Vec<Edit>> {
        let sizes = Sizes { p: self.p, solution: self.solution };
        let new = |l: &LetterId| sizes.new_size(&joint.whole, *l);
        let mut fine: Vec<(&Digit, Size)> = split.plain.iter().map(|(d, l)| (d, new(l))).collect();
        for (digit, letters) in &split.slots {
            let first = new(&letters[0]);
            if letters.iter().any(|l| new(l) != first) {
                return None;
            }
            fine.push((digit, first));
        }
        let size = |coarse: &Digit| {
            let end = coarse.div.saturating_mul(coarse.size.as_int().unwrap_or(1));
            let inside = |d: &Digit| d.dim == coarse.dim && (d == coarse || (d.div >= coarse.div && d.div < end));
            let known = fine.iter().filter(|(d, _)| inside(d)).fold(Size::int(1), |n, (_, s)| n.mul(s));
            // The digit that is taken apart is none of the fine ones.
            let top = split.slots.iter().map(|(d, _)| d.div.saturating_mul(d.size.as_int().unwrap_or(1))).max().unwrap_or(1);
            let holds_parts = coarse.dim == split.dim && end > top;
            if holds_parts { known.scale(split.parts as i64) } else { known }
        };
        let mut edits = Vec::new();
        for id in &joint.composite.nodes {
            let Some(digits) = joint.composite.digits.get(id) else { continue };
            let own = |l: LetterId| digits[l as usize].iter().fold(Size::int(1), |n, d| n.mul(&size(d)));
            self.node(*id, self.own(*id)?, &own, &mut edits)?;
        }
        let result = &joint.whole.outputs.first()?.dims;
        for (id, dim) in &split.cut {
            let mut sizes: Vec<Size> = result.iter().map(|d| d.size(&|l| new(&l))).collect();
            sizes.insert((*dim).min(sizes.len()), Size::int(1));
            let resize = |value| Edit { change: Change::Resize { value, sizes: sizes.clone() }, reason: String::new() };
            edits.extend(self.graph.node(*id).outputs.iter().map(|v| resize(*v)));
        }
        Some(edits)
    }

    fn own(&self, node: NodeId) -> Option<&Bound> {
        match &self.p.steps[node.index()] {
            Step::Part(_, bound) => Some(bound),
            _ => None,
        }
    }

    fn node(&self, id: NodeId, bound: &Bound, new: &dyn Fn(LetterId) -> Size, edits: &mut Vec<Edit>) -> Option<()> {
        let node = self.graph.node(id);
        let call = Call { graph: self.graph, node, schema: self.rules.schemas().get(&node.target), shapes: &self.p.shapes };
        for edit in &bound.edits {
            match outcome(bound, &call, edit, self.numbers, new, &|_| None).ok()? {
                Outcome::Leave => {}
                Outcome::Set(list) => edits.extend(list.into_iter().map(|(arg, to)| Edit {
                    change: Change::Set { node: id, arg, to },
                    reason: "the sizes of the axes in this view changed".into(),
                })),
                _ => return None,
            }
        }
        let value = *node.outputs.first()?;
        if self.p.inside(value, id) {
            let sizes = bound.outputs.first()?.dims.iter().map(|d| d.size(&new)).collect();
            edits.push(Edit { change: Change::Resize { value, sizes }, reason: String::new() });
        }
        Some(())
    }
}

/// What stays of each letter, if each dimension's positions are all tuples of what stays of its letters.
fn letters(bound: &Bound, stays: &[Stays]) -> Option<Vec<Stays>> {
    let mut out: Vec<Stays> = vec![None; bound.letters.len()];
    for (d, kept) in bound.operands.first()?.dims.iter().zip(stays) {
        let Some(kept) = kept else { continue };
        for l in d.letters() {
            out[l as usize] = Some(vec![false; bound.letters[l as usize].len()]);
        }
        let mut coords = vec![None; bound.letters.len()];
        for at in kept.iter().enumerate().filter(|(_, k)| **k).map(|(at, _)| at) {
            d.decode(at, &bound.letters, &mut coords);
            for l in d.letters() {
                if let (Some(list), Some(c)) = (&mut out[l as usize], coords[l as usize]) {
                    list[c as usize] = true;
                }
            }
        }
        if positions(d, bound, &out).as_ref().is_some_and(|all| all != kept) {
            return None;
        }
    }
    Some(out)
}

/// What stays of a dimension, given its letters.
fn positions(d: &DimExpr, bound: &Bound, letters: &[Stays]) -> Stays {
    if d.letters().iter().all(|l| letters[*l as usize].is_none()) {
        return None;
    }
    let mut coords = vec![None; bound.letters.len()];
    let at = |p: usize| {
        d.decode(p, &bound.letters, &mut coords);
        d.letters().iter().all(|l| match (&letters[*l as usize], coords[*l as usize]) {
            (Some(list), Some(c)) => list.get(c as usize).copied().unwrap_or(true),
            _ => true,
        })
    };
    Some((0..d.len(&bound.letters)).map(at).collect())
}
