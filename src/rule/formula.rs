//! Reads formulas, layout calls and statements.

use nom::combinator::cut;
use nom::{Parser, number};

use super::ast::{Binary, Comparison, Expr, LayoutCall, Statement, Unary};
use super::place::Offsets;
use super::schema::Schemas;
use super::syntax::{
    Fail, Input, MAX_LENGTH, Read, SyntaxError, after, blank, comma_list, digits, directly, expected, is_word, missing, nested,
    place, read_all, special, word,
};

/// What may begin a formula, for messages.
const VALUE: &str = "a number, a name or `(`";

/// Words that are no names.
const KEYWORDS: [&str; 7] = ["and", "or", "not", "if", "else", "in", "is"];

impl std::str::FromStr for Expr {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Expr, SyntaxError> {
        parse_formula(text, &Offsets::default())
    }
}

impl std::str::FromStr for Statement {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Statement, SyntaxError> {
        parse_statement(text, &Offsets::default())
    }
}

impl std::str::FromStr for LayoutCall {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<LayoutCall, SyntaxError> {
        parse_layout(text, &Offsets::default())
    }
}

/// Reads a formula or a clause of facts.
pub fn parse_formula(text: &str, offsets: &Offsets) -> Result<Expr, SyntaxError> {
    read_all(text, offsets, MAX_LENGTH, |i| cut(expr).parse(i))
}

/// Reads an item of a list: a formula or `s...`.
pub fn parse_item(text: &str, offsets: &Offsets) -> Result<Expr, SyntaxError> {
    read_all(text, offsets, MAX_LENGTH, |i| cut(item).parse(i))
}

/// Reads `cat(tensors, dim)`.
pub fn parse_layout(text: &str, offsets: &Offsets) -> Result<LayoutCall, SyntaxError> {
    read_all(text, offsets, MAX_LENGTH, |i| {
        let start = blank(i);
        let (i, name) = word(i).map_err(|_| expected(i, "a layout function, as in `cat(tensors, dim)`"))?;
        let open = after(i, "(").ok_or_else(|| expected(i, "`(`"))?;
        let (i, args) = comma_list(open, ")", "`,` or `)`", item)?;
        Ok((i, LayoutCall { name: name.to_owned(), args, span: place(start, i) }))
    })
}

/// Reads `out = aten.mul.Scalar(self=out, other=kept / total) if weight`.
pub fn parse_statement(text: &str, offsets: &Offsets) -> Result<Statement, SyntaxError> {
    read_all(text, offsets, MAX_LENGTH, |i| {
        let start = blank(i);
        let (i, name) = word(i).map_err(|_| expected(i, "the name of the result"))?;
        let i = after(i, "=").ok_or_else(|| expected(i, "`=`, as in `out = aten.neg.default(self=x)`"))?;
        call(start, i, name)
    })
}

/// Reads a call with or without a name for its result.
pub fn parse_call(text: &str, offsets: &Offsets) -> Result<Statement, SyntaxError> {
    read_all(text, offsets, MAX_LENGTH, |i| {
        let start = blank(i);
        match word(i).ok().and_then(|(rest, name)| Some((after(rest, "=")?, name))) {
            Some((i, name)) => call(start, i, name),
            None => call(start, i, "out"),
        }
    })
}

fn call<'a>(start: Input<'a>, i: Input<'a>, name: &str) -> Read<'a, Statement> {
    let (i, op) = operator(i)?;
    let open = after(i, "(").ok_or_else(|| expected(i, "`(`"))?;
    let (i, args) = comma_list(open, ")", "`,` or `)`", argument)?;
    let (i, condition) = match keyword(i, "if") {
        None => (i, None),
        Some(rest) => cut(expr).parse(rest).map(|(rest, c)| (rest, Some(c)))?,
    };
    Ok((i, Statement { name: name.to_owned(), op, args, condition, span: place(start, i) }))
}

