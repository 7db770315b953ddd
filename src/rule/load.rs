//! Rule files: YAML to rules.

use std::ops::Range;
use std::sync::Arc;

use indexmap::IndexMap;
use miette::NamedSource;

use super::ast::{Body, Expr, Facts, FoldInto, Normed, Pick, Place, Rule, Statement, Statistic, Through};
use super::check;
use super::define::{self, Definitions};
use super::error::{RuleError, closest};
use super::formula::{parse_call, parse_formula, parse_item, parse_layout, parse_statement};
use super::modules;
use super::notation::parse_pattern;
use super::schema::Schemas;
use super::syntax::{SyntaxError, is_word};
use super::text::overloads;
use super::tree::{self, Content, Node};

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

/// Reads the rules of one file. Entries with mistakes are left out and reported; with `schemas` the others are checked too.
pub(super) fn load(
    source: &Arc<NamedSource<String>>,
    definitions: &Definitions,
    schemas: Option<&Schemas>,
    errors: &mut Vec<RuleError>,
) -> Vec<Loaded> {
    load_part(source, 0..source.inner().len(), 1, definitions, schemas, errors)
}

/// Reads the rules in a part of a file, which begins in this line.
pub(super) fn load_part(
    source: &Arc<NamedSource<String>>,
    part: Range<usize>,
    mut line: usize,
    definitions: &Definitions,
    schemas: Option<&Schemas>,
    errors: &mut Vec<RuleError>,
) -> Vec<Loaded> {
    let text = source.inner();
    let mut seen = part.start;
    let entries = match tree::entries(text, part) {
        Ok(entries) => entries,
        Err(e) => {
            let labels = vec![(e.span, "here".into())];
            let source_file = Some(source.clone());
            errors.push(RuleError { kind: "yaml", message: e.message, labels, help: None, source_file });
            return Vec::new();
        }
    };
    let mut rules = Vec::new();
    for entry in entries {
        line += text[seen..entry.start.max(seen)].matches('\n').count();
        seen = entry.start.max(seen);
        if modules::is_module(&entry.node) || define::is_definition(&entry.node) {
            continue;
        }
        let before = errors.len();
        let Some((node, used)) = definitions.expand(entry.node, source, errors) else { continue };
        let mut reader = Reader { keep: schemas.is_some(), ..Reader::new(source, errors) };
        let Some(rule) = reader.entry(node, line) else { continue };
        let sites = reader.sites;
        if let Some(schemas) = schemas.filter(|_| errors.len() == before) {
            errors.extend(check::check(&rule, &sites, schemas));
        }
        define::explain(&used, &mut errors[before..]);
        if errors.len() == before {
            let op_places = (0..rule.ops.len()).map(|i| sites.span(&format!("op.{i}"))).collect();
            rules.push(Loaded { rule, op_places });
        }
    }
    rules
}

/// A rule that was read.
pub(super) struct Loaded {
    pub rule: Rule,
    /// Where each of its `ops` stands (if it was checked).
    pub op_places: Vec<Range<usize>>,
}

/// The nodes of an entry by path, such as `sizes.t`; `sizes.t:` is the key itself.
#[derive(Default)]
pub(super) struct Sites(Vec<(String, Node)>);

impl Sites {
    /// Where the text at a path stands.
    pub fn span(&self, path: &str) -> Range<usize> {
        self.node(path).map_or(0..0, Node::span)
    }

    /// Where a word stands in the text at a path; all of the text if it is not in it.
    pub fn word(&self, path: &str, word: &str) -> Range<usize> {
        let Some(node) = self.node(path) else { return 0..0 };
        match &node.content {
            Content::Text(text) => find_word(text, word).map_or_else(|| node.span(), |at| node.offsets.span(at..at + word.len())),
            Content::List(items) => {
                let holds = |n: &&Node| n.text().is_some_and(|t| find_word(t, word).is_some());
                let Some(item) = items.iter().find(holds) else { return node.span() };
                let at = item.text().and_then(|t| find_word(t, word)).unwrap_or(0);
                item.offsets.span(at..at + word.len())
            }
            _ => node.span(),
        }
    }

    fn node(&self, path: &str) -> Option<&Node> {
        self.0.iter().find(|(p, _)| p == path).map(|(_, n)| n)
    }
}

/// Where a word stands in a text. A word that ends in a sign (`other=`) may be followed by anything.
fn find_word(text: &str, word: &str) -> Option<usize> {
    let inside = |c: Option<char>| c.is_some_and(is_word);
    let ends = |at: usize| !word.ends_with(is_word) || !inside(text[at + word.len()..].chars().next());
    let begins = |at: usize| !inside(text[..at].chars().next_back());
    text.match_indices(word).map(|(at, _)| at).find(|at| begins(*at) && ends(*at))
}

pub(super) struct Reader<'a> {
    source: &'a Arc<NamedSource<String>>,
    errors: &'a mut Vec<RuleError>,
    sites: Sites,
    /// Whether the sites are wanted.
    keep: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: &'a Arc<NamedSource<String>>, errors: &'a mut Vec<RuleError>) -> Reader<'a> {
        Reader { source, errors, sites: Sites::default(), keep: false }
    }
}

