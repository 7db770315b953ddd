//! Symbolic sizes: from the text of sympy's `srepr` to polynomials, and back.

use std::collections::BTreeMap;

use super::tree::{Value, json};
use nom::branch::alt;
use nom::bytes::complete::{tag, take_until, take_while1};
use nom::character::complete::{char, digit1, multispace0, one_of};
use nom::combinator::{all_consuming, map_res, opt, recognize};
use nom::multi::{separated_list0, separated_list1};
use nom::sequence::{delimited, pair, preceded, separated_pair};
use nom::{IResult, Parser};

use super::json::{Fault, Read, Under, field, integer, text, union};
use crate::model::Size;

/// How deep an expression may nest.
const DEPTH: usize = 64;

/// The longest name that is put together of others, in bytes.
const LONGEST: usize = 1 << 16;

/// How each symbol of the polynomials is written in the file: `s77` as `Symbol('s77', positive=True, integer=True)`.
#[derive(Clone, Debug, Default)]
pub(super) struct Symbols {
    written: BTreeMap<String, String>,
}

/// A parsed `srepr`.
#[derive(Debug)]
enum Expr<'a> {
    /// `Integer(2)`, or a bare number.
    Int(i64),
    /// `Symbol('s0', ...)`: name and whole text.
    Symbol(&'a str, &'a str),
    /// Any other call: name, arguments, whole text.
    Call(&'a str, Vec<Expr<'a>>, &'a str),
    /// Anything else: `true`, `oo`, `precision=53`.
    Other(&'a str),
}

impl Symbols {
    /// A size as the file has it: `{"as_int": 3}` or `{"as_expr": {...}}`.
    pub(super) fn read(&mut self, value: &Value) -> Read<Size> {
        match union(value)? {
            ("as_int", n) => Ok(Size::int(integer(n).under(|| "as_int")?)),
            ("as_expr", e) => {
                let source = text(e, "expr_str").under(|| "as_expr")?;
                let hint = match e.get("hint") {
                    None | Some(Value::Null) => None,
                    Some(hint) => field(hint, "as_int").ok().and_then(Value::as_i64),
                };
                Ok(self.parse(source).with_hint(hint))
            }
            (kind, _) => Err(Fault::schema(format!("a size cannot be {kind}"))),
        }
    }

    /// The polynomial of an `srepr`; what cannot be understood becomes a symbol of its own.
    pub(super) fn parse(&mut self, source: &str) -> Size {
        match all_consuming(|i| expr(i, DEPTH)).parse(source.trim()) {
            Ok((_, e)) => self.size(&e),
            Err(_) => self.opaque(source.to_owned(), source),
        }
    }

    fn size(&mut self, e: &Expr<'_>) -> Size {
        match e {
            Expr::Int(n) => Size::int(*n),
            Expr::Symbol(name, whole) => self.opaque((*name).to_owned(), whole),
            // What is too large for a polynomial is one symbol, written as it was.
            Expr::Call("Add", args, whole) => {
                let sum = args.iter().try_fold(Size::int(0), |sum, a| sum.try_add(&self.size(a)));
                sum.unwrap_or_else(|| self.opaque((*whole).to_owned(), whole))
            }
            Expr::Call("Mul", args, whole) => {
                let product = args.iter().try_fold(Size::int(1), |product, a| product.try_mul(&self.size(a)));
                product.unwrap_or_else(|| self.opaque((*whole).to_owned(), whole))
            }
            Expr::Call("Pow", args, whole) if matches!(args[..], [_, Expr::Int(0..=8)]) => {
                let power = if let Some(Expr::Int(n)) = args.get(1) { *n } else { 1 };
                let base = self.size(&args[0]);
                let product = (0..power).try_fold(Size::int(1), |product, _| product.try_mul(&base));
                product.unwrap_or_else(|| self.opaque((*whole).to_owned(), whole))
            }
            Expr::Call("FloorDiv", args, whole) if args.len() == 2 => {
                let quotient = self.size(&args[0]).floor_div(&self.size(&args[1]));
                // Where it is a symbol of its own, that symbol is written as it was.
                let terms = quotient.terms();
                if let Some((mono, 1)) = terms.iter().next().filter(|_| terms.len() == 1)
                    && let [name] = mono.as_slice()
                    && name.contains(")//(")
                {
                    self.written.entry(name.clone()).or_insert_with(|| (*whole).to_owned());
                }
                drop(terms);
                quotient
            }
            Expr::Call(name, args, whole) => {
                let args: Vec<String> = args.iter().map(|a| self.size(a).to_string()).collect();
                let named = format!("{name}({})", args.join(", "));
                self.opaque(if named.len() <= LONGEST { named } else { (*whole).to_owned() }, whole)
            }
            Expr::Other(text) => self.opaque((*text).to_owned(), text),
        }
    }

    fn opaque(&mut self, name: String, written: &str) -> Size {
        self.written.entry(name.clone()).or_insert_with(|| written.to_owned());
        Size::symbol(name, None)
    }

    /// The size as the file writes it. `None` if it holds a symbol that has no form in the file.
    pub(super) fn write(&self, size: &Size) -> Option<Value> {
        if let Some(n) = size.as_int() {
            return Some(json!({"as_int": n}));
        }
        let hint = size.hint().map_or(Value::Null, |n| json!({"as_int": n}));
        Some(json!({"as_expr": {"expr_str": self.srepr(size, DEPTH)?, "hint": hint}}))
    }

    fn srepr(&self, size: &Size, depth: usize) -> Option<String> {
        let mut terms = Vec::new();
        for (mono, coefficient) in size.terms().iter() {
            let mut factors = Vec::new();
            if *coefficient != 1 || mono.is_empty() {
                factors.push(format!("Integer({coefficient})"));
            }
            for run in mono.chunk_by(|a, b| a == b) {
                let symbol = self.symbol(&run[0], depth)?;
                factors.push(if run.len() == 1 { symbol } else { format!("Pow({symbol}, Integer({}))", run.len()) });
            }
            terms.push(call("Mul", factors));
        }
        Some(if terms.is_empty() { "Integer(0)".to_owned() } else { call("Add", terms) })
    }

    /// A symbol as the file writes it; the quotients that [`Size::floor_div`] makes are put together anew.
    fn symbol(&self, name: &str, depth: usize) -> Option<String> {
        if let Some(written) = self.written.get(name) {
            return Some(written.clone());
        }
        let depth = depth.checked_sub(1)?;
        let inner = name.strip_prefix('(')?.strip_suffix(')')?;
        for (at, _) in inner.match_indices(")//(") {
            let (a, b) = (&inner[..at], &inner[at + ")//(".len()..]);
            if let (Some(a), Some(b)) = (self.shown(a, depth), self.shown(b, depth)) {
                return Some(format!("FloorDiv({a}, {b})"));
            }
        }
        None
    }

    /// The `srepr` of a polynomial in the form that `Size` shows it: `2*s0*s1 + 3`.
    fn shown(&self, polynomial: &str, depth: usize) -> Option<String> {
        let mut terms = Vec::new();
        for term in split(polynomial, " + ")? {
            let mut factors = Vec::new();
            for factor in split(term, "*")? {
                factors.push(match factor.parse::<i64>() {
                    Ok(n) => format!("Integer({n})"),
                    Err(_) => self.symbol(factor, depth)?,
                });
            }
            terms.push(call("Mul", factors));
        }
        Some(call("Add", terms))
    }
}

/// Splits at a separator outside all parentheses; `None` if these do not match.
fn split<'a>(text: &'a str, separator: &str) -> Option<Vec<&'a str>> {
    let (mut parts, mut depth, mut from, mut at) = (Vec::new(), 0usize, 0, 0);
    while let Some(c) = text[at..].chars().next() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1)?,
            _ if depth == 0 && text[at..].starts_with(separator) => {
                parts.push(&text[from..at]);
                at += separator.len();
                from = at;
                continue;
            }
            _ => {}
        }
        at += c.len_utf8();
    }
    parts.push(&text[from..]);
    (depth == 0).then_some(parts)
}

