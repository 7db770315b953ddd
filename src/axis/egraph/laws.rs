//! The laws: two descriptions of one axis are aligned with each other.
//!
//! Cat and merge are injective where the sizes of their parts agree, so that equal wholes have equal parts; where one part
//! of one side covers several of the other it is their cat (merge); where parts overlap crosswise both are cut at all
//! common points. What cannot be aligned is locked.

use std::collections::BTreeSet;

use egg::{Id, Language};

use super::classes::{Axes, Reason};
use super::term::Todo;
use crate::model::Size;

/// Cuts of cuts deeper than this are refused: `x[1:] - x[:-1]` across two axes would go on for every position.
const DEPTH: u32 = 64;

impl Axes {
    /// Aligns until nothing is left to align, and returns the number of steps.
    ///
    /// It ends: each step unions classes, or cuts an axis into smaller ones to a bounded depth.
    pub fn saturate(&mut self) -> usize {
        let mut steps = 0;
        loop {
            while let Some(todo) = self.eg.analysis.todo.pop() {
                steps += 1;
                match todo {
                    Todo::Cats(a, b) => self.align_cats(a, b),
                    Todo::Merges(a, b) => self.align_merges(a, b),
                    Todo::CatMerge(a, b) => self.align_cat_with_merge(a, b),
                }
            }
            // egg looks at a clock that takes up to 0.2 s to calibrate on a busy machine. It gets one that stands still.
            quanta::with_clock(&quanta::Clock::mock().0, || self.eg.rebuild());
            if self.eg.analysis.todo.is_empty() {
                return steps;
            }
        }
    }

    fn parts(&self, node: Id) -> Vec<Id> {
        self.eg.id_to_node(node).children().to_vec()
    }

    fn ints(&self, parts: &[Id]) -> Option<Vec<i64>> {
        parts.iter().map(|p| self.size(*p).as_int()).collect()
    }

    fn law(&mut self, name: &'static str, premise: (Id, Id), from: Id, to: Id) {
        if self.class(from) != self.class(to) {
            self.tie(from, to, Reason::Law { name, left: premise.0, right: premise.1 });
        }
    }

    fn lock_all(&mut self, ids: &[Id]) {
        for id in ids {
            self.lock(*id, Reason::Unaligned);
        }
    }

    fn align_cats(&mut self, x: Id, y: Id) {
        let (xs, ys) = (self.parts(x), self.parts(y));
        let (Some(a), Some(b)) = (self.ints(&xs), self.ints(&ys)) else {
            let same = xs.len() == ys.len() && xs.iter().zip(&ys).all(|(p, q)| self.size(*p) == self.size(*q));
            return if same {
                xs.iter().zip(&ys).for_each(|(p, q)| self.law("equal cats have equal parts", (x, y), *p, *q));
            } else {
                self.lock_all(&[x, y]);
            };
        };
        let (mut i, mut j) = (0, 0);
        while i < xs.len() && j < ys.len() {
            let (from_i, from_j) = (i, j);
            let (mut left, mut right) = (a[i], b[j]);
            (i, j) = (i + 1, j + 1);
            while left != right {
                if left < right && i < xs.len() {
                    left += a[i];
                    i += 1;
                } else if left > right && j < ys.len() {
                    right += b[j];
                    j += 1;
                } else {
                    return self.lock_all(&[x, y]);
                }
            }
            self.align_block((x, y), &xs[from_i..i], &ys[from_j..j]);
        }
    }

