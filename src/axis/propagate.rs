//! From a graph and rules to axes: every node's rule is fitted, sizes are derived, and what the rules call the same is
//! tied in the e-graph.

use std::sync::Arc;

use super::alias::Aliases;
use super::bound::{Bound, BoundLetter, BoundOperand, BoundOutput, DimExpr, Edit, Given, LetterId, Want};
use super::classes::{Axes, Reason};
use super::composite::{Composite, composites};
use super::error::PropagateError;
use super::fit::fit;
use super::layout::layout;
use super::norm::{Normed, normed};
use super::sketch::{Call, Sketch, dim};
use crate::model::{Graph, Node, NodeId, Size, ValueId};
use crate::rule::{Body, Pick, Rule, RuleSet, Val, eval};
use egg::Id;
use rustc_hash::FxHashSet;

/// What became of a node.
#[derive(Clone, Debug)]
pub enum Step {
    /// A rule describes it.
    Bound(Bound),
    /// It is part of a composite: index into [`Propagation::joint`], and the rule's own view of this node.
    Part(usize, Bound),
    /// No rule describes it, or none fits: all axes that it touches are locked.
    Unknown(String),
    /// It has nothing to do with tensors' axes.
    Nothing,
}

/// Layout operators that work as one.
#[derive(Clone, Debug)]
pub struct Joint {
    /// The nodes and the map.
    pub composite: Composite,
    /// The map as applied, at the first of the nodes.
    pub whole: Bound,
}

/// The axes of a program.
pub struct Propagation {
    /// The e-graph.
    pub axes: Axes,
    /// The axis of each dimension of each tensor, by value; `None` for scalars.
    pub dims: Vec<Option<Vec<Id>>>,
    /// Derived sizes.
    pub shapes: Vec<Option<Vec<Size>>>,
    /// What became of each node.
    pub steps: Vec<Step>,
    /// Layout operators that work as one.
    pub joint: Vec<Joint>,
    /// Shared memory and writes.
    pub aliases: Aliases,
    /// Number of alignments until nothing was left to align.
    pub alignments: usize,
}

impl Propagation {
    /// The rule as applied that speaks for a node; a composite has one, at its first node.
    pub fn bound_at(&self, node: NodeId) -> Option<&Bound> {
        match &self.steps[node.index()] {
            Step::Bound(bound) => Some(bound),
            Step::Part(joint, _) => Some(&self.joint[*joint].whole).filter(|w| w.node == node),
            _ => None,
        }
    }

    /// The rules as applied, in order of execution.
    pub fn bounds(&self) -> impl Iterator<Item = &Bound> {
        (0..self.steps.len() as u32).filter_map(|k| self.bound_at(NodeId(k)))
    }

    /// The rule as applied that makes a value, if it is the result of one.
    pub fn maker(&self, value: ValueId, node: NodeId) -> Option<&Bound> {
        match &self.steps[node.index()] {
            Step::Bound(bound) => Some(bound),
            Step::Part(joint, own) => {
                let joint = &self.joint[*joint];
                Some(if joint.composite.results.contains(&value) { &joint.whole } else { own })
            }
            _ => None,
        }
    }

    /// The stored tensors of a weight that a node divides by its norm and whose share a scale can take up.
    pub fn normed(&self, graph: &Graph, bound: &Bound) -> Option<Normed> {
        normed(graph, &self.aliases, graph.node(bound.node), &bound.rule)
    }

    /// True for a value inside a composite: nothing else reads it, and its axes follow from the ends.
    pub fn inside(&self, value: ValueId, node: NodeId) -> bool {
        matches!(&self.steps[node.index()], Step::Part(j, _) if !self.joint[*j].composite.results.contains(&value))
    }
}

/// Checks that rules describe all nodes of an edited graph that they described before.
///
/// # Errors
/// The first that they do not.
pub fn still_described(
    (graph, before): (&Graph, &Propagation),
    (small, after): (&Graph, &Propagation),
) -> Result<(), PropagateError> {
    let described = |(_, step): &(&Node, &Step)| matches!(step, Step::Bound(_) | Step::Part(..));
    let place = |node: &Node| (node.graph, node.name.clone(), node.outputs.first().copied());
    let known: FxHashSet<_> = graph.nodes.iter().zip(&before.steps).filter(described).map(|(n, _)| place(n)).collect();
    for (node, step) in small.nodes.iter().zip(&after.steps) {
        if let Step::Unknown(why) = step
            && known.contains(&place(node))
        {
            return Err(PropagateError::NoLonger { node: node.name.clone(), op: node.target.clone(), why: why.clone() });
        }
    }
    Ok(())
}

