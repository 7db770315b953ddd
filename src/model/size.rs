//! Sizes of dimensions: integers, or polynomials in the symbols of a dynamic shape.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};

/// Terms of a polynomial. Beyond these bounds a sum or product is one symbol, named by its text.
const TERMS: usize = 1024;
/// Pairs of terms that are multiplied.
const PAIRS: usize = 2048;
/// Symbols in a term.
const DEGREE: usize = 64;
/// Bytes of all names in a polynomial.
const NAMES: usize = 1 << 16;

/// A product of symbols, sorted, with repeats: `s0*s0*s1`. A term that is no polynomial (`s0//2`) counts as one symbol
/// named by its text.
pub type Monomial = Vec<String>;

/// A size: a polynomial with integer coefficients over symbols, and its value in the example that was traced.
///
/// Two sizes are equal if their polynomials are; the hint only serves to compare what the algebra cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Size(Repr);

/// Nearly all sizes are numbers, and a model has hundreds of thousands of them.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Repr {
    Int(i64),
    /// Never a mere number, so that equal sizes have equal forms.
    Polynomial(Box<Polynomial>),
}

#[derive(Clone, Debug)]
struct Polynomial {
    terms: BTreeMap<Monomial, i64>,
    hint: Option<i64>,
}

impl PartialEq for Polynomial {
    fn eq(&self, other: &Polynomial) -> bool {
        self.terms == other.terms
    }
}

impl Eq for Polynomial {}

impl Size {
    /// A plain number.
    pub fn int(n: i64) -> Size {
        Size(Repr::Int(n))
    }

    /// One symbol, with its value in the traced example if that is known.
    pub fn symbol(name: impl Into<String>, hint: Option<i64>) -> Size {
        Size::new(BTreeMap::from([(vec![name.into()], 1)]), hint)
    }

    /// The terms must have no coefficient of zero.
    fn new(terms: BTreeMap<Monomial, i64>, hint: Option<i64>) -> Size {
        let number = match terms.len() {
            0 => Some(0),
            1 => terms.get(&Vec::new()).copied(),
            _ => None,
        };
        Size(number.map_or_else(|| Repr::Polynomial(Box::new(Polynomial { terms, hint })), Repr::Int))
    }

    /// The number, if no symbol is in it.
    pub fn as_int(&self) -> Option<i64> {
        match self.0 {
            Repr::Int(n) => Some(n),
            Repr::Polynomial(_) => None,
        }
    }

    /// The value in the traced example.
    pub fn hint(&self) -> Option<i64> {
        match &self.0 {
            Repr::Int(n) => Some(*n),
            Repr::Polynomial(p) => p.hint,
        }
    }

    /// The same size with another example value.
    pub fn with_hint(mut self, hint: Option<i64>) -> Size {
        if let Repr::Polynomial(p) = &mut self.0 {
            p.hint = hint;
        }
        self
    }

