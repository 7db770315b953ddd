//! The report as text.

use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets};

use super::{Layer, Note, Summary, Total};
use crate::axis::Reason;
use crate::model::Graph;

/// Why an axis is locked, in words.
pub fn reason(graph: &Graph, reason: &Reason) -> String {
    match reason {
        Reason::Rule { node, rule, letter } => {
            let node = graph.node(*node);
            format!("`{letter}` of {} is locked ({} at node {})", node.target, rule.place, node.name)
        }
        Reason::Input(name) => format!("the model's input {name} has this axis"),
        Reason::Output(name) => format!("the model's output {name} has this axis"),
        Reason::Frozen(name) => format!("--freeze {name}"),
        Reason::Unknown { node, why } => format!("node {}: {why}", graph.node(*node).name),
        Reason::Dynamic => "its size is dynamic".into(),
        Reason::Unaligned => "two views of the axis cannot be aligned".into(),
        Reason::Tied { names } => format!("{} and {} are tied", names[0], names[1]),
        Reason::Composite { node } => format!("layouts that work as one begin at {}", graph.node(*node).name),
        Reason::Law { name, .. } => (*name).into(),
    }
}

/// The whole report.
pub fn table(s: &Summary) -> String {
    let mut out = String::new();
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["layer", "sizes", "after", "parameters", "after", "left"]);
    for layer in &s.layers {
        table.add_row(row(layer));
    }
    for k in 3..6 {
        if let Some(c) = table.column_mut(k) {
            c.set_cell_alignment(CellAlignment::Right);
        }
    }
    let _ = writeln!(out, "{table}");
    for (name, total) in [("parameters", s.parameters), ("MACs", s.macs), ("bytes", s.bytes)] {
        let _ = writeln!(out, "{name:<11} {:>15} → {:>15}  {}", spaced(total.before), spaced(total.after), left(total));
    }
    if s.is_copy() {
        let _ = writeln!(out, "\nNothing could be removed: the output is a copy of the model.");
    }
    section(&mut out, "Masks that disagree", &s.conflicts);
    section(&mut out, "What stayed, and why", &s.kept);
    section(&mut out, "Operators without a rule (their axes stay)", &s.unknown);
    section(&mut out, "Notes", &s.notes);
    out
}

fn row(layer: &Layer) -> [String; 6] {
    let sizes = |list: &[usize]| list.iter().map(ToString::to_string).collect::<Vec<_>>().join("×");
    let after = if layer.before == layer.after { "·".into() } else { sizes(&layer.after) };
    let t = layer.parameters;
    let name = if layer.name.is_empty() { "(model)" } else { &layer.name };
    [name.into(), sizes(&layer.before), after, spaced(t.before), spaced(t.after), left(t)]
}

fn left(t: Total) -> String {
    if t.before == 0 { "–".into() } else { format!("{:.1} %", 100.0 * t.after as f64 / t.before as f64) }
}

/// 25 557 032
fn spaced(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (k, c) in digits.chars().enumerate() {
        if k > 0 && (digits.len() - k) % 3 == 0 {
            out.push(' ');
        }
        out.push(c);
    }
    out
}

/// At most this many lines a section; `--json` has them all.
const MOST: usize = 12;

fn section(out: &mut String, title: &str, notes: &[Note]) {
    if notes.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{title}");
    for note in notes.iter().take(MOST) {
        let _ = writeln!(out, "  {}: {}", note.subject, note.text);
        if let Some(line) = &note.line {
            let _ = writeln!(out, "      {line}");
        }
    }
    if notes.len() > MOST {
        let _ = writeln!(out, "  … and {} more (--json lists all)", notes.len() - MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(["7", "1 000", "25 557 032"], [7, 1000, 25_557_032].map(spaced).each_ref().map(String::as_str));
    }
}
