//! Positions that are alike. What the clauses say at a position rests on the facts that the operands have there, and on which of its
//! letters stay: where these are the same, so is the answer, and it is worked out once.

use std::rc::Rc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::clauses::{Clauses, part_of};
use super::facts::{FINITE, NONNEG, NONZERO, ORDINARY, ZERO};
use crate::axis::{Bound, DimExpr, LetterId};
use crate::rule::{Binary, Expr};
use crate::solve::positions::Coords;

/// What an answer rests on.
type Key = SmallVec<[u8; 16]>;

/// The answers for the positions of one dimension.
pub struct Alike<'a> {
    /// The letters that have a coordinate at some position.
    letters: SmallVec<[LetterId; 4]>,
    /// The operands' dimensions with such letters of which there are facts.
    columns: Vec<Column<'a>>,
    /// Whether there is a key at all.
    keyed: bool,
    /// The dimension's letter, where that alone is asked about and stands in the columns as it is.
    single: Option<LetterId>,
    known: FxHashMap<Key, u8>,
    /// The key before, and its answer.
    last: Option<(Key, u8)>,
    coords: Coords,
}

/// A dimension of an operand.
struct Column<'a> {
    operand: usize,
    at: usize,
    dim: &'a DimExpr,
    flags: &'a Rc<[u8]>,
    /// Where several of its positions meet the coordinates: those of its letters that were asked about last, and what holds for all positions.
    last: Option<(Shared, u8)>,
}

/// Letters of a dimension that have a coordinate, and these.
type Shared = SmallVec<[(LetterId, u32); 4]>;

