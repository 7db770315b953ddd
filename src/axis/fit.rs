//! Fitting a pattern to a node: which dimension is which letter, and how large each letter is.

use std::collections::HashMap;

use smallvec::SmallVec;

use super::bound::{BoundLetter, BoundOperand, BoundOutput, DimExpr, Given, LetterId};
use super::sketch::{Call, Sketch};
use crate::model::{Arg, Size, ValueId};
use crate::rule::{Dim, EvalError, Expr, Letter, Operand, Pattern, Rule, Scope, Val, eval};

/// The name of the nameless ellipsis.
const ANY: &str = "...";

/// Fits one pattern of a rule to a node.
///
/// # Errors
/// A sentence that says what does not fit.
pub fn fit(pattern: &Pattern, rule: &Rule, call: &Call) -> Result<Sketch, String> {
    let optional = pattern.operands.iter().any(|o| o.dims.iter().any(|d| matches!(d, Dim::Letter(l) if l.optional)));
    match Fit::new(pattern, rule, call, true).and_then(Fit::run) {
        Err(_) if optional => Fit::new(pattern, rule, call, false)?.run(),
        result => result,
    }
}

struct Fit<'a> {
    pattern: &'a Pattern,
    rule: &'a Rule,
    call: &'a Call<'a>,
    optional: bool,
    /// The operands of the pattern, every item of a list for itself, and what is given for each.
    given: Vec<(&'a Operand, Option<Given>)>,
    /// Number of dimensions that an ellipsis stands for.
    lengths: HashMap<String, usize>,
    letters: Vec<BoundLetter>,
    known: Vec<bool>,
    index: HashMap<(String, usize), LetterId>,
}