/// `aten.mul.Scalar`
fn operator(i: Input<'_>) -> Read<'_, String> {
    let start = blank(i);
    let (mut i, first) = word(i).map_err(|_| expected(i, "an operator, as in `aten.mul.Scalar`"))?;
    let mut op = first.to_owned();
    while let Some(rest) = directly(i, ".") {
        let (rest, part) = word(rest).map_err(|_| expected(rest, "the rest of the operator's name"))?;
        op.push('.');
        op.push_str(part);
        i = rest;
    }
    match op.matches('.').count() {
        2 => Ok((i, op)),
        1 if Schemas::builtin().is_versioned(&op) => Ok((i, op)),
        n => {
            let message = format!("`{op}` does not name an operator and its overload");
            let help = if n == 1 { "add the overload, as in `aten.relu.default`" } else { "as in `aten.mul.Scalar`" };
            Err(special(start, i, message, "expected `namespace.operator.overload`", Some(help)))
        }
    }
}

/// `other=kept / total`
fn argument(i: Input<'_>) -> Read<'_, (String, Expr)> {
    let start = blank(i);
    let named = word(i).ok().and_then(|(rest, name)| {
        let value = after(rest, "=")?;
        directly(value, "=").is_none().then_some((value, name))
    });
    match named {
        Some((rest, name)) => {
            let (rest, value) = cut(expr).parse(rest)?;
            Ok((rest, (name.to_owned(), value)))
        }
        None => {
            let end = expr(i).map_or(start, |(rest, _)| rest);
            Err(special(start, end, "an argument without its name", "expected `name=value`", Some("as in `self=out`")))
        }
    }
}

/// A formula.
fn expr(i: Input<'_>) -> Read<'_, Expr> {
    nested(i, |i| {
        let (i, then) = or(i)?;
        let Some(rest) = keyword(i, "if") else { return Ok((i, then)) };
        let (rest, condition) = cut(or).parse(rest)?;
        let rest = keyword(rest, "else").ok_or_else(|| expected(rest, "`else`"))?;
        let (rest, otherwise) = cut(expr).parse(rest)?;
        Ok((rest, Expr::If(Box::new(then), Box::new(condition), Box::new(otherwise))))
    })
}

/// Operators of one level, grouped from the left.
fn chain<'a>(
    i: Input<'a>,
    part: fn(Input<'a>) -> Read<'a, Expr>,
    operator: fn(Input<'a>) -> Option<(Input<'a>, Binary)>,
) -> Read<'a, Expr> {
    let (mut i, mut left) = part(i)?;
    while let Some((rest, op)) = operator(i) {
        let (rest, right) = cut(part).parse(rest)?;
        left = Expr::Binary(op, Box::new(left), Box::new(right));
        i = rest;
    }
    Ok((i, left))
}

fn or(i: Input<'_>) -> Read<'_, Expr> {
    chain(i, and, |i| {
        let sign = after(i, "|").filter(|rest| directly(*rest, "|").is_none());
        Some((sign.or_else(|| keyword(i, "or"))?, Binary::Or))
    })
}

fn and(i: Input<'_>) -> Read<'_, Expr> {
    chain(i, not, |i| {
        let sign = after(i, "&").filter(|rest| directly(*rest, "&").is_none());
        Some((sign.or_else(|| keyword(i, "and"))?, Binary::And))
    })
}

fn not(i: Input<'_>) -> Read<'_, Expr> {
    let Some(rest) = keyword(i, "not") else { return comparison(i) };
    let (rest, of) = nested(rest, |i| cut(not).parse(i))?;
    Ok((rest, Expr::Unary(Unary::Not, Box::new(of))))
}

fn comparison(i: Input<'_>) -> Read<'_, Expr> {
    const SIGNS: [(&str, Comparison); 6] = [
        ("==", Comparison::Eq),
        ("!=", Comparison::Ne),
        ("<=", Comparison::Le),
        (">=", Comparison::Ge),
        ("<", Comparison::Lt),
        (">", Comparison::Gt),
    ];
    let (mut i, first) = sum(i)?;
    let mut rest = Vec::new();
    while let Some((next, op)) = SIGNS.iter().find_map(|(sign, op)| Some((after(i, sign)?, *op))) {
        let (next, value) = cut(sum).parse(next)?;
        rest.push((op, value));
        i = next;
    }
    Ok((i, if rest.is_empty() { first } else { Expr::Compare(Box::new(first), rest) }))
}

fn sum(i: Input<'_>) -> Read<'_, Expr> {
    chain(i, term, |i| {
        after(i, "+")
            .map(|rest| (rest, Binary::Add))
            .or_else(|| after(i, "-").filter(|rest| directly(*rest, ">").is_none()).map(|rest| (rest, Binary::Sub)))
    })
}

fn term(i: Input<'_>) -> Read<'_, Expr> {
    chain(i, negative, |i| {
        let times = || after(i, "*").filter(|rest| directly(*rest, "*").is_none()).map(|rest| (rest, Binary::Mul));
        let floor = || after(i, "//").map(|rest| (rest, Binary::FloorDiv));
        let by = || after(i, "/").map(|rest| (rest, Binary::Div));
        let modulo = || after(i, "%").map(|rest| (rest, Binary::Mod));
        times().or_else(floor).or_else(by).or_else(modulo)
    })
}

/// A sign before a power. A negative number is one number.
fn negative(i: Input<'_>) -> Read<'_, Expr> {
    let Some(rest) = after(i, "-") else { return power(i) };
    let (rest, of) = nested(rest, |i| cut(negative).parse(i))?;
    Ok((
        rest,
        match of {
            Expr::Int(n) if n >= 0 => Expr::Int(-n),
            Expr::Float(x) if x.is_sign_positive() => Expr::Float(-x),
            of => Expr::Unary(Unary::Neg, Box::new(of)),
        },
    ))
}

fn power(i: Input<'_>) -> Read<'_, Expr> {
    let (i, base) = postfix(i)?;
    let Some(rest) = after(i, "**") else { return Ok((i, base)) };
    let (rest, exponent) = nested(rest, |i| cut(negative).parse(i))?;
    Ok((rest, Expr::Binary(Binary::Pow, Box::new(base), Box::new(exponent))))
}

fn postfix(i: Input<'_>) -> Read<'_, Expr> {
    let (mut i, mut of) = atom(i)?;
    while let Some(rest) = after(i, "[") {
        if let (Expr::Name(name), Some((rest, from, step))) = (&of, items(rest)) {
            (i, of) = (rest, Expr::Items(name.clone(), from, step));
            continue;
        }
        let (rest, index) = cut(expr).parse(rest)?;
        i = after(rest, "]").ok_or_else(|| expected(rest, "`]`"))?;
        of = Expr::Index(Box::new(of), Box::new(index));
    }
    Ok((i, of))
}

/// The `4::2]` of `params[4::2]`.
fn items(i: Input<'_>) -> Option<(Input<'_>, usize, usize)> {
    let (rest, from) = digits(i).ok()?;
    let (rest, step) = digits(after(rest, "::")?).ok()?;
    Some((after(rest, "]")?, from.parse().ok()?, step.parse().ok().filter(|n| *n > 0)?))
}

fn atom(i: Input<'_>) -> Read<'_, Expr> {
    if let Some(rest) = after(i, "(") {
        let (rest, inner) = cut(expr).parse(rest)?;
        if let Some(comma) = after(rest, ",") {
            return Err(special(blank(rest), comma, "unexpected `,`", "expected `)`", Some("a list is written `[a, b]`")));
        }
        return Ok((after(rest, ")").ok_or_else(|| expected(rest, "`)`"))?, inner));
    }
    if let Some(rest) = after(i, "[") {
        let (rest, items) = comma_list(rest, "]", "`,` or `]`", item)?;
        return Ok((rest, Expr::List(items)));
    }
    if let Ok((rest, _)) = digits(i) {
        return number(blank(i), rest);
    }
    for quote in ["'", "\""] {
        if let Some(rest) = after(i, quote) {
            return string(blank(i), rest, quote);
        }
    }
    let (rest, name) = word(i).map_err(|_| missing(i, VALUE))?;
    if KEYWORDS.contains(&name) {
        return Err(missing(i, VALUE));
    }
    if let Some(open) = after(rest, "(") {
        let (rest, args) = comma_list(open, ")", "`,` or `)`", item)?;
        return Ok((rest, Expr::Call(name.to_owned(), args)));
    }
    Ok((
        rest,
        match name {
            "none" | "None" => Expr::None,
            "true" | "True" => Expr::Bool(true),
            "false" | "False" => Expr::Bool(false),
            name => Expr::Name(name.to_owned()),
        },
    ))
}

/// An item of a list, or an argument of a function: a formula or `s...`.
fn item(i: Input<'_>) -> Read<'_, Expr> {
    if let Ok((rest, name)) = word(i)
        && let Some(rest) = directly(rest, "...")
        && !KEYWORDS.contains(&name)
    {
        return Ok((rest, Expr::Spread(name.to_owned())));
    }
    expr(i)
}

/// A number; `integral` stands after its first digits.
fn number<'a>(start: Input<'a>, integral: Input<'a>) -> Read<'a, Expr> {
    let fraction = integral.fragment().starts_with(['.', 'e', 'E']) && !integral.fragment().starts_with("..");
    let (rest, text) = if fraction {
        number::complete::recognize_float::<_, Fail>(start).map_err(|_| expected(start, "a number"))?
    } else {
        let (rest, text) = digits(start)?;
        (rest, Input::new_extra(text, start.extra))
    };
    if rest.fragment().starts_with(is_word) {
        let help = Some("a product is written `2*n`");
        return Err(special(start, rest, "a name cannot begin with a digit", "a number, then a name", help));
    }
    let value = match fraction {
        true => text.fragment().parse().ok().filter(|x: &f64| x.is_finite()).map(Expr::Float),
        false => text.fragment().parse().ok().map(Expr::Int),
    };
    match value {
        Some(value) => Ok((rest, value)),
        None => Err(special(start, rest, "the number is too large", "it does not fit 64 bits", None)),
    }
}

/// A text in quotes; `i` stands after the opening one.
fn string<'a>(start: Input<'a>, i: Input<'a>, quote: &'static str) -> Read<'a, Expr> {
    let mut value = String::new();
    let mut chars = i.fragment().char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            c if quote.starts_with(c) => {
                let (rest, _) = nom::bytes::complete::take(i.fragment()[..at + 1].chars().count()).parse(i)?;
                return Ok((rest, Expr::Str(value)));
            }
            c => value.push(c),
        }
    }
    Err(special(start, i, "the text does not end", "the quote that begins it", None))
}

/// The input after a keyword, if it comes next.
fn keyword<'a>(i: Input<'a>, text: &str) -> Option<Input<'a>> {
    word(i).ok().filter(|(_, name)| *name == text).map(|(rest, _)| rest)
}
