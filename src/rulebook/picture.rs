//! A pattern as a picture: a row for each tensor, a column for each letter, and in between the dimensions in which it stands.

use std::fmt::Write;

use crate::rule::{Dim, Letter, Pattern};

/// A tensor of a pattern, by the name that pictures and words use.
pub(super) struct Row {
    pub name: String,
    /// `?` for an operand that may be missing, `!` for one that is not read.
    pub mark: &'static str,
    pub dims: Vec<Dim>,
    pub read: bool,
    pub output: bool,
}

/// The operands, then the outputs.
pub(super) fn rows(pattern: &Pattern) -> Vec<Row> {
    let operand = |o: &crate::rule::Operand| {
        let mark = if o.unread {
            "!"
        } else if o.missing.is_some() {
            "?"
        } else {
            ""
        };
        Row { name: o.label(), mark, dims: o.dims.clone(), read: !o.unread, output: false }
    };
    let several = pattern.outputs.len() > 1;
    let output = |(k, dims): (usize, &Vec<Dim>)| {
        let name = if several { format!("out[{k}]") } else { "out".to_owned() };
        Row { name, mark: "", dims: dims.clone(), read: true, output: true }
    };
    pattern.operands.iter().map(operand).chain(pattern.outputs.iter().enumerate().map(output)).collect()
}

/// The letters of a pattern in the order in which they appear, each once.
pub(super) fn letters(rows: &[Row]) -> Vec<Letter> {
    let mut found: Vec<Letter> = Vec::new();
    for dim in rows.iter().flat_map(|row| &row.dims) {
        each_letter(dim, &mut |l| {
            if !found.iter().any(|f| f.name == l.name) {
                found.push(l.clone());
            }
        });
    }
    found
}

fn each_letter(dim: &Dim, f: &mut dyn FnMut(&Letter)) {
    match dim {
        Dim::Letter(l) => f(l),
        Dim::Product(parts) | Dim::Sum(parts) => parts.iter().for_each(|p| each_letter(p, f)),
        Dim::Number(_) => {}
    }
}

/// Where a letter stands in a tensor: `1`, `-1` (from the end, after an ellipsis), `2…` (an ellipsis), `1.2` (the second
/// factor of dimension 1), `0+1` (the first part of dimension 0).
pub(super) fn places(row: &Row, letter: &str) -> Vec<String> {
    let is_dots = |d: &Dim| matches!(d, Dim::Letter(l) if l.ellipsis);
    let dots: Vec<usize> = row.dims.iter().enumerate().filter(|(_, d)| is_dots(d)).map(|(k, _)| k).collect();
    let mut found = Vec::new();
    for (k, dim) in row.dims.iter().enumerate() {
        let from_end = row.dims.len() - k;
        let at = match (dots.first(), dots.last()) {
            (Some(first), Some(last)) if k > *first && k > *last => format!("-{from_end}"),
            (Some(first), Some(last)) if k > *first && k == *last => format!("…-{from_end}"),
            (Some(first), _) if k > *first => "…".to_owned(),
            _ if is_dots(dim) => format!("{k}…"),
            _ => k.to_string(),
        };
        inside(dim, letter, at, &mut found);
    }
    found
}

fn inside(dim: &Dim, letter: &str, at: String, found: &mut Vec<String>) {
    let (parts, sign) = match dim {
        Dim::Letter(l) => {
            if l.name == letter {
                found.push(at);
            }
            return;
        }
        Dim::Number(_) => return,
        Dim::Product(parts) => (parts, '.'),
        Dim::Sum(parts) => (parts, '+'),
    };
    for (k, part) in parts.iter().enumerate() {
        inside(part, letter, format!("{at}{sign}{}", k + 1), found);
    }
}

/// Draws a pattern.
pub fn picture(pattern: &Pattern) -> String {
    let rows = rows(pattern);
    let letters = letters(&rows);
    let cells: Vec<Vec<String>> =
        rows.iter().map(|row| letters.iter().map(|l| places(row, &l.name).join(",")).collect()).collect();
    let name = rows.iter().map(|row| row.name.chars().count() + row.mark.len()).max().unwrap_or(0);
    let width = |k: usize| cells.iter().map(|c| c[k].chars().count()).chain([letters[k].to_string().chars().count()]).max();
    let mut out = " ".repeat(name);
    for (k, letter) in letters.iter().enumerate() {
        let _ = write!(out, "   {:<w$}", letter.to_string(), w = width(k).unwrap_or(0));
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    for (r, row) in rows.iter().enumerate() {
        let mut line = format!("{:<name$}", format!("{}{}", row.name, row.mark));
        for (k, cell) in cells[r].iter().enumerate() {
            let there = |c: &Vec<String>| !c[k].is_empty();
            // A line joins the places of a letter.
            let between = cells[..r].iter().any(there) && cells[r + 1..].iter().any(there);
            let text = if cell.is_empty() && between { "│" } else { cell };
            let _ = write!(line, "   {text:<w$}", w = width(k).unwrap_or(0));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    let all: Vec<&String> = cells.iter().flatten().collect();
    let mut legend = Vec::new();
    if all.iter().any(|c| c.contains('.')) {
        legend.push("1.2: second factor of dimension 1");
    }
    if all.iter().any(|c| c.contains('+')) {
        legend.push("1+2: second part of dimension 1");
    }
    if all.iter().any(|c| c.ends_with('…')) {
        legend.push("2…: any number of dimensions from 2 on");
    }
    if all.iter().any(|c| c.contains("…-")) {
        legend.push("…-1: any number up to the last");
    }
    if all.iter().any(|c| c.contains('-') && !c.contains('…')) {
        legend.push("-1: the last dimension");
    }
    if !legend.is_empty() {
        let _ = writeln!(out, "({})", legend.join("; "));
    }
    out
}
