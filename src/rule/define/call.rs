//! How definitions are named in texts: the head `name(x, y = 1)`, the calls `name(self, dim)` of a `use:`, and `$name` inside a
//! text.

use std::ops::Range;

use super::super::syntax::is_word;
use super::super::text::{closing, parts, unquoted};

/// A name and what stands in the brackets after it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call<'t> {
    pub name: &'t str,
    /// Without quotes around all of one: they keep its commas together.
    pub args: Vec<&'t str>,
    /// Where it stands in the text.
    pub at: Range<usize>,
}

/// Calls that commas separate; `None` if the text is something else.
pub(super) fn calls(text: &str) -> Option<Vec<Call<'_>>> {
    parts(text).into_iter().map(|part| call(text, part)).collect()
}

/// The call that stands in a part of a text.
fn call(text: &str, at: Range<usize>) -> Option<Call<'_>> {
    let own = &text[at.clone()];
    let (name, args) = match own.split_once('(') {
        Some((name, rest)) => (name.trim_end(), arguments(rest.strip_suffix(')')?)),
        None => (own, Vec::new()),
    };
    is_name(name).then_some(Call { name, args, at })
}

fn arguments(text: &str) -> Vec<&str> {
    parts(text).into_iter().map(|part| unquoted(&text[part])).collect()
}

/// Letters, digits and `_`, no digit first.
fn is_name(text: &str) -> bool {
    text.chars().all(is_word) && text.starts_with(|c: char| !c.is_ascii_digit())
}

/// A parameter, and its value where a call gives none.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parameter {
    pub name: String,
    pub default: Option<String>,
}

/// `name(x, y = 1)`: the name and its parameters.
pub(super) fn head(text: &str) -> Option<(&str, Vec<Parameter>)> {
    let text = text.trim();
    let call = call(text, 0..text.len())?;
    let parameter = |arg: &&str| {
        let (name, default) = match arg.split_once('=') {
            Some((name, default)) => (name.trim(), Some(unquoted(default.trim()).to_owned())),
            None => (*arg, None),
        };
        is_name(name).then(|| Parameter { name: name.to_owned(), default })
    };
    Some((call.name, call.args.iter().map(parameter).collect::<Option<_>>()?))
}

/// `$name` or `$name(args)` in a text.
#[derive(Debug)]
pub(super) struct Reference<'t> {
    pub name: &'t str,
    /// Of the name with its `$`.
    pub at: Range<usize>,
    pub args: Vec<&'t str>,
    /// Behind the arguments.
    pub end: usize,
}

/// The first `$name` from a place in a text on.
pub(super) fn reference(text: &str, from: usize) -> Option<Reference<'_>> {
    let begins = |at: &usize| text[at + 1..].starts_with(|c: char| is_word(c) && !c.is_ascii_digit());
    let start = text[from..].match_indices('$').map(|(i, _)| from + i).find(begins)?;
    let rest = &text[start + 1..];
    let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
    let (name, after) = rest.split_at(length);
    let at = start..start + 1 + length;
    let close = if after.starts_with('(') { closing(after) } else { None };
    let (args, end) = match close {
        Some(close) => (arguments(&after[1..close]), at.end + close + 1),
        None => (Vec::new(), at.end),
    };
    Some(Reference { name, at, args, end })
}
