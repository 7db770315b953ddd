//! What is wrong in a file of masks.

use std::ops::Range;

const FORM: &str = "an entry is a layer's name or a pattern, with one of `drop: [0, 3, 5-9]`, `keep: [0-7]`, `ratio: 0.5`, and `dim: 1` where it is not 0";

/// What is wrong, and where.
pub struct Fault {
    pub message: String,
    pub help: String,
    pub at: Range<usize>,
    /// Another place that has a part in it.
    pub also: Option<Range<usize>>,
}

impl Fault {
    pub fn new(message: impl Into<String>, at: Range<usize>) -> Fault {
        Fault { message: message.into(), help: FORM.to_owned(), at, also: None }
    }
}
