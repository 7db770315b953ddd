//! The proof: a removed position is right only if it contributes nothing wherever it is summed over.
//!
//! The graph is walked in order of execution with the facts of all values; a write in place changes the facts of its base and
//! of all views of it from there on.

use std::cell::RefCell;
use std::rc::Rc;

use egg::Id;
use rustc_hash::FxHashMap;

use super::facts::{Clauses, FINITE, Kept, NONNEG, NONZERO, ORDINARY, ValueFacts, ZERO, through_view};
use super::fold::{Fold, Folded};
use super::frame::Frame;
use super::number::{Exact, of_number};
use super::positions::SetId;
use super::ragged::Link;
use super::state::{State, Why};
use super::uniform::Uniform;
use crate::axis::{Bound, Call, Given, LetterId, Propagation, Step};
use crate::model::{Graph, NodeId, Role, ValueId};
use crate::rule::RuleSet;

/// A removed position that has to stay after all.
pub struct Failure {
    /// The position.
    pub set: SetId,
    /// Where it fails.
    pub why: Why,
}

/// What stays, by class, worked out once.
pub struct Snapshot<'a> {
    state: &'a State<'a>,
    cache: RefCell<FxHashMap<Id, Option<Rc<[bool]>>>>,
}

impl<'a> Snapshot<'a> {
    /// Of the state as it is now.
    pub fn new(state: &'a State<'a>) -> Snapshot<'a> {
        Snapshot { state, cache: RefCell::default() }
    }

    /// For each position of an axis whether it stays; `None` where all do.
    pub fn kept(&self, id: Id) -> Option<Rc<[bool]>> {
        let class = self.state.axes.class(id);
        if let Some(known) = self.cache.borrow().get(&class) {
            return known.clone();
        }
        let kept: Option<Rc<[bool]>> = self.state.kept(class).map(Into::into);
        self.cache.borrow_mut().insert(class, kept.clone());
        kept
    }

    /// Number of positions that stay (of an axis with a context: in each outer position); `None` where all do.
    pub fn size(&self, id: Id) -> Option<usize> {
        let total = self.kept(id)?.iter().filter(|k| **k).count();
        let context = self.state.positions.contexts.of(self.state.axes, id);
        let outer = context.map_or(1, |c| self.kept(c.class).map_or(c.outer, |k| k.iter().filter(|k| **k).count()));
        Some(total / outer.max(1))
    }

    /// The same for all letters of a bound rule.
    pub fn letters(&self, bound: &Bound) -> Kept {
        bound.ids.iter().map(|id| self.kept(*id)).collect()
    }
}

/// What is known of a stored tensor.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known {
    /// Flags of its removed positions.
    pub removed: u8,
    /// Flags that hold for all elements.
    pub all: u8,
}

/// What stored tensors hold at the start.
pub struct Sources<'a> {
    /// Of each tensor.
    pub known: &'a dyn Fn(usize) -> Known,
    /// Whether a mask makes all of a tensor zero, and it stays so.
    pub zero: &'a dyn Fn(usize) -> bool,
    /// Of a tensor that is cut without being masked: for each position of a dimension whether the given mask makes it zero.
    pub masked: &'a Masked<'a>,
}

type Masked<'a> = dyn Fn(usize, usize, Option<Link<usize>>) -> Option<Vec<bool>> + 'a;

/// Walks the graph and returns what has to stay.
pub struct Prover<'a> {
    pub(super) graph: &'a Graph,
    rules: &'a RuleSet,
    pub(super) p: &'a Propagation,
    snapshot: Snapshot<'a>,
    state: &'a State<'a>,
    pub(super) facts: Vec<ValueFacts>,
    views: FxHashMap<ValueId, Vec<NodeId>>,
    failures: Vec<Failure>,
    /// At removed positions, what a loop does not keep up of what was assumed at its start.
    withdrawn: FxHashMap<SetId, u8>,
    uniform: Uniform,
    /// What there is to know where the given masks alone count.
    pub(super) exact: Option<&'a Exact<'a>>,
    pub(super) folds: Vec<Fold>,
    /// By node at which something is not proven to be zero: what makes the first of it something else.
    blames: FxHashMap<NodeId, Blame>,
    /// Operands that are zero everywhere when a node reads them.
    absent: Vec<(NodeId, ValueId)>,
}

