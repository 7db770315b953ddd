//! Verdicts and times as text.

use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets};

use super::{Memory, Timing, Verdict};

/// What a comparison found.
pub fn verdict_text(v: &Verdict) -> String {
    let mut rows = vec![["output", "sizes", "largest error", "relative", "tolerated", ""].map(str::to_owned)];
    for o in &v.outputs {
        let verdict = if o.holds() { "equal" } else { "DIFFERS" };
        let sizes = format!("{:?}", o.shape);
        let number = |x: f64| format!("{x:.2e}");
        rows.push([o.name.clone(), sizes, number(o.absolute), number(o.relative), number(o.tolerance), verdict.to_owned()]);
    }
    let mut out = table(rows, 2..5);
    let inputs = if v.inputs == 1 { "one input".to_owned() } else { format!("{} inputs", v.inputs) };
    let _ = writeln!(out, "\ncompared on {inputs}");
    let (before, after) = v.memory;
    let row =
        |name: &str, of: fn(Memory) -> u64| [name.to_owned(), bytes(of(before)), bytes(of(after)), share(of(before), of(after))];
    let mut rows = vec![["", "original", "small", ""].map(str::to_owned)];
    rows.push(row("memory of weights", |m| m.weights));
    rows.push(row("memory of values at once", |m| m.values));
    if let Some((before, after)) = &v.times {
        let times = format!("{:.2} times as fast", before.median / after.median.max(1e-9));
        let name = format!("forward, median of {}", before.runs);
        rows.push([name, milliseconds(before.median), milliseconds(after.median), times]);
    }
    out.push('\n');
    out.push_str(&table(rows, 1..3));
    out
}

/// Times of several programs.
pub fn timings_text(rows: &[(String, Timing)], device: &str, threads: usize) -> String {
    let mut table_rows = vec![["model", "median", "10 %", "90 %", "fastest", "runs", ""].map(str::to_owned)];
    let first = rows.first().map_or(1.0, |(_, t)| t.median);
    for (k, (name, t)) in rows.iter().enumerate() {
        let times = if k == 0 { String::new() } else { format!("{:.2} times as fast", first / t.median.max(1e-9)) };
        let [median, low, high, min] = [t.median, t.p10, t.p90, t.min].map(milliseconds);
        table_rows.push([name.clone(), median, low, high, min, t.runs.to_string(), times]);
    }
    let threads = if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") };
    format!("{}\non {device}, {threads}\n", table(table_rows, 1..6))
}

fn table<const N: usize>(rows: Vec<[String; N]>, right: std::ops::Range<usize>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let mut rows = rows.into_iter();
    if let Some(header) = rows.next() {
        table.set_header(header);
    }
    table.add_rows(rows);
    for k in right {
        if let Some(c) = table.column_mut(k) {
            c.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|l| format!("{}\n", l.trim_end().strip_prefix(' ').unwrap_or(&l))).collect()
}

fn milliseconds(t: f64) -> String {
    format!("{t:.2} ms")
}

fn bytes(n: u64) -> String {
    match n {
        n if n >= 10 << 20 => format!("{} MiB", n >> 20),
        n if n >= 10 << 10 => format!("{} KiB", n >> 10),
        n => format!("{n} B"),
    }
}

fn share(before: u64, after: u64) -> String {
    format!("{:.1} %", 100.0 * after as f64 / before.max(1) as f64)
}
