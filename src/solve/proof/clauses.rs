//! Facts by the rules' `zero`, `finite`, `nonneg` and `nonzero` clauses: what follows for a result from the facts of the operands.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::facts::{FINITE, Kept, NONNEG, NONZERO, ORDINARY, ValueFacts, ZERO, has};
use crate::axis::{Bound, BoundOperand, Call, DimExpr, Given, LetterId};
use crate::rule::{Binary, Expr, Unary, eval};
use crate::solve::positions::{Coords, Frame};

/// A question that is asked of many positions: the operand, its dimension, the letters, the part of a sum.
type Asked = (usize, usize, u64, Option<usize>);

/// Evaluates clauses at one node.
pub struct Clauses<'a> {
    /// The rule as applied.
    pub bound: &'a Bound,
    /// The node's arguments.
    pub call: &'a Call<'a>,
    /// Which positions of the letters stay.
    pub kept: &'a Kept,
    /// Positions of letters.
    pub frame: &'a Frame<'a>,
    /// Facts of the operands, parallel to the bound's operands.
    pub operands: Vec<Option<&'a ValueFacts>>,
    /// Which facts a loop may be taken to keep up at the position that is asked about.
    pub assumed: u8,
    /// Facts are about all elements; else about those alone whose other coordinates stay, as all others are masked.
    pub whole: bool,
    /// Which of the results is asked about.
    result: usize,
    /// Every element is asked about: nothing is taken for granted.
    everywhere: bool,
    /// Of a dimension that is a sum of parts, only this one is asked about.
    part: Option<usize>,
    tables: FxHashMap<Asked, Rc<[u8]>>,
    /// The letters that were apart last, and the operands that give an element then: the same all along a part of a cat.
    last: Option<(Vec<LetterId>, Rc<[usize]>)>,
    /// The letters of parts that no operand gives, once they are asked for.
    fill: Option<Vec<LetterId>>,
}

/// The letters of parts of a copy's dimensions that no operand has.
fn fill(bound: &Bound) -> Vec<LetterId> {
    if !bound.copies {
        return Vec::new();
    }
    let mut given = vec![false; bound.letters.len()];
    for operand in &bound.operands {
        operand.dims.iter().flat_map(|d| d.letters()).chain(operand.at.iter().copied()).for_each(|l| given[l as usize] = true);
    }
    let sums = bound.outputs.iter().flat_map(|o| &o.dims).filter(|d| matches!(d, DimExpr::Sum(_)));
    sums.flat_map(|d| d.letters()).filter(|l| !given[*l as usize]).collect()
}