impl<'a> Fit<'a> {
    fn new(pattern: &'a Pattern, rule: &'a Rule, call: &'a Call<'a>, optional: bool) -> Result<Fit<'a>, String> {
        let mut all = Vec::with_capacity(pattern.operands.len());
        for operand in &pattern.operands {
            for item in items(operand, call) {
                all.push((operand, given(operand, item, call)?));
            }
        }
        let empty = (HashMap::new(), Vec::new(), Vec::new(), HashMap::new());
        let mut fit =
            Fit { pattern, rule, call, optional, given: all, lengths: empty.0, letters: empty.1, known: empty.2, index: empty.3 };
        fit.find_lengths()?;
        Ok(fit)
    }

    fn shape(&self, value: ValueId) -> Result<&'a [Size], String> {
        self.call.shape(value)
    }

    fn tensors(&self) -> Vec<(&'a Operand, ValueId)> {
        self.given.iter().filter_map(|(o, g)| if let Some(Given::Tensor(v)) = g { Some((*o, *v)) } else { None }).collect()
    }

    fn find_lengths(&mut self) -> Result<(), String> {
        for (arg, formula) in &self.rule.args {
            if let Expr::List(items) = formula
                && let [Expr::Spread(letter)] = items.as_slice()
                && let Some(Val::List(list)) = self.call.val(arg)
            {
                self.lengths.insert(letter.clone(), list.len());
            }
        }
        let tensors = self.tensors();
        for _ in 0..=tensors.len() {
            for (operand, value) in &tensors {
                let rank = self.shape(*value)?.len();
                let fixed = operand.dims.iter().filter(|d| !self.is_ellipsis(d) && self.present(d)).count();
                let spans: Vec<&Letter> = operand.dims.iter().filter_map(ellipsis).collect();
                let unknown: Vec<&&Letter> = spans.iter().filter(|l| !self.lengths.contains_key(&l.name)).collect();
                let known: usize = spans.iter().filter_map(|l| self.lengths.get(&l.name)).sum();
                let broadcasts = |l: &Letter| l.broadcast || operand_broadcasts(operand) || l.name == ANY;
                if let [one] = spans.as_slice()
                    && broadcasts(one)
                {
                    let len = rank.checked_sub(fixed).ok_or_else(|| ranks(operand, rank))?;
                    let most = self.lengths.entry(one.name.clone()).or_insert(len);
                    *most = len.max(*most);
                } else if let [one] = unknown.as_slice() {
                    let len = rank.checked_sub(fixed + known).ok_or_else(|| ranks(operand, rank))?;
                    self.lengths.insert(one.name.clone(), len);
                } else if unknown.is_empty() && fixed + known != rank {
                    return Err(ranks(operand, rank));
                }
            }
        }
        Ok(())
    }

    /// An ellipsis that only results have is as long as those in its formula, or as the list that it evaluates to.
    fn lengths_of_results(&mut self) {
        for (k, dims) in self.pattern.outputs.iter().enumerate() {
            for l in dims.iter().filter_map(ellipsis) {
                if self.lengths.contains_key(&l.name) {
                    continue;
                }
                let formula = self.rule.sizes.get(&l.name);
                let named = formula.and_then(|f| names(f).iter().find_map(|n| self.lengths.get(n).copied()));
                let listed = || match formula.map(|f| self.call.eval(f)) {
                    Some(Ok(Val::List(list))) => Some(list.len()),
                    _ => None,
                };
                let recorded = || self.call.recorded(k).and_then(|s| (s.len() + 1).checked_sub(dims.len()));
                if let Some(n) = named.or_else(listed).or_else(recorded) {
                    self.lengths.insert(l.name.clone(), n);
                }
            }
        }
    }

    /// Ellipses of one formula go along dimension by dimension.
    fn equal_lengths(&self) -> Result<(), String> {
        for (letter, formula) in self.rule.sizes.iter().filter(|(l, _)| self.lengths.contains_key(*l)) {
            let names = along(formula);
            let lengths = names.iter().chain([letter]).filter_map(|n| Some((n, self.lengths.get(n)?))).collect::<Vec<_>>();
            if let Some([(a, n), (b, m)]) = lengths.windows(2).find(|w| w[0].1 != w[1].1) {
                return Err(format!("`{a}...` stands for {n} dimensions and `{b}...` for {m}"));
            }
        }
        Ok(())
    }

    fn is_ellipsis(&self, d: &Dim) -> bool {
        ellipsis(d).is_some()
    }

    fn present(&self, d: &Dim) -> bool {
        !matches!(d, Dim::Letter(l) if l.optional && !self.optional)
    }

    fn id(&mut self, name: &str, item: usize) -> LetterId {
        if let Some(id) = self.index.get(&(name.to_owned(), item)) {
            return *id;
        }
        let id = self.letters.len() as LetterId;
        self.letters.push(BoundLetter { name: name.to_owned(), item, size: Size::int(1), made: false, free: false });
        self.known.push(false);
        self.index.insert((name.to_owned(), item), id);
        id
    }

    /// The dimensions of a tensor; with `rank` (an operand) an ellipsis may have fewer than its full length.
    fn dims(&mut self, dims: &[Dim], rank: Option<usize>) -> Result<Vec<DimExpr>, String> {
        let fixed = dims.iter().filter(|d| !self.is_ellipsis(d) && self.present(d)).count();
        let spans = dims.iter().filter(|d| self.is_ellipsis(d)).count();
        let mut out = Vec::new();
        let present: Vec<&Dim> = dims.iter().filter(|d| self.present(d)).collect();
        for d in present {
            match ellipsis(d) {
                Some(l) => {
                    let full = *self
                        .lengths
                        .get(&l.name)
                        .ok_or_else(|| format!("`{}...` stands for an unknown number of dimensions", l.name))?;
                    let here = match rank {
                        Some(rank) if spans == 1 => rank.saturating_sub(fixed).min(full),
                        _ => full,
                    };
                    out.extend((full - here..full).map(|item| DimExpr::Letter(self.id(&l.name, item))));
                }
                None => out.push(self.dim(d)?),
            }
        }
        match rank {
            Some(rank) if out.len() != rank => Err(format!("{} dimensions, not {rank}", out.len())),
            _ => Ok(out),
        }
    }

    fn dim(&mut self, d: &Dim) -> Result<DimExpr, String> {
        Ok(match d {
            Dim::Letter(l) => DimExpr::Letter(self.id(&l.name, 0)),
            Dim::Number(1) => DimExpr::One,
            Dim::Number(n) => {
                let id = self.id(&format!("#{n}"), 0);
                self.letters[id as usize].size = Size::int(*n as i64);
                self.known[id as usize] = true;
                DimExpr::Letter(id)
            }
            Dim::Product(parts) => {
                let mut list = Vec::new();
                for part in parts {
                    match ellipsis(part) {
                        Some(l) => {
                            let full = *self.lengths.get(&l.name).ok_or_else(|| format!("`{}...` is not known", l.name))?;
                            list.extend((0..full).map(|item| DimExpr::Letter(self.id(&l.name, item))));
                        }
                        None => list.push(self.dim(part)?),
                    }
                }
                DimExpr::Product(list)
            }
            Dim::Sum(parts) => DimExpr::Sum(parts.iter().map(|p| self.dim(p)).collect::<Result<_, _>>()?),
        })
    }

    fn run(mut self) -> Result<Sketch, String> {
        let mut operands = Vec::new();
        for (operand, given) in self.given.clone() {
            let Some(given) = given else { continue };
            let dims = match given {
                Given::Tensor(v) => {
                    let rank = self.shape(v)?.len();
                    self.dims(&operand.dims, Some(rank)).map_err(|e| format!("`{operand}` has {e}"))?
                }
                Given::Number(_) => Vec::new(),
            };
            operands
                .push((operand, BoundOperand { arg: operand.label(), given, read: !operand.unread, dims, at: SmallVec::new() }));
        }
        self.sizes_of_letters(&operands)?;
        let inputs = self.letters.len();
        self.lengths_of_results();
        self.equal_lengths()?;
        let mut outputs = Vec::new();
        let used = self.call.node.outputs.len();
        for (dims, value) in self.pattern.outputs.iter().zip(self.call.outputs()).take(used.max(1)) {
            outputs.push(BoundOutput { value, dims: self.dims(dims, None)?, at: SmallVec::new() });
        }
        for l in inputs..self.letters.len() {
            self.letters[l].made = true;
            self.letters[l].free = self.rule.free.contains(&self.letters[l].name);
        }
        self.derive(&operands)?;
        self.recorded(&outputs);
        if let Some(l) = self.known.iter().position(|k| !k) {
            return Err(format!("the size of `{}` cannot be derived", self.letters[l].name));
        }
        let mut operands: Vec<BoundOperand> = self.check(operands)?;
        operands.iter_mut().for_each(|o| self.mark_broadcast(o));
        let through = self.through(&mut outputs)?;
        Ok(Sketch { letters: self.letters, operands, outputs, through, ..Sketch::default() })
    }

    /// Puts the operands' letters in the place of those of results that are the same here; gives those pairs.
    fn through(&self, outputs: &mut [BoundOutput]) -> Result<Vec<(LetterId, LetterId)>, String> {
        let mut found = Vec::new();
        for (name, through) in &self.rule.through {
            for item in 0..self.lengths.get(name).copied().unwrap_or(1) {
                let of = |name: &str| self.index.get(&(name.to_owned(), item)).copied();
                let (Some(made), Some(letter)) = (of(name), of(&through.of)) else { continue };
                let scope = Letters { fit: self, item: self.lengths.contains_key(name).then_some(item) };
                if !eval(&through.when, &scope).map_err(|e| format!("`through: {name}`: {e}"))?.truthy() {
                    continue;
                }
                let (size, old) = (&self.letters[made as usize].size, &self.letters[letter as usize].size);
                if !same(size, old) {
                    return Err(format!("`{name}` is `{}` by `through:`, but one is {size} and the other {old}", through.of));
                }
                outputs.iter_mut().flat_map(|o| &mut o.dims).for_each(|d| d.rename(made, letter));
                found.push((made, letter));
            }
        }
        Ok(found)
    }

    /// Sizes of letters that have a dimension to themselves.
    fn sizes_of_letters(&mut self, operands: &[(&Operand, BoundOperand)]) -> Result<(), String> {
        for (operand, bound) in operands {
            let Given::Tensor(v) = bound.given else { continue };
            for (d, size) in bound.dims.iter().zip(self.shape(v)?) {
                let DimExpr::Letter(l) = d else { continue };
                let at = *l as usize;
                let broadcasts = self.may_broadcast(operand, &self.letters[at].name);
                if broadcasts && size.is(1) {
                    continue;
                }
                if !self.known[at] {
                    self.letters[at].size = size.clone();
                    self.known[at] = true;
                } else if !same(&self.letters[at].size, size) {
                    let l = &self.letters[at];
                    return Err(format!("`{}` is {} and, in `{}`, {size}", l.name, l.size, operand.name));
                }
            }
        }
        for (operand, bound) in operands {
            for d in &bound.dims {
                if let DimExpr::Letter(l) = d
                    && self.may_broadcast(operand, &self.letters[*l as usize].name)
                {
                    self.known[*l as usize] = true; // of size one wherever it stands
                }
            }
        }
        Ok(())
    }

    fn may_broadcast(&self, operand: &Operand, name: &str) -> bool {
        name == ANY
            || operand_broadcasts(operand)
            || operand.dims.iter().any(|d| matches!(d, Dim::Letter(l) if l.name == name && l.broadcast))
    }

    /// Sizes from formulas, and of the one unknown factor or part of a dimension, until nothing new is found.
    fn derive(&mut self, operands: &[(&Operand, BoundOperand)]) -> Result<(), String> {
        loop {
            let before = self.known.iter().filter(|k| **k).count();
            for l in 0..self.letters.len() {
                let (name, item) = (self.letters[l].name.clone(), self.letters[l].item);
                if self.known[l] {
                    continue;
                }
                if let Some(formula) = self.rule.sizes.get(&name)
                    && let Ok(val) = eval(formula, &Letters { fit: self, item: self.lengths.contains_key(&name).then_some(item) })
                    && val != Val::None
                // it depends on values: the recorded size serves
                {
                    let size = val.as_size().ok_or_else(|| format!("the size of `{name}` is no integer"))?;
                    self.letters[l].size = size;
                    self.known[l] = true;
                }
            }
            for (_, bound) in operands {
                let Given::Tensor(v) = bound.given else { continue };
                let shape = self.shape(v)?;
                for (d, size) in bound.dims.iter().zip(shape) {
                    self.infer(d, size);
                }
            }
            if self.known.iter().filter(|k| **k).count() == before {
                return Ok(());
            }
        }
    }

    fn infer(&mut self, d: &DimExpr, size: &Size) {
        let unknown: Vec<LetterId> = d.letters().into_iter().filter(|l| !self.known[*l as usize]).collect();
        let [one] = unknown.as_slice() else { return };
        let rest = |part: &DimExpr| !part.letters().contains(one);
        let of = |l: LetterId| self.letters[l as usize].size.clone();
        let found = match d {
            DimExpr::Letter(_) => Some(size.clone()),
            DimExpr::Product(parts) => {
                let known = parts.iter().filter(|p| rest(p)).fold(Size::int(1), |n, p| n.mul(&p.size(&of)));
                let simple = parts.iter().any(|p| matches!(p, DimExpr::Letter(l) if l == one));
                if simple { size.div_exact(&known) } else { None }
            }
            DimExpr::Sum(parts) => {
                let known = parts.iter().filter(|p| rest(p)).fold(Size::int(0), |n, p| n.add(&p.size(&of)));
                parts.iter().any(|p| matches!(p, DimExpr::Letter(l) if l == one)).then(|| size.add(&known.scale(-1)))
            }
            _ => None,
        };
        if let Some(found) = found {
            self.letters[*one as usize].size = found;
            self.known[*one as usize] = true;
        }
    }

    /// Where a rule gives no formula, the recorded size of the result serves.
    fn recorded(&mut self, outputs: &[BoundOutput]) {
        for (k, out) in outputs.iter().enumerate() {
            let Some(shape) = self.call.recorded(k).filter(|s| s.len() == out.dims.len()) else { continue };
            for (d, size) in out.dims.iter().zip(shape) {
                self.infer(d, size);
            }
        }
    }

    fn check(&self, operands: Vec<(&Operand, BoundOperand)>) -> Result<Vec<BoundOperand>, String> {
        let of = |l: LetterId| self.letters[l as usize].size.clone();
        for (operand, bound) in &operands {
            let Given::Tensor(v) = bound.given else { continue };
            for (d, size) in bound.dims.iter().zip(self.shape(v)?) {
                let derived = d.size(&of);
                let broadcast = matches!(d, DimExpr::Letter(l) if self.may_broadcast(operand, &self.letters[*l as usize].name));
                let fits = same(&derived, size) || (broadcast && size.is(1));
                if !fits {
                    return Err(format!("a dimension of `{}` is {size}; the rule makes it {derived}", operand.name));
                }
            }
        }
        Ok(operands.into_iter().map(|(_, bound)| bound).collect())
    }

    /// A dimension of one that meets a larger letter is no place of that letter.
    fn mark_broadcast(&self, operand: &mut BoundOperand) {
        let Given::Tensor(v) = operand.given else { return };
        let Ok(shape) = self.shape(v) else { return };
        for (d, size) in operand.dims.iter_mut().zip(shape) {
            if let DimExpr::Letter(l) = d
                && size.is(1)
                && !self.letters[*l as usize].size.is(1)
            {
                *d = DimExpr::One;
            }
        }
    }
}

