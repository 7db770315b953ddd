//! Reads the code of an archive: classes first, the bodies of methods when they are called.

use std::ops::Range;

use nom::Parser;
use nom_locate::LocatedSpan;

use super::ast::{Class, Expr, Kind, Method, Statement};
use super::expression::{Fail, Input, Place, Read, blank, expression, fail, offset, sign, word};

/// Why code cannot be read, at which bytes of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The bytes.
    pub(super) span: Range<usize>,
    /// What is wrong.
    pub(super) reason: Reason,
}

/// What is wrong with code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// It is not the text of a program.
    Syntax(String),
    /// It decides or repeats: only what was scripted does.
    Control(String),
    /// It has whole layers as one operator, in a form that cannot be taken apart.
    Fused(String),
    /// It does something that is not understood.
    Unsupported(String),
}

impl Fault {
    /// What is understood, but not supported.
    pub(super) fn unsupported(span: &Range<usize>, what: impl Into<String>) -> Fault {
        Fault { span: span.clone(), reason: Reason::Unsupported(what.into()) }
    }

    fn syntax(text: &str, fail: &Fail) -> Fault {
        let end = text[fail.at.min(text.len())..].chars().next().map_or(fail.at, |c| fail.at + c.len_utf8());
        Fault { span: fail.at..end, reason: Reason::Syntax(format!("expected {}", fail.expected)) }
    }
}

/// The words that begin a statement of control flow, and those that traces have no use for.
const CONTROL: [&str; 13] =
    ["if", "for", "while", "with", "else", "elif", "assert", "raise", "try", "break", "continue", "del", "pass"];

/// The classes of a file; functions outside of classes are one without a name.
pub(super) fn classes(text: &str) -> Result<Vec<Class>, Fault> {
    let lines = lines(text);
    let mut found = vec![Class::default()];
    let mut k = 0;
    while k < lines.len() {
        let (at, line) = (lines[k].start, &text[lines[k].clone()]);
        let depth = indent(line);
        let rest = line.trim_start();
        if rest.starts_with("def ") {
            let end = (k + 1..lines.len()).find(|n| ends(&text[lines[*n].clone()], depth)).unwrap_or(lines.len());
            let until = lines.get(end).map_or(text.len(), |l| l.start);
            let method = header(text, at + depth, until)?;
            if let Some(class) = if depth == 0 { found.first_mut() } else { found.last_mut() } {
                class.methods.push(method);
            }
            k = end;
            continue;
        }
        if let Some(rest) = rest.strip_prefix("class ") {
            let name = rest.split(['(', ':']).next().unwrap_or("").trim().to_owned();
            found.push(Class { name, ..Class::default() });
        } else if let Some(class) = found.last_mut() {
            for (key, list) in [("__parameters__", &mut class.parameters), ("__buffers__", &mut class.buffers)] {
                if let Some(value) = rest.strip_prefix(key).and_then(|r| r.trim_start().strip_prefix('=')) {
                    *list = names(text, at + line.len() - value.len())?;
                }
            }
        }
        k += 1;
    }
    Ok(found)
}

/// A line that is not inside a block of this depth. Lines of a long list of parameters are deeper.
fn ends(line: &str, depth: usize) -> bool {
    !line.trim().is_empty() && indent(line) <= depth
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

fn lines(text: &str) -> Vec<Range<usize>> {
    let mut at = 0;
    let each = text.split_inclusive('\n').map(|line| {
        let start = at;
        at += line.len();
        start..start + line.trim_end().len()
    });
    each.collect()
}

/// The text from a byte on.
fn from(text: &str, at: usize, until: usize) -> Input<'_> {
    let part = text.get(at..until).unwrap_or("");
    LocatedSpan::new_extra(part, Place { base: at, depth: 0, links: 0 })
}

fn run<'a, T>(text: &'a str, parsed: Read<'a, T>) -> Result<(Input<'a>, T), Fault> {
    parsed.map_err(|e| match e {
        nom::Err::Error(f) | nom::Err::Failure(f) => Fault::syntax(text, &f),
        nom::Err::Incomplete(_) => Fault::syntax(text, &Fail { at: text.len(), expected: "more" }),
    })
}

/// `["weight", "bias", ]`
fn names(text: &str, at: usize) -> Result<Vec<String>, Fault> {
    let (_, list) = run(text, expression(from(text, at, text.len())))?;
    match list.kind {
        Kind::List(items) => {
            Ok(items.into_iter().filter_map(|e| if let Kind::Str(s) = e.kind { Some(s) } else { None }).collect())
        }
        _ => Err(Fault::unsupported(&list.span, "names of tensors that are no list")),
    }
}