impl Reader<'_> {
    pub(super) fn error(&mut self, kind: &'static str, at: Range<usize>, message: String, label: &str, help: Option<String>) {
        let labels = vec![(at, label.to_owned())];
        self.errors.push(RuleError { kind, message, labels, help, source_file: Some(self.source.clone()) });
    }

    pub(super) fn read<T>(&mut self, result: Result<T, SyntaxError>) -> Option<T> {
        result.map_err(|e| self.error("syntax", e.span, e.message, &e.label, e.help)).ok()
    }

    fn site(&mut self, path: String, node: &Node) {
        if self.keep {
            self.sites.0.push((path, node.clone()));
        }
    }

    fn entry(&mut self, node: Node, line: usize) -> Option<Rule> {
        let span = node.span();
        let Content::Map(pairs) = node.content else {
            let help = Some("as in `- op: aten.relu`, and below it `rule:` or `layout:`".into());
            self.error("entry", span, "an entry is a map of keys".into(), "this is none", help);
            return None;
        };
        let head = pairs.first().map_or(span.clone(), |(key, _)| key.span());
        let place = Place { source: self.source.clone(), span, line };
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

    pub(super) fn unknown_key(&mut self, key: &Node, known: &[&'static str]) {
        let name = key.text().unwrap_or("");
        let help = match closest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the keys are {}", known.join(", ")),
        };
        self.error("key", key.span(), format!("unknown key `{name}`"), "no key of a rule", Some(help));
    }

    pub(super) fn wrong_type(&mut self, node: &Node, wanted: &str) {
        let found = match &node.content {
            Content::Null => "nothing",
            Content::Text(_) => "a text",
            Content::List(_) => "a list",
            Content::Map(_) => "a map",
        };
        let help = matches!(node.content, Content::Map(_) | Content::List(_))
            .then(|| "a text that begins with `[` or `{`, or holds `: ` or ` #`, needs quotes".to_owned());
        self.error("type", node.span(), format!("expected {wanted}, found {found}"), &format!("{found} here"), help);
    }

    pub(super) fn text(&mut self, node: &Node, wanted: &str) -> Option<String> {
        if node.text().is_none() {
            self.wrong_type(node, wanted);
        }
        node.text().map(str::to_owned)
    }

    /// A list of texts, or one.
    pub(super) fn strings(&mut self, path: &str, node: &Node) -> Vec<String> {
        match &node.content {
            Content::List(items) => {
                let mut out = Vec::with_capacity(items.len());
                for item in items {
                    self.site(format!("{path}.{}", out.len()), item);
                    out.extend(self.text(item, "a name"));
                }
                out
            }
            _ => {
                self.site(format!("{path}.0"), node);
                self.text(node, "a name or a list of names").into_iter().collect()
            }
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

    /// A formula; a list of formulas is one too.
    pub(super) fn formula(&mut self, node: &Node) -> Option<Expr> {
        match &node.content {
            Content::Null => Some(Expr::None),
            Content::Text(text) => self.read(parse_formula(text, &node.offsets)),
            Content::List(items) => {
                let mut out = Vec::with_capacity(items.len());
                for item in items {
                    out.push(match item.text() {
                        Some(text) => self.read(parse_item(text, &item.offsets))?,
                        None => self.formula(item)?,
                    });
                }
                Some(Expr::List(out))
            }
            Content::Map(_) => {
                self.wrong_type(node, "a formula");
                None
            }
        }
    }

    pub(super) fn formulas(&mut self, path: &str, node: &Node) -> IndexMap<String, Expr> {
        let mut out = IndexMap::new();
        let Content::Map(pairs) = &node.content else {
            self.wrong_type(node, "a map of names to formulas");
            return out;
        };
        for (key, value) in pairs {
            let Some(name) = self.text(key, "a name") else { continue };
            self.site(format!("{path}.{name}:"), key);
            self.site(format!("{path}.{name}"), value);
            out.extend(self.formula(value).map(|e| (name, e)));
        }
        out
    }

    fn picks(&mut self, path: &str, node: &Node) -> Vec<Pick> {
        let pick = |text: String| match text.strip_prefix('@') {
            Some(argument) => Pick::Dims(argument.to_owned()),
            None if text == "all" => Pick::All,
            None if text == "..." => Pick::Letter(text),
            None => Pick::Letter(text.trim_end_matches("...").to_owned()),
        };
        self.strings(path, node).into_iter().map(pick).collect()
    }

    fn statistic(&mut self, node: &Node) -> Option<Statistic> {
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
    fn fold(&mut self, node: &Node) -> Option<FoldInto> {
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
    fn norm(&mut self, node: &Node) -> Option<Normed> {
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
    fn through(&mut self, node: &Node) -> IndexMap<String, Through> {
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

    fn statements(&mut self, path: &str, node: &Node) -> Vec<Statement> {
        let mut out = Vec::new();
        let texts = self.strings(path, node);
        let items = match &node.content {
            Content::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        for (text, item) in texts.iter().zip(items) {
            out.extend(self.read(parse_statement(text, &item.offsets)));
        }
        out
    }
}
