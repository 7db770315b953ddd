//! Reads an entry about operators: the keys of a map into a rule.

use std::ops::Range;

use indexmap::IndexMap;

use super::ast::{Body, Facts, Place, Rule};
use super::formula::{parse_call, parse_layout};
use super::notation::parse_pattern;
use super::reader::Reader;
use super::text::overloads;
use super::tree::{Content, Node};

/// The keys of an entry.
const KEYS: [&str; 33] = [
    "op",
    "use",
    "rule",
    "layout",
    "when",
    "sizes",
    "lock",
    "free",
    "through",
    "args",
    "default",
    "makes",
    "kernel",
    "writes",
    "views",
    "becomes",
    "zero",
    "finite",
    "nonneg",
    "nonzero",
    "summed",
    "sustain",
    "require",
    "value",
    "random",
    "training",
    "statistic",
    "fold",
    "norm",
    "macs",
    "number",
    "tests",
    "drawn",
];

impl Reader<'_> {
    pub(super) fn entry(&mut self, node: Node, line: usize) -> Option<Rule> {
        let span = node.span();
        let Content::Map(pairs) = node.content else {
            let help = Some("as in `- op: aten.relu`, and below it `rule:` or `layout:`".into());
            self.error("entry", span, "an entry is a map of keys".into(), "this is none", help);
            return None;
        };
        let head = pairs.first().map_or(span.clone(), |(key, _)| key.span());
        let place = Place { source: self.source.clone(), span, line, defined: false };
        let mut rule = Rule {
            ops: Vec::new(),
            when: None,
            body: Body::Patterns(Vec::new()),
            sizes: IndexMap::new(),
            lock: Vec::new(),
            free: Vec::new(),
            through: IndexMap::new(),
            args: IndexMap::new(),
            default: IndexMap::new(),
            facts: Facts::default(),
            statistic: None,
            fold: None,
            norm: None,
            macs: None,
            number: None,
            becomes: None,
            writes: None,
            views: None,
            drawn: true,
            makes: None,
            kernel: None,
            tests: Vec::new(),
            place,
        };
        let mut body: Option<Range<usize>> = None;
        let before = self.errors.len();
        for (key, value) in &pairs {
            let name = key.text().unwrap_or("");
            self.site(format!("{name}:"), key);
            self.site(name.to_owned(), value);
            if matches!(name, "rule" | "layout") {
                if let Some(other) = &body {
                    let message = "an entry has one `rule:` or one `layout:`".to_owned();
                    self.error("entry", key.span(), message, "the second", None);
                    if let Some(error) = self.errors.last_mut() {
                        error.labels.push((other.clone(), "the first".into()));
                    }
                    continue;
                }
                body = Some(key.span());
                rule.place.span = value.span();
            }
            self.key(name, key, value, &mut rule);
        }
        for (missing, example) in
            [(rule.ops.is_empty(), "`op: aten.relu`"), (body.is_none(), "`rule: \"self[...] -> [...]\"` or `layout: …`")]
        {
            // A key that is misspelt or has a wrong value is reported already.
            if missing && !self.errors[before..].iter().any(|e| e.kind == "key" || e.kind == "type") {
                self.error("entry", head.clone(), "an entry lacks a key".into(), &format!("expected {example}"), None);
            }
        }
        Some(rule)
    }

    /// Reads the value of one key.
    fn key(&mut self, name: &str, key: &Node, value: &Node, rule: &mut Rule) {
        match name {
            "op" => rule.ops = self.ops(value),
            "rule" => rule.body = self.patterns(value),
            "layout" => {
                let call = self.text(value, "a layout function").and_then(|t| self.read(parse_layout(&t, &value.offsets)));
                rule.body = call.map_or(Body::Patterns(Vec::new()), Body::Layout);
            }
            "when" => rule.when = self.formula(value),
            "sizes" => rule.sizes = self.formulas("sizes", value),
            "args" => rule.args = self.formulas("args", value),
            "default" => rule.default = self.formulas("default", value),
            "lock" => rule.lock = self.picks("lock", value),
            "free" => rule.free = self.strings("free", value),
            "through" => rule.through = self.through(value),
            "makes" => rule.makes = Some(self.strings("makes", value)),
            "kernel" => rule.kernel = self.text(value, "the name of an operand"),
            "writes" => rule.writes = Some(self.strings("writes", value)),
            "drawn" => match self.text(value, "`never`") {
                Some(text) if text == "never" => rule.drawn = false,
                Some(_) => self.wrong_type(value, "`never`"),
                None => {}
            },
            "views" => rule.views = self.text(value, "the name of an operand"),
            "becomes" => {
                rule.becomes = self.text(value, "a call").and_then(|t| self.read(parse_call(&t, &value.offsets)));
            }
            "zero" => rule.facts.zero = self.formula(value),
            "finite" => rule.facts.finite = self.formula(value),
            "nonneg" => rule.facts.nonneg = self.formula(value),
            "nonzero" => rule.facts.nonzero = self.formula(value),
            "summed" => rule.facts.summed = self.formula(value),
            "sustain" => rule.facts.sustain = Some(self.strings("sustain", value)),
            "require" => rule.facts.require = Some(self.strings("require", value)),
            "value" => rule.facts.value = self.formula(value),
            "random" => rule.facts.random = self.formula(value),
            "training" => rule.facts.training = self.formula(value),
            "statistic" => rule.statistic = self.statistic(value),
            "fold" => rule.fold = self.fold(value),
            "norm" => rule.norm = self.norm(value),
            "macs" => rule.macs = self.formula(value),
            "number" => rule.number = self.formula(value),
            "tests" => rule.tests = self.cases(value),
            _ => self.unknown_key(key, &KEYS),
        }
    }

    /// Operators and overloads. `aten.add.Tensor|Scalar` are two.
    fn ops(&mut self, node: &Node) -> Vec<String> {
        let items = match &node.content {
            Content::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let mut out = Vec::with_capacity(items.len());
        for item in items {
            let text = self.text(item, "a name or a list of names");
            for op in text.iter().flat_map(|text| overloads(text)) {
                self.site(format!("op.{}", out.len()), item);
                out.push(op);
            }
        }
        out
    }

    fn patterns(&mut self, node: &Node) -> Body {
        let items = match &node.content {
            Content::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let mut patterns = Vec::with_capacity(items.len());
        for item in items {
            let text = self.text(item, "a pattern");
            patterns.extend(text.and_then(|t| self.read(parse_pattern(&t, &item.offsets))));
        }
        Body::Patterns(patterns)
    }
}
