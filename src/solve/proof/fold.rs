//! Folding: a removed position that holds a number adds that number times a weight to every result, and a bias can do so
//! instead.

use std::rc::Rc;

use super::clauses::Clauses;
use super::exact::Exact;
use super::facts::{Kept, ValueFacts, ZERO};
use super::scene::Scene;
use super::site::{Factors, Fold, Folded, Site};
use super::windows::windows;
use crate::axis::{Bound, BoundOperand, Call, DimExpr, Given, LetterId, Propagation};
use crate::model::{Arg, Graph, Role, ValueId};
use crate::rule::{Expr, eval};
use crate::solve::positions::Frame;

impl Scene<'_> {
    /// Tries to fold a removed position of a summed axis.
    pub fn fold(
        &self,
        folds: &mut Vec<Fold>,
        bound: &Bound,
        call: &Call,
        frame: &Frame,
        kept: &Kept,
        (letter, at): (LetterId, usize),
    ) -> Folded {
        let Some(exact) = self.exact else { return Folded::No };
        let mut clauses = self.clauses(bound, call, frame, kept);
        let coords = frame.at(letter, at);
        let holders: Vec<usize> = (0..bound.operands.len()).filter(|k| bound.operands[*k].holds(letter)).collect();
        let known = |clauses: &mut Clauses| holders.iter().any(|k| clauses.number(*k, &coords).is_some());
        let Some((site, numbers)) = self.site(exact, bound, call, frame, letter) else {
            return if known(&mut clauses) { Folded::Constant } else { Folded::No };
        };
        // Every element that the position stands for: where the other letters of the dimension stay.
        let number = |p: usize| numbers.get(p).is_some_and(|x| x.is_finite());
        let dim = site.input.iter().map(|(l, _)| *l).collect::<Vec<_>>();
        let made: Vec<LetterId> = site.made.iter().map(|(l, _)| *l).collect();
        let all = if let [_] = dim[..] {
            number(at)
        } else {
            let dim = DimExpr::Product(dim.into_iter().map(DimExpr::Letter).collect());
            let mut here = frame.nowhere();
            let stays = |(l, c): (usize, &Option<u32>)| match (&kept[l], c) {
                (Some(k), Some(c)) if l != letter as usize => k[*c as usize],
                _ => true,
            };
            (0..dim.len(frame.letters)).all(|p| {
                here.fill(None);
                frame.decode(&dim, p, &mut here);
                here[letter as usize] != Some(at as u32) || !here.iter().enumerate().all(stays) || number(p)
            })
        };
        if !all {
            return if known(&mut clauses) { Folded::Constant } else { Folded::No };
        }
        if !site.windows.is_empty() && !exact.maps {
            return Folded::Border;
        }
        // A bias for each place has all of them.
        let places = bound.outputs.iter().flat_map(|o| &o.dims).flat_map(DimExpr::letters).filter(|l| !made.contains(l));
        if !site.windows.is_empty() && places.into_iter().any(|l| kept[l as usize].is_some()) {
            return Folded::Constant;
        }
        if !folds.iter().any(|f| f.node == bound.node && f.letter == letter) {
            if folds.iter().any(|f| f.node == bound.node) {
                return Folded::Constant;
            }
            folds.push(Fold { node: bound.node, letter, site, numbers });
        }
        Folded::Yes
    }

    /// The parts of a sum over a letter, if the rule says where numbers go and all is stored that it takes.
    fn site(&self, exact: &Exact, bound: &Bound, call: &Call, frame: &Frame, letter: LetterId) -> Option<(Site, Rc<[f64]>)> {
        let (graph, p) = (self.graph, self.p);
        let fold = bound.rule.fold.as_ref()?;
        let whole = fold.when.as_ref().is_none_or(|e| eval(e, call).is_ok_and(|v| v.truthy()));
        let [output] = bound.outputs.as_slice() else { return None };
        if (!whole && fold.window.is_none()) || call.node.graph != 0 || !bound.summed().contains(&letter) {
            return None;
        }
        let mut with = bound.operands.iter().filter(|o| o.holds(letter));
        let (Some(first), Some(second), None) = (with.next(), with.next(), with.next()) else { return None };
        let (Given::Tensor(x), Given::Tensor(w)) = (first.given, second.given) else { return None };
        let (input, value, weight, Stored { tensor, order, .. }) = match (stored(graph, p, exact, w), stored(graph, p, exact, x))
        {
            (Some(found), _) => (first, x, second, found),
            (None, Some(found)) => (second, w, first, found),
            _ => return None,
        };
        let mut dims = (0..input.dims.len()).filter(|d| input.dims[*d].letters().contains(&letter));
        let (Some(dim), None) = (dims.next(), dims.next()) else { return None };
        let factors = |d: &DimExpr| factors(bound, d);
        let mut at = vec![Factors::new(); weight.dims.len()];
        for (d, place) in weight.dims.iter().zip(&order) {
            at[*place] = factors(d)?;
        }
        let all: Vec<LetterId> = at.iter().flatten().map(|(l, _)| *l).collect();
        let result = output.dims.iter().flat_map(DimExpr::letters).collect::<Vec<_>>();
        let made: Vec<LetterId> = all.iter().copied().filter(|l| result.contains(l)).collect();
        let is_made = |d: &DimExpr| {
            let letters = d.letters();
            !letters.is_empty() && letters.len() == made.len() && letters.iter().all(|l| made.contains(l))
        };
        let place = output.dims.iter().position(is_made)?;
        let made = &output.dims[place];
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
                    Some(stored(graph, p, exact, v).filter(|s| graph.tensors[s.tensor].dtype.is_float())?)
                }
                _ => return None,
            },
        };
        // What depends on an outer position has it beside itself in each dimension.
        let told = |d: &DimExpr| d.letters().iter().all(|l| frame.links[*l as usize].is_none_or(|k| d.letters().contains(&k.at)));
        let link = frame.links[letter as usize];
        if !told(&input.dims[dim]) || !told(made) || link.is_some_and(|k| !all.contains(&k.at)) {
            return None;
        }
        let axis = *p.dims[output.value?.index()].as_ref()?.get(place)?;
        let after = (made.letters(), &output.dims[place + 1..]);
        let windows =
            if whole { Vec::new() } else { windows(bound, call, fold, (letter, &input.dims, &all), (&after.0, after.1))? };
        let made = factors(made)?;
        let size = input.dims[dim].len(&bound.letters);
        let numbers = numbers(&self.facts[value.index()], dim, size)?;
        let into = fold.into.clone();
        let (bias, own) = (bias.as_ref().map(|b| b.tensor), bias.is_some_and(|b| b.own && exact.alone(b.tensor)));
        let site = Site { input: input_factors, link, tensor, weight: at, made, axis, into, bias, own, windows };
        Some((site, numbers))
    }
}