/// What makes a removed position something else than zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// A stored tensor that is no parameter.
    Tensor(usize),
    /// A stored tensor that is no parameter and holds infinity or NaN.
    Infinite(usize),
    /// A node that makes something that may be infinite.
    Overflow(NodeId),
    /// A node whose operands are zero there, or lack the axis.
    Node(NodeId),
}

/// What a proof rests on or fails at.
pub struct Proof {
    /// What has to stay.
    pub failures: Vec<Failure>,
    /// What is uniform.
    pub uniform: Uniform,
    /// Numbers at removed positions that have to be added to a bias.
    pub folds: Vec<Fold>,
    /// The facts of all values.
    pub facts: Vec<ValueFacts>,
    /// By node at which something is not proven to be zero: what makes the first of it something else.
    pub blames: FxHashMap<NodeId, Blame>,
    /// Operands that are zero everywhere when a node reads them.
    pub absent: Vec<(NodeId, ValueId)>,
}

impl<'a> Prover<'a> {
    /// Proves, or finds where the proof fails. With `exact`, only the given masks make a parameter zero. `known` tells
    /// of each stored tensor what to start with.
    pub fn run(
        graph: &'a Graph,
        rules: &'a RuleSet,
        p: &'a Propagation,
        state: &'a State<'a>,
        sources: &Sources,
        exact: Option<&'a Exact<'a>>,
    ) -> Proof {
        let mut withdrawn: FxHashMap<SetId, u8> = FxHashMap::default();
        loop {
            let before = withdrawn.clone();
            let facts = vec![ValueFacts::default(); graph.values.len()];
            let snapshot = Snapshot::new(state);
            let (views, failures, uniform) = (FxHashMap::default(), Vec::new(), Uniform::default());
            let mut prover = Prover {
                graph,
                rules,
                p,
                snapshot,
                state,
                facts,
                views,
                failures,
                withdrawn,
                uniform,
                exact,
                folds: Vec::new(),
                blames: FxHashMap::default(),
                absent: Vec::new(),
            };
            prover.sources(sources);
            for bound in p.bounds() {
                prover.node(bound);
            }
            if prover.withdrawn == before {
                let Prover { failures, uniform, folds, facts, blames, absent, .. } = prover;
                return Proof { failures, uniform, folds, facts, blames, absent };
            }
            withdrawn = prover.withdrawn; // and once more without what turned out wrong
        }
    }

    fn sources(&mut self, Sources { known, zero, masked }: &Sources) {
        for (k, t) in self.graph.tensors.iter().enumerate() {
            let Some(ids) = &self.p.dims[t.value.index()] else { continue };
            let kept: Vec<_> = ids.iter().map(|id| self.snapshot.kept(*id)).collect();
            // A number is there at every position; of others, what loses none needs no look at its data.
            let untouched = t.numel() > 1 && kept.iter().all(Option::is_none);
            let zero = if zero(k) { ZERO | FINITE | NONNEG } else { 0 };
            if let Some(exact) = self.exact {
                let links: Vec<_> = (0..ids.len()).map(|d| self.state.positions.contexts.dim(&self.p.axes, ids, d)).collect();
                let mut facts = exact.source(k, &kept, &links);
                if known(k).removed & (ZERO | NONZERO) == NONZERO {
                    facts.numbers.clear();
                    let flags = facts.dims.iter_mut().flatten();
                    flags.for_each(|f| *f = f.iter().map(|f| if f & ZERO != 0 { *f } else { f | NONZERO }).collect());
                }
                facts.all = zero | if !exact.fixed[k] || untouched { 0 } else { known(k).all };
                self.facts[t.value.index()] = facts;
                continue;
            }
            if untouched {
                self.facts[t.value.index()].all = zero;
                continue;
            }
            let Known { removed, all } = known(k);
            let flags = |(d, stays): (usize, Option<Rc<[bool]>>)| {
                let zero = masked(k, d, self.state.positions.contexts.dim(&self.p.axes, ids, d));
                let zero = |at: usize| zero.as_ref().is_some_and(|z| z.get(at) == Some(&true));
                let flag = |(at, kept): (usize, &bool)| match kept {
                    true => ORDINARY,
                    false if zero(at) => ZERO | FINITE | NONNEG,
                    false => removed,
                };
                Some(stays?.iter().enumerate().map(flag).collect())
            };
            let dims = kept.into_iter().enumerate().map(flags).collect();
            self.facts[t.value.index()] = ValueFacts { dims, all: all | zero, ..ValueFacts::default() };
        }
    }

