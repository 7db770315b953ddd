//! The report as text.

use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets};

use super::branch::Gone;
use super::disagreement::{Disagreement, Fate};
use super::note::Note;
use super::summary::{Layer, Outcome, Summary, Total};
use super::words::{modules, positions, spaced, stay};
use crate::rule::Schemas;

/// The whole report.
pub fn table(s: &Summary) -> String {
    let mut out = String::new();
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["layer", "weight", "after", "parameters", "after", "left"]);
    // Modules of vectors alone, such as norms, follow the layers: one row for all of them, unless there is nothing else.
    let (layers, vectors): (Vec<&Layer>, Vec<&Layer>) = s.layers.iter().partition(|l| l.before.len() > 1);
    if layers.is_empty() || vectors.len() < 3 {
        table.add_rows(s.layers.iter().map(row));
    } else {
        table.add_rows(layers.into_iter().map(row));
        let sum = |f: fn(&Layer) -> u64| vectors.iter().map(|l| f(l)).sum();
        let total = Total { before: sum(|l| l.parameters.before), after: sum(|l| l.parameters.after) };
        let name = format!("{} norms and other vectors", vectors.len());
        table.add_row([name, String::new(), String::new(), spaced(total.before), spaced(total.after), left(total)]);
    }
    for k in 3..6 {
        if let Some(c) = table.column_mut(k) {
            c.set_cell_alignment(CellAlignment::Right);
        }
    }
    for line in table.lines() {
        let _ = writeln!(out, "{}", line.trim_end().strip_prefix(' ').unwrap_or(&line));
    }
    let totals = [("parameters", s.parameters), ("multiply-accumulates", s.macs), ("bytes of weights", s.bytes)];
    let width = totals.map(|(_, t)| spaced(t.before.max(t.after)).len()).into_iter().max().unwrap_or(0);
    out.push('\n');
    for (name, total) in totals {
        let _ =
            writeln!(out, "{name:<20}  {:>width$} → {:>width$}  {:>7}", spaced(total.before), spaced(total.after), left(total));
    }
    match s.outcome {
        Outcome::Smaller => {}
        Outcome::Copy => out.push_str("\nNothing could be removed: the output is a copy of the model.\n"),
        Outcome::Masked => {
            out.push_str("\nNothing could be removed: the output is a copy of the model with its masked weights set to zero.\n");
        }
    }
    section(&mut out, "Branches that went as a whole, since all that they add is zero", &branches(&s.branches));
    section(&mut out, "Coupled layers whose masks disagree", &disagreements(&s.conflicts));
    section(&mut out, "What stayed, and why", s.kept.iter().map(|k| &k.note));
    section(&mut out, "Operators without a rule (their axes stay)", &s.unknown);
    let can_have = |op: &str| Schemas::builtin().get(op).is_none_or(|s| !s.has_graphs());
    if let Some(note) = s.unknown.iter().find(|note| can_have(&note.subject)) {
        let op = note.subject.strip_suffix(".default").unwrap_or(&note.subject);
        let _ = writeln!(out, "  `paring rules new {op} --model MODEL` proposes a rule; pass its folder with --rules DIR");
    }
    section(&mut out, "Notes", &s.notes);
    if s.outcome == Outcome::Smaller {
        out.push_str(
            "\nTaken for granted: parameters, and what operators make of finite numbers, are finite where positions go.\n",
        );
    }
    if let Some(v) = &s.verified {
        let _ = writeln!(
            out,
            "\nVerified: equal to the masked original on {} inputs, largest relative error {:.1e}; a forward takes {:.2} ms instead of {:.2} ms ({:.2} times as fast)",
            v.inputs,
            v.relative,
            v.after,
            v.before,
            v.before / v.after.max(1e-9)
        );
    }
    out
}

fn row(layer: &Layer) -> [String; 6] {
    let sizes = |list: &[usize]| list.iter().map(ToString::to_string).collect::<Vec<_>>().join("×");
    let after = match &layer.after {
        after if *after == layer.before => "same".into(),
        after if after.contains(&0) => "gone".into(),
        after => sizes(after),
    };
    let t = layer.parameters;
    let name = if layer.name.is_empty() { "(model)" } else { &layer.name };
    [name.into(), sizes(&layer.before), after, spaced(t.before), spaced(t.after), left(t)]
}

fn left(t: Total) -> String {
    if t.before == 0 { "-".into() } else { format!("{:.1} %", 100.0 * t.after as f64 / t.before as f64) }
}

/// A note for each group of layers; who drops what is in the JSON.
fn disagreements(list: &[Disagreement]) -> Vec<Note> {
    let note = |d: &Disagreement| {
        let text = match d.fate {
            Fate::Stays => stay(d.positions),
            Fate::Restored => stay(d.positions) + ", all weights restored",
            Fate::Removed => positions(d.positions) + " removed",
        };
        let meet = d.at.as_ref().map(|p| format!("; they meet at {} ({})", p.node, p.op)).unwrap_or_default();
        Note { subject: modules(&d.parameters), text: text + &meet, line: d.at.as_ref().and_then(|p| p.line.clone()) }
    };
    list.iter().map(note).collect()
}

/// At most this many lines a section; `--json` has them all.
const MOST: usize = 12;

fn section<'n>(out: &mut String, title: &str, notes: impl IntoIterator<Item = &'n Note>) {
    let notes: Vec<&Note> = notes.into_iter().collect();
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

/// A line for each branch.
pub(super) fn branches(list: &[Gone]) -> Vec<Note> {
    let note = |g: &Gone| Note {
        subject: g.at.clone(),
        text: match g.modules.as_slice() {
            [] => "what it adds is zero everywhere".into(),
            modules => format!("{}, {} parameters", modules.join(", "), spaced(g.parameters)),
        },
        line: g.line.clone(),
    };
    list.iter().map(note).collect()
}