/// Where a method's body begins, its name, its parameters with their types.
type Header = (usize, String, Vec<(String, String)>);

/// `def forward(self: T, x: Tensor) -> Tensor:`
fn header(text: &str, at: usize, until: usize) -> Result<Method, Fault> {
    let parse = |i: Input<'_>| -> Result<Header, nom::Err<Fail>> {
        let (i, ()) = sign("def")(i)?;
        let (i, name) = word(i)?;
        let (mut i, ()) = sign("(")(i)?;
        i.extra.depth = 1;
        let mut parameters = Vec::new();
        while sign(")")(i).is_err() {
            let (rest, name) = word(i)?;
            let (rest, ty) = match sign(":")(rest) {
                Ok((rest, ())) => expression(rest)?,
                Err(_) => (rest, Expr { kind: Kind::None, span: 0..0 }),
            };
            parameters.push((name.to_owned(), text.get(ty.span).unwrap_or("").to_owned()));
            i = match sign(",")(rest) {
                Ok((rest, ())) => rest,
                Err(_) if sign(")")(rest).is_ok() => rest,
                Err(_) => return fail(blank(rest), "`,` or `)`").map(|(_, e)| e),
            };
        }
        let (mut i, ()) = sign(")")(i)?;
        i.extra.depth = 0;
        if let Ok((rest, ())) = sign("->")(i) {
            i = expression(rest)?.0;
        }
        let (i, ()) = sign(":")(i)?;
        Ok((offset(i), name.to_owned(), parameters))
    };
    let found = parse(from(text, at, until)).map(|f| (from(text, at, until), f));
    let (_, (body, name, mut parameters)) = run(text, found)?;
    parameters.retain(|(name, _)| name != "self");
    Ok(Method { name, parameters, body: body..until })
}

/// The statements of a body, one at a time: the one that begins at or after a byte, and where it ends.
pub(super) fn statement(text: &str, body: &Range<usize>, at: usize) -> Result<Option<(Statement, Range<usize>)>, Fault> {
    let rest = text.get(at..body.end).unwrap_or("");
    let start = at + rest.len() - rest.trim_start().len();
    if start >= body.end {
        return Ok(None);
    }
    let i = from(text, start, body.end);
    let line_end = start + i.fragment().find('\n').unwrap_or(i.fragment().len());
    if let Ok((_, first)) = word(i)
        && CONTROL.contains(&first)
    {
        return Err(Fault { span: start..line_end, reason: Reason::Control(first.to_owned()) });
    }
    let (i, made) = run(text, one_statement(i))?;
    let i = blank(i);
    if !i.fragment().is_empty() && !i.fragment().starts_with(['\n', '\r', '#']) {
        let first = word(i).map(|(_, w)| w).unwrap_or("");
        let fault = match first {
            "if" | "is" | "in" | "and" | "or" | "not" => {
                Fault { span: start..line_end, reason: Reason::Control(first.to_owned()) }
            }
            _ => Fault::syntax(text, &Fail { at: offset(i), expected: "the end of the line" }),
        };
        return Err(fault);
    }
    let end = offset(i) + i.fragment().find('\n').map_or(i.fragment().len(), |n| n + 1);
    Ok(Some((made, start..end)))
}

fn one_statement(i: Input<'_>) -> Read<'_, Statement> {
    if let Ok((rest, "return")) = word(i) {
        let (rest, value) = expression(rest)?;
        return Ok((rest, Statement::Return(value)));
    }
    if let Ok((rest, (names, unpacks))) = targets(i) {
        let (rest, value) = expression(rest)?;
        return Ok((rest, Statement::Assign { names, unpacks, value }));
    }
    let (rest, value) = expression(i)?;
    Ok((rest, Statement::Assign { names: Vec::new(), unpacks: false, value }))
}

/// `a, b, =`
fn targets(i: Input<'_>) -> Read<'_, (Vec<String>, bool)> {
    let (mut i, first) = word(i)?;
    let (mut names, mut commas) = (vec![first.to_owned()], 0);
    while let Ok((rest, ())) = sign(",")(i) {
        commas += 1;
        i = rest;
        let Ok((rest, name)) = word(i) else { break };
        names.push(name.to_owned());
        i = rest;
    }
    if let Ok((rest, ())) = sign(":")(i) {
        (i, _) = expression(rest)?; // a type
    }
    let (i, ()) = sign("=").parse(i)?;
    Ok((i, (names, commas > 0)))
}
