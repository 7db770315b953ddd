//! Folding: a removed position that holds a number adds that number times a weight to every result, and a bias can do so
//! instead.

use std::rc::Rc;

use super::facts::{Clauses, Kept, ZERO};
use super::frame::Frame;
use super::number::Exact;
use super::prove::{Failure, Prover};
use super::state::{State, Why};
use egg::Id;

use crate::axis::{Bound, Call, DimExpr, Given, LetterId, Propagation};
use crate::model::{Arg, Graph, NodeId, ValueId};
use crate::rule::eval;

/// Whether a removed position can be folded.
pub enum Folded {
    /// It can, and the proof relies on that.
    Yes,
    /// It holds a number, but nothing can take that up.
    Constant,
    /// It holds no number.
    No,
}

/// A sum over an axis some of whose removed positions hold numbers.
#[derive(Clone, Debug)]
pub struct Fold {
    node: NodeId,
    letter: LetterId,
    site: Site,
    /// By position of the input's dimension: its number, or NaN.
    numbers: Rc<[f64]>,
}

/// Where the parts of a sum stand.
#[derive(Clone, Debug)]
struct Site {
    /// The input's dimension that has the axis, in terms of letters.
    input: Factors,
    /// The weight: a stored tensor, for each of its dimensions the letters.
    tensor: usize,
    weight: Vec<Factors>,
    /// The result's dimension that the weight makes.
    made: Factors,
    /// The argument that takes the sum up.
    into: String,
    /// The stored tensor that is there now.
    bias: Option<usize>,
}

/// A dimension as a product of letters, each with its step.
type Factors = Vec<(LetterId, usize)>;

/// What the numbers at the removed positions add up to, for each position of a bias.
#[derive(Clone, Debug, PartialEq)]
pub struct Folding {
    /// The node whose bias it is.
    pub node: NodeId,
    /// The argument.
    pub into: String,
    /// What is added, for every position before the cut.
    pub add: Vec<f64>,
    /// Which of these stay.
    pub kept: Vec<bool>,
    /// The stored tensor that only this node reads and that takes it up; else a new one has to.
    pub tensor: Option<usize>,
    /// What a new tensor holds besides: the values of a bias that others read too.
    pub base: Vec<f64>,
    /// A value with the element type of a new tensor.
    pub like: ValueId,
}

