//! Drawing examples for a rule: tensors from its notation, other arguments from the operator's schema.

use std::collections::HashMap;
use std::rc::Rc;

use super::backend::Backend;
use super::example::Example;
use super::hints::Hints;
use super::random::Random;
use crate::model::{Arg, Size};
use crate::rule::{Body, Dim, Expr, Operand, Pattern, Rule, Schema, SchemaArg, Scope, Val, eval};

/// Sizes of letters; an ellipsis has one for each of its dimensions.
type Letters = HashMap<(String, usize), usize>;

/// Draws examples of one rule for one overload.
pub(super) struct Draw<'a> {
    pub(super) rule: &'a Rule,
    schema: &'a Schema,
    pub(super) hints: Hints,
    pub random: Random,
    pub(super) by: Rc<dyn Backend>,
}

/// The arguments drawn so far.
#[derive(Default)]
pub(super) struct Drawn {
    letters: Letters,
    lengths: HashMap<String, usize>,
    args: HashMap<String, Arg>,
    /// The sizes of the first tensor.
    pub(super) first: Vec<usize>,
    /// Length of lists of which neither the schema nor the rule tells it.
    pub(super) listed: Option<usize>,
    /// Length of all lists that are tensors.
    pub(super) pairs: Option<usize>,
}

impl<'a> Draw<'a> {
    /// For a rule and an overload.
    pub fn new(rule: &'a Rule, schema: &'a Schema, seed: u64, by: &Rc<dyn Backend>) -> Draw<'a> {
        Draw { rule, schema, hints: Hints::new(rule), random: Random::new(seed, &schema.name), by: by.clone() }
    }

    /// How many alternatives the rule has.
    pub fn alternatives(&self) -> usize {
        if let Body::Patterns(patterns) = &self.rule.body { patterns.len() } else { 1 }
    }

    /// An example of one alternative, which the rule may or may not be for; `None` where an argument cannot be drawn. With
    /// `equal`, all letters have one size: then libtorch also takes calls that the rule pairs wrongly.
    pub fn example(&mut self, alternative: usize, equal: bool) -> Option<Example> {
        let mut example = Example::new(&self.by);
        example.graph.versions = self.by.versions(self.schema);
        let mut drawn = Drawn::default();
        let rule = self.rule;
        match &rule.body {
            Body::Patterns(patterns) => {
                self.operands(patterns.get(alternative)?, equal, &mut drawn, &mut example)?;
                self.inverse(&mut drawn);
                let mut lengths: Vec<usize> = drawn.lengths.values().copied().filter(|n| *n > 0).collect();
                lengths.sort_unstable();
                drawn.listed = self.random.one(&lengths).filter(|_| self.random.chance(0.5));
            }
            Body::Layout(_) => self.tensors(&mut drawn, &mut example),
        }
        let mut args = Vec::new();
        if self.by.is_typed() {
            drawn.pairs = self.random.one(&[1, 1, 1, 2]).filter(|_| self.random.chance(0.6));
        }
        for arg in &self.schema.args {
            let found = match drawn.args.remove(&arg.name) {
                Some(arg) => Some(arg),
                None if self.by.is_typed() && arg.is_tensor() => match &arg.default {
                    Some(_) if self.random.chance(0.4) => None,
                    Some(_) => self.told(arg, &drawn, &mut example),
                    None => Some(self.told(arg, &drawn, &mut example)?),
                },
                None => match &arg.default {
                    Some(_) if self.random.chance(if self.hints.values.contains_key(&arg.name) { 0.35 } else { 0.6 }) => None,
                    Some(_) => self.value(arg, &drawn),
                    None => Some(self.value(arg, &drawn)?),
                },
            };
            if let Some(value) = found {
                args.push((arg.name.clone(), value));
            }
        }
        if self.by.is_typed() {
            Draw::halves(&mut args);
        }
        example.set_whole(&self.hints.whole);
        example.call(&self.schema.name, args);
        Some(example)
    }

    /// Tensors as a pattern has them.
    fn operands(&mut self, pattern: &Pattern, equal: bool, drawn: &mut Drawn, example: &mut Example) -> Option<()> {
        let equal = equal.then(|| 2 + self.random.below(3));
        let optional = self.random.chance(0.6);
        let all = pattern.operands.iter().flat_map(|o| &o.dims).chain(pattern.outputs.iter().flatten());
        let rank = pattern.operands.first().and_then(|o| self.hints.ranks.get(&o.name)).cloned();
        for dim in all {
            self.letters(dim, equal, drawn);
        }
        // A condition on the number of dimensions is met by the ellipsis of the first operand.
        if let (Some(ranks), Some(operand)) = (rank, pattern.operands.first())
            && self.random.chance(0.8)
            && let Some(rank) = self.random.one(&ranks)
            && let [one] = operand.dims.iter().filter_map(ellipsis).collect::<Vec<_>>().as_slice()
        {
            let n = (rank + 1).saturating_sub(operand.dims.len());
            drawn.lengths.insert((*one).to_owned(), n);
            (0..n).for_each(|item| {
                let size = equal.unwrap_or_else(|| 2 + self.random.below(4));
                drawn.letters.entry(((*one).to_owned(), item)).or_insert(size);
            });
        }
        let mut lists: HashMap<String, Vec<Arg>> = HashMap::new();
        let mut ended: Vec<&str> = Vec::new();
        for (k, operand) in pattern.operands.iter().enumerate() {
            let declared = self.schema.arg(&operand.name)?;
            if !declared.is_tensor() || self.by.is_typed() && operand.unread && is_list(declared) {
                continue;
            }
            let missing = operand.missing.is_some() && self.random.chance(0.4);
            if operand.index.is_some() && (missing || ended.contains(&operand.name.as_str())) {
                ended.push(&operand.name);
                continue;
            }
            if missing {
                if declared.default.is_none() {
                    drawn.args.insert(operand.name.clone(), Arg::None);
                }
                continue;
            }
            let shape = self.shape(operand, k > 0, optional, drawn)?;
            if drawn.first.is_empty() && k == 0 {
                drawn.first.clone_from(&shape);
            }
            if operand.step.is_some() {
                return None; // items of lists of any length are not drawn
            }
            let name = operand.label();
            let tensor = Arg::Tensor(example.tensor(&name, &shape));
            match operand.index {
                Some(_) => lists.entry(operand.name.clone()).or_default().push(tensor),
                None if declared.ty.contains('[') => return None,
                None => drop(drawn.args.insert(operand.name.clone(), tensor)),
            }
        }
        drawn.args.extend(lists.into_iter().map(|(name, items)| (name, Arg::List(items))));
        Some(())
    }

    fn letters(&mut self, dim: &Dim, equal: Option<usize>, drawn: &mut Drawn) {
        match dim {
            Dim::Letter(l) => {
                let n = match l.ellipsis {
                    true => {
                        *drawn.lengths.entry(l.name.clone()).or_insert_with(|| self.random.one(&[0, 1, 1, 2, 2, 3]).unwrap_or(1))
                    }
                    false => 1,
                };
                for item in 0..n {
                    let size = equal.unwrap_or_else(|| 2 + self.random.below(5));
                    drawn.letters.entry((l.name.clone(), item)).or_insert(size);
                }
            }
            Dim::Product(parts) | Dim::Sum(parts) => {
                // A convolution of one group is the usual one.
                if let (Dim::Product(_), Some(Dim::Letter(first))) = (dim, parts.first())
                    && !first.ellipsis
                    && self.random.chance(0.3)
                {
                    drawn.letters.entry((first.name.clone(), 0)).or_insert(1);
                }
                parts.iter().for_each(|p| self.letters(p, equal, drawn));
            }
            Dim::Number(_) => {}
        }
    }

    fn shape(&mut self, operand: &Operand, later: bool, optional: bool, drawn: &Drawn) -> Option<Vec<usize>> {
        let mut shape = Vec::new();
        for dim in &operand.dims {
            let Dim::Letter(l) = dim else {
                shape.push(size(dim, drawn)?);
                continue;
            };
            if l.optional && !optional {
                continue;
            }
            let broadcasts = l.broadcast && later;
            let n = if l.ellipsis { *drawn.lengths.get(&l.name)? } else { 1 };
            let from = if l.ellipsis && broadcasts && self.random.chance(0.25) { self.random.below(n + 1) } else { 0 };
            for item in from..n {
                let one = broadcasts && self.random.chance(0.2);
                shape.push(if one { 1 } else { *drawn.letters.get(&(l.name.clone(), item))? });
            }
        }
        Some(shape)
    }

    /// Arguments that the sizes of letters tell: those that `sizes:` takes one from, and those of `args:`.
    fn inverse(&mut self, drawn: &mut Drawn) {
        for (letter, formula) in &self.rule.sizes {
            let of = |item: usize| drawn.letters.get(&(letter.clone(), item)).map(|n| *n as i64);
            let items: Vec<i64> = (0..).map_while(of).collect();
            self.assign(formula, &items, &mut drawn.args);
        }
        for (arg, formula) in &self.rule.args {
            let Ok(val) = eval(formula, &Sizes(&drawn.letters)) else { continue };
            if let (Some(value), true) = (val.as_arg(), self.schema.arg(arg).is_some()) {
                drawn.args.insert(arg.clone(), value);
            }
        }
    }

    fn assign(&mut self, formula: &Expr, sizes: &[i64], args: &mut HashMap<String, Arg>) {
        match formula {
            Expr::Name(name) => {
                let Some(declared) = self.schema.arg(name).filter(|a| !a.is_tensor()) else { return };
                let value = match (declared.ty.contains('['), sizes) {
                    (true, sizes) => Arg::List(sizes.iter().map(|n| Arg::Int(*n)).collect()),
                    (false, [one, ..]) => Arg::Int(*one),
                    (false, []) => return,
                };
                args.insert(name.clone(), value);
            }
            Expr::Index(list, at) => {
                let (Expr::Name(name), Expr::Int(at), Some(n)) = (list.as_ref(), at.as_ref(), sizes.first()) else { return };
                if self.schema.arg(name).is_none_or(|a| a.is_tensor()) {
                    return;
                }
                let entry = args.entry(name.clone()).or_insert_with(|| Arg::List(Vec::new()));
                if let (Arg::List(items), Ok(at)) = (entry, usize::try_from(*at)) {
                    items.resize_with(items.len().max(at + 1), || Arg::Int(2));
                    items[at] = Arg::Int(*n);
                }
            }
            // The first branch is that for an argument that is there: sometimes.
            Expr::If(a, _, _) if self.random.chance(0.6) => self.assign(a, sizes, args),
            _ => {}
        }
    }

    /// Tensors of any sizes, for a layout.
    fn tensors(&mut self, drawn: &mut Drawn, example: &mut Example) {
        for arg in self.schema.args.iter().filter(|a| a.is_tensor()) {
            let typed = self.by.is_typed();
            if typed && (is_list(arg) || arg.default.is_some() || arg.ty.contains("Tind") && self.random.chance(0.5)) {
                continue; // what it holds is told
            }
            if arg.default.is_some() && self.random.chance(0.5) {
                continue;
            }
            if drawn.first.is_empty() {
                let ranks = self.hints.ranks.get(&arg.name).or(self.hints.lengths.get(&arg.name)).cloned().unwrap_or_default();
                let rank = self.random.one(&ranks).unwrap_or_else(|| 1 + self.random.below(4));
                let sizes: &[usize] = if self.random.chance(0.5) { &[2, 3, 4, 6] } else { &[3, 4, 5, 6, 7, 8] };
                drawn.first = (0..rank).filter_map(|_| self.random.one(sizes)).collect();
                if self.random.chance(0.2) && rank > 0 {
                    let at = self.random.below(rank);
                    drawn.first[at] = 1;
                }
            }
            let value = if arg.ty.contains('[') {
                let n = 1 + self.random.below(3);
                let apart = self.random.below(drawn.first.len() + 1);
                let mut items = Vec::new();
                for k in 0..n {
                    let mut shape = drawn.first.clone();
                    if let (Some(n), true) = (shape.get_mut(apart), self.random.chance(0.7)) {
                        *n = 2 + self.random.below(4);
                    }
                    items.push(Arg::Tensor(example.tensor(&format!("{}[{k}]", arg.name), &shape)));
                }
                Arg::List(items)
            } else {
                let mut shape = drawn.first.clone();
                if !example.graph.tensors.is_empty() {
                    match self.random.below(4) {
                        0 => shape = vec![1 + self.random.below(4)],
                        1 if !shape.is_empty() => drop(shape.remove(self.random.below(shape.len()))),
                        2 => {
                            let at = self.random.below(shape.len());
                            shape.iter_mut().skip(at).take(1).for_each(|n| *n = (*n / 2).max(1));
                        }
                        _ => {}
                    }
                }
                Arg::Tensor(example.tensor(&arg.name, &shape))
            };
            drawn.args.insert(arg.name.clone(), value);
        }
    }
}

