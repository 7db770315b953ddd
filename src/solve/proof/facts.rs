//! What is known of values at removed positions.
//!
//! A fact belongs to a value, a dimension and a position: "every element of this slice is zero". It is never a fact of a
//! class of axes: `cat([u, sigmoid(u)])` has one axis twice, zero in its first half only.

use std::rc::Rc;

/// All elements are zero.
pub const ZERO: u8 = 1;
/// No element is infinite or NaN.
pub const FINITE: u8 = 2;
/// No element is negative.
pub const NONNEG: u8 = 4;
/// No element is zero.
pub const NONZERO: u8 = 8;

/// What is taken for granted of a position that stays.
pub const ORDINARY: u8 = FINITE | NONZERO;

/// The facts of one value.
#[derive(Clone, Debug, Default)]
pub struct ValueFacts {
    /// For each dimension with removed positions, a set of flags a position.
    pub dims: Vec<Option<Rc<[u8]>>>,
    /// Flags that hold for all elements.
    pub all: u8,
    /// For each dimension with removed positions, the number that all elements of a position are, or NaN. Empty where none
    /// is known.
    pub numbers: Vec<Option<Rc<[f64]>>>,
    /// The number that all elements are.
    pub whole: Option<f64>,
}

/// For each letter and position whether it stays; `None` where all do.
pub type Kept = Vec<Option<Rc<[bool]>>>;

/// The fact of a number. A number that is only known at run time is a size: finite and positive.
pub fn has(x: f64, kind: u8) -> bool {
    match kind {
        ZERO => x == 0.0,
        FINITE => x.is_finite() || x.is_nan(),
        NONNEG => x >= 0.0 || x.is_nan(),
        _ => x != 0.0,
    }
}

/// The facts of a number.
pub fn of_number(x: f64) -> u8 {
    let sign = if x >= 0.0 { NONNEG } else { 0 };
    FINITE | sign | if x == 0.0 { ZERO } else { NONZERO }
}
