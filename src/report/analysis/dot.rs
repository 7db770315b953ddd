//! The groups as a picture for Graphviz.

use std::fmt::Write;

use super::groups::Analysis;

/// A box for each group, an arrow for each weight that leads from one to another.
pub fn dot(a: &Analysis) -> String {
    let text = |s: &str| s.replace('\\', "\\\\").replace('"', "\\\"");
    let mut out =
        String::from("digraph groups {\n  rankdir=TB;\n  node [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\"];\n");
    for g in &a.groups {
        let fill = if g.locked.is_some() { "#e0e0e0" } else { "#d0f0d8" };
        let why = g.locked.as_ref().map(|o| format!("\\nstays: {}", text(&o.why))).unwrap_or_default();
        let _ = writeln!(out, "  g{} [label=\"{}\\n{} positions{why}\", fillcolor=\"{fill}\"];", g.id, text(&g.name), g.size);
    }
    for e in &a.edges {
        let _ = writeln!(out, "  g{} -> g{} [label=\"{}\"];", e.from, e.to, text(&e.tensor));
    }
    out.push_str("}\n");
    out
}
