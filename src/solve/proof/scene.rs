//! What a proof stands on at one moment: what stays, and the facts of all values so far.

use std::cell::RefCell;
use std::rc::Rc;

use egg::Id;
use rustc_hash::FxHashMap;

use super::clauses::Clauses;
use super::exact::Exact;
use super::facts::{Kept, ORDINARY, ValueFacts, ZERO, of_number};
use crate::axis::{Bound, Call, Given, Propagation};
use crate::model::{Graph, NodeId, ValueId};
use crate::rule::RuleSet;
use crate::solve::positions::{Frame, SetId, State};

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

/// The program, what stays of it, and the facts of its values as execution goes on.
pub struct Scene<'a> {
    /// The program.
    pub graph: &'a Graph,
    /// Its rules.
    pub rules: &'a RuleSet,
    /// Its axes.
    pub p: &'a Propagation,
    /// What stays, by position.
    pub state: &'a State<'a>,
    /// What stays, by class.
    pub snapshot: Snapshot<'a>,
    /// By value.
    pub facts: Vec<ValueFacts>,
    /// By value that is written to in place: the nodes that give views of it.
    pub views: FxHashMap<ValueId, Vec<NodeId>>,
    /// At removed positions, what a loop does not keep up of what was assumed at its start.
    pub withdrawn: FxHashMap<SetId, u8>,
    /// What there is to know where the given masks alone count.
    pub exact: Option<&'a Exact<'a>>,
}

impl<'a> Scene<'a> {
    /// Before anything is known.
    pub fn new(
        graph: &'a Graph,
        rules: &'a RuleSet,
        p: &'a Propagation,
        state: &'a State<'a>,
        exact: Option<&'a Exact<'a>>,
    ) -> Self {
        let facts = vec![ValueFacts::default(); graph.values.len()];
        let (views, withdrawn) = (FxHashMap::default(), FxHashMap::default());
        Scene { graph, rules, p, state, snapshot: Snapshot::new(state), facts, views, withdrawn, exact }
    }

    /// What a node says of its arguments.
    pub fn call(&self, node: NodeId) -> Call<'a> {
        let node = self.graph.node(node);
        Call { graph: self.graph, node, schema: self.rules.schemas().get(&node.target), shapes: &self.p.shapes }
    }

    fn operands(&self, bound: &Bound) -> Vec<Option<&ValueFacts>> {
        let of = |g: &Given| if let Given::Tensor(v) = g { Some(&self.facts[v.index()]) } else { None };
        bound.operands.iter().map(|o| of(&o.given)).collect()
    }

    /// The clauses of a node's rule, with the facts of its operands.
    pub fn clauses<'b>(&'b self, bound: &'b Bound, call: &'b Call<'b>, frame: &'b Frame<'b>, kept: &'b Kept) -> Clauses<'b> {
        let mut clauses = Clauses::new(bound, call, frame, kept, self.operands(bound));
        clauses.whole = self.exact.is_some();
        clauses
    }

    /// A bound rule with positions.
    pub fn frame<'b>(&self, bound: &'b Bound) -> Frame<'b> {
        Frame::new(&self.p.axes, &self.state.positions.contexts, bound)
    }

    /// The facts of a node's results.
    pub fn results(&self, bound: &Bound, call: &Call, frame: &Frame, kept: &Kept) -> Vec<(ValueId, ValueFacts)> {
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
                let assumed = |at: usize| sets.as_ref().map_or(0, |s| !withdrawn.get(&s[at]).unwrap_or(&0));
                let mut alike = None;
                let flags = self.snapshot.kept(*id).map(|kept| {
                    if known
                        && !numbered
                        && let Some(flags) = clauses.copied_parts(d, &kept, &assumed)
                    {
                        return flags.into();
                    }
                    let flags = kept.iter().enumerate().map(|(at, stays)| {
                        if *stays || !known {
                            return if *stays { ORDINARY } else { 0 };
                        }
                        let flags = clauses.output(alike.get_or_insert_with(|| clauses.alike(d, None)), d, at, assumed(at));
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
}