    /// The terms: coefficients by monomial.
    pub fn terms(&self) -> Cow<'_, BTreeMap<Monomial, i64>> {
        match &self.0 {
            Repr::Int(0) => Cow::Owned(BTreeMap::new()),
            Repr::Int(n) => Cow::Owned(BTreeMap::from([(Vec::new(), *n)])),
            Repr::Polynomial(p) => Cow::Borrowed(&p.terms),
        }
    }

    /// True if this is the number `n`.
    pub fn is(&self, n: i64) -> bool {
        self.as_int() == Some(n)
    }

    /// The sum.
    pub fn add(&self, other: &Size) -> Size {
        self.try_add(other).unwrap_or_else(|| {
            let hint = self.hint().zip(other.hint()).map(|(a, b)| a.saturating_add(b));
            Size::symbol(named(&format!("({self}) + ({other})")), hint)
        })
    }

    /// The sum, unless it has too many terms.
    pub fn try_add(&self, other: &Size) -> Option<Size> {
        if let (Some(a), Some(b)) = (self.as_int(), other.as_int()) {
            return Some(Size::int(a.saturating_add(b)));
        }
        if self.terms().len() + other.terms().len() > TERMS || self.weight() + other.weight() > NAMES {
            return None;
        }
        let mut terms = self.terms().into_owned();
        for (m, c) in other.terms().iter() {
            let sum = terms.get(m).copied().unwrap_or(0).saturating_add(*c);
            if sum == 0 {
                terms.remove(m);
            } else {
                terms.insert(m.clone(), sum);
            }
        }
        Some(Size::new(terms, self.hint().zip(other.hint()).map(|(a, b)| a.saturating_add(b))))
    }

    /// Bytes of all names.
    fn weight(&self) -> usize {
        match &self.0 {
            Repr::Int(_) => 0,
            Repr::Polynomial(p) => p.terms.keys().flatten().map(String::len).sum(),
        }
    }

    /// The product with a number.
    pub fn scale(&self, by: i64) -> Size {
        self.mul(&Size::int(by))
    }

    /// The product.
    pub fn mul(&self, other: &Size) -> Size {
        self.try_mul(other).unwrap_or_else(|| {
            let hint = self.hint().zip(other.hint()).map(|(a, b)| a.saturating_mul(b));
            Size::symbol(named(&format!("({self})*({other})")), hint)
        })
    }

    /// The product, unless it has too many terms, or too many symbols in one.
    pub fn try_mul(&self, other: &Size) -> Option<Size> {
        if let (Some(a), Some(b)) = (self.as_int(), other.as_int()) {
            return Some(Size::int(a.saturating_mul(b)));
        }
        let (left, right) = (self.terms(), other.terms());
        let degree = |terms: &BTreeMap<Monomial, i64>| terms.keys().map(Vec::len).max().unwrap_or(0);
        // Each name stands in as many products as the other side has terms.
        let names = self.weight().saturating_mul(right.len()).saturating_add(other.weight().saturating_mul(left.len()));
        if left.len().saturating_mul(right.len()) > PAIRS || degree(&left) + degree(&right) > DEGREE || names > NAMES {
            return None;
        }
        let mut terms: BTreeMap<Monomial, i64> = BTreeMap::new();
        for (m, c) in left.iter() {
            for (n, d) in right.iter() {
                let mut mono = [m.as_slice(), n.as_slice()].concat();
                mono.sort();
                let sum = terms.entry(mono).or_default();
                *sum = sum.saturating_add(c.saturating_mul(*d));
            }
        }
        terms.retain(|_, c| *c != 0);
        let product = Size::new(terms, None);
        Some(product.with_hint(self.hint().zip(other.hint()).map(|(a, b)| a.saturating_mul(b))))
    }

    /// The quotient where the division leaves nothing over and the divisor is one term; `None` otherwise.
    pub fn div_exact(&self, by: &Size) -> Option<Size> {
        if let (Some(a), Some(b)) = (self.as_int(), by.as_int()) {
            return (b != 0 && a.checked_rem(b)? == 0).then(|| Size::int(a / b));
        }
        let by_terms = by.terms();
        if by_terms.len() != 1 {
            return (self == by && !by_terms.is_empty()).then(|| Size::int(1));
        }
        let (mono, d) = by_terms.iter().next()?;
        let mut terms = BTreeMap::new();
        for (m, c) in self.terms().iter() {
            let mut rest = m.clone();
            for s in mono {
                let at = rest.iter().position(|x| x == s)?;
                rest.remove(at);
            }
            if c.checked_rem(*d)? != 0 {
                return None;
            }
            terms.insert(rest, c / d);
        }
        let hint = self.hint().zip(by.hint()).and_then(|(a, b)| a.checked_div(b));
        Some(Size::new(terms, hint))
    }

    /// Floor division; a symbol of its own where it is not exact.
    pub fn floor_div(&self, by: &Size) -> Size {
        if let (Some(a), Some(b)) = (self.as_int(), by.as_int())
            && b != 0
        {
            return Size::int(a.checked_div_euclid(b).unwrap_or(i64::MAX));
        }
        let hint = self.hint().zip(by.hint()).and_then(|(a, b)| a.checked_div_euclid(b));
        self.div_exact(by).unwrap_or_else(|| Size::symbol(named(&format!("({self})//({by})")), hint))
    }
}

/// A name for a text; a long one is named by a digest, so that names of names do not grow without end.
fn named(text: &str) -> String {
    if text.len() <= NAMES {
        return text.to_owned();
    }
    let digest = |salt: u64| {
        let mut hasher = std::hash::DefaultHasher::new();
        (salt, text).hash(&mut hasher);
        hasher.finish()
    };
    format!("~{:016x}{:016x}", digest(1), digest(2))
}

impl From<usize> for Size {
    fn from(n: usize) -> Size {
        Size::int(n as i64)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let terms = match &self.0 {
            Repr::Int(n) => return write!(f, "{n}"),
            Repr::Polynomial(p) => &p.terms,
        };
        for (i, (m, c)) in terms.iter().rev().enumerate() {
            if i > 0 {
                write!(f, " + ")?;
            }
            match (m.is_empty(), *c) {
                (true, c) => write!(f, "{c}")?,
                (false, 1) => write!(f, "{}", m.join("*"))?,
                (false, c) => write!(f, "{c}*{}", m.join("*"))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_has_bounds() {
        assert_eq!(Size::int(i64::MIN).floor_div(&Size::int(-1)), Size::int(i64::MAX));
        let symbol = |n: i64| Size::symbol(format!("s{n}"), Some(i64::MIN));
        assert_eq!(symbol(0).floor_div(&Size::int(-1)), symbol(0).scale(-1));
        assert!(symbol(0).scale(3).div_exact(&symbol(0).scale(-1)).is_some());
        let sum = (0..10).fold(Size::int(0), |sum, n| sum.add(&symbol(n)));
        // Powers of powers become symbols, the same ones each time.
        let power = |of: &Size| (0..8).fold(Size::int(1), |product, _| product.mul(of));
        let large = (0..6).fold(sum.clone(), |size, _| power(&size));
        assert_eq!(large, (0..6).fold(sum, |size, _| power(&size)));
        assert!(large.terms().len() <= TERMS && large.weight() <= NAMES);
        let many = (0..5000).fold(Size::int(0), |sum, n| sum.add(&symbol(n).floor_div(&Size::int(7))));
        assert!(many.terms().len() <= TERMS);
    }
}
