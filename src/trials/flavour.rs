//! What a tensor holds at removed positions: nothing, anything, or what a fact says.

use super::array::{Array, Kept, places};
use super::example::Ints;
use super::random::Random;
use crate::model::DType;
use crate::solve::{FINITE, Known, NONNEG, NONZERO, ZERO};

/// A kind of contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flavour {
    /// Zeros, as a masked parameter has.
    Zero,
    /// Zeros, and what stays is negative: the largest of all is then not that of what stays.
    ZeroAmongNegative,
    /// Any numbers.
    Any,
    /// Any but zero.
    Nonzero,
    /// None negative.
    Nonneg,
    /// None negative, in all of the tensor.
    NonnegEverywhere,
    /// All positive.
    Positive,
    /// Infinities and NaN among them.
    Wild,
    /// The same, but nothing negative.
    WildNonneg,
    /// At each position one number, the same at all its elements.
    Number,
}

impl Flavour {
    /// All but numbers.
    pub const ALL: [Flavour; 9] = [
        Flavour::Zero,
        Flavour::ZeroAmongNegative,
        Flavour::Nonzero,
        Flavour::Any,
        Flavour::Positive,
        Flavour::Wild,
        Flavour::Nonneg,
        Flavour::NonnegEverywhere,
        Flavour::WildNonneg,
    ];

    /// One of them, mostly zeros.
    pub fn draw(random: &mut Random) -> Flavour {
        use Flavour::*;
        if random.chance(0.4) {
            return Zero;
        }
        random.one(&[Any, Any, Any, Nonzero, Nonneg, NonnegEverywhere, Positive, Positive, Wild, WildNonneg]).unwrap_or(Any)
    }

    /// Whether infinities may be among them.
    pub fn is_wild(self) -> bool {
        matches!(self, Flavour::Wild | Flavour::WildNonneg)
    }

    /// What may be said of a tensor of this kind.
    pub fn known(self, dtype: DType) -> Known {
        let whole = !matches!(dtype, DType::F64 | DType::F32 | DType::C128);
        let nonneg = if dtype == DType::C128 { 0 } else { NONNEG };
        match self {
            Flavour::Zero | Flavour::ZeroAmongNegative => Known { removed: ZERO | FINITE | NONNEG, all: 0 },
            _ if whole => Known { removed: FINITE | NONNEG, all: NONNEG },
            Flavour::Any => Known { removed: FINITE, all: 0 },
            Flavour::Nonzero => Known { removed: FINITE | NONZERO, all: 0 },
            Flavour::Nonneg => Known { removed: FINITE | nonneg, all: 0 },
            Flavour::NonnegEverywhere => Known { removed: FINITE | nonneg, all: nonneg },
            Flavour::Positive => Known { removed: FINITE | NONZERO | nonneg, all: 0 },
            Flavour::Wild | Flavour::Number => Known { removed: 0, all: 0 },
            Flavour::WildNonneg => Known { removed: nonneg, all: 0 },
        }
    }

    /// A number for a removed position.
    fn removed(self, random: &mut Random) -> f64 {
        let size = 0.2 + 1.6 * random.unit();
        let signed = if random.chance(0.5) { size } else { -size };
        match self {
            Flavour::Zero | Flavour::ZeroAmongNegative => 0.0,
            Flavour::Any => random.one(&[0.0, signed, signed, 3.0 * signed]).unwrap_or(signed),
            Flavour::Nonzero | Flavour::Number => signed,
            Flavour::Nonneg | Flavour::NonnegEverywhere => random.one(&[0.0, size, size]).unwrap_or(size),
            Flavour::Positive => size,
            Flavour::Wild => random.one(&[0.0, signed, f64::INFINITY, f64::NEG_INFINITY, f64::NAN]).unwrap_or(signed),
            Flavour::WildNonneg => random.one(&[0.0, size, f64::INFINITY]).unwrap_or(size),
        }
    }
}

/// How the numbers of kept positions are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Domain {
    /// From -1.8 to 1.8.
    Signed,
    /// From 0.2 to 0.9: every function is defined there.
    Unit,
}

/// A tensor: finite and nowhere zero where it stays, and of its flavour elsewhere.
pub(super) fn fill(
    shape: &[usize],
    dtype: DType,
    ints: Option<&Ints>,
    kept: &Kept,
    (flavour, domain): (Flavour, Domain),
    random: &mut Random,
) -> Array {
    let stays = kept.elements(shape);
    let mut list = |imaginary: bool| -> Vec<f64> {
        let mut out = Vec::with_capacity(stays.len());
        for (place, stays) in places(shape).zip(&stays) {
            out.push(match (dtype, ints) {
                (_, Some(Ints::All(x))) => *x,
                (_, Some(Ints::List(list))) => {
                    let at = place.last().copied().unwrap_or(0);
                    list.get(at % list.len().max(1)).map_or(0.0, |n| *n as f64)
                }
                (DType::I64 | DType::I32 | DType::I8 | DType::U8 | DType::Bool, _) => {
                    let bound = match ints {
                        Some(Ints::Below(n)) => *n,
                        _ => 2,
                    };
                    match (*stays, flavour) {
                        (false, Flavour::Zero | Flavour::ZeroAmongNegative) => 0.0,
                        (true, _) if dtype == DType::Bool => f64::from(u8::from(random.chance(0.5))),
                        (false, _) => random.below(bound.max(1) as usize) as f64,
                        // Not zero where that is possible: so is what stays, as far as rules are concerned.
                        (true, _) if bound > 1 => 1.0 + random.below(bound as usize - 1) as f64,
                        (true, _) => 0.0,
                    }
                }
                _ if *stays => {
                    let x = match domain {
                        Domain::Signed => (0.2 + 1.6 * random.unit()) * if random.chance(0.5) { 1.0 } else { -1.0 },
                        Domain::Unit => 0.2 + 0.7 * random.unit(),
                    };
                    match flavour {
                        Flavour::NonnegEverywhere if !imaginary => x.abs(),
                        Flavour::ZeroAmongNegative if domain == Domain::Signed => -x.abs(),
                        _ => x,
                    }
                }
                _ => flavour.removed(random),
            });
        }
        out
    };
    let re = list(false);
    let im = (dtype == DType::C128).then(|| list(true));
    Array { shape: shape.to_vec(), dtype, re, im }
}
