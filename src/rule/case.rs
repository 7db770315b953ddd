//! Reads `tests:` of an entry.

use indexmap::IndexMap;

use super::ast::{Case, Claim};
use super::reader::Reader;
use super::tree::{Content, Node};

/// The keys of a test.
const KEYS: [&str; 8] = ["op", "in", "values", "out", "same", "apart", "locked", "free"];

impl Reader<'_> {
    /// A list of tests, or one.
    pub(super) fn cases(&mut self, node: &Node) -> Vec<Case> {
        let items = match &node.content {
            Content::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        items.iter().filter_map(|item| self.case(item)).collect()
    }

    fn case(&mut self, node: &Node) -> Option<Case> {
        let Content::Map(pairs) = &node.content else {
            self.wrong_type(node, "a test: a map with `in:` and what is expected");
            return None;
        };
        let (inputs, values, span) = (IndexMap::new(), IndexMap::new(), node.span());
        let mut case =
            Case { op: None, inputs, values, out: None, same: vec![], apart: vec![], locked: vec![], free: vec![], span };
        for (key, value) in pairs {
            match key.text().unwrap_or("") {
                "op" => case.op = self.text(value, "the name of an overload"),
                "in" => case.inputs = self.formulas("tests", value),
                "values" => case.values = self.formulas("tests", value),
                "out" => case.out = self.formula(value).map(|expr| Claim { expr, span: value.span() }),
                "same" => case.same = self.claims(value),
                "apart" => case.apart = self.claims(value),
                "locked" => case.locked = self.claims(value),
                "free" => case.free = self.claims(value),
                _ => self.unknown_key(key, &KEYS),
            }
        }
        let expects = case.out.is_some() || [&case.same, &case.apart, &case.locked, &case.free].iter().any(|l| !l.is_empty());
        if !expects && pairs.iter().all(|(key, _)| key.text().is_some_and(|k| KEYS.contains(&k))) {
            let help = Some("as in `{ in: { x: [2, 3] }, out: [2, 3], same: ['x[1] == out[1]'] }`".to_owned());
            self.error("entry", node.span(), "a test that expects nothing".into(), "lacks `out:` or `same:`", help);
        }
        Some(case)
    }

    fn claims(&mut self, node: &Node) -> Vec<Claim> {
        let items = match &node.content {
            Content::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        items.iter().filter_map(|item| Some(Claim { expr: self.formula(item)?, span: item.span() })).collect()
    }
}
