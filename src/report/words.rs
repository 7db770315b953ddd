//! Words and numbers for people, of which tables, pages and diagnostics are made.

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
        Reason::Long => "the axis, or one that it is a part of, has too many positions to look at each".into(),
        Reason::Tied { names } => format!("{} and {} are tied", names[0], names[1]),
        Reason::Composite { node } => format!("layouts that work as one begin at {}", graph.node(*node).name),
        Reason::Law { name, .. } => (*name).into(),
    }
}

/// The module of a parameter.
pub fn module(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(module, _)| module)
}

/// The modules of parameters, once each; at most three.
pub fn modules<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    let mut list: Vec<&str> = Vec::new();
    for name in names {
        let module = module(name);
        if !list.contains(&module) {
            list.push(module);
        }
    }
    match list.as_slice() {
        [a, b, c, rest @ ..] if !rest.is_empty() => format!("{a}, {b}, {c} and {} more", rest.len()),
        all => all.join(", "),
    }
}

/// `1 position`, `2 positions`.
pub fn positions(n: usize) -> String {
    if n == 1 { "1 position".into() } else { format!("{n} positions") }
}

/// `1 position stays`, `2 positions stay`.
pub fn stay(n: usize) -> String {
    positions(n) + if n == 1 { " stays" } else { " stay" }
}

/// 25 557 032
pub fn spaced(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (k, c) in digits.chars().enumerate() {
        if k > 0 && (digits.len() - k).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(["7", "1 000", "25 557 032"], [7, 1000, 25_557_032].map(spaced).each_ref().map(String::as_str));
    }
}
