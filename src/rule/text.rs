//! Texts cut at commas and brackets, where quotes and brackets inside them count, and names of operators at `|`.

use std::ops::Range;

/// Brackets that are open, and whether a quote is.
#[derive(Default)]
struct Inside {
    depth: usize,
    quote: Option<char>,
}

impl Inside {
    /// Goes on by a character; false where it closes a bracket that was not opened.
    fn pass(&mut self, c: char) -> bool {
        match (self.quote, c) {
            (Some(q), c) if c == q => self.quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => self.quote = Some(c),
            (None, '(' | '[' | '{') => self.depth += 1,
            (None, ')' | ']' | '}') => match self.depth.checked_sub(1) {
                Some(depth) => self.depth = depth,
                None => return false,
            },
            _ => {}
        }
        true
    }

    /// True outside of all brackets and quotes.
    fn out(&self) -> bool {
        self.depth == 0 && self.quote.is_none()
    }
}

/// Where the bracket stands that closes the first one.
pub(super) fn closing(text: &str) -> Option<usize> {
    let mut inside = Inside::default();
    for (i, c) in text.char_indices() {
        let open = inside.depth;
        if !inside.pass(c) {
            return None;
        }
        if open == 1 && inside.depth == 0 {
            return Some(i);
        }
    }
    None
}

/// Where the parts between commas stand, without blanks at their ends. Of an empty text there are none.
pub(super) fn parts(text: &str) -> Vec<Range<usize>> {
    let (mut parts, mut start, mut inside) = (Vec::new(), 0, Inside::default());
    for (i, c) in text.char_indices() {
        if c == ',' && inside.out() {
            parts.push(start..i);
            start = i + 1;
        }
        inside.pass(c);
    }
    if !parts.is_empty() || !text.trim().is_empty() {
        parts.push(start..text.len());
    }
    parts.into_iter().map(|part| trimmed(text, part)).collect()
}

/// A part of a text without blanks at its ends.
fn trimmed(text: &str, part: Range<usize>) -> Range<usize> {
    let own = &text[part.clone()];
    let start = part.start + own.len() - own.trim_start().len();
    start..start + own.trim().len()
}

/// A text without the quotes around all of it.
pub(super) fn unquoted(text: &str) -> &str {
    let inner = |quote: char| text.strip_prefix(quote).and_then(|t| t.strip_suffix(quote)).filter(|t| !t.contains(quote));
    inner('"').or_else(|| inner('\'')).unwrap_or(text)
}

/// The operators of `aten.add.Tensor|Scalar`.
pub(super) fn overloads(op: &str) -> Vec<String> {
    match op.rsplit_once('.') {
        Some((operator, names)) => names.split('|').map(|name| format!("{operator}.{name}")).collect(),
        None => vec![op.to_owned()],
    }
}
