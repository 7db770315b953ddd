//! What the parsers of patterns and formulas share: input with places, errors, tokens.

use std::ops::Range;

use nom::bytes::complete::take_while;
use nom::error::{ErrorKind, ParseError};
use nom::{IResult, Input as _, Parser};
use nom_locate::LocatedSpan;
use smallvec::{SmallVec, smallvec};

use super::place::Offsets;

/// Deepest nesting of brackets, signs and conditions.
const MAX_DEPTH: u8 = 32;

/// Longest formula, statement or layout call in bytes. It bounds the depth of an expression's tree.
pub(super) const MAX_LENGTH: usize = 2000;

/// A text of the notation that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// Where, in bytes: of the file if the text came from one, else of the text.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What was expected there.
    pub label: String,
    /// What to write instead, where that is known.
    pub help: Option<String>,
}

/// What the parsers carry along with the input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    offsets: &'a Offsets,
    depth: u8,
}

/// The text being read.
pub(super) type Input<'a> = LocatedSpan<&'a str, Context<'a>>;

/// What a parser gives.
pub(super) type Read<'a, T> = IResult<Input<'a>, T, Fail>;

/// Why a parser failed, at which bytes of the text.
#[derive(Debug)]
pub(super) struct Fail {
    at: Range<usize>,
    expected: SmallVec<[&'static str; 2]>,
    special: Option<Box<Special>>,
}

/// A failure with a message of its own.
#[derive(Debug)]
struct Special {
    message: String,
    label: String,
    help: Option<String>,
}

impl<'a> ParseError<Input<'a>> for Fail {
    fn from_error_kind(input: Input<'a>, _: ErrorKind) -> Fail {
        let at = input.location_offset();
        Fail { at: at..at, expected: SmallVec::new(), special: None }
    }

    fn append(_: Input<'a>, _: ErrorKind, other: Fail) -> Fail {
        other
    }

    /// Of two branches that failed the one that came further tells more.
    fn or(mut self, mut other: Fail) -> Fail {
        use std::cmp::Ordering;
        match self.at.start.cmp(&other.at.start) {
            Ordering::Greater => self,
            Ordering::Less => other,
            Ordering::Equal => {
                self.expected.append(&mut other.expected);
                self.special = self.special.or(other.special);
                self
            }
        }
    }
}

/// Runs a parser over a whole text.
pub(super) fn read_all<'a, T>(
    text: &'a str,
    offsets: &'a Offsets,
    longest: usize,
    parser: impl Fn(Input<'a>) -> Read<'a, T>,
) -> Result<T, SyntaxError> {
    if text.len() > longest {
        let span = offsets.span(0..text.len());
        let what = if longest == MAX_LENGTH { "formula" } else { "pattern" };
        let message = format!("more than {longest} characters in one {what}");
        return Err(SyntaxError { span, message, label: "this is too long".into(), help: None });
    }
    let input = Input::new_extra(text, Context { offsets, depth: 0 });
    let end = |(rest, out): (Input<'a>, T)| {
        let rest = blank(rest);
        if rest.fragment().is_empty() { Ok(out) } else { Err(expected(rest, "the end")) }
    };
    parser(input).and_then(end).map_err(|e| match e {
        nom::Err::Error(f) | nom::Err::Failure(f) => f.into_error(text, offsets),
        nom::Err::Incomplete(_) => unexpected_end(text, offsets),
    })
}

fn unexpected_end(text: &str, offsets: &Offsets) -> SyntaxError {
    let span = offsets.span(text.len()..text.len());
    SyntaxError { span, message: "unexpected end".into(), label: "the text ends here".into(), help: None }
}

impl Fail {
    /// The same failure; it expects `what` if nothing more exact is known.
    pub(super) fn or_expect(mut self, what: &'static str) -> Fail {
        if self.special.is_none() {
            self.expected = smallvec![what];
        }
        self
    }

    fn into_error(self, text: &str, offsets: &Offsets) -> SyntaxError {
        if let Some(s) = self.special {
            return SyntaxError { span: offsets.span(self.at), message: s.message, label: s.label, help: s.help };
        }
        let rest = text.get(self.at.start..).unwrap_or("");
        let blanks = rest.len() - rest.trim_start().len();
        let start = self.at.start + blanks;
        let found = token(rest.trim_start());
        let mut expected = self.expected;
        expected.dedup();
        let label = match expected.as_slice() {
            [] => "not expected here".to_owned(),
            [one] => format!("expected {one}"),
            [init @ .., last] => format!("expected {} or {last}", init.join(", ")),
        };
        let message = if found.is_empty() { "unexpected end".into() } else { format!("unexpected `{found}`") };
        SyntaxError { span: offsets.span(start..start + found.len()), message, label, help: habit(found).map(str::to_owned) }
    }
}

/// The word or sign at the start of a text.
fn token(text: &str) -> &str {
    const SIGNS: [&str; 10] = ["...", "->", "==", "!=", "<=", ">=", "&&", "||", "**", "//"];
    let word = text.find(|c: char| !is_word(c)).unwrap_or(text.len());
    if word > 0 {
        return &text[..word];
    }
    if let Some(sign) = SIGNS.iter().find(|s| text.starts_with(**s)) {
        return &text[..sign.len()];
    }
    text.chars().next().map_or("", |c| &text[..c.len_utf8()])
}

/// What people write from habit, and what the notation has for it.
fn habit(found: &str) -> Option<&'static str> {
    Some(match found {
        "=" => "`==` compares",
        "&&" => "write `&` or `and`",
        "||" => "write `|` or `or`",
        "!" => "write `not`, or `!=` between two values",
        "is" => "write `== none` or `!= none`",
        "..." => "`s...` may stand in a list or as a function's argument",
        "lambda" | "for" | "in" => "formulas have no loops; `any`, `all`, `sum`, `prod` take a list",
        _ => return None,
    })
}