    fn operands(&self, bound: &Bound) -> Vec<Option<&ValueFacts>> {
        let of = |g: &Given| if let Given::Tensor(v) = g { Some(&self.facts[v.index()]) } else { None };
        bound.operands.iter().map(|o| of(&o.given)).collect()
    }

    pub(super) fn clauses<'b>(
        &'b self,
        bound: &'b Bound,
        call: &'b Call<'b>,
        frame: &'b Frame<'b>,
        kept: &'b Kept,
    ) -> Clauses<'b> {
        let mut clauses = Clauses::new(bound, call, frame, kept, self.operands(bound));
        clauses.whole = self.exact.is_some();
        clauses
    }

    fn node(&mut self, bound: &'a Bound) {
        let (graph, p, rules) = (self.graph, self.p, self.rules);
        let node = graph.node(bound.node);
        let call = Call { graph, node, schema: rules.schemas().get(&node.target), shapes: &p.shapes };
        let kept = self.snapshot.letters(bound);
        let frame = self.frame(bound);
        self.absences(bound);
        self.sums(bound, &call, &frame, &kept);
        self.sustained(bound, &call, &frame, &kept);
        for (value, facts) in self.results(bound, &call, &frame, &kept) {
            self.facts[value.index()] = facts;
        }
        self.required(bound);
        self.uniform.result(p, bound, &call, &kept, &self.facts);
        for out in &node.outputs {
            if let Some((base, _)) = p.aliases.parent(*out)
                && p.aliases.written(base)
            {
                self.views.entry(p.aliases.root(base)).or_default().push(bound.node);
            }
        }
        for written in p.aliases.writes(bound.node) {
            let result = node.outputs.first().copied();
            if let Some(result) = result {
                self.facts[written.index()] = self.facts[result.index()].clone();
            }
            self.spread(*written);
        }
    }

    fn absences(&mut self, bound: &Bound) {
        if bound.rule.facts.value.is_some() {
            let zero = bound.tensors().map(|(_, v)| v).filter(|v| self.facts[v.index()].all & ZERO != 0);
            self.absent.extend(zero.map(|v| (bound.node, v)).collect::<Vec<_>>());
        }
    }

    fn frame<'b>(&self, bound: &'b Bound) -> Frame<'b> {
        Frame::new(&self.p.axes, &self.state.positions.contexts, bound)
    }

    fn results(&self, bound: &Bound, call: &Call, frame: &Frame, kept: &Kept) -> Vec<(ValueId, ValueFacts)> {
        let mut clauses = self.clauses(bound, call, frame, kept);
        let mut found = Vec::new();
        for (k, output) in bound.outputs.iter().enumerate() {
            let Some(value) = output.value else { continue };
            let ids = self.p.dims[value.index()].as_deref().unwrap_or(&[]);
            let known = clauses.turn(k);
            let all = if known { clauses.everywhere() } else { 0 };
            let mut facts = ValueFacts { dims: Vec::with_capacity(ids.len()), all, ..ValueFacts::default() };
            // Numbers, as clauses, speak of the first result. Whole numbers and truth values would round them.
            let numbered = self.exact.is_some() && (k == 0 || bound.copies) && self.graph.value(value).dtype.is_float();
            for (d, id) in output.dims.iter().zip(ids) {
                let sets = self.state.of(*id);
                let withdrawn = &self.withdrawn;
                let mut numbers = None;
                let flags = self.snapshot.kept(*id).map(|kept| {
                    let flags = kept.iter().enumerate().map(|(at, stays)| {
                        if *stays || !known {
                            return if *stays { ORDINARY } else { 0 };
                        }
                        let flags = clauses.output(d, at, sets.as_ref().map_or(0, |s| !withdrawn.get(&s[at]).unwrap_or(&0)));
                        match if numbered && flags & ZERO == 0 { clauses.output_number(d, at) } else { None } {
                            Some(x) => {
                                numbers.get_or_insert_with(|| vec![f64::NAN; kept.len()])[at] = x;
                                of_number(x)
                            }
                            None => flags,
                        }
                    });
                    flags.collect::<Rc<[u8]>>()
                });
                facts.dims.push(flags);
                facts.numbers.push(numbers.map(Into::into));
            }
            found.push((value, facts));
        }
        found
    }

    /// Every removed position of a summed axis needs a factor that is zero there, and no factor that is infinite.
    fn sums(&mut self, bound: &Bound, call: &Call, frame: &Frame, kept: &Kept) {
        let mut failed: Vec<(LetterId, usize, u8)> = Vec::new();
        {
            let mut clauses = self.clauses(bound, call, frame, kept);
            let summed = bound.summed();
            let both = summed.iter().chain(bound.over.iter().filter(|l| !summed.contains(l)));
            for l in both {
                let Some(stays) = &kept[*l as usize] else { continue };
                let statistic = !summed.contains(l);
                let around = frame.outer[*l as usize].and_then(|class| self.snapshot.kept(class));
                let own = bound.letters[*l as usize].len().max(1);
                for at in (0..stays.len()).filter(|at| !stays[*at]) {
                    if around.as_ref().is_some_and(|k| !k[at / own]) {
                        continue; // the outer position goes as a whole
                    }
                    let coords = frame.at(*l, at);
                    let holders: Vec<usize> =
                        (0..bound.operands.len()).filter(|k| bound.operands[*k].read && bound.operands[*k].holds(*l)).collect();
                    let considered = if statistic { &holders[..holders.len().min(1)] } else { &holders[..] };
                    let zero = match &bound.rule.facts.summed {
                        Some(clause) if !statistic => clauses.contributes_nothing(clause, &coords),
                        _ => considered.iter().any(|k| clauses.operand(*k, ZERO, &coords)),
                    };
                    let finite = considered.iter().all(|k| clauses.operand(*k, FINITE, &coords));
                    if !(zero && finite) {
                        failed.push((*l, at, if zero { FINITE } else { ZERO }));
                    }
                }
            }
        }
        let mut ghostly = None;
        for (l, at, lacks) in failed {
            if ghostly == Some(l) {
                continue;
            }
            if self.uniform.rely(bound, call, kept, l) {
                ghostly = Some(l);
                continue;
            }
            let why = match self.fold(bound, call, frame, kept, (l, at)) {
                Folded::Yes => continue,
                Folded::Constant => Why::Constant { node: bound.node, map: false },
                Folded::Border => Why::Constant { node: bound.node, map: true },
                Folded::No => Why::Unproven(bound.node),
            };
            if matches!(why, Why::Unproven(_))
                && !self.blames.contains_key(&bound.node)
                && let Some(blame) = self.blame(bound, (l, at), lacks)
            {
                self.blames.insert(bound.node, blame);
            }
            if let Some(list) = self.state.of(bound.ids[l as usize]) {
                self.failures.push(Failure { set: list[at], why });
            }
        }
    }

    /// Where a removed position of a letter lost a fact: the way back along the axis, as far as it is easy to follow.
    fn blame(&self, bound: &Bound, (letter, at): (LetterId, usize), lacks: u8) -> Option<Blame> {
        let class = self.p.axes.class(bound.ids[letter as usize]);
        let holds = |v: ValueId| {
            let ids = self.p.dims[v.index()].as_deref().unwrap_or(&[]);
            let here = ids.iter().position(|id| self.p.axes.class(*id) == class)?;
            let flags = self.facts[v.index()].dims.get(here).and_then(Option::as_ref)?;
            Some(flags.get(at)? & lacks != 0)
        };
        let other = |bound: &Bound| bound.tensors().map(|(_, v)| v).find(|v| holds(*v) == Some(false));
        let mut value = other(bound)?;
        for _ in 0..64 {
            if let Some(k) = self.graph.tensors.iter().position(|t| t.value == value) {
                let blame = if lacks == FINITE { Blame::Infinite(k) } else { Blame::Tensor(k) };
                return (self.graph.tensors[k].role != Role::Parameter).then_some(blame);
            }
            let node = self.graph.node_ids().find(|n| self.graph.node(*n).outputs.contains(&value))?;
            if self.p.aliases.written(value) {
                return None;
            }
            match other(self.p.maker(value, node)?) {
                Some(next) => value = next,
                None => return Some(if lacks == FINITE { Blame::Overflow(node) } else { Blame::Node(node) }),
            }
        }
        None
    }

    /// A removed position of a result that lacks a fact which the rule requires has to stay.
    fn required(&mut self, bound: &Bound) {
        let Some(names) = &bound.rule.facts.require else { return };
        let kind = |name: &str| match name {
            "zero" => ZERO,
            "finite" => FINITE,
            "nonneg" => NONNEG,
            _ => NONZERO,
        };
        let wanted = names.iter().fold(0, |flags, name| flags | kind(name));
        for value in bound.outputs.iter().filter_map(|o| o.value) {
            for (d, id) in self.p.dims[value.index()].iter().flatten().enumerate() {
                let (Some(stays), Some(list)) = (self.snapshot.kept(*id), self.state.of(*id)) else { continue };
                let flags = self.facts[value.index()].dims.get(d).cloned().flatten();
                let holds = |at: usize| flags.as_ref().is_some_and(|f| f[at] & wanted == wanted);
                let failed = (0..stays.len()).filter(|at| !stays[*at] && !holds(*at));
                self.failures.extend(failed.map(|at| Failure { set: list[at], why: Why::Unproven(bound.node) }));
            }
        }
    }

    /// Withdraws what was assumed at removed positions where a loop does not keep it up.
    fn sustained(&mut self, bound: &Bound, call: &Call, frame: &Frame, kept: &Kept) {
        if bound.rule.facts.sustain.is_none() {
            return;
        }
        let mut broken: Vec<(SetId, u8)> = Vec::new();
        {
            let mut clauses = self.clauses(bound, call, frame, kept);
            for output in &bound.outputs {
                let ids = output.value.and_then(|v| self.p.dims[v.index()].as_deref()).unwrap_or(&[]);
                for (d, id) in output.dims.iter().zip(ids) {
                    let (Some(stays), Some(list)) = (self.snapshot.kept(*id), self.state.of(*id)) else { continue };
                    broken.extend((0..stays.len()).filter(|at| !stays[*at]).map(|at| (list[at], clauses.broken(d, at))));
                }
            }
        }
        for (set, kinds) in broken.into_iter().filter(|(_, kinds)| *kinds != 0) {
            *self.withdrawn.entry(set).or_default() |= kinds;
        }
    }

    /// After a write to `value`: its bases see the write through their views, and all other views see the bases.
    fn spread(&mut self, value: ValueId) {
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
                    let node = graph.node(by);
                    let call = Call { graph, node, schema: self.rules.schemas().get(&node.target), shapes: &p.shapes };
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
        let (graph, p) = (self.graph, self.p);
        let node = graph.node(bound.node);
        let call = Call { graph, node, schema: self.rules.schemas().get(&node.target), shapes: &p.shapes };
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