/// Propagates the axes of a graph. `frozen` names parameters or buffers whose axes all stay.
///
/// # Errors
/// Where a derived size differs from the one recorded in the file (a wrong rule), or the graph is not in order.
pub fn propagate(graph: &Graph, rules: &RuleSet, frozen: &[String]) -> Result<Propagation, PropagateError> {
    let mut shapes: Vec<Option<Vec<Size>>> = vec![None; graph.values.len()];
    for t in &graph.tensors {
        shapes[t.value.index()] = Some(t.shape.iter().copied().map(Size::from).collect());
    }
    for v in &graph.inputs {
        shapes[v.index()] = graph.value(*v).shape.clone();
    }
    let mut fitted = Vec::new();
    for id in graph.node_ids() {
        fitted.push(sketch(graph, rules, &mut shapes, id)?);
    }
    let rule_of = |id: NodeId| match &fitted[id.index()] {
        Fitted::Rule(rule, _) => Some(rule.clone()),
        _ => None,
    };
    let aliases = Aliases::new(graph, rules, rule_of);
    let sketches: Vec<Option<&Sketch>> = fitted.iter().map(|f| if let Fitted::Rule(_, s) = f { Some(s) } else { None }).collect();
    let found = composites(graph, &sketches, &aliases);

    let axes = Axes::new();
    let mut p = Propagation {
        axes,
        dims: vec![None; graph.values.len()],
        shapes,
        steps: Vec::new(),
        joint: Vec::new(),
        aliases,
        alignments: 0,
    };
    p.sources(graph, frozen);
    let mut part_of: Vec<Option<usize>> = vec![None; graph.nodes.len()];
    for (k, composite) in found.iter().enumerate() {
        composite.nodes.iter().for_each(|n| part_of[n.index()] = Some(k));
    }
    let mut number: Vec<Option<usize>> = vec![None; found.len()];
    for (id, fitted) in graph.node_ids().zip(fitted) {
        let step = match (fitted, part_of[id.index()]) {
            (Fitted::Rule(rule, sketch), Some(k)) => {
                let joint = *number[k].get_or_insert_with(|| p.joint(graph, rules, id, rule.clone(), &found[k]));
                Step::Part(joint, p.attach(graph, rules, id, rule, sketch, Tie::Apart))
            }
            (Fitted::Rule(rule, sketch), None) => {
                let bound = p.attach(graph, rules, id, rule, sketch, Tie::Rule);
                Step::Bound(bound)
            }
            (Fitted::Unknown(why), _) => {
                p.unknown(graph, id, &why);
                Step::Unknown(why)
            }
            (Fitted::Nothing, _) => Step::Nothing,
        };
        p.steps.push(step);
    }
    for v in &graph.outputs {
        for id in p.dims[v.index()].clone().unwrap_or_default() {
            p.axes.lock(id, Reason::Output(graph.value(*v).name.clone()));
        }
    }
    p.alignments = p.axes.saturate();
    if let Some(m) = p.axes.mismatches.first() {
        return Err(PropagateError::sizes(graph, m));
    }
    Ok(p)
}

/// What a node's letters are tied to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tie {
    /// The axes of its operands and results.
    Rule,
    /// Nothing: it is part of a composite.
    Apart,
    /// The ends of a composite.
    Composite,
}

/// What was found for a node.
pub(super) enum Fitted {
    Rule(Arc<Rule>, Sketch),
    Unknown(String),
    Nothing,
}

/// Finds the rule for a node and derives the sizes of its results.
pub(super) fn sketch(
    graph: &Graph,
    rules: &RuleSet,
    shapes: &mut [Option<Vec<Size>>],
    id: NodeId,
) -> Result<Fitted, PropagateError> {
    let node = graph.node(id);
    let operands: Vec<ValueId> = node.args.iter().flat_map(|(_, a)| a.tensors()).collect();
    let is_tensor = |v: &ValueId| graph.value(*v).scalar.is_none();
    if let Some(v) = operands.iter().find(|v| shapes[v.index()].is_none()) {
        return Err(PropagateError::unordered(graph, id, *v));
    }
    let (found, why) = {
        let call = Call { graph, node, schema: rules.schemas().get(&node.target), shapes };
        first_fit(rules, &call)
    };
    let Some((rule, sketch)) = found else {
        let tensors: Vec<ValueId> = node.outputs.iter().copied().filter(is_tensor).collect();
        for v in &tensors {
            let recorded = graph.value(*v).shape.clone();
            shapes[v.index()] = Some(recorded.ok_or_else(|| PropagateError::unsized_result(graph, shapes, id, &why))?);
        }
        return Ok(if tensors.is_empty() && operands.is_empty() { Fitted::Nothing } else { Fitted::Unknown(why) });
    };
    let of = |l: LetterId| sketch.letters[l as usize].size.clone();
    for (k, v) in node.outputs.iter().enumerate().filter(|(_, v)| is_tensor(v)) {
        let recorded = graph.value(*v).shape.as_ref();
        let derived: Vec<Size> = match sketch.outputs.get(k) {
            Some(out) => out.dims.iter().map(|d| d.size(&of)).collect(),
            None => {
                let fewer = || PropagateError::unsized_result(graph, shapes, id, "the rule has fewer results");
                recorded.cloned().ok_or_else(fewer)?
            }
        };
        if let Some(recorded) = recorded
            && !agree(&derived, recorded)
        {
            return Err(PropagateError::derived(graph, id, &rule, *v, &derived, recorded));
        }
        // The file's own form of a size is as good, and what a rule cannot work out symbolically it has.
        let exact = |(d, r): (&Size, &Size)| if d.as_int().is_some() { d.clone() } else { r.clone() };
        shapes[v.index()] = Some(match recorded {
            Some(r) => derived.iter().zip(r).map(exact).collect(),
            None => derived,
        });
    }
    Ok(Fitted::Rule(rule, sketch))
}

