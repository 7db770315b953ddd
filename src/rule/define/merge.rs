//! Maps joined into one.

use super::super::tree::{Content, Node};

/// Keys and their values.
pub(super) type Pairs = Vec<(Node, Node)>;

/// Adds keys to a map. Maps are joined key by key; of other values the new one wins.
pub(super) fn join(there: &mut Pairs, new: Pairs) {
    for (key, value) in new {
        match there.iter_mut().find(|(k, _)| k.text() == key.text()) {
            None => there.push((key, value)),
            Some((k, old)) => match (&mut old.content, value.content) {
                (Content::Map(old), Content::Map(more)) => join(old, more),
                (_, content) => (*k, *old) = (key, Node { content, offsets: value.offsets }),
            },
        }
    }
}

/// The path of a key that two values give differently and the entry does not have.
pub(super) fn clash(a: &Node, b: &Node, key: &Node, own: Option<&Node>) -> Option<String> {
    let name = key.text().unwrap_or("");
    match (&a.content, &b.content, own.map(|own| &own.content)) {
        (Content::Map(a), Content::Map(b), own @ (None | Some(Content::Map(_)))) => {
            let inner = |key: &Node| match own {
                Some(Content::Map(own)) => own.iter().find(|(k, _)| k.text() == key.text()).map(|(_, v)| v),
                _ => None,
            };
            let both = |(key, value): &(Node, Node)| {
                let (_, other) = a.iter().find(|(k, _)| k.text() == key.text())?;
                clash(other, value, key, inner(key))
            };
            b.iter().find_map(both).map(|rest| format!("{name}: {rest}"))
        }
        (_, _, None) if !same(a, b) => Some(format!("{name}:")),
        _ => None,
    }
}

fn same(a: &Node, b: &Node) -> bool {
    match (&a.content, &b.content) {
        (Content::Null, Content::Null) => true,
        (Content::Text(a), Content::Text(b)) => a == b,
        (Content::List(a), Content::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Content::Map(a), Content::Map(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((k, v), (l, w))| same(k, l) && same(v, w))
        }
        _ => false,
    }
}
