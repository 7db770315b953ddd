//! The proof: a removed position is right only if it contributes nothing wherever it is summed over.
//!
//! The graph is walked in order of execution with the facts of all values; a write in place changes the facts of its base and
//! of all views of it from there on.

use rustc_hash::FxHashMap;

use super::blame::Blame;
use super::exact::Exact;
use super::facts::{FINITE, Kept, NONNEG, NONZERO, ValueFacts, ZERO};
use super::failure::Failure;
use super::scene::Scene;
use super::site::{Fold, Folded};
use super::source::Sources;
use super::uniform::Uniform;
use crate::axis::{Bound, Call, DimExpr, LetterId, Propagation};
use crate::model::{Graph, NodeId, ValueId};
use crate::rule::RuleSet;
use crate::solve::positions::{Frame, SetId, State, Why};

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

/// Walks the graph and collects what has to stay.
struct Prover<'a> {
    scene: Scene<'a>,
    failures: Vec<Failure>,
    uniform: Uniform,
    folds: Vec<Fold>,
    blames: FxHashMap<NodeId, Blame>,
    absent: Vec<(NodeId, ValueId)>,
}

impl Proof {
    /// Proves, or finds where the proof fails. With `exact`, only the given masks make a parameter zero.
    pub fn find(
        graph: &Graph,
        rules: &RuleSet,
        p: &Propagation,
        state: &State,
        sources: &Sources,
        exact: Option<&Exact>,
    ) -> Proof {
        let mut withdrawn: FxHashMap<SetId, u8> = FxHashMap::default();
        loop {
            let mut scene = Scene::new(graph, rules, p, state, exact);
            scene.withdrawn.clone_from(&withdrawn);
            scene.sources(sources);
            let (failures, uniform, folds, absent) = (Vec::new(), Uniform::default(), Vec::new(), Vec::new());
            let mut prover = Prover { scene, failures, uniform, folds, blames: FxHashMap::default(), absent };
            for bound in p.bounds() {
                prover.node(bound);
            }
            let Prover { scene, failures, uniform, folds, blames, absent } = prover;
            if scene.withdrawn == withdrawn {
                return Proof { failures, uniform, folds, facts: scene.facts, blames, absent };
            }
            withdrawn = scene.withdrawn; // and once more without what turned out wrong
        }
    }
}

impl Prover<'_> {
    fn node(&mut self, bound: &Bound) {
        let p = self.scene.p;
        let call = self.scene.call(bound.node);
        let node = call.node;
        let kept = self.scene.snapshot.letters(bound);
        let frame = self.scene.frame(bound);
        self.absences(bound);
        self.sums(bound, &call, &frame, &kept);
        self.sustained(bound, &call, &frame, &kept);
        for (value, facts) in self.scene.results(bound, &call, &frame, &kept) {
            self.scene.facts[value.index()] = facts;
        }
        self.required(bound);
        self.uniform.result(p, bound, &call, &kept, &self.scene.facts);
        for out in &node.outputs {
            if let Some((base, _)) = p.aliases.parent(*out)
                && p.aliases.written(base)
            {
                self.scene.views.entry(p.aliases.root(base)).or_default().push(bound.node);
            }
        }
        for written in p.aliases.writes(bound.node) {
            let result = node.outputs.first().copied();
            if let Some(result) = result {
                self.scene.facts[written.index()] = self.scene.facts[result.index()].clone();
            }
            self.scene.spread(*written);
        }
    }

    fn absences(&mut self, bound: &Bound) {
        if bound.rule.facts.value.is_some() {
            let zero = bound.tensors().map(|(_, v)| v).filter(|v| self.scene.facts[v.index()].all & ZERO != 0);
            self.absent.extend(zero.map(|v| (bound.node, v)).collect::<Vec<_>>());
        }
    }

    /// Every removed position of a summed axis needs a factor that is zero there, and no factor that is infinite.
    fn sums(&mut self, bound: &Bound, call: &Call, frame: &Frame, kept: &Kept) {
        let mut failed: Vec<(LetterId, usize, u8)> = Vec::new();
        {
            let mut clauses = self.scene.clauses(bound, call, frame, kept);
            let summed = bound.summed();
            let both = summed.iter().chain(bound.over.iter().filter(|l| !summed.contains(l)));
            for l in both {
                let Some(stays) = &kept[*l as usize] else { continue };
                let statistic = !summed.contains(l);
                let around = frame.outer[*l as usize].and_then(|class| self.scene.snapshot.kept(class));
                let own = bound.letters[*l as usize].len().max(1);
                let holders: Vec<usize> =
                    (0..bound.operands.len()).filter(|k| bound.operands[*k].read && bound.operands[*k].holds(*l)).collect();
                let considered = if statistic { &holders[..holders.len().min(1)] } else { &holders[..] };
                let dim = DimExpr::Letter(*l);
                let mut alike = clauses.alike(&dim, None);
                for at in (0..stays.len()).filter(|at| !stays[*at]) {
                    if around.as_ref().is_some_and(|k| !k[at / own]) {
                        continue; // the outer position goes as a whole
                    }
                    let lacks = clauses.answer(&mut alike, &dim, at, 0, |clauses, coords| {
                        let zero = match &bound.rule.facts.summed {
                            Some(clause) if !statistic => clauses.contributes_nothing(clause, coords),
                            _ => considered.iter().any(|k| clauses.operand(*k, ZERO, coords)),
                        };
                        let finite = considered.iter().all(|k| clauses.operand(*k, FINITE, coords));
                        if !zero {
                            ZERO
                        } else if !finite {
                            FINITE
                        } else {
                            0
                        }
                    });
                    if lacks != 0 {
                        failed.push((*l, at, lacks));
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
            let why = match self.scene.fold(&mut self.folds, bound, call, frame, kept, (l, at)) {
                Folded::Yes => continue,
                Folded::Constant => Why::Constant { node: bound.node, map: false },
                Folded::Border => Why::Constant { node: bound.node, map: true },
                Folded::No => Why::Unproven(bound.node),
            };
            if matches!(why, Why::Unproven(_))
                && !self.blames.contains_key(&bound.node)
                && let Some(blame) = self.scene.blame(bound, (l, at), lacks)
            {
                self.blames.insert(bound.node, blame);
            }
            if let Some(list) = self.scene.state.of(bound.ids[l as usize]) {
                self.failures.push(Failure { set: list[at], why });
            }
        }
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
            for (d, id) in self.scene.p.dims[value.index()].iter().flatten().enumerate() {
                let (Some(stays), Some(list)) = (self.scene.snapshot.kept(*id), self.scene.state.of(*id)) else { continue };
                let flags = self.scene.facts[value.index()].dims.get(d).cloned().flatten();
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
            let mut clauses = self.scene.clauses(bound, call, frame, kept);
            for output in &bound.outputs {
                let ids = output.value.and_then(|v| self.scene.p.dims[v.index()].as_deref()).unwrap_or(&[]);
                for (d, id) in output.dims.iter().zip(ids) {
                    let (Some(stays), Some(list)) = (self.scene.snapshot.kept(*id), self.scene.state.of(*id)) else { continue };
                    broken.extend((0..stays.len()).filter(|at| !stays[*at]).map(|at| (list[at], clauses.broken(d, at))));
                }
            }
        }
        for (set, kinds) in broken.into_iter().filter(|(_, kinds)| *kinds != 0) {
            *self.scene.withdrawn.entry(set).or_default() |= kinds;
        }
    }
}
