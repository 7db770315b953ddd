//! Numbers at removed positions: where a value is the same number at all elements of a position, whatever the model's input
//! is, as after the batch norm of a masked channel. They are evaluated in double precision by the `value:` clauses of rules.
//!
//! Only where the given masks alone count (`--lossless`) are there any: else a removed position's parameters are zero.

use std::cell::RefCell;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::data::Data;
use super::facts::{Clauses, FINITE, NONNEG, NONZERO, ORDINARY, ValueFacts, ZERO, part_of};
use super::frame::Coords;
use super::masks::Given;
use super::ragged::Link;
use crate::axis::{Call, DimExpr, Given as Operand, LetterId, Propagation};
use crate::model::{Graph, Role, Size, ValueId};
use crate::rule::{EvalError, Expr, Scope, Val, eval};

/// Stored tensors larger than this are not asked for numbers, only for zeros by their masks.
const LARGEST: usize = 1 << 16;

/// What proves that the given masks alone make a removal right.
pub struct Exact<'a> {
    /// The program.
    pub graph: &'a Graph,
    /// The masks that were given, by tensor.
    pub given: &'a [Option<Given<'a>>],
    /// The stored values.
    pub data: &'a dyn Data,
    /// Whether a bias may have other values from place to place.
    pub maps: bool,
    /// For each tensor whether its values are the stored ones whenever it is read.
    pub fixed: Vec<bool>,
    tensors: FxHashMap<ValueId, usize>,
    /// How often each value is read.
    uses: Vec<usize>,
    values: RefCell<FxHashMap<usize, Option<Rc<[f64]>>>>,
    masking: RefCell<FxHashMap<(usize, usize), bool>>,
}

impl<'a> Exact<'a> {
    /// What the given masks and the stored values say.
    pub fn new(graph: &'a Graph, p: &Propagation, given: &'a [Option<Given<'a>>], data: &'a dyn Data, maps: bool) -> Exact<'a> {
        let fixed = graph.tensors.iter().map(|t| !t.updated && !p.aliases.written(t.value)).collect();
        let tensors = graph.tensors.iter().enumerate().map(|(k, t)| (t.value, k)).collect();
        let mut uses = vec![0; graph.values.len()];
        let read = graph.nodes.iter().flat_map(|n| &n.args).flat_map(|(_, a)| a.tensors());
        read.chain(graph.outputs.iter().copied()).for_each(|v| uses[v.index()] += 1);
        Exact { graph, given, data, maps, fixed, tensors, uses, values: RefCell::default(), masking: RefCell::default() }
    }

    /// The stored tensor that a value is.
    pub fn tensor(&self, value: ValueId) -> Option<usize> {
        self.tensors.get(&value).copied()
    }

    /// True for a parameter that is read in one place, and shares its memory with no other tensor.
    pub fn alone(&self, tensor: usize) -> bool {
        let t = &self.graph.tensors[tensor];
        let others = self.graph.tensors.iter().filter(|o| o.storage == t.storage).count();
        t.role == Role::Parameter && self.uses[t.value.index()] == 1 && others == 1
    }

    /// Calls `f` with every element of a tensor as the masked original has it.
    pub fn each(&self, tensor: usize, f: &mut dyn FnMut(usize, f64)) -> bool {
        let t = &self.graph.tensors[tensor];
        let mask = self.given[tensor].as_ref().filter(|_| t.role == Role::Parameter);
        let inner: Option<(usize, usize)> =
            mask.and_then(Given::channel_dim).map(|d| (t.shape[d], t.shape[d + 1..].iter().product()));
        let kept = |at: usize| match (mask, inner) {
            (None, _) => true,
            (Some(g), None) => g.mask.keep.get(at).is_none_or(|k| *k != 0),
            (Some(g), Some((n, inner))) => g.mask.keep.get(at / inner.max(1) % n.max(1)).is_none_or(|k| *k != 0),
        };
        self.fixed[tensor] && self.data.each(tensor, &mut |at, x| f(at, if kept(at) { x } else { 0.0 }))
    }

    /// Whether a tensor times another is itself: the other is one wherever the masked original has it.
    pub fn masks_nothing(&self, tensor: usize, by: usize) -> bool {
        if let Some(known) = self.masking.borrow().get(&(tensor, by)) {
            return *known;
        }
        let (shape, other) = (&self.graph.tensors[tensor].shape, &self.graph.tensors[by]);
        let mut ones = Vec::with_capacity(other.numel());
        let mut same = *shape == other.shape && self.each(by, &mut |_, x| ones.push(x == 1.0)) && ones.len() == other.numel();
        if same {
            let mut alike = true;
            same = self.each(tensor, &mut |at, x| alike &= x == 0.0 || ones[at]) && alike;
        }
        self.masking.borrow_mut().insert((tensor, by), same);
        same
    }