    /// Two runs of parts with equal sums.
    fn align_block(&mut self, premise: (Id, Id), xs: &[Id], ys: &[Id]) {
        match (xs, ys) {
            ([p], [q]) => self.law("equal cats have equal parts", premise, *p, *q),
            ([p], many) | (many, [p]) => {
                let whole = self.cat(many);
                self.law("a part is the cat of the parts beside it", premise, whole, *p);
            }
            _ => {
                let (starts_x, starts_y) = (self.starts(xs), self.starts(ys));
                let shifted = xs.iter().zip(&starts_x).any(|(p, s)| {
                    let len = self.size(*p).as_int().unwrap_or(0);
                    let overlaps = |q: &Id, t: i64| {
                        let other = self.size(*q).as_int().unwrap_or(0);
                        *s != t && *s < t + other && t < s + len && self.class(*p) == self.class(*q)
                    };
                    ys.iter().zip(&starts_y).any(|(q, t)| overlaps(q, *t))
                });
                let deep = xs.iter().chain(ys).any(|p| self.depth.get(p).is_some_and(|d| *d >= DEPTH));
                if shifted || deep {
                    return self.lock_all(&[xs, ys].concat());
                }
                let points: BTreeSet<i64> = starts_x.iter().chain(&starts_y).copied().collect();
                let pieces_x = self.refine(xs, &starts_x, &points);
                let pieces_y = self.refine(ys, &starts_y, &points);
                for (p, q) in pieces_x.iter().zip(&pieces_y) {
                    self.law("parts cut at common points are equal", premise, *p, *q);
                }
            }
        }
    }

    fn starts(&self, parts: &[Id]) -> Vec<i64> {
        let mut at = 0;
        parts
            .iter()
            .map(|p| {
                let start = at;
                at += self.size(*p).as_int().unwrap_or(0);
                start
            })
            .collect()
    }

    fn refine(&mut self, parts: &[Id], starts: &[i64], points: &BTreeSet<i64>) -> Vec<Id> {
        let mut pieces = Vec::new();
        for (part, start) in parts.iter().zip(starts) {
            let size = self.size(*part).as_int().unwrap_or(0);
            let inside: Vec<i64> = points.range(start + 1..start + size).map(|p| p - start).collect();
            if inside.is_empty() {
                pieces.push(*part);
                continue;
            }
            let mut sizes = Vec::new();
            let mut at = 0;
            for point in inside.into_iter().chain([size]) {
                sizes.push(Size::int(point - at));
                at = point;
            }
            pieces.extend(self.cut(*part, &sizes, None));
        }
        pieces
    }

    /// Cuts an axis into consecutive parts of these sizes, which must add up to its own.
    pub fn cut(&mut self, whole: Id, sizes: &[Size], reason: Option<Reason>) -> Vec<Id> {
        if let Some(parts) = self.cat_parts(whole).map(<[Id]>::to_vec)
            && parts.len() == sizes.len()
            && parts.iter().zip(sizes).all(|(p, s)| self.size(*p) == *s)
        {
            return parts;
        }
        let depth = self.depth.get(&whole).copied().unwrap_or(0) + u32::from(reason.is_none());
        let pieces: Vec<Id> = sizes.iter().map(|s| self.leaf(s.clone())).collect();
        for piece in &pieces {
            self.depth.insert(*piece, depth);
        }
        let cat = self.cat(&pieces);
        self.tie(cat, whole, reason.unwrap_or(Reason::Law { name: "an axis is the cat of its parts", left: cat, right: whole }));
        pieces
    }

    /// Reads an axis as a number with these digits, the first outermost; their product must be its size.
    pub fn split(&mut self, whole: Id, sizes: &[Size], reason: Option<Reason>) -> Vec<Id> {
        let digits: Vec<Id> = sizes.iter().map(|s| self.leaf(s.clone())).collect();
        let merge = self.merge(&digits);
        let law = Reason::Law { name: "an axis is the merge of its digits", left: merge, right: whole };
        self.tie(merge, whole, reason.unwrap_or(law));
        digits
    }

    /// True for digits of which only the number in each outer one counts: nothing has them as a dimension. They are compared with
    /// other descriptions position by position, which ties less than equal digits do.
    fn only_counts(&self, digits: &[Id]) -> bool {
        digits.iter().all(|d| self.loose.contains(d)) && self.ints(digits).is_some()
    }

