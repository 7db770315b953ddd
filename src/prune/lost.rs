//! What groups lose.

use serde::Serialize;

/// What a group loses.
#[derive(Clone, Debug, Serialize)]
pub struct Lost {
    /// Its number.
    pub group: usize,
    /// Its name.
    pub name: String,
    /// Its positions.
    pub positions: usize,
    /// Those that go: of an axis in heads, position a * size + i is the i-th of head a.
    pub removed: Vec<usize>,
}
