//! Reads expressions.

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while1};
use nom::character::complete::{char, digit1, one_of};
use nom::combinator::{opt, recognize};
use nom::error::{ErrorKind, ParseError};
use nom::sequence::pair;
use nom::{IResult, Parser};
use nom_locate::LocatedSpan;

use super::ast::{Expr, Kind};

/// How deep expressions may nest. A trace nests calls of modules in each other.
const DEPTH: usize = 200;

/// Attributes, calls, items and operators in one statement: each is one level of the tree, without a bracket around it.
const LINKS: usize = 10_000;

/// Where a text stands in its file, and how deep inside brackets its rest is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The first byte.
    pub(super) base: usize,
    /// Brackets that are open.
    pub(super) depth: usize,
    /// Links that were read in this statement.
    pub(super) links: usize,
}

/// The rest of the text.
pub(super) type Input<'a> = LocatedSpan<&'a str, Place>;

/// The byte of the file at which the rest begins.
pub(super) fn offset(i: Input<'_>) -> usize {
    i.extra.base + i.location_offset()
}

/// What a parser gives.
pub(super) type Read<'a, T> = IResult<Input<'a>, T, Fail>;

/// Where a parser failed, and what it expected there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fail {
    /// The byte.
    pub(super) at: usize,
    /// What would have been right.
    pub(super) expected: &'static str,
}

impl<'a> ParseError<Input<'a>> for Fail {
    fn from_error_kind(input: Input<'a>, _: ErrorKind) -> Fail {
        Fail { at: offset(input), expected: "an expression" }
    }

    fn append(_: Input<'a>, _: ErrorKind, other: Fail) -> Fail {
        other
    }

    fn or(self, other: Fail) -> Fail {
        if other.at > self.at { other } else { self }
    }
}

/// A failure here.
pub(super) fn fail<'a, T>(i: Input<'a>, expected: &'static str) -> Read<'a, T> {
    Err(nom::Err::Failure(Fail { at: offset(i), expected }))
}