fn call(name: &str, mut args: Vec<String>) -> String {
    match args.len() {
        1 => args.remove(0),
        _ => format!("{name}({})", args.join(", ")),
    }
}

fn word(input: &str) -> IResult<&str, &str> {
    take_while1(|c: char| c.is_alphanumeric() || "_.".contains(c)).parse(input)
}

fn quoted(input: &str) -> IResult<&str, &str> {
    alt((delimited(char('\''), take_until("'"), char('\'')), delimited(char('"'), take_until("\""), char('"')))).parse(input)
}

fn number(input: &str) -> IResult<&str, i64> {
    map_res(recognize(pair(opt(one_of("+-")), digit1)), str::parse).parse(input)
}

fn comma(input: &str) -> IResult<&str, char> {
    delimited(multispace0, char(','), multispace0).parse(input)
}

fn expr(input: &str, depth: usize) -> IResult<&str, Expr<'_>> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(nom::Err::Failure(nom::error::Error::new(input, nom::error::ErrorKind::TooLarge)));
    };
    let symbol = |i| {
        let rest = opt(preceded(comma, separated_list1(comma, separated_pair(word, char('='), word))));
        let (after, name) = delimited(tag("Symbol("), quoted, pair(rest, char(')'))).parse(i)?;
        Ok((after, Expr::Symbol(name, consumed(i, after))))
    };
    let integer = |i| {
        let (after, n) = delimited(tag("Integer("), number, char(')')).parse(i)?;
        Ok((after, Expr::Int(n)))
    };
    let other_call = |i| {
        let arguments = separated_list0(comma, |i| expr(i, depth));
        let (after, (name, args)) = pair(word, delimited(char('('), arguments, char(')'))).parse(i)?;
        Ok((after, Expr::Call(name, args, consumed(i, after))))
    };
    let bare = |i| number(i).map(|(after, n)| (after, Expr::Int(n)));
    let tuple = |i| {
        let arguments = separated_list0(comma, |i| expr(i, depth));
        let (after, args) = delimited(char('('), arguments, pair(opt(comma), char(')'))).parse(i)?;
        Ok((after, Expr::Call("Tuple", args, consumed(i, after))))
    };
    let other = |i| {
        let (after, _) = alt((recognize((word, char('='), word)), quoted, word)).parse(i)?;
        Ok((after, Expr::Other(consumed(i, after))))
    };
    alt((symbol, integer, other_call, bare, tuple, other)).parse(input)
}