impl Prover<'_> {
    /// Tries to fold a removed position of a summed axis.
    pub(super) fn fold(
        &mut self,
        bound: &Bound,
        call: &Call,
        frame: &Frame,
        kept: &Kept,
        (letter, at): (LetterId, usize),
    ) -> Folded {
        let Some(exact) = self.exact else { return Folded::No };
        let mut clauses = Clauses::new(bound, call, frame, kept, self.operands(bound));
        let coords = frame.at(letter, at);
        let holders: Vec<usize> = (0..bound.operands.len()).filter(|k| bound.operands[*k].holds(letter)).collect();
        let known = |clauses: &mut Clauses| holders.iter().any(|k| clauses.number(*k, &coords).is_some());
        let Some((site, numbers)) = self.site(exact, bound, call, frame, letter) else {
            return if known(&mut clauses) { Folded::Constant } else { Folded::No };
        };
        // Every element that the position stands for: where the other letters of the dimension stay.
        let size: usize = site.input.iter().map(|(l, _)| frame.len(*l)).product();
        let place = |p: usize, (l, step): (LetterId, usize)| p / step % frame.len(l).max(1);
        let stays = |l: LetterId, c: usize| kept[l as usize].as_ref().is_none_or(|k| k[c]);
        let here =
            |p: &usize| site.input.iter().all(|f| if f.0 == letter { place(*p, *f) == at } else { stays(f.0, place(*p, *f)) });
        if !(0..size).filter(here).all(|p| numbers.get(p).is_some_and(|x| x.is_finite())) {
            return if known(&mut clauses) { Folded::Constant } else { Folded::No };
        }
        if !self.folds.iter().any(|f| f.node == bound.node && f.letter == letter) {
            if self.folds.iter().any(|f| f.node == bound.node) {
                return Folded::Constant;
            }
            self.folds.push(Fold { node: bound.node, letter, site, numbers });
        }
        Folded::Yes
    }

    /// The parts of a sum over a letter, if the rule says where numbers go and all is stored that it takes.
    fn site(&self, exact: &Exact, bound: &Bound, call: &Call, frame: &Frame, letter: LetterId) -> Option<(Site, Rc<[f64]>)> {
        let (graph, p) = (self.graph, self.p);
        let fold = bound.rule.fold.as_ref()?;
        let holds = fold.when.as_ref().is_none_or(|e| eval(e, call).is_ok_and(|v| v.truthy()));
        let [output] = bound.outputs.as_slice() else { return None };
        if !holds || call.node.graph != 0 || !bound.summed().contains(&letter) || frame.links.iter().any(Option::is_some) {
            return None;
        }
        let mut with = bound.operands.iter().filter(|o| o.holds(letter));
        let (Some(first), Some(second), None) = (with.next(), with.next(), with.next()) else { return None };
        let (Given::Tensor(x), Given::Tensor(w)) = (first.given, second.given) else { return None };
        let (input, value, weight, (tensor, order)) = match (stored(graph, p, exact, w), stored(graph, p, exact, x)) {
            (Some(found), _) => (first, x, second, found),
            (None, Some(found)) => (second, w, first, found),
            _ => return None,
        };
        let mut dims = (0..input.dims.len()).filter(|d| input.dims[*d].letters().contains(&letter));
        let (Some(dim), None) = (dims.next(), dims.next()) else { return None };
        let factors = |d: &DimExpr| factors(frame, d);
        let mut at = vec![Factors::new(); weight.dims.len()];
        for (d, place) in weight.dims.iter().zip(&order) {
            at[*place] = factors(d)?;
        }
        let all: Vec<LetterId> = at.iter().flatten().map(|(l, _)| *l).collect();
        let result = output.dims.iter().flat_map(DimExpr::letters).collect::<Vec<_>>();
        let made: Vec<LetterId> = all.iter().copied().filter(|l| result.contains(l)).collect();
        let whole = |d: &&DimExpr| {
            let letters = d.letters();
            !letters.is_empty() && letters.len() == made.len() && letters.iter().all(|l| made.contains(l))
        };
        let made = output.dims.iter().find(whole)?;
        let input_factors = factors(&input.dims[dim])?;
        if !input_factors.iter().all(|(l, _)| *l == letter || made.letters().contains(l))
            || input.at.iter().chain(&weight.at).next().is_some()
        {
            return None;
        }
        let bias = match bound.operands.iter().find(|o| o.arg == fold.into) {
            None => None,
            Some(o) => match o.given {
                Given::Number(x) if x == 0.0 && matches!(call.node.arg(&fold.into), None | Some(Arg::None)) => None,
                Given::Tensor(v) if o.dims.as_slice() == std::slice::from_ref(made) => {
                    Some(exact.tensor(v).filter(|k| exact.fixed[*k] && graph.tensors[*k].dtype.is_float())?)
                }
                _ => return None,
            },
        };
        let made = factors(made)?;
        let numbers = numbers(&self.facts[value.index()], dim, input_factors.iter().map(|(l, _)| frame.len(*l)).product())?;
        let site = Site { input: input_factors, tensor, weight: at, made, into: fold.into.clone(), bias };
        Some((site, numbers))
    }
}

/// The numbers at the positions of a dimension; zeros are numbers.
fn numbers(facts: &super::facts::ValueFacts, dim: usize, size: usize) -> Option<Rc<[f64]>> {
    let flags = facts.dims.get(dim).and_then(Option::as_ref).filter(|f| f.len() == size)?;
    let known = facts.numbers.get(dim).and_then(Option::as_ref);
    let at = |(p, f): (usize, &u8)| match known.and_then(|n| n.get(p)) {
        _ if f & ZERO != 0 => 0.0,
        Some(x) => *x,
        None => facts.whole.unwrap_or(f64::NAN),
    };
    Some(flags.iter().enumerate().map(at).collect())
}

/// A dimension as a product of letters.
fn factors(frame: &Frame, dim: &DimExpr) -> Option<Factors> {
    let parts: Vec<LetterId> = match dim {
        DimExpr::One => Vec::new(),
        DimExpr::Letter(l) => vec![*l],
        DimExpr::Product(parts) => {
            let letter = |p: &DimExpr| if let DimExpr::Letter(l) = p { Some(*l) } else { None };
            parts.iter().map(letter).collect::<Option<_>>()?
        }
        DimExpr::Sum(_) | DimExpr::Pick(..) => return None,
    };
    let mut out = Factors::new();
    for (k, l) in parts.iter().enumerate() {
        out.push((*l, parts[k + 1..].iter().map(|l| frame.len(*l)).product()));
    }
    Some(out)
}