    /// The elements of a small tensor.
    fn values(&self, tensor: usize) -> Option<Rc<[f64]>> {
        if let Some(known) = self.values.borrow().get(&tensor) {
            return known.clone();
        }
        let n = self.graph.tensors[tensor].numel();
        let mut list = Vec::new();
        let known = n <= LARGEST && self.each(tensor, &mut |_, x| list.push(x)) && list.len() == n;
        let values: Option<Rc<[f64]>> = known.then(|| list.into());
        self.values.borrow_mut().insert(tensor, values.clone());
        values
    }

    /// The facts of a stored tensor of which these positions stay; `links` tells the ragged dimensions.
    pub fn source(&self, tensor: usize, kept: &[Option<Rc<[bool]>>], links: &[Option<Link<usize>>]) -> ValueFacts {
        let t = &self.graph.tensors[tensor];
        let whole = if t.numel() == 1 { self.values(tensor).map(|v| v[0]).filter(|x| x.is_finite()) } else { None };
        let mut facts = ValueFacts { whole, ..ValueFacts::default() };
        let infinite = t.role != Role::Parameter && kept.iter().any(Option::is_some) && self.data.infinite(tensor);
        let finite = if infinite { 0 } else { FINITE };
        for (d, kept) in kept.iter().enumerate() {
            let Some(kept) = kept else {
                facts.dims.push(None);
                facts.numbers.push(None);
                continue;
            };
            let zero = self.masked(tensor, d, links[d]);
            let numbers = if links[d].is_none() { self.alike(tensor, d) } else { None };
            let at = |k: usize| numbers.as_ref().and_then(|n| n.get(k).copied()).filter(|x| x.is_finite());
            let flags = |k: usize| {
                let masked = zero.as_ref().is_some_and(|z| z.get(k) == Some(&true));
                finite | if masked { ZERO | NONNEG } else { at(k).map_or(0, of_number) }
            };
            let flags = kept.iter().enumerate().map(|(k, stays)| if *stays { ORDINARY } else { flags(k) });
            facts.dims.push(Some(flags.collect()));
            facts.numbers.push(numbers.map(Into::into));
        }
        facts
    }

    /// For each position of a dimension whether the given mask makes all of it zero.
    fn masked(&self, tensor: usize, dim: usize, link: Option<Link<usize>>) -> Option<Vec<bool>> {
        let t = &self.graph.tensors[tensor];
        let given = self.given[tensor].as_ref().filter(|_| t.role == Role::Parameter && self.fixed[tensor])?;
        given.masked(&t.shape, dim, link)
    }

    /// For each position of a dimension the number that all its elements are; NaN where they are not the same.
    fn alike(&self, tensor: usize, dim: usize) -> Option<Vec<f64>> {
        let values = self.values(tensor)?;
        let shape = &self.graph.tensors[tensor].shape;
        let (n, inner) = (shape[dim], shape[dim + 1..].iter().product::<usize>().max(1));
        let mut found: Vec<Option<f64>> = vec![None; n];
        for (at, x) in values.iter().enumerate() {
            let one = &mut found[at / inner % n.max(1)];
            *one = Some(if one.is_none_or(|y| y == *x) { *x } else { f64::NAN });
        }
        Some(found.into_iter().map(|x| x.unwrap_or(f64::NAN)).collect())
    }
}

/// The facts of a number.
pub fn of_number(x: f64) -> u8 {
    let sign = if x >= 0.0 { NONNEG } else { 0 };
    FINITE | sign | if x == 0.0 { ZERO } else { NONZERO }
}