impl<'a> Clauses<'a> {
    /// A new evaluation.
    pub fn new(
        bound: &'a Bound,
        call: &'a Call<'a>,
        frame: &'a Frame<'a>,
        kept: &'a Kept,
        operands: Vec<Option<&'a ValueFacts>>,
    ) -> Clauses<'a> {
        Clauses {
            bound,
            call,
            kept,
            frame,
            operands,
            assumed: 0,
            whole: false,
            result: 0,
            everywhere: false,
            part: None,
            tables: FxHashMap::default(),
            last: None,
            fill: None,
        }
    }

    /// Turns to one of the results. False if the rule says nothing of it.
    pub fn turn(&mut self, result: usize) -> bool {
        self.result = result;
        let rule = &self.bound.rule;
        // Clauses speak of the first result, unless there is one for each; of copies, and where the rule requires some facts, of all.
        let listed =
            rule.facts.all().into_iter().any(|(_, clause)| matches!(clause, Some(Expr::List(items)) if result < items.len()));
        self.bound.copies || result == 0 || rule.facts.require.is_some() || listed
    }

    /// Facts of a loop's start that a run does not keep up, at a position of a dimension of a result.
    pub fn broken(&mut self, dim: &DimExpr, position: usize) -> u8 {
        let rule = self.bound.rule.clone();
        let Some([start, end]) = rule.facts.sustain.as_deref() else { return 0 };
        let mut coords = self.frame.nowhere();
        self.frame.decode(dim, position, &mut coords);
        let mut broken = |kind: &u8| self.named(start, *kind, &coords) && !self.named(end, *kind, &coords);
        [ZERO, FINITE, NONNEG, NONZERO].into_iter().filter(|kind| broken(kind)).sum()
    }

    /// Facts that hold for every element of a result.
    pub fn everywhere(&mut self) -> u8 {
        self.assumed = 0;
        self.everywhere = true;
        let coords = self.frame.nowhere();
        let flags = self.flags(&coords, &[]) & (ZERO | NONNEG);
        self.everywhere = false;
        flags
    }

    /// Whether `summed:` holds at a position.
    pub fn contributes_nothing(&mut self, clause: &Expr, coords: &Coords) -> bool {
        self.assumed = 0;
        self.clause(clause, ZERO, coords, &[])
    }

    pub(super) fn flags(&mut self, coords: &Coords, apart: &[LetterId]) -> u8 {
        let rule = self.bound.rule.clone();
        let clauses = [
            (ZERO, &rule.facts.zero),
            (FINITE, &rule.facts.finite),
            (NONNEG, &rule.facts.nonneg),
            (NONZERO, &rule.facts.nonzero),
        ];
        let mut flags = 0;
        for (kind, clause) in clauses {
            let clause = match clause {
                Some(Expr::List(items)) => Some(items.get(self.result).unwrap_or(&Expr::Bool(false))),
                clause => clause.as_ref(),
            };
            let holds = match clause {
                Some(clause) => self.clause(clause, kind, coords, apart),
                None if self.bound.copies || kind == FINITE => self.all(kind, coords, apart),
                None => false,
            };
            if holds {
                flags |= kind;
            }
        }
        if flags & ZERO != 0 { (flags | NONNEG) & !NONZERO } else { flags }
    }

    /// True of every operand that gives an element at these coordinates; where none does, of the fill.
    fn all(&mut self, kind: u8, coords: &Coords, apart: &[LetterId]) -> bool {
        let relevant = self.giving(apart);
        if (relevant.is_empty() || self.filled(coords, apart)) && !self.fill_is(kind) {
            return false;
        }
        relevant.iter().all(|k| self.operand(*k, kind, coords))
    }

    /// The fact of the fill; of whole numbers, 0.5 is 0.
    pub(super) fn fill_is(&self, kind: u8) -> bool {
        let out = self.bound.outputs.first().and_then(|o| o.value);
        let float = out.is_some_and(|v| self.call.graph.value(v).dtype.is_float());
        has(self.bound.fill, kind) && (kind != NONZERO || float || self.bound.fill.abs() >= 1.0)
    }

    /// True if some element at these coordinates is the fill: of a padded dimension that is not asked about.
    pub(super) fn filled(&mut self, coords: &Coords, apart: &[LetterId]) -> bool {
        let bound = self.bound;
        let fill = self.fill.get_or_insert_with(|| fill(bound));
        fill.iter().any(|l| coords[*l as usize].is_none() && !apart.contains(l))
    }

    /// The operands that give an element where these letters are apart.
    pub(super) fn giving(&mut self, apart: &[LetterId]) -> Rc<[usize]> {
        if let Some((_, operands)) = self.last.as_ref().filter(|(letters, _)| letters == apart) {
            return operands.clone();
        }
        let mut away = vec![false; self.bound.letters.len()];
        apart.iter().for_each(|l| away[*l as usize] = true);
        let gives = |operand: &BoundOperand| {
            let elsewhere = |d: &DimExpr| {
                let letters = d.letters();
                !letters.is_empty() && letters.iter().all(|l| away[*l as usize])
            };
            operand.read && !operand.dims.iter().any(elsewhere) && !operand.at.iter().any(|l| away[*l as usize])
        };
        let operands: Rc<[usize]> = (0..self.bound.operands.len()).filter(|k| gives(&self.bound.operands[*k])).collect();
        self.last = Some((apart.to_vec(), operands.clone()));
        operands
    }

    pub(super) fn clause(&mut self, clause: &Expr, kind: u8, coords: &Coords, apart: &[LetterId]) -> bool {
        let indexed = |name: &str, k: &Expr| if let Expr::Int(k) = k { format!("{name}[{k}]") } else { name.to_owned() };
        if let Some((name, part)) = part_of(clause) {
            return self.in_part(part, |clauses| clauses.named(name, kind, coords));
        }
        match clause {
            Expr::Bool(b) => *b,
            Expr::Int(n) => has(*n as f64, kind),
            Expr::Float(x) => has(*x, kind),
            Expr::Unary(Unary::Not, e) => !self.clause(e, kind, coords, apart),
            Expr::Binary(Binary::And, a, b) => self.clause(a, kind, coords, apart) && self.clause(b, kind, coords, apart),
            Expr::Binary(Binary::Or, a, b) => self.clause(a, kind, coords, apart) || self.clause(b, kind, coords, apart),
            Expr::Call(name, args) => match (fact(name), args.as_slice()) {
                (Some(kind), [e]) => self.clause(e, kind, coords, apart),
                (Some(kind), [e, Expr::Name(letter)]) => {
                    // Of that letter's position alone: where another is asked about, of all that stay.
                    let bound = self.bound;
                    let here = |l: usize| bound.letters[l].name == *letter;
                    let coords: Coords = coords.iter().enumerate().map(|(l, c)| c.filter(|_| here(l))).collect();
                    self.clause(e, kind, &coords, apart)
                }
                _ => self.condition(clause),
            },
            Expr::Name(name) => match name.as_str() {
                "never" => false,
                "always" => true,
                "assumed" => self.assumed & kind != 0,
                "all" => self.all(kind, coords, apart),
                "any" => (0..self.bound.operands.len()).any(|k| self.operand(k, kind, coords)),
                name => self.named(name, kind, coords),
            },
            Expr::Index(of, k) => match of.as_ref() {
                Expr::Name(name) => self.named(&indexed(name, k), kind, coords),
                _ => self.condition(clause),
            },
            Expr::Items(..) => {
                let label = clause.to_string();
                let found = |k: &usize| self.bound.operands[*k].arg == label;
                let all: Vec<usize> = (0..self.bound.operands.len()).filter(found).collect();
                all.into_iter().all(|k| self.operand(k, kind, coords))
            }
            Expr::If(a, c, b) => {
                let chosen = if self.clause(c, kind, coords, apart) { a } else { b };
                self.clause(chosen, kind, coords, apart)
            }
            other => self.condition(other),
        }
    }

    /// Asks of one part of a dimension that is a sum of parts.
    pub(super) fn in_part<T>(&mut self, part: usize, ask: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.part.replace(part);
        let answer = ask(self);
        self.part = before;
        answer
    }

    fn condition(&self, e: &Expr) -> bool {
        eval(e, self.call).is_ok_and(|v| v.truthy())
    }

    fn named(&mut self, name: &str, kind: u8, coords: &Coords) -> bool {
        let found: Vec<usize> = (0..self.bound.operands.len()).filter(|k| self.bound.operands[*k].arg == name).collect();
        if !found.is_empty() {
            return found.into_iter().all(|k| self.operand(k, kind, coords));
        }
        match self.call.val(name) {
            Some(crate::rule::Val::Bool(b)) => b,
            Some(val) => val.as_f64().is_some_and(|x| has(x, kind)),
            None => false,
        }
    }

    /// Whether a fact holds for the part of an operand that meets these coordinates.
    pub fn operand(&mut self, k: usize, kind: u8, coords: &Coords) -> bool {
        let operand = &self.bound.operands[k];
        let value = match operand.given {
            Given::Number(x) => return has(x, kind),
            Given::Tensor(_) => self.operands[k],
        };
        let all = value.map_or(0, |v| v.all);
        if all & kind != 0 {
            return true;
        }
        if self.everywhere {
            return false;
        }
        if let Some(dims) = self.twice(operand, coords) {
            // A letter in two dimensions: what is there in either must have the fact.
            return dims.into_iter().all(|d| {
                let letters = operand.dims[d].letters();
                let shared: Vec<LetterId> = letters.into_iter().filter(|l| coords[*l as usize].is_some()).collect();
                match value.and_then(|v| v.dims.get(d).cloned().flatten()) {
                    Some(flags) => self.slice(k, d, kind, coords, &shared, &flags),
                    None => kind & ORDINARY != 0,
                }
            });
        }
        // Positions that stay are taken for ordinary only where no dimension says otherwise of one that goes.
        let mut doubtful = false;
        for d in 0..operand.dims.len() {
            let shared: Vec<LetterId> = operand.dims[d].letters().into_iter().filter(|l| coords[*l as usize].is_some()).collect();
            let Some(flags) = value.and_then(|v| v.dims.get(d).cloned().flatten()).filter(|_| !shared.is_empty()) else {
                continue; // it lacks the axis, or nothing of this dimension was removed: it is like any that stays
            };
            let stays = shared.iter().all(|l| coords[*l as usize].is_none_or(|c| self.stays(*l, c)));
            match self.slice(k, d, kind, coords, &shared, &flags) {
                true if stays && kind & ORDINARY != 0 => {}
                true => return true,
                false => doubtful = true,
            }
        }
        kind & ORDINARY != 0 && !doubtful
    }

    /// The part that is asked about.
    pub(super) fn asked_part(&self) -> Option<usize> {
        self.part
    }

    /// The dimensions that have a letter in common which is asked about.
    pub(super) fn twice(&self, operand: &BoundOperand, coords: &Coords) -> Option<Vec<usize>> {
        let asked = |d: &DimExpr| d.letters().into_iter().filter(|l| coords[*l as usize].is_some()).collect::<Vec<_>>();
        let asked: Vec<Vec<LetterId>> = operand.dims.iter().map(asked).collect();
        let among = |d: usize, l: &LetterId| (0..asked.len()).any(|e| e != d && asked[e].contains(l));
        let dims: Vec<usize> = (0..asked.len()).filter(|d| asked[*d].iter().any(|l| among(*d, l))).collect();
        (!dims.is_empty()).then_some(dims)
    }

    /// The fact for all positions of a dimension that meet the coordinates.
    pub(super) fn slice(&mut self, k: usize, d: usize, kind: u8, coords: &Coords, shared: &[LetterId], flags: &Rc<[u8]>) -> bool {
        let frame = self.frame;
        let dim = &self.bound.operands[k].dims[d];
        if let Some(at) = frame.encode(dim, coords, self.part) {
            return flags.get(at).is_some_and(|f| f & kind != 0);
        }
        let place = |c: &Coords| shared.iter().try_fold(0usize, |n, l| Some(n * frame.len(*l) + c[*l as usize]? as usize));
        let part = self.part;
        let key = (k, d, shared.iter().fold(0u64, |h, l| h.wrapping_mul(1_000_003).wrapping_add(u64::from(*l) + 1)), part);
        let table = match self.tables.get(&key) {
            Some(table) => table.clone(),
            None => {
                let size: usize = shared.iter().map(|l| frame.len(*l)).product();
                // Of what stays in the other letters; where nothing of them stays (an outer position goes with all its
                // inner ones), of everything.
                let (mut table, mut whole, mut some) = (vec![u8::MAX; size], vec![u8::MAX; size], vec![false; size]);
                let (mut at, letters) = (frame.nowhere(), dim.letters());
                for (q, f) in flags.iter().enumerate().filter(|(q, _)| frame.within(dim, *q, part)) {
                    at.fill(None);
                    frame.decode(dim, q, &mut at);
                    let here = self.whole
                        || letters.iter().all(|l| shared.contains(l) || at[*l as usize].is_none_or(|c| self.stays(*l, c)));
                    let Some(p) = place(&at) else { continue };
                    whole[p] &= f;
                    if here {
                        some[p] = true;
                        table[p] &= f;
                    }
                }
                (0..size).filter(|p| !some[*p]).for_each(|p| table[p] = whole[p]);
                let table: Rc<[u8]> = table.into();
                self.tables.insert(key, table.clone());
                table
            }
        };
        place(coords).and_then(|p| table.get(p)).is_some_and(|flags| flags & kind != 0)
    }

    pub(super) fn stays(&self, letter: LetterId, position: u32) -> bool {
        self.kept[letter as usize].as_ref().is_none_or(|k| k.get(position as usize).copied().unwrap_or(true))
    }
}

/// `part(x, 1)`: an operand, and which part of its dimension that is a sum of parts.
pub(super) fn part_of(e: &Expr) -> Option<(&str, usize)> {
    match e {
        Expr::Call(function, args) if function == "part" => match args.as_slice() {
            [Expr::Name(name), Expr::Int(k)] => Some((name, usize::try_from(*k).ok()?)),
            _ => None,
        },
        _ => None,
    }
}

/// The fact that a function of clauses asks about.
fn fact(name: &str) -> Option<u8> {
    match name {
        "zero" => Some(ZERO),
        "finite" => Some(FINITE),
        "nonneg" => Some(NONNEG),
        "nonzero" => Some(NONZERO),
        _ => None,
    }
}
