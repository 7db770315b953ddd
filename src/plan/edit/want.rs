//! What an argument must become where sizes change.

use super::numbers::Numbers;
use crate::axis::{Bound, Call, DimExpr, Edit, LetterId, Parts, Propagation, Want};
use crate::model::{Arg, Content, Size, ValueId};
use crate::rule::{Expr, Scope, Val, eval};
use crate::solve::{Solution, parts_value, progression, ranks};

/// Sizes of letters before and after.
pub struct Sizes<'a> {
    /// The axes.
    pub p: &'a Propagation,
    /// What stays.
    pub solution: &'a Solution<'a>,
}

impl Sizes<'_> {
    /// Size of a letter after the cut.
    pub fn new_size(&self, bound: &Bound, letter: LetterId) -> Size {
        match self.solution.size(self.p, bound.ids[letter as usize]) {
            Some(n) => Size::from(n),
            None => bound.size(letter),
        }
    }

    /// True if any of the letters loses positions.
    pub fn changes(&self, bound: &Bound, letters: impl IntoIterator<Item = LetterId>) -> bool {
        letters.into_iter().any(|l| self.new_size(bound, l) != bound.size(l))
    }
}

/// What to do with an argument.
pub enum Outcome {
    /// Nothing.
    Leave,
    /// Write this.
    Set(Vec<(String, Arg)>),
    /// The arguments cannot say it: parts of these sizes.
    Parts(Vec<i64>),
    /// The arguments cannot say it: these places among the positions that stay, of a dimension.
    Gather(usize, Vec<i64>),
    /// A symbolic number would have to change.
    Symbolic,
}

/// Works out the value of an argument after the cut. `new` gives the letters' sizes after it.
pub fn outcome(
    bound: &Bound,
    call: &Call,
    edit: &Edit,
    numbers: &Numbers,
    new: &dyn Fn(LetterId) -> Size,
    kept: &dyn Fn(LetterId) -> Option<Vec<bool>>,
) -> Result<Outcome, String> {
    let (arg, from_end) = (edit.arg.as_str(), edit.from_end);
    let old = |l: LetterId| bound.size(l);
    let set = |arg: &str, to: Arg| Ok(Outcome::Set(vec![(arg.to_owned(), to)]));
    let given = call.node.arg(arg);
    match &edit.want {
        Want::Size(d) => {
            let (before, after) = (d.size(&old), d.size(&new));
            let changed = before != after || (from_end && d_total_changes(bound, new));
            if let Some(Arg::Tensor(v)) = given
                && !(from_end && changed)
            {
                return held(*v, arg, (bound, call), &[(before, after)], numbers, new);
            }
            match after.as_int() {
                _ if follows(given, &after, numbers) => Ok(Outcome::Leave),
                _ if !changed && !matches!(given, Some(Arg::Scalar(v)) if numbers.after(*v).is_some()) => Ok(Outcome::Leave),
                Some(n) => set(arg, alike(call, arg, n)),
                None => Ok(Outcome::Symbolic),
            }
        }
        Want::Sizes(dims) => {
            let items = match given {
                Some(Arg::List(items)) if items.len() == dims.len() => items.clone(),
                Some(Arg::Tensor(v)) => {
                    let pairs: Vec<(Size, Size)> = dims.iter().map(|d| (d.size(&old), d.size(&new))).collect();
                    return held(*v, arg, (bound, call), &pairs, numbers, new);
                }
                Some(one) if dims.len() == 1 => vec![one.clone()],
                _ => return Ok(Outcome::Leave),
            };
            let pairs: Vec<(Size, Size)> = dims.iter().map(|d| (d.size(&old), d.size(&new))).collect();
            list(arg, matches!(given, Some(Arg::List(_))), items, &pairs, numbers)
        }
        Want::Formula(formula) => {
            let before = eval(formula, &Formula { bound, call, size: &old });
            let after = eval(formula, &Formula { bound, call, size: new });
            let (before, after) = (before.map_err(|e| e.to_string())?, after.map_err(|e| e.to_string())?);
            match (&before, &after, given) {
                _ if before == after => Ok(Outcome::Leave),
                (Val::List(b), Val::List(a), Some(Arg::List(items))) if a.len() == b.len() && a.len() == items.len() => {
                    let sizes = |v: &Val| v.as_size().ok_or("a formula for sizes gives something else");
                    let pairs = b.iter().zip(a).map(|(b, a)| Ok((sizes(b)?, sizes(a)?))).collect::<Result<Vec<_>, &str>>()?;
                    list(arg, true, items.clone(), &pairs, numbers)
                }
                (Val::List(b), Val::List(a), Some(Arg::Tensor(v))) if a.len() == b.len() => {
                    let sizes = |v: &Val| v.as_size().ok_or("a formula for sizes gives something else");
                    let pairs = b.iter().zip(a).map(|(b, a)| Ok((sizes(b)?, sizes(a)?))).collect::<Result<Vec<_>, &str>>()?;
                    held(*v, arg, (bound, call), &pairs, numbers, new)
                }
                _ => after.as_arg().map_or(Ok(Outcome::Symbolic), |to| set(arg, to)),
            }
        }
        Want::Parts(letters, kind) => {
            let size = |f: &dyn Fn(LetterId) -> Size| -> Option<Vec<i64>> { letters.iter().map(|l| f(*l).as_int()).collect() };
            let (Some(before), Some(after)) = (size(&old), size(new)) else { return Ok(Outcome::Symbolic) };
            if before == after {
                return Ok(Outcome::Leave);
            }
            let Some(numbers) = parts_value(&after, *kind) else { return Ok(Outcome::Parts(after)) };
            match (given, kind) {
                // A stored tensor lists them as well.
                (Some(Arg::List(_)), _) | (_, Parts::Listed | Parts::Borders) => {
                    set(arg, Arg::List(numbers.into_iter().map(Arg::Int).collect()))
                }
                (Some(Arg::Int(n)), _) if *n == numbers[0] => Ok(Outcome::Leave),
                _ => set(arg, Arg::Int(numbers[0])),
            }
        }
        Want::Places(letter, places) => {
            let Some(kept) = kept(*letter) else { return Ok(Outcome::Leave) };
            let dim = bound.operands[0].dims.iter().position(|d| *d == DimExpr::Letter(*letter)).unwrap_or(0);
            Ok(Outcome::Gather(dim, ranks(&kept, places).into_iter().map(i64::from).collect()))
        }
        Want::Stride(letter, places, [start, end, step]) => {
            let Some(kept) = kept(*letter) else { return Ok(Outcome::Leave) };
            let left = ranks(&kept, places);
            let dim = bound.operands[0].dims.iter().position(|d| *d == DimExpr::Letter(*letter)).unwrap_or(0);
            match progression(&left) {
                Some((first, by)) => {
                    let last = left.last().copied().unwrap_or(first);
                    let numbers = [(start, i64::from(first)), (end, i64::from(last) + 1), (step, i64::from(by))];
                    let said = numbers.into_iter().filter(|(a, n)| *a != step || *n != 1 || call.node.arg(a).is_some());
                    Ok(Outcome::Set(said.map(|(a, n)| (a.clone(), alike(call, a, n))).collect()))
                }
                None => Ok(Outcome::Gather(dim, left.into_iter().map(i64::from).collect())),
            }
        }
    }
}