/// What was read between two rests of the input.
fn consumed<'a>(before: &'a str, after: &str) -> &'a str {
    &before[..before.len() - after.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const S0: &str = "Symbol('s0', positive=True, integer=True)";
    const S1: &str = "Symbol('s1', positive=True, integer=True)";

    fn both_ways(source: &str) -> (String, String) {
        let mut symbols = Symbols::default();
        let size = symbols.parse(source);
        (size.to_string(), symbols.srepr(&size, DEPTH).unwrap())
    }

    #[test]
    fn polynomials_are_understood() {
        let source = format!("Add(Integer(3), Mul(Integer(2), {S0}, Pow({S1}, Integer(2))))");
        assert_eq!(both_ways(&source), ("2*s0*s1*s1 + 3".to_owned(), source));
        assert_eq!(both_ways(S0), ("s0".to_owned(), S0.to_owned()));
        assert_eq!(both_ways("Integer(-7)"), ("-7".to_owned(), "Integer(-7)".to_owned()));
        assert_eq!(both_ways(&format!("Add({S0}, Mul(Integer(-1), {S0}))")).1, "Integer(0)");
    }

    #[test]
    fn other_functions_are_symbols() {
        let source = format!("Max(Integer(1), Mul(Integer(2), {S0}))");
        assert_eq!(both_ways(&source), ("Max(1, 2*s0)".to_owned(), source));
        for odd in [
            &format!("Pow({S0}, Rational(1, 2))"),
            &format!("Pow({S0}, Integer(-1))"),
            &format!("Piecewise(ExprCondPair({S0}, true), (Float('2.0', precision=53), {S1}))"),
            "not ! an expression",
            "Max(Integer(1), ",
        ] {
            assert_eq!(both_ways(odd).1, *odd);
        }
    }

    #[test]
    fn quotients_meet_those_of_the_algebra() {
        let mut symbols = Symbols::default();
        let read = symbols.parse(&format!("FloorDiv(Add({S0}, {S1}), Integer(2))"));
        let made = symbols.parse(S0).add(&symbols.parse(S1)).floor_div(&Size::int(2));
        assert_eq!(read, made);
        let nested = made.add(&Size::int(1)).floor_div(&symbols.parse(S1).scale(3));
        assert_eq!(
            symbols.srepr(&nested, DEPTH).unwrap(),
            format!("FloorDiv(Add(FloorDiv(Add({S0}, {S1}), Integer(2)), Integer(1)), Mul(Integer(3), {S1}))")
        );
    }

    #[test]
    fn large_expressions_are_symbols() {
        let sum: Vec<String> = (0..10).map(|n| format!("Symbol('s{n}')")).collect();
        let sum = format!("Add({})", sum.join(", "));
        let binomials: Vec<String> = (0..40).map(|n| format!("Add(Symbol('a{n}'), Symbol('b{n}'))")).collect();
        let quotients: Vec<String> = (0..3000).map(|n| format!("FloorDiv(Symbol('s{n}'), Integer(2))")).collect();
        let mut tower = "Symbol('s')".to_owned();
        (0..15).for_each(|_| tower = format!("Pow(Max({tower}), Integer(8))"));
        for source in [
            format!("Pow(Pow({sum}, Integer(8)), Integer(8))"),
            format!("Mul({})", binomials.join(", ")),
            format!("Add({})", quotients.join(", ")),
            tower,
            "FloorDiv(Integer(-9223372036854775808), Integer(-1))".to_owned(),
        ] {
            let before = std::time::Instant::now();
            both_ways(&source);
            assert!(before.elapsed().as_secs() < 2, "{} took {:?}", &source[..80.min(source.len())], before.elapsed());
        }
        assert_eq!(both_ways(&format!("Mul({})", binomials.join(", "))).1, format!("Mul({})", binomials.join(", ")));
    }

    #[test]
    fn depth_is_bounded() {
        let deep = "Max(".repeat(100_000);
        assert_eq!(both_ways(&deep).1, deep);
    }
}
