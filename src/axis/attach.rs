//! Tying the axes of a node's operands and results, as its rule says.

use std::sync::Arc;

use egg::Id;

use super::composite::Composite;
use super::egraph::{Axes, Reason};
use super::node::{Bound, BoundLetter, BoundOperand, BoundOutput, Call, DimExpr, Edit, Given, LetterId, Sketch, Want, dim};
use super::norm::normed;
use super::propagation::{Joint, Propagation};
use crate::model::{Graph, NodeId, Size};
use crate::rule::{Pick, Rule, RuleSet, Val};

/// What a node's letters are tied to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tie {
    /// The axes of its operands and results.
    Rule,
    /// Nothing: it is part of a composite.
    Apart,
    /// The ends of a composite.
    Composite,
}

impl Propagation {
    /// Ties the ends of a composite.
    pub(super) fn joint(
        &mut self,
        graph: &Graph,
        rules: &RuleSet,
        first: NodeId,
        rule: Arc<Rule>,
        composite: &Composite,
    ) -> usize {
        let whole = self.attach(graph, rules, first, rule, composite.sketch.clone(), Tie::Composite);
        self.joint.push(Joint { composite: composite.clone(), whole });
        self.joint.len() - 1
    }

    /// Ties the axes of a node's operands and results as its rule says.
    pub(super) fn attach(
        &mut self,
        graph: &Graph,
        rules: &RuleSet,
        id: NodeId,
        rule: Arc<Rule>,
        sketch: Sketch,
        tie: Tie,
    ) -> Bound {
        let apart = tie == Tie::Apart;
        let Sketch { letters, operands, outputs, copies, fill, mut edits, mut locked, at_least_two, through } = sketch;
        let why = |letters: &[BoundLetter], l: LetterId| match tie {
            Tie::Composite => Reason::Composite { node: id },
            _ => Reason::Rule { node: id, rule: rule.clone(), letter: name(&letters[l as usize]) },
        };
        let node = graph.node(id);
        let call = Call { graph, node, schema: rules.schemas().get(&node.target), shapes: &self.shapes };
        edits.extend(
            rule.args.iter().filter(|_| tie != Tie::Composite).filter(|(arg, _)| node.arg(arg).is_some()).map(|(arg, f)| Edit {
                arg: arg.clone(),
                want: Want::Formula(f.clone()),
                from_end: false,
            }),
        );
        let chosen = |picks: &[Pick]| choose(picks, &letters, &operands, &call);
        if tie != Tie::Composite {
            locked.extend(chosen(&rule.lock));
            if let Some(norm) = &rule.norm
                && normed(graph, &self.aliases, node, &rule).is_none()
            {
                locked.extend(chosen(&norm.over));
            }
        }
        locked.extend((0..letters.len() as LetterId).filter(|l| letters[*l as usize].made && !letters[*l as usize].free));
        locked.extend((0..letters.len() as LetterId).filter(|l| letters[*l as usize].name.starts_with('#')));
        locked.retain(|l| !through.iter().any(|(made, of)| l == made || l == of));
        let mut over = rule.statistic.as_ref().map(|s| chosen(&s.over)).unwrap_or_default();
        over.sort_unstable();
        over.dedup(); // of an axis that is named twice there is one
        let mut ids: Vec<Option<Id>> = vec![None; letters.len()];
        for operand in operands.iter().filter(|o| o.read) {
            let Given::Tensor(v) = operand.given else { continue };
            let Some(dims) = self.dims[v.index()].clone() else { continue };
            for (d, dim) in operand.dims.iter().zip(dims) {
                match d {
                    DimExpr::One => {}
                    DimExpr::Letter(l) if ids[*l as usize].is_none() && !apart => ids[*l as usize] = Some(dim),
                    DimExpr::Letter(l) if !apart => {
                        let known = ids[*l as usize].unwrap_or(dim);
                        self.axes.tie(known, dim, why(&letters, *l));
                    }
                    _ => {
                        let term = self.term(d, &letters, &mut ids);
                        if !apart {
                            let first = lead(d, &letters);
                            self.axes.tie(term, dim, why(&letters, first));
                        }
                    }
                }
            }
        }
        for output in &outputs {
            let Some(v) = output.value.filter(|v| graph.value(*v).scalar.is_none()) else { continue };
            if apart && self.dims[v.index()].is_some() {
                continue; // a result of the composite, which has tied it
            }
            let new = self.new_dims(v);
            for (d, dim) in output.dims.iter().zip(new) {
                if *d == DimExpr::One {
                    continue;
                }
                let term = self.term(d, &letters, &mut ids);
                let first = lead(d, &letters);
                self.axes.tie(dim, term, why(&letters, first));
            }
        }
        for v in node.outputs.iter().filter(|_| tie != Tie::Composite) {
            if self.dims[v.index()].is_none() && graph.value(*v).scalar.is_none() {
                for d in self.new_dims(*v) {
                    self.axes.lock(d, Reason::Unknown { node: id, why: "the rule has fewer results".into() });
                }
            }
        }
        through.iter().for_each(|(made, of)| ids[*made as usize] = ids[*of as usize]);
        let ids: Vec<Id> =
            ids.into_iter().enumerate().map(|(k, i)| i.unwrap_or_else(|| self.axes.leaf(letters[k].size.clone()))).collect();
        if tie == Tie::Rule && !copies {
            self.loosen(&operands, &outputs, &ids);
        }
        if !apart {
            locked.retain(|l| (*l as usize) < letters.len()); // a dimension that a tensor of none is said to have
            locked.sort_unstable();
            locked.dedup();
            locked.iter().for_each(|l| self.axes.lock(ids[*l as usize], why(&letters, *l)));
        }
        let sketch = Sketch { letters, operands, outputs, copies, fill, edits, locked, at_least_two, through };
        Bound { node: id, rule: rule.clone(), sketch, ids, over }
    }

