//! Sizes of dimensions: integers, or polynomials in the symbols of a dynamic shape.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

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
        if let (Some(a), Some(b)) = (self.as_int(), other.as_int()) {
            return Size::int(a.saturating_add(b));
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
        Size::new(terms, self.hint().zip(other.hint()).map(|(a, b)| a.saturating_add(b)))
    }

    /// The product with a number.
    pub fn scale(&self, by: i64) -> Size {
        self.mul(&Size::int(by))
    }

    /// The product.
    pub fn mul(&self, other: &Size) -> Size {
        if let (Some(a), Some(b)) = (self.as_int(), other.as_int()) {
            return Size::int(a.saturating_mul(b));
        }
        let mut out = Size::int(0);
        for (m, c) in self.terms().iter() {
            for (n, d) in other.terms().iter() {
                let mut mono = [m.as_slice(), n.as_slice()].concat();
                mono.sort();
                let coefficient = c.saturating_mul(*d);
                if coefficient != 0 {
                    out = out.add(&Size::new(BTreeMap::from([(mono, coefficient)]), None));
                }
            }
        }
        out.with_hint(self.hint().zip(other.hint()).map(|(a, b)| a.saturating_mul(b)))
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
        let hint = self.hint().zip(by.hint()).filter(|(_, b)| *b != 0).map(|(a, b)| a / b);
        Some(Size::new(terms, hint))
    }

    /// Floor division; a symbol of its own where it is not exact.
    pub fn floor_div(&self, by: &Size) -> Size {
        if let (Some(a), Some(b)) = (self.as_int(), by.as_int())
            && b != 0
        {
            return Size::int(a.div_euclid(b));
        }
        let hint = self.hint().zip(by.hint()).filter(|(_, b)| *b != 0).map(|(a, b)| a.div_euclid(b));
        self.div_exact(by).unwrap_or_else(|| Size::symbol(format!("({self})//({by})"), hint))
    }
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