impl<'a> Clauses<'a> {
    /// Prepares for questions about a dimension; of these operands, or of all.
    pub fn alike(&self, dim: &DimExpr, operands: Option<&[usize]>) -> Alike<'a> {
        let (bound, frame) = (self.bound, self.frame);
        let mut letters = dim.letters();
        for l in dim.letters() {
            let outer = frame.links[l as usize].map(|link| link.at);
            letters.extend(outer.filter(|at| !letters.contains(at)).into_iter().collect::<SmallVec<[LetterId; 1]>>());
        }
        let mut columns = Vec::new();
        let mut add = |k: usize| {
            let facts = self.operands.get(k).copied().flatten();
            for (at, (dim, flags)) in bound.operands[k].dims.iter().zip(facts.map_or(&[][..], |f| &f.dims)).enumerate() {
                if let Some(flags) = flags.as_ref().filter(|_| dim.letters().iter().any(|l| letters.contains(l))) {
                    columns.push(Column { operand: k, at, dim, flags, last: None });
                }
            }
        };
        match operands {
            Some(list) => list.iter().for_each(|k| add(*k)),
            None => (0..bound.operands.len()).for_each(&mut add),
        }
        let facts = &bound.rule.facts;
        let clauses = facts.all().map(|(_, clause)| clause).into_iter().chain([&facts.summed]).flatten();
        let keyed = clauses.into_iter().all(|clause| by_position(clause, letters.len() == 1));
        let single = match dim {
            DimExpr::Letter(l) if !frame.linked && columns.iter().all(|c| c.dim == dim) => Some(*l),
            _ => None,
        };
        Alike { letters, columns, keyed, single, known: FxHashMap::default(), last: None, coords: frame.nowhere() }
    }

    /// The answer at a position; `ask` works it out, and `more` is what it rests on besides.
    pub fn answer(
        &mut self,
        alike: &mut Alike,
        dim: &DimExpr,
        position: usize,
        more: u8,
        ask: impl FnOnce(&mut Self, &Coords) -> u8,
    ) -> u8 {
        let here = |alike: &mut Alike| {
            alike.letters.iter().for_each(|l| alike.coords[*l as usize] = None);
            self.frame.decode(dim, position, &mut alike.coords);
        };
        let (plain, key) = match self.plain_key(alike, position, more) {
            Some(key) => (true, key),
            None => {
                here(alike);
                match self.key(alike, more) {
                    Some(key) => (false, key),
                    None => return ask(self, &alike.coords),
                }
            }
        };
        if let Some((_, answer)) = alike.last.as_ref().filter(|(last, _)| *last == key) {
            return *answer;
        }
        let answer = match alike.known.get(&key) {
            Some(known) => *known,
            None => {
                if plain {
                    here(alike);
                }
                let answer = ask(self, &alike.coords);
                alike.known.insert(key.clone(), answer);
                answer
            }
        };
        alike.last = Some((key, answer));
        answer
    }

    /// The key where one letter alone is asked about: no coordinates are needed for it.
    fn plain_key(&self, alike: &Alike, position: usize, more: u8) -> Option<Key> {
        let letter = alike.single.filter(|_| alike.keyed)?;
        let mut key = Key::new();
        key.push(more);
        key.push(u8::from(self.stays(letter, position as u32)));
        for column in &alike.columns {
            key.push(*column.flags.get(position)?);
        }
        Some(key)
    }

    /// The facts of a result at one position of one dimension.
    pub fn output(&mut self, alike: &mut Alike, dim: &DimExpr, position: usize, assumed: u8) -> u8 {
        self.answer(alike, dim, position, assumed, |clauses, coords| {
            clauses.assumed = assumed;
            let apart: Vec<LetterId> = dim.letters().into_iter().filter(|l| coords[*l as usize].is_none()).collect();
            clauses.flags(coords, &apart)
        })
    }

    /// `None` where the answer rests on more than what holds for the position.
    fn key(&mut self, alike: &mut Alike, more: u8) -> Option<Key> {
        if !alike.keyed {
            return None;
        }
        let mut key = Key::new();
        key.push(more);
        for l in &alike.letters {
            key.push(alike.coords[*l as usize].map_or(2, |c| u8::from(self.stays(*l, c))));
        }
        for column in &mut alike.columns {
            if let Some(at) = self.frame.encode(column.dim, &alike.coords, None) {
                key.push(*column.flags.get(at)?);
                continue;
            }
            let there = |l: LetterId| Some((l, alike.coords[l as usize]?));
            let shared: Shared = column.dim.letters().into_iter().filter_map(there).collect();
            key.push(match &column.last {
                _ if shared.is_empty() => u8::MAX,
                Some((known, flags)) if *known == shared => *flags,
                _ => {
                    let letters: SmallVec<[LetterId; 4]> = shared.iter().map(|(l, _)| *l).collect();
                    let (k, d, flags, coords) = (column.operand, column.at, column.flags, &alike.coords);
                    let holds = |kind: &u8| self.slice(k, d, *kind, coords, &letters, flags);
                    let all = [ZERO, FINITE, NONNEG, NONZERO].into_iter().filter(holds).sum();
                    column.last = Some((shared, all));
                    all
                }
            });
        }
        Some(key)
    }

    /// The facts of a copy at all positions of a dimension that is a sum of parts, as a cat's: of each part only the operands are looked
    /// at that give it. `None` for other dimensions and rules.
    pub fn copied_parts(&mut self, dim: &DimExpr, kept: &[bool], assumed: &dyn Fn(usize) -> u8) -> Option<Vec<u8>> {
        let bound = self.bound;
        let DimExpr::Sum(parts) = dim else { return None };
        let said = bound.rule.facts.all().iter().any(|(_, clause)| clause.is_some());
        if !bound.copies || said || self.frame.linked || !parts.iter().all(flat) {
            return None;
        }
        let all = dim.letters();
        let filled = self.filled(&self.frame.nowhere(), &all);
        let givers = Givers::new(bound, &all);
        let mut out = Vec::with_capacity(kept.len());
        for part in parts {
            let giving = givers.of(bound, &part.letters());
            let mut alike = self.alike(part, Some(&giving));
            for own in 0..part.len(self.frame.letters) {
                let at = out.len();
                if kept.get(at).copied().unwrap_or(true) {
                    out.push(ORDINARY);
                    continue;
                }
                let assumed = assumed(at);
                out.push(self.answer(&mut alike, part, own, assumed, |clauses, coords| {
                    let holds = |kind: &u8| {
                        (!(giving.is_empty() || filled) || clauses.fill_is(*kind))
                            && giving.iter().all(|k| clauses.operand(*k, *kind, coords))
                    };
                    let flags: u8 = [ZERO, FINITE, NONNEG, NONZERO].into_iter().filter(holds).sum();
                    if flags & ZERO != 0 { (flags | NONNEG) & !NONZERO } else { flags }
                }));
            }
        }
        (out.len() == kept.len()).then_some(out)
    }
}

