//! Spacing of the notation in rule files. Only blanks inside texts and at the ends of lines change; comments and the order
//! of keys stay.

use std::sync::Arc;

use miette::NamedSource;

use super::ast::{Pattern, Rule};
use super::define::{self, Definitions};
use super::error::{RuleError, RuleErrors};
use super::file::load;
use super::place::Offsets;
use super::tree::{self, Content, Node};

/// A rule file with its notation evenly spaced: `x[n,c]->[n,c]` as `x[n, c] -> [n, c]`.
///
/// # Errors
/// A file with mistakes.
pub fn formatted(name: &str, text: &str) -> Result<String, RuleErrors> {
    let before = read(name, text)?;
    let mut edits = Vec::new();
    if let Ok(entries) = tree::entries(text, 0..text.len()) {
        entries.iter().for_each(|entry| collect(&entry.node, text, &mut edits));
    }
    edits.sort_by_key(|(at, ..)| *at);
    let (mut out, mut done) = (String::with_capacity(text.len()), 0);
    for (start, end, new) in edits {
        out.push_str(&text[done..start]);
        out.push_str(&new);
        done = end;
    }
    out.push_str(&text[done..]);
    let lines: Vec<&str> = out.trim_end().lines().map(str::trim_end).collect();
    let out = lines.join("\n") + "\n";
    // What would be read differently is left as it is.
    Ok(if read(name, &out).is_ok_and(|after| after == before) { out } else { text.to_owned() })
}

/// What a file says: its rules and, of all entries, for some may use definitions of other files, the texts without their blanks.
fn read(name: &str, text: &str) -> Result<(Vec<Rule>, String), RuleErrors> {
    let (source, mut errors) = (Arc::new(NamedSource::new(name, text.to_owned())), Vec::<RuleError>::new());
    let definitions = Definitions::of(std::slice::from_ref(&source), &mut errors);
    let rules = load(&source, &definitions, None, &mut errors).into_iter().map(|l| l.rule).collect();
    let elsewhere = errors.iter().any(|e| e.kind == "undefined");
    errors.retain(|e| e.kind != "undefined");
    let mut texts = String::new();
    let is_bare = |entry: &Node| elsewhere || define::is_definition(entry);
    let entries = tree::entries(text, 0..text.len()).unwrap_or_default();
    entries.iter().filter(|entry| is_bare(&entry.node)).for_each(|entry| bare(&entry.node, &mut texts));
    if errors.is_empty() { Ok((rules, texts)) } else { Err(RuleErrors { errors }) }
}

/// Adds the texts of a node without blanks.
fn bare(node: &Node, out: &mut String) {
    match &node.content {
        Content::Null => out.push('\n'),
        Content::Text(text) => {
            out.extend(text.chars().filter(|c| !c.is_whitespace()));
            out.push('\n');
        }
        Content::List(items) => items.iter().for_each(|item| bare(item, out)),
        Content::Map(pairs) => pairs.iter().for_each(|(key, value)| {
            bare(key, out);
            bare(value, out);
        }),
    }
}

/// The texts of an entry that are notation: start, end, and how they should be.
fn collect(entry: &Node, text: &str, edits: &mut Vec<(usize, usize, String)>) {
    let Content::Map(pairs) = &entry.content else { return };
    for (key, value) in pairs {
        match key.text() {
            Some("rule") => each(value, text, edits, &|t| t.parse::<Pattern>().map_or_else(|_| spaced(t), |p| p.to_string())),
            Some("define") => {
                let Content::Map(definitions) = &value.content else { continue };
                for (_, body) in definitions {
                    match body.content {
                        Content::Map(_) => collect(body, text, edits),
                        _ => each(body, text, edits, &spaced),
                    }
                }
            }
            Some("op" | "views" | "drawn") | None => {}
            Some(_) => each(value, text, edits, &spaced),
        }
    }
}

fn each(node: &Node, text: &str, edits: &mut Vec<(usize, usize, String)>, f: &dyn Fn(&str) -> String) {
    match &node.content {
        Content::Null => {}
        Content::Text(old) => {
            // Only a text that stands in the file as it is read: on one line, without escapes.
            if let Offsets::From(start) = node.offsets {
                let end = start + old.len();
                let quoted = text[..start].ends_with(['"', '\'']);
                let new = f(old);
                if text.get(start..end) == Some(old.as_str()) && new != *old && (quoted || !new.contains([':', '#'])) {
                    edits.push((start, end, new));
                }
            }
        }
        Content::List(items) => items.iter().for_each(|item| each(item, text, edits, f)),
        Content::Map(pairs) => pairs.iter().for_each(|(_, value)| each(value, text, edits, f)),
    }
}

/// One blank after a comma, none inside brackets at their ends, one instead of several. Quoted texts stay.
fn spaced(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut quote = None;
    for c in text.trim().chars() {
        match (quote, c) {
            (Some(q), _) => {
                out.push(c);
                quote = quote.filter(|_| c != q);
            }
            (None, '\'' | '"') => {
                quote = Some(c);
                out.push(c);
            }
            (None, ' ' | '\t') if out.ends_with([' ', '(', '[']) => {}
            (None, ' ' | '\t') => out.push(' '),
            (None, ')' | ']' | ',') => {
                out.truncate(out.trim_end_matches(' ').len());
                out.push(c);
                if c == ',' {
                    out.push(' ');
                }
            }
            (None, _) => out.push(c),
        }
    }
    out.truncate(out.trim_end_matches(' ').len());
    out
}