    fn align_merges(&mut self, x: Id, y: Id) {
        let (xs, ys) = (self.parts(x), self.parts(y));
        if (self.only_counts(&xs) || self.only_counts(&ys))
            && self.ints(&xs) != self.ints(&ys)
            && self.ints(&xs).is_some()
            && self.ints(&ys).is_some()
        {
            return;
        }
        let (mut i, mut j) = (0, 0);
        while i < xs.len() && j < ys.len() {
            let (from_i, from_j) = (i, j);
            let (mut left, mut right) = (self.size(xs[i]), self.size(ys[j]));
            (i, j) = (i + 1, j + 1);
            while left != right {
                match advance(&left, &right) {
                    Some(true) if i < xs.len() => {
                        left = left.mul(&self.size(xs[i]));
                        i += 1;
                    }
                    Some(false) if j < ys.len() => {
                        right = right.mul(&self.size(ys[j]));
                        j += 1;
                    }
                    _ => return self.lock_all(&[x, y]),
                }
            }
            let (xs, ys) = (&xs[from_i..i], &ys[from_j..j]);
            match (xs, ys) {
                ([p], [q]) => self.law("equal merges have equal digits", (x, y), *p, *q),
                ([p], many) | (many, [p]) => {
                    let whole = self.merge(many);
                    self.law("a digit is the merge of the digits beside it", (x, y), whole, *p);
                }
                _ => match self.common_digits(xs, ys) {
                    Some((a, b)) => {
                        for (p, q) in a.iter().zip(&b) {
                            self.law("digits split at common factors are equal", (x, y), *p, *q);
                        }
                    }
                    None => self.lock_all(&[xs, ys].concat()),
                },
            }
        }
    }

    /// Splits the digits of both sides so that they have the same sizes, if each partial product divides the next.
    fn common_digits(&mut self, xs: &[Id], ys: &[Id]) -> Option<(Vec<Id>, Vec<Id>)> {
        let factors = common_factors(&self.ints(xs)?, &self.ints(ys)?)?;
        Some((self.split_digits(xs, &factors)?, self.split_digits(ys, &factors)?))
    }

    fn split_digits(&mut self, digits: &[Id], factors: &[i64]) -> Option<Vec<Id>> {
        let mut out = Vec::new();
        let mut rest = factors.iter();
        for digit in digits {
            let size = self.size(*digit).as_int()?;
            let mut sizes = Vec::new();
            let mut product = 1;
            while product < size {
                let f = rest.next()?;
                product *= f;
                sizes.push(Size::int(*f));
            }
            match sizes.len() {
                1 => out.push(*digit),
                _ => out.extend(self.split(*digit, &sizes, None)),
            }
        }
        Some(out)
    }

    /// A cat whose parts are whole rows of a merge cuts the merge's outer digit.
    ///
    /// Not where a part is a single row: leaving the digit out of it would say that all such parts are the same axis.
    fn align_cat_with_merge(&mut self, x: Id, y: Id) {
        let (parts, digits) = (self.parts(x), self.parts(y));
        let (Some(sizes), Some(factors)) = (self.ints(&parts), self.ints(&digits)) else { return };
        if self.only_counts(&digits) {
            return;
        }
        let row: i64 = factors[1..].iter().product();
        if row == 0 || sizes.iter().any(|s| s % row != 0 || s / row < 2) {
            return;
        }
        let rows: Vec<Size> = sizes.iter().map(|s| Size::int(s / row)).collect();
        let pieces = self.cut(digits[0], &rows, None);
        for (piece, part) in pieces.into_iter().zip(parts) {
            let merge = self.merge(&[&[piece], &digits[1..]].concat());
            self.law("a cat of rows cuts the outer digit", (x, y), merge, part);
        }
    }
}

/// Whether the left product has to grow (true) or the right one (false) to become equal; `None` if they cannot.
fn advance(left: &Size, right: &Size) -> Option<bool> {
    match (left.as_int(), right.as_int()) {
        (Some(a), Some(b)) => Some(a < b),
        _ if right.div_exact(left).is_some() => Some(true),
        _ if left.div_exact(right).is_some() => Some(false),
        _ => None,
    }
}

