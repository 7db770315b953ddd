//! The groups as text and as CSV.

use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets};

use super::groups::{Analysis, Group, MemberRole};
use crate::report::words::spaced;

/// All groups, a line each, those with most parameters first.
/// Axes of one tensor alone that stay anyway, as those of kernels, are only counted, unless `all` is set.
pub fn groups_text(a: &Analysis, all: bool) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["group", "axis", "size", "members", "parameters", "can it shrink"]);
    let alone = |g: &&Group| g.members.len() == 1 && g.locked.is_some();
    for g in a.by_parameters().into_iter().filter(|g| all || !alone(g)) {
        let free = match &g.locked {
            None => "yes".to_owned(),
            Some(o) => format!("no: {}", o.why),
        };
        let exported = g.members.first().and_then(|m| m.exported.as_ref()).map(|name| format!("  {name}")).unwrap_or_default();
        table.add_row([
            g.id.to_string(),
            format!("{}{exported}", g.name),
            g.size.to_string(),
            g.members.len().to_string(),
            spaced(g.parameters),
            free,
        ]);
    }
    for k in [0, 2, 3, 4] {
        if let Some(c) = table.column_mut(k) {
            c.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut out = String::new();
    for line in table.lines() {
        let _ = writeln!(out, "{}", line.trim_end().strip_prefix(' ').unwrap_or(&line));
    }
    let free = a.groups.iter().filter(|g| g.locked.is_none()).count();
    let _ = writeln!(out, "\n{} groups, {free} of them can shrink; {} parameters", a.groups.len(), spaced(a.parameters));
    let hidden = a.groups.iter().filter(alone).count();
    if hidden > 0 && !all {
        let _ = writeln!(out, "{hidden} axes of one tensor alone that stay, as those of kernels, are left out; --all lists them");
    }
    let _ = writeln!(out, "`--group NAME` shows one; `paring explain MODEL AXIS` says why an axis cannot shrink");
    out
}

/// One group with all members, and what couples it.
pub fn group_text(g: &Group) -> String {
    let mut out = format!("group {}: {}\n{} positions, {} parameters\n", g.id, g.name, g.size, spaced(g.parameters));
    match &g.locked {
        None => out.push_str("It can shrink.\n"),
        Some(o) => {
            let _ = writeln!(out, "It cannot shrink: {}", o.why);
            if let Some(line) = o.place.as_ref().and_then(|p| p.line.as_ref()) {
                let _ = writeln!(out, "    {line}");
            }
        }
    }
    let titles = [
        (MemberRole::Makes, "made by (output channels; their masks decide)"),
        (MemberRole::Follows, "follows (goes along)"),
        (MemberRole::Reads, "read by (input channels)"),
    ];
    for (role, title) in titles {
        let members: Vec<_> = g.members.iter().filter(|m| m.role == role).collect();
        if !members.is_empty() {
            let _ = writeln!(out, "\n{title}");
        }
        for m in members {
            let part = m.part.as_ref().map(|p| format!("  ({p})")).unwrap_or_default();
            let exported = m.exported.as_ref().map(|name| format!("  {name}")).unwrap_or_default();
            let _ = writeln!(out, "  {}{exported}{part}", m.axis);
        }
    }
    if g.couplings > 0 {
        out.push_str("\ncoupled by\n");
    }
    for p in &g.coupled_by {
        let _ = writeln!(out, "  {} ({})", p.node, p.op);
        if let Some(line) = &p.line {
            let _ = writeln!(out, "      {line}");
        }
    }
    if g.couplings > g.coupled_by.len() {
        let _ = writeln!(out, "  … and {} more", g.couplings - g.coupled_by.len());
    }
    out
}

/// NNI's dependency export: a line for each group, with the layers that must be pruned alike.
pub fn csv(a: &Analysis) -> String {
    let mut out = String::from("Dependency Set,Layers\n");
    let cell = |name: &str| {
        // A spreadsheet would compute a cell that begins so.
        let text = if name.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{name}") } else { name.to_owned() };
        if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
    };
    for g in &a.groups {
        let mut layers: Vec<String> = Vec::new();
        for m in g.members.iter().filter(|m| m.role == MemberRole::Makes) {
            let layer = cell(m.tensor.rsplit_once('.').map_or(m.tensor.as_str(), |(module, _)| module));
            if !layers.contains(&layer) {
                layers.push(layer);
            }
        }
        if !layers.is_empty() {
            let _ = writeln!(out, "Set {},{}", g.id, layers.join(","));
        }
    }
    out
}
