//! What small tensors hold: constants, sizes that a program asks for, and what it computes from these.

use rustc_hash::FxHashMap;

use super::fitted::Fitted;
use super::node::{BoundOperand, Call, DimExpr, Given, Sketch};
use crate::model::{Content, Graph, Node, Size, ValueId};
use crate::rule::{Body, Expr, Rule, Scope, Val, eval};

/// Tensors with more elements are not followed.
const LONGEST: usize = 1 << 16;

/// The same where formulas work out each element.
const FEW: usize = 1 << 10;

/// What the results of a node hold, as far as its rule tells. Only tensors that nothing writes may have a content.
pub(super) fn contents(call: &Call, fitted: &Fitted) -> Vec<(ValueId, Content)> {
    let Fitted::Rule(rule, sketch) = fitted else { return Vec::new() };
    let mut found = Vec::new();
    for (k, v) in call.node.outputs.iter().enumerate() {
        let shape = call.shapes[v.index()].as_deref().unwrap_or(&[]);
        let sizes: Option<Vec<usize>> = shape.iter().map(|s| usize::try_from(s.as_int()?).ok()).collect();
        let Some(sizes) = sizes else { continue };
        let numel = sizes.iter().try_fold(1usize, |n, d| n.checked_mul(*d)).unwrap_or(usize::MAX);
        let whole = !call.graph.value(*v).dtype.is_float();
        if numel > LONGEST || (!whole && numel > FEW) {
            continue;
        }
        let content = match &rule.number {
            Some(formula) if k == 0 => told(call, formula, numel),
            Some(_) => None,
            None if sketch.copies => copied(call, sketch, k, &sizes),
            None if k == 0 && numel <= FEW => computed(call, rule, sketch, &sizes, whole),
            None => None,
        };
        found.extend(content.map(|c| (*v, c)));
    }
    found
}

/// What a formula for all of it says.
fn told(call: &Call, formula: &Expr, numel: usize) -> Option<Content> {
    let list = match eval(formula, &Held { call, names: FxHashMap::default() }).ok()? {
        Val::List(items) => items.iter().map(Val::as_size).collect::<Option<Vec<Size>>>()?,
        one => vec![one.as_size()?],
    };
    (list.len() == numel).then(|| Content::Sizes(list.into()))
}

/// The elements of the operands, in other places.
fn copied(call: &Call, sketch: &Sketch, output: usize, sizes: &[usize]) -> Option<Content> {
    let out = sketch.outputs.get(output)?;
    let tensors: Vec<(&BoundOperand, &Content)> = sketch
        .operands
        .iter()
        .filter(|o| o.read)
        .map(|o| match o.given {
            Given::Tensor(v) => call.graph.contents.get(&v).map(|c| (o, c)),
            Given::Number(_) => None,
        })
        .collect::<Option<_>>()?;
    let mut items = Vec::new();
    let mut coords = vec![None; sketch.letters.len()];
    let numel = sizes.iter().product::<usize>();
    for n in 0..numel {
        coords.fill(None);
        out.at.iter().for_each(|l| coords[*l as usize] = Some(0));
        let mut rest = n;
        for (d, size) in out.dims.iter().zip(sizes).rev() {
            d.decode(rest % size, &sketch.letters, &mut coords);
            rest /= size;
        }
        let found = tensors.iter().find_map(|(o, c)| {
            let at = place(o, sketch, &coords)?;
            element(c, at)
        });
        items.push(found.unwrap_or(Val::Float(sketch.fill)));
    }
    collected(items, tensors.iter().all(|(_, c)| matches!(c, Content::Sizes(_))))
}

/// Where the element of some coordinates lies in an operand; `None` if it is none of it.
fn place(operand: &BoundOperand, sketch: &Sketch, coords: &[Option<u32>]) -> Option<usize> {
    if operand.at.iter().any(|l| coords[*l as usize].is_none()) {
        return None;
    }
    let mut at = 0;
    for d in &operand.dims {
        at = at * d.len(&sketch.letters) + position(d, sketch, coords)?;
    }
    Some(at)
}