/// The finest common factorisation of two lists of digits with equal products, outermost first: `[6, 4]` and `[3, 8]`
/// give `[3, 2, 4]`. `None` where the partial products do not divide each other in turn: `[6, 4]` and `[4, 6]`.
pub fn common_factors(xs: &[i64], ys: &[i64]) -> Option<Vec<i64>> {
    let mut points = BTreeSet::new();
    for list in [xs, ys] {
        let mut product = 1i64;
        for n in list {
            product = product.checked_mul(*n)?;
            points.insert(product);
        }
    }
    let mut last = 1;
    let mut factors = Vec::new();
    for p in points {
        if last == 0 || p % last != 0 {
            return None;
        }
        if p != last {
            factors.push(p / last);
        }
        last = p;
    }
    Some(factors)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(axes: &mut Axes, n: i64) -> Id {
        axes.leaf(Size::int(n))
    }

    fn tie(axes: &mut Axes, a: Id, b: Id) {
        axes.tie(a, b, Reason::Input("test".into()));
        axes.saturate();
    }

    #[test]
    fn equal_cats_have_equal_parts() {
        let mut axes = Axes::new();
        let [a, b, c, d] = [9, 8, 9, 8].map(|n| leaf(&mut axes, n));
        let (x, y) = (axes.cat(&[a, b]), axes.cat(&[c, d]));
        tie(&mut axes, x, y);
        assert_eq!(axes.class(a), axes.class(c));
        assert_eq!(axes.class(b), axes.class(d));
        assert_ne!(axes.class(a), axes.class(b));
    }

    #[test]
    fn crosswise_cats_are_cut_at_common_points() {
        let mut axes = Axes::new();
        let [a, b, c, d] = [8, 12, 12, 8].map(|n| leaf(&mut axes, n));
        let (x, y) = (axes.cat(&[a, b]), axes.cat(&[c, d]));
        tie(&mut axes, x, y);
        let sizes = |id| axes.cat_parts(id).map(|p| p.iter().map(|p| axes.size(*p).as_int().unwrap()).collect::<Vec<_>>());
        assert_eq!(sizes(b), Some(vec![4, 8]));
        assert_eq!(sizes(c), Some(vec![8, 4]));
        assert_eq!(axes.class(axes.cat_parts(c).unwrap()[0]), axes.class(a));
        assert_eq!(axes.class(axes.cat_parts(b).unwrap()[1]), axes.class(d));
    }

    #[test]
    fn merges_refine_to_common_factors_or_lock() {
        let mut axes = Axes::new();
        let [a, b, c, d] = [6, 4, 3, 8].map(|n| leaf(&mut axes, n));
        let (x, y) = (axes.merge(&[a, b]), axes.merge(&[c, d]));
        tie(&mut axes, x, y);
        assert!(!axes.locked(a));
        assert_eq!(axes.class(axes.merge_parts(a).unwrap()[0]), axes.class(c));
        let [e, f, g, h] = [6, 4, 4, 6].map(|n| leaf(&mut axes, n));
        let (x, y) = (axes.merge(&[e, f]), axes.merge(&[g, h]));
        tie(&mut axes, x, y);
        assert!([e, f, g, h].iter().all(|id| axes.locked(*id)));
    }

    #[test]
    fn shifted_axes_end_in_a_lock() {
        let mut axes = Axes::new();
        let [x, y] = [1_000_000, 1_000_000].map(|n| leaf(&mut axes, n));
        let sizes = [[1, 999_999], [999_999, 1]].map(|s| s.map(Size::int));
        let (a, b) = (axes.cut(x, &sizes[0], None), axes.cut(x, &sizes[1], None));
        tie(&mut axes, a[1], b[0]);
        assert!(axes.counts().0 < 5000);
        let (a, b) = (axes.cut(x, &sizes[0], None), axes.cut(y, &sizes[1], None));
        let (c, d) = (axes.cut(x, &sizes[1], None), axes.cut(y, &sizes[0], None));
        tie(&mut axes, a[1], b[0]);
        tie(&mut axes, c[0], d[1]);
        assert!(axes.counts().0 < 20_000);
    }
}