/// Whether an argument is a tensor of whole numbers, by its type.
fn is_list(arg: &SchemaArg) -> bool {
    arg.ty.contains("<int64>") || arg.ty.contains("<int32>")
}

fn ellipsis(dim: &Dim) -> Option<&str> {
    match dim {
        Dim::Letter(l) if l.ellipsis => Some(&l.name),
        _ => None,
    }
}

fn size(dim: &Dim, drawn: &Drawn) -> Option<usize> {
    Some(match dim {
        Dim::Number(n) => *n as usize,
        Dim::Letter(l) if l.ellipsis => {
            let n = *drawn.lengths.get(&l.name)?;
            (0..n).map(|item| drawn.letters.get(&(l.name.clone(), item)).copied()).product::<Option<usize>>()?
        }
        Dim::Letter(l) => *drawn.letters.get(&(l.name.clone(), 0))?,
        Dim::Product(parts) => parts.iter().map(|p| size(p, drawn)).product::<Option<usize>>()?,
        Dim::Sum(parts) => parts.iter().map(|p| size(p, drawn)).sum::<Option<usize>>()?,
    })
}

/// The sizes of letters, for formulas.
struct Sizes<'a>(&'a Letters);

impl Scope for Sizes<'_> {
    fn get(&self, name: &str) -> Option<Val> {
        self.0.get(&(name.to_owned(), 0)).map(|n| Val::from(*n))
    }

    fn spread(&self, letter: &str) -> Option<Vec<Size>> {
        Some((0..).map_while(|item| self.0.get(&(letter.to_owned(), item))).map(|n| Size::from(*n)).collect())
    }
}