/// Skips blanks; inside brackets ends of lines too.
pub(super) fn blank(i: Input<'_>) -> Input<'_> {
    let inside = i.extra.depth > 0;
    let skipped: IResult<Input<'_>, Input<'_>, Fail> = take_while(|c| c == ' ' || (inside && (c == '\n' || c == '\r'))).parse(i);
    skipped.map_or(i, |(rest, _)| rest)
}

/// A word of letters, digits and `_`, after blanks.
pub(super) fn word(i: Input<'_>) -> Read<'_, &str> {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let name = recognize(pair(take_while1(first), take_while(|c: char| c.is_ascii_alphanumeric() || c == '_')));
    let mut name = name;
    let (rest, found) = name.parse(blank(i))?;
    Ok((rest, found.into_fragment()))
}

/// A sign or word that must come next, after blanks.
pub(super) fn sign<'a>(text: &'static str) -> impl Fn(Input<'a>) -> Read<'a, ()> {
    move |i| {
        let (rest, _) = tag(text).parse(blank(i))?;
        Ok((rest, ()))
    }
}

/// An expression.
pub(super) fn expression(i: Input<'_>) -> Read<'_, Expr> {
    sum(i)
}

fn sum(i: Input<'_>) -> Read<'_, Expr> {
    binary(i, &["+", "-"], product)
}

fn product(i: Input<'_>) -> Read<'_, Expr> {
    binary(i, &["**", "*", "//", "/", "%"], unary)
}

fn binary<'a>(i: Input<'a>, signs: &[&'static str], operand: fn(Input<'a>) -> Read<'a, Expr>) -> Read<'a, Expr> {
    let (mut i, mut left) = operand(i)?;
    while let Some((rest, op)) = signs.iter().find_map(|s| sign(s)(i).ok().map(|(rest, ())| (rest, *s))) {
        let (rest, right) = operand(linked(rest)?)?;
        let span = left.span.start..right.span.end;
        left = Expr { kind: Kind::Binary(op, Box::new(left), Box::new(right)), span };
        i = rest;
    }
    Ok((i, left))
}

fn unary(i: Input<'_>) -> Read<'_, Expr> {
    let i = blank(i);
    let start = offset(i);
    let Ok((rest, ())) = sign("-")(i) else { return postfix(i) };
    let (rest, of) = postfix(rest)?;
    let span = start..of.span.end;
    let kind = match of.kind {
        Kind::Int(n) => Kind::Int(n.wrapping_neg()),
        Kind::Float(x) => Kind::Float(-x),
        _ => Kind::Negative(Box::new(of)),
    };
    Ok((rest, Expr { kind, span }))
}

/// A value with the attributes, calls and items that follow it.
fn postfix(i: Input<'_>) -> Read<'_, Expr> {
    let (mut i, mut e) = atom(i)?;
    let start = e.span.start;
    loop {
        let (rest, kind) = if let Ok((rest, ())) = sign(".")(i) {
            let (rest, name) = word(rest)?;
            (rest, Kind::Attribute(Box::new(e), name.to_owned()))
        } else if let Ok((rest, ())) = sign("(")(i) {
            let (rest, (args, named)) = arguments(deeper(rest)?)?;
            (shallower(rest), Kind::Call(Box::new(e), args, named))
        } else if let Ok((rest, ())) = sign("[")(i) {
            let (rest, index) = expression(deeper(rest)?)?;
            let (rest, mut more) = items(rest, "]", opt_comma)?;
            let index = if more.is_empty() {
                index
            } else {
                let span = index.span.clone();
                more.insert(0, index);
                Expr { kind: Kind::Tuple(more), span }
            };
            (shallower(rest), Kind::Item(Box::new(e), Box::new(index)))
        } else {
            return Ok((i, e));
        };
        e = Expr { kind, span: start..offset(rest) };
        i = linked(rest)?;
    }
}

fn linked(mut i: Input<'_>) -> Result<Input<'_>, nom::Err<Fail>> {
    i.extra.links += 1;
    if i.extra.links > LINKS {
        return Err(nom::Err::Failure(Fail { at: offset(i), expected: "a shorter statement" }));
    }
    Ok(i)
}

fn deeper(mut i: Input<'_>) -> Result<Input<'_>, nom::Err<Fail>> {
    i.extra.depth += 1;
    if i.extra.depth > DEPTH {
        return Err(nom::Err::Failure(Fail { at: offset(i), expected: "fewer brackets around it" }));
    }
    Ok(i)
}

fn shallower(mut i: Input<'_>) -> Input<'_> {
    i.extra.depth = i.extra.depth.saturating_sub(1);
    i
}

/// A comma before further items, or nothing.
fn opt_comma(i: Input<'_>) -> Input<'_> {
    sign(",")(i).map_or(i, |(rest, ())| rest)
}

/// Expressions between commas up to a bracket; a comma may stand before it.
fn items<'a>(i: Input<'a>, close: &'static str, first: fn(Input<'a>) -> Input<'a>) -> Read<'a, Vec<Expr>> {
    let (mut i, mut out) = (first(i), Vec::new());
    loop {
        if let Ok((rest, ())) = sign(close)(i) {
            return Ok((rest, out));
        }
        let (rest, e) = expression(i)?;
        out.push(e);
        i = rest;
        match sign(",")(i) {
            Ok((rest, ())) => i = rest,
            Err(_) if sign(close)(i).is_ok() => {}
            Err(_) => return fail(blank(i), "`,` or a closing bracket"),
        }
    }
}

type Arguments = (Vec<Expr>, Vec<(String, Expr)>);

fn arguments(i: Input<'_>) -> Read<'_, Arguments> {
    let (mut i, mut args, mut named) = (i, Vec::new(), Vec::new());
    loop {
        if let Ok((rest, ())) = sign(")")(i) {
            return Ok((rest, (args, named)));
        }
        let keyword = pair(word, sign("=")).parse(i).ok();
        if let Some((rest, (name, ()))) = keyword {
            let (rest, e) = expression(rest)?;
            named.push((name.to_owned(), e));
            i = rest;
        } else {
            let (rest, e) = expression(i)?;
            args.push(e);
            i = rest;
        }
        match sign(",")(i) {
            Ok((rest, ())) => i = rest,
            Err(_) if sign(")")(i).is_ok() => {}
            Err(_) => return fail(blank(i), "`,` or `)`"),
        }
    }
}

fn atom(i: Input<'_>) -> Read<'_, Expr> {
    let i = blank(i);
    let start = offset(i);
    let done = |rest: Input<'_>, kind: Kind| Expr { kind, span: start..offset(rest) };
    if let Ok((rest, ())) = sign("(")(i) {
        let (rest, (e, tuple)) = parentheses(deeper(rest)?)?;
        let rest = shallower(rest);
        return Ok((rest, if tuple { done(rest, Kind::Tuple(e)) } else { one(e, done(rest, Kind::None)) }));
    }
    if let Ok((rest, ())) = sign("[")(i) {
        let (rest, list) = items(deeper(rest)?, "]", |i| i)?;
        let rest = shallower(rest);
        return Ok((rest, done(rest, Kind::List(list))));
    }
    if let Ok((rest, ())) = sign("{")(i) {
        let (rest, pairs) = pairs(deeper(rest)?)?;
        let rest = shallower(rest);
        return Ok((rest, done(rest, Kind::Dict(pairs))));
    }
    if i.fragment().starts_with(['"', '\'']) {
        let (rest, text) = string(i)?;
        return Ok((rest, done(rest, Kind::Str(text))));
    }
    if i.fragment().starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        let (rest, kind) = number(i)?;
        return Ok((rest, done(rest, kind)));
    }
    let (rest, name) = word(i)?;
    let kind = match name {
        "None" => Kind::None,
        "True" => Kind::Bool(true),
        "False" => Kind::Bool(false),
        "inf" => Kind::Float(f64::INFINITY),
        "nan" => Kind::Float(f64::NAN),
        name => Kind::Name(name.to_owned()),
    };
    Ok((rest, done(rest, kind)))
}

fn one(mut list: Vec<Expr>, otherwise: Expr) -> Expr {
    list.pop().unwrap_or(otherwise)
}

/// What stands in parentheses, and whether it is a tuple.
fn parentheses(i: Input<'_>) -> Read<'_, (Vec<Expr>, bool)> {
    if let Ok((rest, ())) = sign(")")(i) {
        return Ok((rest, (Vec::new(), true)));
    }
    let (i, first) = expression(i)?;
    if let Ok((rest, ())) = sign(")")(i) {
        return Ok((rest, (vec![first], false)));
    }
    let (i, ()) = match sign(",")(i) {
        Ok(found) => found,
        Err(_) => return fail(blank(i), "`,` or `)`"),
    };
    let (i, mut list) = items(i, ")", |i| i)?;
    list.insert(0, first);
    Ok((i, (list, true)))
}

fn pairs(i: Input<'_>) -> Read<'_, Vec<(Expr, Expr)>> {
    let (mut i, mut out) = (i, Vec::new());
    loop {
        if let Ok((rest, ())) = sign("}")(i) {
            return Ok((rest, out));
        }
        let (rest, key) = expression(i)?;
        let Ok((rest, ())) = sign(":")(rest) else { return fail(blank(rest), "`:`") };
        let (rest, value) = expression(rest)?;
        out.push((key, value));
        i = opt_comma(rest);
    }
}

fn number(i: Input<'_>) -> Read<'_, Kind> {
    let digits = |i| -> Read<'_, Input<'_>> { take_while(|c: char| c.is_ascii_digit()).parse(i) };
    let fraction = recognize(pair(char('.'), digits));
    let exponent = recognize((one_of("eE"), opt(one_of("+-")), digit1));
    let mut all = recognize((digits, opt(fraction), opt(exponent)));
    let (rest, text) = all.parse(i)?;
    let text = text.into_fragment();
    if text.contains(['.', 'e', 'E']) {
        return match text.parse() {
            Ok(x) if !rest.fragment().starts_with('j') => Ok((rest, Kind::Float(x))),
            _ => fail(i, "a real number"),
        };
    }
    match text.parse() {
        Ok(n) => Ok((rest, Kind::Int(n))),
        Err(_) => fail(i, "an integer of 64 bits"),
    }
}

/// A string literal on one line.
fn string(i: Input<'_>) -> Read<'_, String> {
    let (mut rest, quote) = alt((char('"'), char('\''))).parse(i)?;
    let mut out = String::new();
    loop {
        let (after, plain) = take_while(|c| c != quote && c != '\\' && c != '\n').parse(rest)?;
        out.push_str(plain.fragment());
        if let Ok((after, _)) = char::<_, Fail>(quote).parse(after) {
            return Ok((after, out));
        }
        let Ok((after, _)) = char::<_, Fail>('\\').parse(after) else { return fail(after, "the end of the text") };
        let Some(c) = after.fragment().chars().next() else { return fail(after, "the end of the text") };
        let meant = match c {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            '\\' | '"' | '\'' => c,
            _ => return fail(after, "`\\n`, `\\t`, `\\r`, `\\\\` or a quote after `\\`"),
        };
        out.push(meant);
        let (after, _) = char::<_, Fail>(c).parse(after)?;
        rest = after;
    }
}