fn agree(derived: &[Size], recorded: &[Size]) -> bool {
    let same = |(d, r): (&Size, &Size)| {
        d == r || ((d.as_int().is_none() || r.as_int().is_none()) && (d.hint() == r.hint() || d.hint().is_none()))
    };
    derived.len() == recorded.len() && derived.iter().zip(recorded).all(same)
}

/// The first entry whose condition holds and whose pattern fits; or why none does.
fn first_fit(rules: &RuleSet, call: &Call) -> (Option<(Arc<Rule>, Sketch)>, String) {
    let mut why = String::new();
    for rule in rules.for_target(&call.node.target) {
        if let Some(when) = &rule.when {
            match eval(when, call) {
                Ok(v) if v.truthy() => {}
                Ok(_) => {
                    why = format!("no entry is for these arguments ({}: `when: {when}` does not hold)", rule.place);
                    continue;
                }
                Err(e) => {
                    why = format!("{}: `when: {when}`: {e}", rule.place);
                    continue;
                }
            }
        }
        let mut errors = Vec::new();
        let attempts = match &rule.body {
            Body::Patterns(patterns) => patterns.len(),
            Body::Layout(_) => 1,
        };
        for k in 0..attempts {
            let attempt = match &rule.body {
                Body::Patterns(patterns) => fit(&patterns[k], rule, call),
                Body::Layout(function) => layout(function, call),
            };
            match attempt {
                Ok(sketch) => return (Some((rule.clone(), sketch)), String::new()),
                Err(e) => errors.push(e),
            }
        }
        why = format!("{} does not fit: {}", rule.place, errors.join("; "));
    }
    if why.is_empty() {
        why = format!("there is no rule for {}", call.node.target);
    }
    (None, why)
}

impl Propagation {
    fn new_dims(&mut self, value: ValueId) -> Vec<Id> {
        let sizes = self.shapes[value.index()].clone().unwrap_or_default();
        let ids: Vec<Id> = sizes.into_iter().map(|s| self.axes.leaf(s)).collect();
        self.dims[value.index()] = Some(ids.clone());
        ids
    }

    fn sources(&mut self, graph: &Graph, frozen: &[String]) {
        for t in &graph.tensors {
            let ids = self.new_dims(t.value);
            let is_frozen =
                |f: &String| t.name == *f || t.name.strip_prefix(f.as_str()).is_some_and(|rest| rest.starts_with('.'));
            if let Some(f) = frozen.iter().find(|f| is_frozen(f)) {
                ids.iter().for_each(|id| self.axes.lock(*id, Reason::Frozen(f.clone())));
            }
        }
        for (k, first) in graph.first_names().into_iter().enumerate().filter(|(k, first)| k != first) {
            let (t, first) = (&graph.tensors[k], &graph.tensors[first]);
            let pairs: Vec<(Id, Id)> = match (&self.dims[t.value.index()], &self.dims[first.value.index()]) {
                (Some(a), Some(b)) => a.iter().copied().zip(b.iter().copied()).collect(),
                _ => Vec::new(),
            };
            for (a, b) in pairs {
                self.axes.tie(a, b, Reason::Tied { names: [t.name.clone(), first.name.clone()] });
            }
        }
        for v in &graph.inputs {
            for id in self.new_dims(*v) {
                self.axes.lock(id, Reason::Input(graph.value(*v).name.clone()));
            }
        }
    }

    fn unknown(&mut self, graph: &Graph, id: NodeId, why: &str) {
        let node = graph.node(id);
        let reason = || Reason::Unknown { node: id, why: why.to_owned() };
        let mut touched: Vec<Id> = Vec::new();
        for v in node.args.iter().flat_map(|(_, a)| a.tensors()) {
            touched.extend(self.dims[v.index()].iter().flatten());
        }
        for v in &node.outputs {
            touched.extend(self.new_dims(*v));
        }
        touched.into_iter().for_each(|t| self.axes.lock(t, reason()));
    }

    /// Ties the ends of a composite.
    fn joint(&mut self, graph: &Graph, rules: &RuleSet, first: NodeId, rule: Arc<Rule>, composite: &Composite) -> usize {
        let whole = self.attach(graph, rules, first, rule, composite.sketch.clone(), Tie::Composite);
        self.joint.push(Joint { composite: composite.clone(), whole });
        self.joint.len() - 1
    }

    /// Ties the axes of a node's operands and results as its rule says.
    fn attach(&mut self, graph: &Graph, rules: &RuleSet, id: NodeId, rule: Arc<Rule>, sketch: Sketch, tie: Tie) -> Bound {
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
        let over = rule.statistic.as_ref().map(|s| chosen(&s.over)).unwrap_or_default();
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
        Bound { node: id, rule: rule.clone(), letters, ids, operands, outputs, copies, fill, edits, locked, at_least_two, over }
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