fn position(d: &DimExpr, sketch: &Sketch, coords: &[Option<u32>]) -> Option<usize> {
    match d {
        DimExpr::One => Some(0),
        DimExpr::Letter(l) => coords[*l as usize].map(|c| c as usize),
        DimExpr::Pick(l, list) => {
            let c = coords[*l as usize]?;
            list.iter().position(|p| *p == c)
        }
        DimExpr::Product(parts) => {
            parts.iter().try_fold(0, |at, p| Some(at * p.len(&sketch.letters) + position(p, sketch, coords)?))
        }
        DimExpr::Sum(parts) => {
            let mut before = 0;
            for p in parts {
                if let Some(at) = position(p, sketch, coords) {
                    return Some(before + at);
                }
                before += p.len(&sketch.letters);
            }
            None
        }
    }
}

/// Element by element, by the rule's `value:`.
fn computed(call: &Call, rule: &Rule, sketch: &Sketch, sizes: &[usize], whole: bool) -> Option<Content> {
    let value = rule.facts.value.as_ref()?;
    let out = sketch.outputs.first()?;
    let alike = |d: &DimExpr| matches!(d, DimExpr::Letter(_) | DimExpr::One);
    if !out.dims.iter().all(alike) || matches!(&rule.body, Body::Layout(l) if l.name != "create") {
        return None;
    }
    let mut coords = vec![None; sketch.letters.len()];
    let mut items = Vec::new();
    for n in 0..sizes.iter().product::<usize>() {
        coords.fill(None);
        let mut rest = n;
        for (d, size) in out.dims.iter().zip(sizes).rev() {
            d.decode(rest % size, &sketch.letters, &mut coords);
            rest /= size;
        }
        let mut names = FxHashMap::default();
        for (letter, at) in sketch.letters.iter().zip(&coords) {
            if let (Some(at), false) = (at, letter.name == "...") {
                names.insert(letter.name.as_str(), Val::from(*at as usize));
            }
        }
        for operand in sketch.operands.iter().filter(|o| o.read) {
            let val = match operand.given {
                Given::Number(_) if one(call, &operand.arg).is_some() => one(call, &operand.arg)?,
                Given::Number(x) if x.fract() == 0.0 && x.abs() < 1e15 && whole => Val::int(x as i64),
                Given::Number(x) => Val::Float(x),
                Given::Tensor(v) if operand.dims.iter().all(alike) => {
                    element(call.graph.contents.get(&v)?, place(operand, sketch, &coords)?)?
                }
                Given::Tensor(_) => return None,
            };
            names.insert(operand.arg.as_str(), val);
        }
        items.push(eval(value, &Held { call, names }).ok()?);
    }
    collected(items, whole)
}

/// The number in a tensor without dimensions, which may be a dynamic size.
fn one(call: &Call, arg: &str) -> Option<Val> {
    let [v] = call.node.arg(arg)?.tensors()[..] else { return None };
    element(call.graph.contents.get(&v)?, 0)
}

fn element(content: &Content, at: usize) -> Option<Val> {
    match content {
        Content::Sizes(list) => list.get(at).cloned().map(Val::Size),
        Content::Numbers(list) => list.get(at).copied().map(Val::Float),
    }
}

/// Whole numbers are cut off at the point, as conversions do.
fn collected(items: Vec<Val>, whole: bool) -> Option<Content> {
    if !whole {
        return items.iter().map(Val::as_f64).collect::<Option<Vec<f64>>>().map(|list| Content::Numbers(list.into()));
    }
    let size = |v: &Val| match v {
        Val::Float(x) if x.abs() < 1e15 => Some(Size::int(x.trunc() as i64)),
        Val::Float(_) => None,
        other => other.as_size(),
    };
    items.iter().map(size).collect::<Option<Vec<Size>>>().map(|list| Content::Sizes(list.into()))
}

/// Names in a formula over what tensors hold: a tensor of which that is not known has no value.
struct Held<'a> {
    call: &'a Call<'a>,
    names: FxHashMap<&'a str, Val>,
}

impl Scope for Held<'_> {
    fn get(&self, name: &str) -> Option<Val> {
        if let Some(known) = self.names.get(name) {
            return Some(known.clone());
        }
        let node: &Node = self.call.node;
        let unknown = |v: ValueId| !self.call.graph.contents.contains_key(&v);
        if node.arg(name).is_some_and(|a| a.tensors().into_iter().any(unknown)) {
            return None;
        }
        self.call.val(name)
    }

    fn spread(&self, _: &str) -> Option<Vec<Size>> {
        None
    }

    fn shape(&self, operand: &str) -> Option<Vec<Size>> {
        Scope::shape(self.call, operand)
    }
}

/// Whether the program's small tensors are followed: those of a program in which something may be written are not.
pub(super) fn follows(graph: &Graph) -> bool {
    !graph.versions.is_empty()
}
