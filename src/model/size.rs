//! Sizes of dimensions: integers, or polynomials in the symbols of a dynamic shape.

use std::collections::BTreeMap;
use std::fmt;

/// A product of symbols, sorted, with repeats: `s0*s0*s1`. A term that is no polynomial (`s0//2`) counts as one symbol
/// named by its text.
pub type Monomial = Vec<String>;

/// A size: a polynomial with integer coefficients over symbols, and its value in the example that was traced.
///
/// Two sizes are equal if their polynomials are; the hint only serves to compare what the algebra cannot.
#[derive(Clone, Debug)]
pub struct Size {
    terms: BTreeMap<Monomial, i64>,
    hint: Option<i64>,
}

impl PartialEq for Size {
    fn eq(&self, other: &Size) -> bool {
        self.terms == other.terms
    }
}

impl Eq for Size {}

impl Size {
    /// A plain number.
    pub fn int(n: i64) -> Size {
        let mut terms = BTreeMap::new();
        if n != 0 {
            terms.insert(Vec::new(), n);
        }
        Size { terms, hint: Some(n) }
    }

    /// One symbol, with its value in the traced example if that is known.
    pub fn symbol(name: impl Into<String>, hint: Option<i64>) -> Size {
        Size { terms: BTreeMap::from([(vec![name.into()], 1)]), hint }
    }

    /// The number, if no symbol is in it.
    pub fn as_int(&self) -> Option<i64> {
        match self.terms.len() {
            0 => Some(0),
            1 => self.terms.get(&Vec::new()).copied(),
            _ => None,
        }
    }

    /// The value in the traced example.
    pub fn hint(&self) -> Option<i64> {
        self.as_int().or(self.hint)
    }

    /// The same size with another example value.
    pub fn with_hint(mut self, hint: Option<i64>) -> Size {
        self.hint = hint;
        self
    }

    /// The terms: coefficients by monomial.
    pub fn terms(&self) -> &BTreeMap<Monomial, i64> {
        &self.terms
    }

    /// True if this is the number `n`.
    pub fn is(&self, n: i64) -> bool {
        self.as_int() == Some(n)
    }

    /// The sum.
    pub fn add(&self, other: &Size) -> Size {
        let mut terms = self.terms.clone();
        for (m, c) in &other.terms {
            let sum = terms.get(m).copied().unwrap_or(0).saturating_add(*c);
            if sum == 0 {
                terms.remove(m);
            } else {
                terms.insert(m.clone(), sum);
            }
        }
        Size { terms, hint: self.hint().zip(other.hint()).map(|(a, b)| a.saturating_add(b)) }
    }

    /// The product with a number.
    pub fn scale(&self, by: i64) -> Size {
        self.mul(&Size::int(by))
    }

    /// The product.
    pub fn mul(&self, other: &Size) -> Size {
        let mut out = Size::int(0);
        for (m, c) in &self.terms {
            for (n, d) in &other.terms {
                let mut mono = [m.as_slice(), n.as_slice()].concat();
                mono.sort();
                let coefficient = c.saturating_mul(*d);
                if coefficient != 0 {
                    out = out.add(&Size { terms: BTreeMap::from([(mono, coefficient)]), hint: None });
                }
            }
        }
        out.hint = self.hint().zip(other.hint()).map(|(a, b)| a.saturating_mul(b));
        out
    }

    /// The quotient where the division leaves nothing over and the divisor is one term; `None` otherwise.
    pub fn div_exact(&self, by: &Size) -> Option<Size> {
        if by.terms.len() != 1 {
            return (self == by && !by.terms.is_empty()).then(|| Size::int(1));
        }
        let (mono, d) = by.terms.iter().next()?;
        let mut terms = BTreeMap::new();
        for (m, c) in &self.terms {
            let mut rest = m.clone();
            for s in mono {
                let at = rest.iter().position(|x| x == s)?;
                rest.remove(at);
            }
            if c % d != 0 {
                return None;
            }
            terms.insert(rest, c / d);
        }
        let hint = self.hint().zip(by.hint()).filter(|(_, b)| *b != 0).map(|(a, b)| a / b);
        Some(Size { terms, hint })
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
        if self.terms.is_empty() {
            return write!(f, "0");
        }
        for (i, (m, c)) in self.terms.iter().rev().enumerate() {
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