/// A number for an argument that may be a list of one.
fn alike(call: &Call, arg: &str, n: i64) -> Arg {
    let listed = match call.node.arg(arg) {
        Some(Arg::List(_)) => true,
        Some(Arg::Tensor(v)) => call.shape(*v).is_ok_and(|shape| !shape.is_empty()),
        _ => false,
    };
    if listed { Arg::List(vec![Arg::Int(n)]) } else { Arg::Int(n) }
}

/// A number counted from the end changes with any part of the dimension.
fn d_total_changes(bound: &Bound, new: &dyn Fn(LetterId) -> Size) -> bool {
    (0..bound.letters.len() as LetterId).any(|l| new(l) != bound.size(l))
}

/// True for a computed number that becomes what it must by itself.
fn follows(given: Option<&Arg>, after: &Size, numbers: &Numbers) -> bool {
    matches!(given, Some(Arg::Scalar(v)) if numbers.after(*v) == Some(after))
}

/// A list that is a tensor, of which the elements are known: it becomes another constant where it does not follow by itself.
fn held(
    v: ValueId,
    arg: &str,
    (bound, call): (&Bound, &Call),
    wants: &[(Size, Size)],
    numbers: &Numbers,
    new: &dyn Fn(LetterId) -> Size,
) -> Result<Outcome, String> {
    let Some(Content::Sizes(before)) = call.graph.contents.get(&v) else { return Ok(Outcome::Leave) };
    let after = match numbers.held(v) {
        Some(Content::Sizes(after)) => after.clone(),
        Some(Content::Numbers(_)) => return Ok(Outcome::Symbolic),
        None => before.clone(),
    };
    if before.len() != wants.len() || after.len() != wants.len() {
        return Ok(Outcome::Leave);
    }
    let first = bound.operands.first();
    let mut items: Vec<Option<Size>> = Vec::with_capacity(wants.len());
    let mut fine = true;
    for (k, (was, wanted)) in wants.iter().enumerate() {
        let opposite = first.and_then(|o| o.dims.get(k)).is_some_and(|o| o.size(&new) == *wanted);
        // What is open, and what copies a size that is right, says the same as ever.
        let follows = before[k] == after[k] && (after[k].is(-1) || (after[k].is(0) && !was.is(0) && opposite));
        // A number that means something else than the size, such as the end of everything.
        let other = was == wanted && before[k] == after[k];
        fine &= follows || other || after[k] == *wanted;
        items.push(match (follows || other, wanted.as_int()) {
            (true, _) if after[k].as_int().is_some() => Some(after[k].clone()),
            (_, Some(n)) => Some(Size::int(n)),
            (_, None) => None,
        });
    }
    if fine {
        return Ok(Outcome::Leave);
    }
    // One size that is not known until the program runs can be left open.
    let open: Vec<usize> = (0..items.len()).filter(|k| items[*k].is_none()).collect();
    match open.as_slice() {
        [] => {}
        [k] if !items.iter().flatten().any(|n| n.is(-1)) => items[*k] = Some(Size::int(-1)),
        _ => return Ok(Outcome::Symbolic),
    }
    let mut items: Vec<Arg> = items.into_iter().flatten().filter_map(|n| n.as_int()).map(Arg::Int).collect();
    let alone = call.shape(v).is_ok_and(<[Size]>::is_empty);
    let to = items.pop_if(|_| alone).unwrap_or(Arg::List(items));
    Ok(Outcome::Set(vec![(arg.to_owned(), to)]))
}