/// Letters and arguments, for formulas of sizes.
struct Letters<'a, 'b> {
    fit: &'a Fit<'b>,
    item: Option<usize>,
}

impl Scope for Letters<'_, '_> {
    fn get(&self, name: &str) -> Option<Val> {
        let fit = self.fit;
        let item = |i: usize| fit.index.get(&(name.to_owned(), i)).copied();
        let letter = if fit.lengths.contains_key(name) { self.item.and_then(item) } else { item(0) };
        if let Some(l) = letter {
            return fit.known[l as usize].then(|| Val::Size(fit.letters[l as usize].size.clone()));
        }
        let spanned = |i: usize| -> Option<Val> {
            match fit.call.val(name)? {
                Val::List(list) => list.get(i).or(if list.len() == 1 { list.first() } else { None }).cloned(),
                other => Some(other),
            }
        };
        let is_tensor = matches!(fit.call.node.arg(name), Some(Arg::Tensor(_)));
        match self.item {
            Some(i) if !fit.lengths.is_empty() && !is_tensor => match fit.call.val(name)? {
                Val::List(list) if list.is_empty() => Some(Val::List(list)),
                _ => spanned(i),
            },
            _ => fit.call.val(name),
        }
    }

    fn shape(&self, operand: &str) -> Option<Vec<Size>> {
        Scope::shape(self.fit.call, operand)
    }