/// The stored tensor that a value is, or is a copy of in another order: for each of the value's dimensions the tensor's.
fn stored(graph: &Graph, p: &Propagation, exact: &Exact, mut value: ValueId) -> Option<(usize, Vec<usize>)> {
    let mut order: Option<Vec<usize>> = None;
    for _ in 0..8 {
        if let Some(k) = exact.tensor(value) {
            let own = || (0..graph.tensors[k].shape.len()).collect();
            return exact.fixed[k].then(|| (k, order.unwrap_or_else(own)));
        }
        let maker = graph.node_ids().find(|n| graph.node(*n).outputs.contains(&value))?;
        let bound = p.bound_at(maker).filter(|b| b.copies && !p.aliases.written(value))?;
        let ([output], [operand]) = (bound.outputs.as_slice(), bound.operands.as_slice()) else { return None };
        let letter = |d: &DimExpr| if let DimExpr::Letter(l) = d { Some(*l) } else { None };
        let own: Vec<LetterId> = operand.dims.iter().map(letter).collect::<Option<_>>()?;
        let place = |d: &DimExpr| letter(d).and_then(|l| own.iter().position(|o| *o == l));
        let step: Vec<usize> = output.dims.iter().map(place).collect::<Option<_>>()?;
        if step.len() != own.len() || output.value != Some(value) {
            return None;
        }
        order = Some(match order {
            None => step,
            Some(order) => order.into_iter().map(|d| step[d]).collect(),
        });
        let Given::Tensor(from) = operand.given else { return None };
        value = from;
    }
    None
}

impl Fold {
    /// All that was folded has to stay: the weights cannot be read.
    pub fn failures(&self, p: &Propagation, state: &State) -> Vec<Failure> {
        let list = p.bound_at(self.node).and_then(|b| state.of(b.ids[self.letter as usize]));
        let gone = list.iter().flat_map(|list| list.iter()).filter(|set| !state.keeps(**set));
        gone.map(|set| Failure { set: *set, why: Why::Constant(self.node) }).collect()
    }

    /// Adds up what the removed positions contribute. `None` if the weights cannot be read.
    pub fn add_up(&self, p: &Propagation, exact: &Exact, kept: &dyn Fn(Id) -> Option<Rc<[bool]>>) -> Option<Folding> {
        let (graph, site) = (exact.graph, &self.site);
        let bound = p.bound_at(self.node)?;
        let len = |l: LetterId| bound.letters[l as usize].len();
        let letters: Vec<Option<Rc<[bool]>>> = bound.ids.iter().map(|id| kept(*id)).collect();
        let step = |of: &Factors, l: LetterId| of.iter().find(|(k, _)| *k == l).map_or(0, |(_, step)| *step);
        let n: usize = site.made.iter().map(|(l, _)| len(*l)).product();
        let weight = &graph.tensors[site.tensor];
        // For each dimension of the weight and position: where it is in the bias, where in the input, and whether it goes.
        let table = |(factors, size): (&Factors, &usize)| -> Vec<(usize, usize, bool)> {
            let at = |p: usize| {
                factors.iter().fold((0, 0, false), |(bias, input, gone), (l, s)| {
                    let c = p / s % len(*l).max(1);
                    let gone = gone || (*l == self.letter && letters[*l as usize].as_ref().is_some_and(|k| !k[c]));
                    (bias + c * step(&site.made, *l), input + c * step(&site.input, *l), gone)
                })
            };
            (0..*size).map(at).collect()
        };
        let tables: Vec<Vec<(usize, usize, bool)>> = site.weight.iter().zip(&weight.shape).map(table).collect();
        let steps: Vec<usize> = (0..weight.shape.len()).map(|d| weight.shape[d + 1..].iter().product()).collect();
        let mut add = vec![0.0; n];
        let read = exact.each(site.tensor, &mut |at, w| {
            let (mut bias, mut input, mut gone) = (0, 0, false);
            for (table, step) in tables.iter().zip(&steps) {
                let (b, i, g) = table[at / step % table.len()];
                (bias, input, gone) = (bias + b, input + i, gone || g);
            }
            if gone && w != 0.0 {
                let x = self.numbers[input];
                // What has no number goes with another axis, or the proof would not rely on it.
                add[bias] += if x.is_finite() { x * w } else { 0.0 };
            }
        });
        let stays =
            |b: usize| site.made.iter().all(|(l, s)| letters[*l as usize].as_ref().is_none_or(|k| k[b / s % len(*l).max(1)]));
        let kept: Vec<bool> = (0..n).map(stays).collect();
        let mut base = vec![0.0; n];
        let tensor = match site.bias {
            Some(k) if exact.alone(k) => Some(k),
            Some(k) => {
                exact.each(k, &mut |at, x| base[at] = x).then_some(())?;
                None
            }
            None => None,
        };
        let like = graph.tensors[site.bias.unwrap_or(site.tensor)].value;
        read.then(|| Folding { node: self.node, into: site.into.clone(), add, kept, tensor, base, like })
    }
}