/// The numbers at the positions of a dimension; zeros are numbers.
fn numbers(facts: &ValueFacts, dim: usize, size: usize) -> Option<Rc<[f64]>> {
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
fn factors(bound: &Bound, dim: &DimExpr) -> Option<Factors> {
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
        out.push((*l, parts[k + 1..].iter().map(|l| bound.letters[*l as usize].len()).product()));
    }
    Some(out)
}

/// A stored tensor as a value.
struct Stored {
    tensor: usize,
    /// For each of the value's dimensions the tensor's.
    order: Vec<usize>,
    /// The value is the tensor, and nothing computed from it.
    own: bool,
}

/// The stored tensor that a value is, or is a copy of in another order, or is once it is multiplied by its own mask.
fn stored(graph: &Graph, p: &Propagation, exact: &Exact, mut value: ValueId) -> Option<Stored> {
    let (mut order, mut own): (Option<Vec<usize>>, bool) = (None, true);
    for _ in 0..8 {
        if let Some(tensor) = exact.tensor(value) {
            let order = order.unwrap_or_else(|| (0..graph.tensors[tensor].shape.len()).collect());
            return exact.fixed[tensor].then_some(Stored { tensor, order, own });
        }
        own = false;
        let maker = graph.node_ids().find(|n| graph.node(*n).outputs.contains(&value))?;
        let bound = p.bound_at(maker).filter(|_| !p.aliases.written(value))?;
        let [output] = bound.outputs.as_slice() else { return None };
        let operand = if bound.copies {
            bound.operands.first().filter(|_| bound.operands.len() == 1)?
        } else {
            masked(graph, p, exact, bound)?
        };
        let letter = |d: &DimExpr| if let DimExpr::Letter(l) = d { Some(*l) } else { None };
        let from: Vec<LetterId> = operand.dims.iter().map(letter).collect::<Option<_>>()?;
        let place = |d: &DimExpr| letter(d).and_then(|l| from.iter().position(|o| *o == l));
        let step: Vec<usize> = output.dims.iter().map(place).collect::<Option<_>>()?;
        if step.len() != from.len() || output.value != Some(value) {
            return None;
        }
        order = Some(match order {
            None => step,
            Some(order) => order.into_iter().map(|d| step[d]).collect(),
        });
        let Given::Tensor(next) = operand.given else { return None };
        value = next;
    }
    None
}

/// Of a product of a parameter and the mask that it has anyway, the parameter.
fn masked<'b>(graph: &Graph, p: &Propagation, exact: &Exact, bound: &'b Bound) -> Option<&'b BoundOperand> {
    let [a, b] = bound.operands.as_slice() else { return None };
    if !bound.rule.is_product() || a.dims != b.dims || bound.outputs.first()?.dims != a.dims {
        return None;
    }
    let tensor = |o: &BoundOperand| if let Given::Tensor(v) = o.given { exact.tensor(same(graph, p, v)) } else { None };
    let (first, second) = (tensor(a)?, tensor(b)?);
    let is =
        |parameter: usize, mask: usize| graph.tensors[parameter].role == Role::Parameter && exact.masks_nothing(parameter, mask);
    match (is(first, second), is(second, first)) {
        (true, _) => Some(a),
        (_, true) => Some(b),
        _ => None,
    }
}

/// What a value is the same numbers as: the operand of a conversion.
fn same(graph: &Graph, p: &Propagation, mut value: ValueId) -> ValueId {
    for _ in 0..4 {
        let Some(maker) = graph.node_ids().find(|n| graph.node(*n).outputs.contains(&value)) else { break };
        let Some(bound) = p.bound_at(maker).filter(|_| !p.aliases.written(value)) else { break };
        let mut read = bound.operands.iter().filter(|o| o.read);
        let (Some(operand), None, [output]) = (read.next(), read.next(), bound.outputs.as_slice()) else { break };
        let copy =
            matches!(&bound.rule.facts.value, Some(Expr::Name(name)) if *name == operand.arg) && operand.dims == output.dims;
        match operand.given {
            Given::Tensor(v) if copy => value = v,
            _ => break,
        }
    }
    value
}