    fn call(&self, function: &str, args: &[Expr]) -> Option<Result<Val, EvalError>> {
        Scope::call(self.fit.call, function, args)
    }

    fn spread(&self, letter: &str) -> Option<Vec<Size>> {
        let n = *self.fit.lengths.get(letter)?;
        (0..n).map(|i| self.fit.index.get(&(letter.to_owned(), i)).map(|l| self.fit.letters[*l as usize].size.clone())).collect()
    }
}

/// All names in a formula.
fn names(e: &Expr) -> Vec<String> {
    let all = |list: &[Expr]| list.iter().flat_map(names).collect::<Vec<_>>();
    match e {
        Expr::Name(n) | Expr::Spread(n) => vec![n.clone()],
        Expr::List(items) | Expr::Call(_, items) => all(items),
        Expr::Index(a, b) | Expr::Binary(_, a, b) => [names(a), names(b)].concat(),
        Expr::Unary(_, e) => names(e),
        Expr::Compare(e, rest) => rest.iter().fold(names(e), |n, (_, e)| [n, names(e)].concat()),
        Expr::If(a, b, c) => [names(a), names(b), names(c)].concat(),
        _ => Vec::new(),
    }
}

/// The names that a formula takes one by one, not all at once as `s...`.
fn along(e: &Expr) -> Vec<String> {
    match e {
        Expr::Name(n) => vec![n.clone()],
        Expr::Binary(_, a, b) => [along(a), along(b)].concat(),
        Expr::Unary(_, e) => along(e),
        Expr::If(a, _, b) => [along(a), along(b)].concat(),
        _ => Vec::new(),
    }
}