    /// Notes the letters that stand in products alone.
    fn loosen(&mut self, operands: &[BoundOperand], outputs: &[BoundOutput], ids: &[Id]) {
        let (mut inside, mut alone) = (vec![false; ids.len()], vec![false; ids.len()]);
        let dims = operands.iter().filter(|o| o.read).map(|o| &o.dims).chain(outputs.iter().map(|o| &o.dims));
        for d in dims.flatten() {
            let product = matches!(d, DimExpr::Product(parts) if parts.iter().all(|p| matches!(p, DimExpr::Letter(_))));
            d.letters().into_iter().for_each(|l| if product { inside[l as usize] = true } else { alone[l as usize] = true });
        }
        self.axes.loose.extend((0..ids.len()).filter(|l| inside[*l] && !alone[*l]).map(|l| ids[l]));
    }

    fn term(&mut self, d: &DimExpr, letters: &[BoundLetter], ids: &mut [Option<Id>]) -> Id {
        let mut of =
            |axes: &mut Axes, l: LetterId| *ids[l as usize].get_or_insert_with(|| axes.leaf(letters[l as usize].size.clone()));
        match d {
            DimExpr::One => self.axes.leaf(Size::int(1)),
            DimExpr::Letter(l) => of(&mut self.axes, *l),
            DimExpr::Pick(l, list) => {
                let whole = of(&mut self.axes, *l);
                self.axes.pick(whole, list.clone())
            }
            DimExpr::Product(parts) => {
                let parts: Vec<Id> = parts.iter().map(|p| self.term(p, letters, ids)).collect();
                self.axes.merge(&parts)
            }
            DimExpr::Sum(parts) => {
                let parts: Vec<Id> = parts.iter().map(|p| self.term(p, letters, ids)).collect();
                self.axes.cat(&parts)
            }
        }
    }
}

/// The letter to name for a dimension: the first of more than one position.
fn lead(d: &DimExpr, letters: &[BoundLetter]) -> LetterId {
    let all = d.letters();
    all.iter().find(|l| !letters[**l as usize].size.is(1)).or(all.first()).copied().unwrap_or(0)
}

fn name(letter: &BoundLetter) -> String {
    if letter.name == "..." { format!("...[{}]", letter.item) } else { letter.name.clone() }
}

/// The letters that `lock:` or `over:` means at a node.
fn choose(picks: &[Pick], letters: &[BoundLetter], operands: &[BoundOperand], call: &Call) -> Vec<LetterId> {
    let all = 0..letters.len() as LetterId;
    let mut out = Vec::new();
    for pick in picks {
        match pick {
            Pick::All => out.extend(all.clone()),
            Pick::Letter(name) => out.extend(all.clone().filter(|l| letters[*l as usize].name == *name)),
            Pick::Dims(arg) => {
                let Some(first) = operands.iter().find(|o| matches!(o.given, Given::Tensor(_))) else { continue };
                let rank = first.dims.len();
                let dims: Option<Vec<usize>> = match call.val(arg) {
                    Some(Val::List(list)) if !list.is_empty() => list.iter().map(|v| dim(v.as_int()?, rank).ok()).collect(),
                    Some(Val::List(_)) | Some(Val::None) | None => None,
                    Some(val) => val.as_int().and_then(|d| dim(d, rank).ok()).map(|d| vec![d]),
                };
                let dims = dims.unwrap_or_else(|| (0..rank).collect());
                out.extend(dims.into_iter().filter_map(|d| first.dims.get(d)).flat_map(DimExpr::letters));
            }
        }
    }
    out
}