pub(super) fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The input without blanks at its start.
pub(super) fn blank(i: Input<'_>) -> Input<'_> {
    let text = i.fragment();
    match text.len() - text.trim_start().len() {
        0 => i,
        blanks => i.take_from(blanks),
    }
}

/// A failure that ends the parse: `what` was expected.
pub(super) fn expected(i: Input<'_>, what: &'static str) -> nom::Err<Fail> {
    let at = blank(i).location_offset();
    nom::Err::Failure(Fail { at: at..at, expected: smallvec![what], special: None })
}

/// A failure that lets other branches try.
pub(super) fn missing(i: Input<'_>, what: &'static str) -> nom::Err<Fail> {
    let at = blank(i).location_offset();
    nom::Err::Error(Fail { at: at..at, expected: smallvec![what], special: None })
}

/// A failure with its own words, from `start` up to `end`.
pub(super) fn special(
    start: Input<'_>,
    end: Input<'_>,
    message: impl Into<String>,
    label: impl Into<String>,
    help: Option<&str>,
) -> nom::Err<Fail> {
    let special = Special { message: message.into(), label: label.into(), help: help.map(str::to_owned) };
    let at = start.location_offset()..end.location_offset();
    nom::Err::Failure(Fail { at, expected: SmallVec::new(), special: Some(Box::new(special)) })
}

/// The input after a sign, if it comes next (after blanks).
pub(super) fn after<'a>(i: Input<'a>, text: &'static str) -> Option<Input<'a>> {
    directly(blank(i), text)
}

/// The input after a sign that follows without a blank.
pub(super) fn directly<'a>(i: Input<'a>, text: &'static str) -> Option<Input<'a>> {
    i.fragment().starts_with(text).then(|| i.take_from(text.len()))
}

/// A word, after blanks: a letter or underscore, then letters, digits, underscores.
pub(super) fn word(i: Input<'_>) -> Read<'_, &str> {
    let start = blank(i);
    let (rest, name) = take_while::<_, Input<'_>, Fail>(is_word).parse(start)?;
    let name = *name.fragment();
    if name.starts_with(|c: char| !c.is_ascii_digit()) { Ok((rest, name)) } else { Err(missing(start, "a name")) }
}

/// Decimal digits, after blanks.
pub(super) fn digits(i: Input<'_>) -> Read<'_, &str> {
    let start = blank(i);
    let (rest, text) = take_while::<_, Input<'_>, Fail>(|c: char| c.is_ascii_digit()).parse(start)?;
    if text.fragment().is_empty() { Err(missing(start, "a number")) } else { Ok((rest, text.fragment())) }
}

/// The place in the file between two states of the input.
pub(super) fn place(start: Input<'_>, end: Input<'_>) -> Range<usize> {
    start.extra.offsets.span(start.location_offset()..end.location_offset())
}

/// Runs a parser one level deeper.
pub(super) fn nested<'a, T>(i: Input<'a>, parser: impl FnOnce(Input<'a>) -> Read<'a, T>) -> Read<'a, T> {
    let depth = i.extra.depth;
    if depth >= MAX_DEPTH {
        return Err(special(i, i, format!("nested more than {MAX_DEPTH} deep"), "too deep here", None));
    }
    let mut inner = i;
    inner.extra.depth = depth + 1;
    let (mut rest, out) = parser(inner)?;
    rest.extra.depth = depth;
    Ok((rest, out))
}

/// Items between brackets, separated by commas; `i` stands after the opening bracket.
pub(super) fn comma_list<'a, T>(
    i: Input<'a>,
    close: &'static str,
    close_or_comma: &'static str,
    item: impl Fn(Input<'a>) -> Read<'a, T>,
) -> Read<'a, Vec<T>> {
    let mut items = Vec::new();
    if let Some(rest) = after(i, close) {
        return Ok((rest, items));
    }
    let mut i = i;
    loop {
        let (rest, x) = nom::combinator::cut(&item).parse(i)?;
        items.push(x);
        if let Some(rest) = after(rest, close) {
            return Ok((rest, items));
        }
        i = after(rest, ",").ok_or_else(|| expected(rest, close_or_comma))?;
    }
}