fn ellipsis(d: &Dim) -> Option<&Letter> {
    match d {
        Dim::Letter(l) if l.ellipsis => Some(l),
        _ => None,
    }
}

/// Every dimension of the operand is marked as broadcasting.
fn operand_broadcasts(operand: &Operand) -> bool {
    operand.dims.iter().all(|d| matches!(d, Dim::Letter(l) if l.broadcast)) && !operand.dims.is_empty()
}

fn ranks(operand: &Operand, rank: usize) -> String {
    format!("`{}` has {rank} dimensions, which `{operand}` does not fit", operand.name)
}

/// Equal, or not comparable and equal in the traced example.
fn same(a: &Size, b: &Size) -> bool {
    a == b || ((a.as_int().is_none() || b.as_int().is_none()) && a.hint() == b.hint())
}

/// Which items of a list an operand stands for; for a tensor that is none of a list, one `None`.
fn items(operand: &Operand, call: &Call) -> Vec<Option<usize>> {
    match (operand.index, operand.step, call.node.arg(&operand.name)) {
        (Some(from), Some(step), Some(Arg::List(items))) => (from..items.len()).step_by(step.max(1)).map(Some).collect(),
        (_, Some(_), _) => Vec::new(),
        (index, None, _) => vec![index],
    }
}

fn given(operand: &Operand, item: Option<usize>, call: &Call) -> Result<Option<Given>, String> {
    let arg = match (call.node.arg(&operand.name), item) {
        (Some(Arg::List(items)), Some(i)) => items.get(i),
        (arg, None) => arg,
        _ => None,
    };
    match arg {
        Some(Arg::Tensor(v)) => Ok(Some(Given::Tensor(*v))),
        Some(Arg::Int(n)) => Ok(Some(Given::Number(*n as f64))),
        Some(Arg::Float(x)) => Ok(Some(Given::Number(*x))),
        Some(Arg::Bool(b)) => Ok(Some(Given::Number(f64::from(u8::from(*b))))),
        Some(Arg::Scalar(_)) => Ok(Some(Given::Number(f64::NAN))),
        _ => match (operand.missing, call.val(&operand.name)) {
            (Some(n), _) => Ok(Some(Given::Number(n))),
            (None, Some(val)) => Ok(val.as_f64().map(Given::Number)),
            (None, None) => Err(format!("argument `{}` is missing", operand.name)),
        },
    }
}
