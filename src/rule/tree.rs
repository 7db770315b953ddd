//! A YAML file as a tree of nodes that know their places.

use std::ops::Range;

use miette::NamedSource;
use serde_yaml::Value;

use super::place::{Offsets, Scalars, too_much};

/// A value of the file.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub content: Content,
    /// Where its text stands; for lists and maps where their parts do.
    pub offsets: Offsets,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Null,
    /// A text, or a number or truth value as it is written in a formula.
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// The text of a scalar that is not empty.
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }

    /// True for a map with this key.
    pub fn has(&self, key: &str) -> bool {
        matches!(&self.content, Content::Map(pairs) if pairs.iter().any(|(k, _)| k.text() == Some(key)))
    }

    /// Where all of it stands.
    pub fn span(&self) -> Range<usize> {
        self.offsets.span(0..self.text().map_or(0, str::len))
    }
}

/// An item of the outermost list.
pub(super) struct Entry {
    pub node: Node,
    /// Where the item begins.
    pub start: usize,
}

/// A YAML file that is not a list of entries.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub message: String,
    pub span: Range<usize>,
}

/// Reads the entries in a part of a file: all of it, or what a `-` begins.
pub(super) fn entries(text: &str, part: Range<usize>) -> Result<Vec<Entry>, Unreadable> {
    let own = text.get(part.clone()).unwrap_or("");
    if let Some((span, what)) = too_much(own) {
        let message = format!("no YAML that a rule file has: {what}");
        return Err(Unreadable { message, span: part.start + span.start..part.start + span.end });
    }
    let value: Value = serde_yaml::from_str(own).map_err(|e| unreadable(text, &e))?;
    let items = match value {
        Value::Null => return Ok(Vec::new()),
        Value::Sequence(items) => items,
        _ => {
            let span = first_line(text, 0);
            return Err(Unreadable { message: "a rule file is a list of entries: `- op: …`".into(), span });
        }
    };
    let mut scalars = Scalars::new(text, part);
    let matched = scalars.entry_count() == items.len();
    let top = first_line(text, 0);
    let entry = |(i, value)| {
        let start = if matched { scalars.enter(i).unwrap_or(0) } else { 0 };
        let node = build(value, &mut scalars, &if start == 0 { top.clone() } else { first_line(text, start) });
        Entry { node, start }
    };
    Ok(items.into_iter().enumerate().map(entry).collect())
}

/// The entries of a file that are of one kind. A file that is no list of entries is reported by the reader of operators.
pub(super) fn entries_of(source: &NamedSource<String>, kind: fn(&Node) -> bool) -> Vec<Node> {
    let text = source.inner();
    let all = entries(text, 0..text.len()).unwrap_or_default();
    all.into_iter().map(|e| e.node).filter(kind).collect()
}

fn unreadable(text: &str, e: &serde_yaml::Error) -> Unreadable {
    let at = e.location().map_or(0, |place| {
        let line_start: usize = text.split_inclusive('\n').take(place.line().saturating_sub(1)).map(str::len).sum();
        let line = text[line_start..].split('\n').next().unwrap_or("");
        let column = line.char_indices().nth(place.column().saturating_sub(1)).map_or(line.len(), |(i, _)| i);
        line_start + column
    });
    let message = e.to_string();
    let message = message.split(" at line ").next().unwrap_or("");
    if let Some((_, key)) = message.split_once("duplicate entry with key \"") {
        let key = key.trim_end_matches('"');
        let second = text[at..].match_indices(&format!("{key}:")).map(|(i, _)| at + i).nth(1);
        let span = second.map_or(at..at, |found| found..found + key.len());
        return Unreadable { message: format!("the key `{key}` stands twice"), span };
    }
    let end = text.trim_end();
    let at = if at >= end.len() { end.char_indices().next_back().map_or(0, |(i, _)| i) } else { at };
    let length = text[at..].chars().next().filter(|c| *c != '\n').map_or(0, char::len_utf8);
    Unreadable { message: format!("no YAML: {message}"), span: at..at + length }
}

/// The rest of the line that begins at `start`, for what cannot be placed better.
fn first_line(text: &str, start: usize) -> Range<usize> {
    start..start + text[start..].find('\n').unwrap_or(text.len() - start)
}

/// Gives every scalar of a value its place; what cannot be found stands at `fallback`.
fn build(value: Value, scalars: &mut Scalars, fallback: &Range<usize>) -> Node {
    let mut scalar = |text: String| {
        let offsets = scalars.find(&text).unwrap_or(Offsets::Whole(fallback.clone()));
        Node { content: Content::Text(text), offsets }
    };
    match value {
        Value::Null => Node { content: Content::Null, offsets: Offsets::Whole(fallback.clone()) },
        Value::Bool(b) => scalar(b.to_string()),
        Value::Number(n) => scalar(n.to_string()),
        Value::String(s) => scalar(s),
        Value::Tagged(tagged) => build(tagged.value, scalars, fallback),
        Value::Sequence(items) => {
            let nodes: Vec<Node> = items.into_iter().map(|v| build(v, scalars, fallback)).collect();
            let offsets = around(nodes.iter(), fallback);
            Node { content: Content::List(nodes), offsets }
        }
        Value::Mapping(map) => {
            let pair = |(k, v)| {
                let key = build(k, scalars, fallback);
                // A value without a place of its own, such as an empty one, is shown at its key.
                let value = build(v, scalars, &key.span());
                (key, value)
            };
            let pairs: Vec<(Node, Node)> = map.into_iter().map(pair).collect();
            let offsets = around(pairs.iter().flat_map(|(k, v)| [k, v]), fallback);
            Node { content: Content::Map(pairs), offsets }
        }
    }
}

fn around<'a>(mut nodes: impl Iterator<Item = &'a Node>, fallback: &Range<usize>) -> Offsets {
    let Some(first) = nodes.next().map(Node::span) else { return Offsets::Whole(fallback.clone()) };
    let end = nodes.map(|n| n.span().end).fold(first.end, usize::max);
    Offsets::Whole(first.start..end)
}