fn list(arg: &str, is_list: bool, mut items: Vec<Arg>, pairs: &[(Size, Size)], numbers: &Numbers) -> Result<Outcome, String> {
    let mut changed = false;
    for k in 0..items.len() {
        let (before, after) = &pairs[k];
        let moves = matches!(items[k], Arg::Scalar(v) if numbers.after(v).is_some());
        if (before == after && !moves) || items[k] == Arg::Int(-1) || follows(Some(&items[k]), after, numbers) {
            continue;
        }
        changed = true;
        items[k] = match after.as_int() {
            Some(n) => Arg::Int(n),
            None if !items.contains(&Arg::Int(-1)) => Arg::Int(-1),
            None => return Ok(Outcome::Symbolic),
        };
    }
    Ok(match (changed, is_list) {
        (false, _) => Outcome::Leave,
        (true, true) => Outcome::Set(vec![(arg.to_owned(), Arg::List(items))]),
        (true, false) => Outcome::Set(vec![(arg.to_owned(), items.remove(0))]),
    })
}

/// Letters and arguments, for formulas.
pub struct Formula<'a> {
    /// The rule as applied.
    pub bound: &'a Bound,
    /// The node.
    pub call: &'a Call<'a>,
    /// Sizes of letters.
    pub size: &'a dyn Fn(LetterId) -> Size,
}

impl Scope for Formula<'_> {
    fn get(&self, name: &str) -> Option<Val> {
        let letter = self.bound.letters.iter().position(|l| l.name == name);
        match letter {
            Some(l) => Some(Val::Size((self.size)(l as LetterId))),
            None => self.call.val(name),
        }
    }

    fn shape(&self, operand: &str) -> Option<Vec<Size>> {
        Scope::shape(self.call, operand)
    }

    fn spread(&self, letter: &str) -> Option<Vec<Size>> {
        let mut found: Vec<(usize, LetterId)> = (0..self.bound.letters.len())
            .filter(|l| self.bound.letters[*l].name == letter)
            .map(|l| (self.bound.letters[l].item, l as LetterId))
            .collect();
        found.sort_unstable();
        Some(found.into_iter().map(|(_, l)| (self.size)(l)).collect())
    }
}

/// True if a formula mentions a letter that loses positions.
pub fn mentions(formula: &Expr, bound: &Bound, changes: &dyn Fn(LetterId) -> bool) -> bool {
    match formula {
        Expr::Name(name) | Expr::Spread(name) => {
            (0..bound.letters.len() as LetterId).any(|l| bound.letters[l as usize].name == *name && changes(l))
        }
        Expr::List(items) | Expr::Call(_, items) => items.iter().any(|e| mentions(e, bound, changes)),
        Expr::Index(a, b) | Expr::Binary(_, a, b) => mentions(a, bound, changes) || mentions(b, bound, changes),
        Expr::Unary(_, e) => mentions(e, bound, changes),
        Expr::Compare(e, rest) => mentions(e, bound, changes) || rest.iter().any(|(_, e)| mentions(e, bound, changes)),
        Expr::If(a, b, c) => [a, b, c].into_iter().any(|e| mentions(e, bound, changes)),
        _ => false,
    }
}