impl Clauses<'_> {
    /// The number that a result is at one position of one dimension, if it is one.
    pub fn output_number(&mut self, dim: &DimExpr, position: usize) -> Option<f64> {
        let mut coords = self.frame.nowhere();
        self.frame.decode(dim, position, &mut coords);
        let apart: Vec<LetterId> = dim.letters().into_iter().filter(|l| coords[*l as usize].is_none()).collect();
        let rule = self.bound.rule.clone();
        let x = match &rule.facts.value {
            Some(value) => {
                let call = self.call;
                let names = Names { call, clauses: RefCell::new(self), coords: &coords, apart: &apart };
                eval(value, &names).ok()?.as_f64()?
            }
            None if self.bound.copies && rule.facts.zero.is_none() => self.copied(&coords, &apart)?,
            None => return None,
        };
        x.is_finite().then_some(x)
    }

    /// The number that all elements of a copy are at these coordinates.
    fn copied(&mut self, coords: &Coords, apart: &[LetterId]) -> Option<f64> {
        let giving = self.giving(apart);
        let mut numbers: Vec<Option<f64>> = giving.iter().map(|k| self.number(*k, coords)).collect();
        if giving.is_empty() || self.filled(coords, apart) {
            numbers.push(Some(self.bound.fill));
        }
        let first = numbers.first().copied().flatten()?;
        numbers.iter().all(|x| *x == Some(first)).then_some(first)
    }

    /// The number that an operand is at these coordinates, if it is one.
    pub fn number(&mut self, k: usize, coords: &Coords) -> Option<f64> {
        let operand = &self.bound.operands[k];
        let value = match operand.given {
            Operand::Number(x) => return x.is_finite().then_some(x),
            Operand::Tensor(_) => self.operands[k]?,
        };
        if let Some(x) = value.whole {
            return Some(x);
        }
        if self.operand(k, ZERO, coords) {
            return Some(0.0);
        }
        if self.twice(operand, coords).is_some() {
            return None;
        }
        for (d, dim) in operand.dims.iter().enumerate() {
            let Some(Some(numbers)) = value.numbers.get(d) else { continue };
            if dim.letters().iter().all(|l| coords[*l as usize].is_none()) {
                continue;
            }
            let found = match self.frame.encode(dim, coords, self.asked_part()) {
                Some(at) => numbers.get(at).copied(),
                None => self.over(dim, numbers, coords),
            };
            if let Some(x) = found.filter(|x| x.is_finite()) {
                return Some(x);
            }
        }
        None
    }

    /// The number at all positions of a dimension that meet the coordinates.
    fn over(&self, dim: &DimExpr, numbers: &[f64], coords: &Coords) -> Option<f64> {
        let mut found: Option<f64> = None;
        for (at, x) in numbers.iter().enumerate().filter(|(at, _)| self.frame.within(dim, *at, self.asked_part())) {
            let mut here = self.frame.nowhere();
            self.frame.decode(dim, at, &mut here);
            let meets = dim.letters().iter().all(|l| match (coords[*l as usize], here[*l as usize]) {
                (Some(wanted), Some(c)) => wanted == c,
                (Some(_), None) => false,
                (None, _) => true,
            });
            if meets && found.is_some_and(|y| y != *x) {
                return None;
            }
            if meets {
                found = Some(*x);
            }
        }
        found
    }
}

/// Names in a `value:` clause: operands are their numbers, `zero(x)` asks for a fact.
struct Names<'a, 'b, 'c> {
    call: &'a Call<'a>,
    clauses: RefCell<&'b mut Clauses<'c>>,
    coords: &'b Coords,
    apart: &'b [LetterId],
}

impl Names<'_, '_, '_> {
    /// The position of a letter.
    fn place(&self, letter: &str) -> Option<Val> {
        let clauses = self.clauses.borrow();
        let at = clauses.bound.letters.iter().position(|l| l.name == letter)?;
        Some(Val::int(i64::from(self.coords[at]?)))
    }

    fn number(&self, name: &str) -> Option<Option<f64>> {
        let mut clauses = self.clauses.borrow_mut();
        let found: Vec<usize> = (0..clauses.bound.operands.len()).filter(|k| clauses.bound.operands[*k].arg == name).collect();
        let first = *found.first()?;
        let x = clauses.number(first, self.coords);
        Some(if found[1..].iter().all(|k| clauses.number(*k, self.coords) == x) { x } else { None })
    }
}

impl Scope for Names<'_, '_, '_> {
    fn get(&self, name: &str) -> Option<Val> {
        match self.number(name) {
            Some(x) => x.map(Val::Float),
            None => self.call.val(name).or_else(|| self.place(name)),
        }
    }

    fn spread(&self, _: &str) -> Option<Vec<Size>> {
        None
    }

    fn shape(&self, operand: &str) -> Option<Vec<Size>> {
        Scope::shape(self.call, operand)
    }

    fn call(&self, function: &str, args: &[Expr]) -> Option<Result<Val, EvalError>> {
        if function == "part" {
            let called = Expr::Call(function.to_owned(), args.to_vec());
            let Some((name, part)) = part_of(&called) else {
                return Some(Err(EvalError::Arguments { function: "part", takes: "an operand and the number of a part" }));
            };
            let mut clauses = self.clauses.borrow_mut();
            let operand = clauses.bound.operands.iter().position(|o| o.arg == name);
            let x = operand.and_then(|k| clauses.in_part(part, |clauses| clauses.number(k, self.coords)));
            return Some(Ok(x.map_or(Val::None, Val::Float)));
        }
        let kind = match function {
            "zero" => ZERO,
            "finite" => FINITE,
            "nonneg" => NONNEG,
            "nonzero" => NONZERO,
            _ => return None,
        };
        let [operand] = args else { return Some(Err(EvalError::Arguments { function: "zero", takes: "one operand" })) };
        Some(Ok(Val::Bool(self.clauses.borrow_mut().clause(operand, kind, self.coords, self.apart))))
    }
}
