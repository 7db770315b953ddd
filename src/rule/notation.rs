//! Reads patterns: `input[n, (g i)], weight[(g o), i] -> [n, (g o)]`.

use super::ast::{Dim, Letter, Operand, Pattern};
use super::place::Offsets;
use super::syntax::{
    Input, Read, SyntaxError, after, blank, comma_list, digits, directly, expected, is_word, missing, nested, place, read_all,
    special, word,
};

/// Longest pattern in bytes.
const LONGEST: usize = 20_000;

impl std::str::FromStr for Pattern {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Pattern, SyntaxError> {
        parse_pattern(text, &Offsets::default())
    }
}

/// Reads a pattern whose bytes stand at `offsets` in a file.
pub fn parse_pattern(text: &str, offsets: &Offsets) -> Result<Pattern, SyntaxError> {
    read_all(text, offsets, LONGEST, pattern)
}

fn pattern(i: Input<'_>) -> Read<'_, Pattern> {
    let start = blank(i);
    let (i, operands) = operands(start)?;
    let (i, outputs) = outputs(i)?;
    Ok((i, Pattern { operands, outputs, span: place(start, i) }))
}

/// All operands and the arrow after them.
fn operands(i: Input<'_>) -> Read<'_, Vec<Operand>> {
    let mut operands = Vec::new();
    if let Some(rest) = after(i, "->") {
        return Ok((rest, operands));
    }
    let mut i = i;
    loop {
        let (rest, x) = operand(i)?;
        operands.push(x);
        if let Some(rest) = after(rest, "->") {
            return Ok((rest, operands));
        }
        i = after(rest, ",").ok_or_else(|| expected(rest, "`,` or `->`"))?;
    }
}

fn operand(i: Input<'_>) -> Read<'_, Operand> {
    let start = blank(i);
    let (i, name) = word(i).map_err(|_| expected(i, "the name of an operand"))?;
    let (mut i, (index, step)) = item_number(i)?;
    let (mut missing, mut unread) = (None, false);
    loop {
        if let Some(rest) = after(i, "?") {
            let (rest, value) = stand_in(rest)?;
            (i, missing) = (rest, Some(value));
        } else if let Some(rest) = after(i, "!") {
            (i, unread) = (rest, true);
        } else {
            break;
        }
    }
    let (i, dims) = dims(i)?;
    Ok((i, Operand { name: name.to_owned(), index, step, missing, unread, dims, span: place(start, i) }))
}

/// The `[0]` of `params[0][a, b]`, or the `[4::2]` of `params[4::2][a, b]`. The brackets of `x[4]` are dimensions.
fn item_number(i: Input<'_>) -> Read<'_, (Option<usize>, Option<usize>)> {
    let open = |rest: Input<'_>| blank(rest).fragment().starts_with(['[', '?', '!']);
    let found = || {
        let (rest, from) = digits(after(i, "[")?).ok()?;
        let (rest, step) = match after(rest, "::") {
            Some(rest) => digits(rest).ok().map(|(rest, step)| (rest, Some(step)))?,
            None => (rest, None),
        };
        let rest = after(rest, "]")?;
        Some((rest, from, step)).filter(|_| open(rest))
    };
    let Some((rest, from, step)) = found() else { return Ok((i, (None, None))) };
    let number = |text: &str| match text.parse::<usize>() {
        Ok(n) => Ok(n),
        Err(_) => Err(special(blank(i), rest, "the number is too large", "no list is that long", None)),
    };
    let step = step.map(number).transpose()?;
    if step == Some(0) {
        return Err(special(blank(i), rest, "every 0th item", "expected 1 or more", None));
    }
    Ok((rest, (Some(number(from)?), step)))
}

/// The `=1` of `weight?=1[c]`; 0 if none is written.
fn stand_in(i: Input<'_>) -> Read<'_, f64> {
    let Some(start) = after(i, "=") else { return Ok((i, 0.0)) };
    let (rest, value) = nom::number::complete::recognize_float::<_, super::syntax::Fail>(blank(start))
        .map_err(|_| expected(start, "the number that stands for a missing operand"))?;
    match value.fragment().parse::<f64>() {
        Ok(v) if v.is_finite() => Ok((rest, v)),
        _ => Err(special(blank(start), rest, "the number is too large", "not a finite number", None)),
    }
}

/// `_`, or dimensions in brackets, separated by commas.
fn outputs(i: Input<'_>) -> Read<'_, Vec<Vec<Dim>>> {
    if let Ok((rest, name)) = word(i) {
        if name == "_" {
            return Ok((rest, Vec::new()));
        }
        let help = Some("write the dimensions only, as in `-> [n, c]`");
        return Err(special(blank(i), rest, "outputs have no names", "not expected here", help));
    }
    let mut outputs = Vec::new();
    let mut i = i;
    loop {
        let open = after(i, "[").ok_or_else(|| expected(i, "the dimensions of an output, as in `[n, c]`, or `_`"))?;
        let (rest, dims) = dim_list(open)?;
        outputs.push(dims);
        match after(rest, ",") {
            Some(rest) => i = rest,
            None => return Ok((rest, outputs)),
        }
    }
}

fn dims(i: Input<'_>) -> Read<'_, Vec<Dim>> {
    let open = after(i, "[").ok_or_else(|| expected(i, "`[`"))?;
    dim_list(open)
}

fn dim_list(i: Input<'_>) -> Read<'_, Vec<Dim>> {
    comma_list(i, "]", "`,` or `]`", |i| {
        let (rest, dim) = dim(i)?;
        match term(rest) {
            Ok((end, _)) => {
                let help = Some("a comma separates dimensions; one dimension made of two axes is written `(a b)`");
                Err(special(blank(rest), end, "two axes side by side", "expected `,` or `]`", help))
            }
            Err(nom::Err::Error(_)) => Ok((rest, dim)),
            Err(e) => Err(e),
        }
    })
}

/// One dimension: a term, or a sum of terms.
fn dim(i: Input<'_>) -> Read<'_, Dim> {
    let (i, first) = term(i)?;
    sum(i, first)
}

/// What may follow the first term of a sum.
fn sum(mut i: Input<'_>, first: Dim) -> Read<'_, Dim> {
    let mut terms = vec![first];
    while let Some(rest) = after(i, "+") {
        let (rest, next) = term(rest).map_err(|_| expected(rest, "a letter, a number or `(`"))?;
        terms.push(next);
        i = rest;
    }
    Ok((i, single(terms, Dim::Sum)))
}

fn single(mut terms: Vec<Dim>, many: fn(Vec<Dim>) -> Dim) -> Dim {
    match (terms.len(), terms.pop()) {
        (1, Some(one)) => one,
        (_, last) => {
            terms.extend(last);
            many(terms)
        }
    }
}

fn term(i: Input<'_>) -> Read<'_, Dim> {
    if let Some(rest) = after(i, "(") {
        return nested(rest, product);
    }
    if let Ok((rest, n)) = digits(i) {
        return number(blank(i), rest, n);
    }
    let (i, letter) = letter(i)?;
    Ok((i, Dim::Letter(letter)))
}

fn number<'a>(start: Input<'a>, rest: Input<'a>, text: &str) -> Read<'a, Dim> {
    if rest.fragment().starts_with(is_word) {
        let help = Some("a number times a letter is written `(4 h)`");
        return Err(special(start, rest, "a name cannot begin with a digit", "a number, then a name", help));
    }
    match text.parse() {
        Ok(n) => Ok((rest, Dim::Number(n))),
        Err(_) => Err(special(start, rest, "the number is too large", "no axis is that long", None)),
    }
}

/// After `(`: the factors of a product, or a sum in brackets.
fn product(start: Input<'_>) -> Read<'_, Dim> {
    let (mut i, first) = match after(start, ")") {
        Some(end) => {
            let help = Some("a dimension of size one is written `1`");
            return Err(special(start, end, "nothing between the brackets", "no axis here", help));
        }
        None => term(start).map_err(|e| e.map(|f| f.or_expect("a letter, a number or `(`")))?,
    };
    let mut factors = vec![first];
    loop {
        if let Some(rest) = after(i, ")") {
            return Ok((rest, single(factors, Dim::Product)));
        }
        if let Some(plus) = after(i, "+") {
            if let (1, Some(first)) = (factors.len(), factors.pop()) {
                let (rest, sum) = sum(i, first)?;
                if let Some(rest) = after(rest, ")") {
                    return Ok((rest, sum));
                }
            }
            let help = Some("inside a product a sum has brackets of its own: `((a + b) c)`");
            return Err(special(blank(i), plus, "a sum beside a product", "unclear what is added", help));
        }
        let (rest, next) = match term(i) {
            Ok(x) => x,
            Err(nom::Err::Error(_)) => return Err(expected(i, "`)` or another letter")),
            Err(e) => return Err(e),
        };
        factors.push(next);
        i = rest;
    }
}

/// A letter with its marks.
fn letter(i: Input<'_>) -> Read<'_, Letter> {
    let start = blank(i);
    if let Some(rest) = after(i, "...") {
        let span = place(start, rest);
        return Ok((rest, Letter { name: "...".into(), ellipsis: true, broadcast: true, optional: false, span }));
    }
    let (mut rest, name) = word(i).map_err(|_| missing(i, "a dimension"))?;
    let (mut broadcast, mut optional, mut ellipsis) = (false, false, false);
    loop {
        if let Some(next) = directly(rest, "~") {
            if ellipsis {
                return Err(special(rest, next, "`~` after the dots", "expected before the dots", Some("write `b~...`")));
            }
            (rest, broadcast) = (next, true);
        } else if let Some(next) = directly(rest, "?") {
            (rest, optional) = (next, true);
        } else if let Some(next) = directly(rest, "...").filter(|_| !ellipsis) {
            (rest, ellipsis) = (next, true);
        } else {
            break;
        }
    }
    if optional && ellipsis {
        let help = Some("an ellipsis may stand for no dimension already");
        return Err(special(start, rest, "an ellipsis with `?`", "`?` has no meaning here", help));
    }
    Ok((rest, Letter { name: name.to_owned(), ellipsis, broadcast, optional, span: place(start, rest) }))
}
