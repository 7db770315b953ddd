//! Reads the keys of an entry whose values are maps: `statistic:`, `fold:`, `norm:`, `through:`.

use indexmap::IndexMap;

use super::ast::{FoldInto, Normed, Statistic, Through};
use super::reader::Reader;
use super::tree::{Content, Node};

impl Reader<'_> {
    pub(super) fn statistic(&mut self, node: &Node) -> Option<Statistic> {
        let Content::Map(pairs) = &node.content else {
            self.wrong_type(node, "a map with `over:` and `repair:`");
            return None;
        };
        let mut out = Statistic { over: Vec::new(), repair: Vec::new(), uniform: Vec::new() };
        let before = self.errors.len();
        for (key, value) in pairs {
            match key.text().unwrap_or("") {
                "over" => out.over = self.picks("over", value),
                "repair" => out.repair = self.statements("repair", value),
                "uniform" => out.uniform = self.statements("uniform", value),
                _ => self.unknown_key(key, &["over", "repair", "uniform"]),
            }
        }
        if out.over.is_empty() && !self.errors[before..].iter().any(|e| e.kind == "key" || e.kind == "type") {
            let message = "a statistic says over which axes".to_owned();
            self.error("entry", node.span(), message, "expected `over:`", None);
        }
        Some(out)
    }

    /// An operand, or `{ into: operand, when: condition }`.
    pub(super) fn fold(&mut self, node: &Node) -> Option<FoldInto> {
        let Content::Map(pairs) = &node.content else {
            self.site("fold.into".into(), node);
            return self.text(node, "the name of an operand").map(|into| FoldInto { into, when: None, window: None });
        };
        let (mut into, mut when, mut window) = (None, None, None);
        for (key, value) in pairs {
            let name = key.text().unwrap_or("");
            self.site(format!("fold.{name}"), value);
            match name {
                "into" => into = self.text(value, "the name of an operand"),
                "when" => when = self.formula(value),
                "window" => window = self.formulas("fold.window", value).into_iter().next(),
                _ => self.unknown_key(key, &["into", "when", "window"]),
            }
        }
        if into.is_none() {
            self.error("entry", node.span(), "a fold names an operand".into(), "expected `into:`", None);
        }
        into.map(|into| FoldInto { into, when, window })
    }

    /// `{ of: operand, over: letters, scale: operand }`.
    pub(super) fn norm(&mut self, node: &Node) -> Option<Normed> {
        let Content::Map(pairs) = &node.content else {
            self.wrong_type(node, "a map with `of:`, `over:` and `scale:`");
            return None;
        };
        let (mut of, mut over, mut scale) = (None, Vec::new(), None);
        let before = self.errors.len();
        for (key, value) in pairs {
            let name = key.text().unwrap_or("");
            self.site(format!("norm.{name}"), value);
            match name {
                "of" => of = self.text(value, "the name of an operand"),
                "over" => over = self.picks("norm.over", value),
                "scale" => scale = self.text(value, "the name of an operand"),
                _ => self.unknown_key(key, &["of", "over", "scale"]),
            }
        }
        match (of, scale) {
            (Some(of), Some(scale)) if !over.is_empty() => Some(Normed { of, over, scale }),
            _ => {
                if self.errors.len() == before {
                    let message =
                        "a norm says of what it is, over which letters, and what the result is multiplied by".to_owned();
                    self.error("entry", node.span(), message, "expected `of:`, `over:` and `scale:`", None);
                }
                None
            }
        }
    }

    /// `{ t: { of: s, when: condition } }`
    pub(super) fn through(&mut self, node: &Node) -> IndexMap<String, Through> {
        let mut out = IndexMap::new();
        let Content::Map(letters) = &node.content else {
            self.wrong_type(node, "a map of letters");
            return out;
        };
        for (key, value) in letters {
            let Some(letter) = self.text(key, "a letter") else { continue };
            self.site(format!("through.{letter}:"), key);
            let Content::Map(pairs) = &value.content else {
                self.wrong_type(value, "a map with `of:` and `when:`");
                continue;
            };
            let (mut of, mut when) = (None, None);
            for (key, value) in pairs {
                let name = key.text().unwrap_or("");
                self.site(format!("through.{letter}.{name}"), value);
                match name {
                    "of" => of = self.text(value, "a letter"),
                    "when" => when = self.formula(value),
                    _ => self.unknown_key(key, &["of", "when"]),
                }
            }
            match (of, when) {
                (Some(of), Some(when)) => drop(out.insert(letter, Through { of, when })),
                _ => {
                    self.error("entry", value.span(), "a letter goes through `of:` another `when:`".into(), "expected both", None)
                }
            }
        }
        out
    }
}