/// Whether a clause is about the position alone that is asked about, or, where that has several letters, does not single out one of them.
fn by_position(clause: &Expr, single: bool) -> bool {
    match clause {
        _ if part_of(clause).is_some() => false,
        Expr::Unary(_, e) => by_position(e, single),
        Expr::Binary(Binary::And | Binary::Or, a, b) => by_position(a, single) && by_position(b, single),
        Expr::Call(_, args) => (single || args.len() < 2) && args.iter().all(|e| by_position(e, single)),
        Expr::If(a, c, b) => [a, c, b].into_iter().all(|e| by_position(e, single)),
        Expr::List(items) => items.iter().all(|e| by_position(e, single)),
        _ => true,
    }
}

/// True if all letters have a coordinate at every position.
fn flat(dim: &DimExpr) -> bool {
    match dim {
        DimExpr::Sum(_) => false,
        DimExpr::Product(parts) => parts.iter().all(flat),
        DimExpr::One | DimExpr::Letter(_) | DimExpr::Pick(..) => true,
    }
}

/// The operands of a copy by the letters of a dimension.
struct Givers {
    /// Those that give an element in any case.
    always: Vec<usize>,
    /// The others, by each letter that they need.
    by_letter: FxHashMap<LetterId, SmallVec<[usize; 1]>>,
    inside: Vec<bool>,
}

impl Givers {
    fn new(bound: &Bound, all: &[LetterId]) -> Givers {
        let mut inside = vec![false; bound.letters.len()];
        all.iter().for_each(|l| inside[*l as usize] = true);
        let mut givers = Givers { always: Vec::new(), by_letter: FxHashMap::default(), inside };
        for (k, operand) in bound.operands.iter().enumerate().filter(|(_, o)| o.read) {
            let dims = operand.dims.iter().map(DimExpr::letters).filter(|letters| givers.needed(letters));
            let mut letters: Vec<LetterId> = dims.flatten().collect();
            letters.extend(operand.at.iter().filter(|l| givers.inside[**l as usize]));
            letters.sort_unstable();
            letters.dedup();
            if letters.is_empty() {
                givers.always.push(k);
            }
            letters.into_iter().for_each(|l| givers.by_letter.entry(l).or_default().push(k));
        }
        givers
    }

    /// Whether some of a dimension's letters must have a coordinate.
    fn needed(&self, letters: &[LetterId]) -> bool {
        !letters.is_empty() && letters.iter().all(|l| self.inside[*l as usize])
    }

    /// The operands that give an element where, of the dimension's letters, these have a coordinate.
    fn of(&self, bound: &Bound, present: &[LetterId]) -> Vec<usize> {
        let gives = |k: &usize| {
            let operand = &bound.operands[*k];
            let there = |letters: &[LetterId]| !self.needed(letters) || letters.iter().any(|l| present.contains(l));
            operand.dims.iter().all(|d| there(&d.letters()))
                && operand.at.iter().all(|l| !self.inside[*l as usize] || present.contains(l))
        };
        let mut found: Vec<usize> =
            present.iter().filter_map(|l| self.by_letter.get(l)).flatten().copied().filter(gives).collect();
        found.extend(&self.always);
        found.sort_unstable();
        found.dedup();
        found
    }
}
