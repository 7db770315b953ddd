//! What a rule says, as data. The text forms are described in `docs/writing-rules.md`.
//!
//! An **entry** of a rule file is read into a [`Rule`]: its operators, its **patterns** with their **operands** and letters
//! (`pattern`), or a layout, its **clauses** on values at removed positions (`clause`), formulas (`formula`) and tests (`case`).

/// Equality without the places: what is printed and parsed again stands elsewhere.
macro_rules! eq_without_span {
    ($($type:ty: $($field:ident),+;)+) => {
        $(impl PartialEq for $type {
            fn eq(&self, other: &$type) -> bool {
                $(self.$field == other.$field)&&+
            }
        })+
    };
}

mod case;
mod clause;
mod entry;
mod formula;
mod pattern;

pub use case::{Case, Claim};
pub use clause::{Facts, FoldInto, Normed, Pick, Statistic, Through};
pub use entry::{Body, Place, Rule};
pub use formula::{Binary, Comparison, Expr, LayoutCall, Statement, Unary};
pub use pattern::{Dim, Letter, Operand, Pattern};
