//! Puts what definitions stand for in the places that use them.

use std::ops::Range;
use std::sync::Arc;

use miette::NamedSource;

use super::super::error::{RuleError, closest};
use super::super::formula::parse_formula;
use super::super::place::Offsets;
use super::super::print::is_operand;
use super::super::text::{parts, unquoted};
use super::super::tree::{Content, Node};
use super::call::{Call, calls, reference};
use super::definition::{Definition, Definitions, Used};
use super::merge::{Pairs, clash, join};

/// Definitions that may use each other in a row.
const DEEPEST: usize = 32;

/// Characters that one entry may come to. Real ones have some thousand.
const LONGEST: usize = 1 << 17;

/// The parameters of a definition and what stands for them.
type Bound = Vec<(String, String)>;

/// Puts definitions into one entry, or into one definition to try it.
pub(super) struct Expander<'a> {
    definitions: &'a Definitions,
    source: &'a Arc<NamedSource<String>>,
    errors: &'a mut Vec<RuleError>,
    /// The definitions inside of which the work is: their places in memory, for names may stand for others elsewhere.
    inside: Vec<(String, *const Definition)>,
    /// How many of them are there from the start: what is wrong further inside is reported when that definition is tried.
    outermost: usize,
    /// Characters so far.
    length: usize,
    pub used: Vec<Used>,
}

/// Where something stands, for the nodes made of it: itself in an entry's own text, the call in what it stands for.
#[derive(Clone)]
struct Around<'a> {
    /// Where names are looked up.
    scope: &'a Definitions,
    bound: &'a Bound,
    call: Option<Range<usize>>,
}

impl Around<'_> {
    /// The place of what is made from a node.
    fn at(&self, node: &Node) -> Range<usize> {
        self.call.clone().unwrap_or_else(|| node.span())
    }
}

/// True if there is anything to put in.
pub(super) fn uses(node: &Node) -> bool {
    match &node.content {
        Content::Null => false,
        Content::Text(text) => reference(text, 0).is_some(),
        Content::List(items) => items.iter().any(uses),
        Content::Map(pairs) => pairs.iter().any(|(key, value)| key.text() == Some("use") || uses(key) || uses(value)),
    }
}

impl<'a> Expander<'a> {
    pub fn new(
        definitions: &'a Definitions,
        source: &'a Arc<NamedSource<String>>,
        errors: &'a mut Vec<RuleError>,
    ) -> Expander<'a> {
        Expander { definitions, source, errors, inside: Vec::new(), outermost: 0, length: 0, used: Vec::new() }
    }

    /// An entry with all that it uses.
    pub fn entry(&mut self, entry: &Node) -> Option<Node> {
        let none = Bound::new();
        let Content::Map(pairs) = &entry.content else { return Some(entry.clone()) };
        let around = Around { scope: self.definitions, bound: &none, call: None };
        let all = self.map(pairs, &around)?;
        let own = |name: &str| pairs.iter().any(|(key, _)| key.text() == Some(name));
        if let Some((key, _)) = all.iter().find(|(key, _)| key.text() == Some("op") && !own("op")) {
            let help = Some("a definition says what an operator does; which operator, the entry says itself".to_owned());
            self.error("define", key.span(), "`op:` comes from a definition".into(), "gives `op:`", help);
            return None;
        }
        Some(Node { content: Content::Map(all), offsets: entry.offsets.clone() })
    }

    /// Puts into a definition what it uses; its parameters stand for themselves.
    pub fn trial(&mut self, name: &str, definition: &Definition) -> Option<()> {
        self.inside.push((name.to_owned(), definition));
        self.outermost = 1;
        let bound = definition.parameters.iter().map(|p| (p.name.clone(), p.name.clone())).collect();
        let around = Around { scope: self.definitions, bound: &bound, call: None };
        self.node(&definition.body, &around).map(drop)
    }

    fn error(&mut self, kind: &'static str, at: Range<usize>, message: String, label: &str, help: Option<String>) {
        if self.inside.len() == self.outermost {
            self.errors.push(RuleError::at(self.source, kind, at, message, label).help(help.as_deref()));
        }
    }

    fn node(&mut self, node: &Node, around: &Around) -> Option<Node> {
        let content = match &node.content {
            Content::Null => Content::Null,
            Content::Text(text) => {
                let new = self.text(text, around, &around.at(node))?;
                let own = around.call.is_none() && new == *text;
                let offsets = if own { node.offsets.clone() } else { Offsets::Whole(around.at(node)) };
                return Some(Node { content: Content::Text(new), offsets });
            }
            Content::List(items) => {
                let mut out = Vec::with_capacity(items.len());
                for item in items {
                    self.item(item, around, &mut out)?;
                }
                Content::List(out)
            }
            Content::Map(pairs) => Content::Map(self.map(pairs, around)?),
        };
        let offsets = around.call.clone().map_or_else(|| node.offsets.clone(), Offsets::Whole);
        Some(Node { content, offsets })
    }

    /// An item of a list: `- use: steps(x)` stands for all items of a list, `$x` for all that commas separate in the argument.
    fn item(&mut self, item: &Node, around: &Around, out: &mut Vec<Node>) -> Option<()> {
        if let Content::Map(pairs) = &item.content
            && let [(key, value)] = pairs.as_slice()
            && key.text() == Some("use")
        {
            let new = self.used_by(value, around)?;
            if new.iter().all(|(_, new)| matches!(new.content, Content::Map(_))) {
                let content = Content::Map(self.merged(new, Pairs::new())?);
                out.push(Node { content, offsets: Offsets::Whole(around.at(item)) });
                return Some(());
            }
            for (_, new) in new {
                match new.content {
                    Content::List(items) => out.extend(items),
                    content => out.push(Node { content, ..new }),
                }
            }
            return Some(());
        }
        let new = self.node(item, around)?;
        let alone = item.text().and_then(|text| Some((text, reference(text, 0)?)));
        match (alone, new.text()) {
            (Some((text, r)), Some(value)) if r.at == (0..text.len()) && parts(value).len() != 1 => {
                let part =
                    |part: Range<usize>| Node { content: Content::Text(value[part].to_owned()), offsets: new.offsets.clone() };
                out.extend(parts(value).into_iter().map(part));
            }
            _ => out.push(new),
        }
        Some(())
    }

    /// The keys of a map: those that it uses, in their order, then its own, which win.
    fn map(&mut self, pairs: &[(Node, Node)], around: &Around) -> Option<Pairs> {
        let mut own = Pairs::with_capacity(pairs.len());
        let mut calls = Vec::new();
        for (key, value) in pairs {
            match key.text() {
                Some("use") => calls.extend(self.used_by(value, around)?),
                _ => own.push((self.node(key, around)?, self.node(value, around)?)),
            }
        }
        self.merged(calls, own)
    }

    /// The keys of some definitions in one map, and those that it has itself.
    fn merged(&mut self, calls: Vec<(String, Node)>, own: Pairs) -> Option<Pairs> {
        let mut used: Vec<(String, Node, Node)> = Vec::new();
        for (name, node) in calls {
            let Content::Map(new) = node.content else {
                let help =
                    Some("a list stands as `- use: …` among the items of another, a text as `$name` inside one".to_owned());
                self.error("define", node.span(), format!("`{name}` has no keys"), "keys are expected here", help);
                return None;
            };
            self.gather(&mut used, &name, new, &own)?;
        }
        let mut out = used.into_iter().map(|(_, key, value)| (key, value)).collect();
        join(&mut out, own);
        Some(out)
    }

    /// Adds the keys of one more definition. Two that give a key differently clash, unless the entry has it.
    fn gather(&mut self, used: &mut Vec<(String, Node, Node)>, name: &str, new: Pairs, own: &[(Node, Node)]) -> Option<()> {
        for (key, value) in new {
            let Some((first, _, there)) = used.iter_mut().find(|(_, k, _)| k.text() == key.text()) else {
                used.push((name.to_owned(), key, value));
                continue;
            };
            if let Some(path) = clash(there, &value, &key, own.iter().find(|(k, _)| k.text() == key.text()).map(|(_, v)| v)) {
                let message = format!("`{first}` and `{name}` give `{path}` differently");
                let help = format!("write `{path}` in the entry: a key of its own wins");
                self.error("clash", value.span(), message, "which is meant?", Some(help));
                return None;
            }
            match (&mut there.content, value.content) {
                (Content::Map(there), Content::Map(more)) => join(there, more),
                (_, content) => there.content = content,
            }
        }
        Some(())
    }

    /// What the calls of a `use:` stand for, with their names.
    fn used_by(&mut self, value: &Node, around: &Around) -> Option<Vec<(String, Node)>> {
        // `[a(x, y), b]` is read as a list of `a(x`, `y)` and `b`.
        let listed = match &value.content {
            Content::List(items) => items.iter().map(Node::text).collect::<Option<Vec<_>>>().map(|texts| texts.join(", ")),
            _ => value.text().map(str::to_owned),
        };
        let Some((text, calls)) = listed.as_ref().and_then(|text| Some((text, calls(text)?))) else {
            let help = Some("as in `use: follows(self)`, several with commas between them".to_owned());
            let message = "`use:` names definitions, with what stands for their parameters in brackets".to_owned();
            self.error("define", around.at(value), message, "this is something else", help);
            return None;
        };
        let mut out = Vec::with_capacity(calls.len());
        for call in calls {
            let at = match (&around.call, value.text()) {
                (None, Some(own)) if own == text => value.offsets.span(call.at.clone()),
                _ => around.at(value),
            };
            let (definition, scope, bound) = self.enter(&call, around, &at)?;
            let new = self.node(&definition.body, &Around { scope, bound: &bound, call: Some(at) });
            self.inside.pop();
            out.push((call.name.to_owned(), new?));
        }
        Some(out)
    }

    /// A text with what its `$name` stand for.
    fn text(&mut self, text: &str, around: &Around, at: &Range<usize>) -> Option<String> {
        let (mut out, mut done) = (String::new(), 0);
        while let Some(found) = reference(text, done) {
            let (value, end) = match around.bound.iter().find(|(name, _)| name == found.name) {
                Some((_, value)) => (value.clone(), found.at.end),
                None => {
                    let call = Call { name: found.name, args: found.args, at: found.at.clone() };
                    let (definition, scope, bound) = self.enter(&call, around, at)?;
                    let new = match definition.body.text() {
                        Some(body) => self.text(body, &Around { scope, bound: &bound, call: Some(at.clone()) }, at),
                        None => None,
                    };
                    self.inside.pop();
                    if definition.body.text().is_none() {
                        let help = Some("`use:` puts keys and lists in".to_owned());
                        self.error("define", at.clone(), format!("`{}` is no text", found.name), "a text is expected here", help);
                    }
                    (new?, found.end)
                }
            };
            out.push_str(&text[done..found.at.start]);
            let whole = found.at.start == 0 && end == text.len();
            // As a part of a formula it is one operand.
            if whole || !is_loose(&value) {
                out.push_str(&value)
            } else {
                out.extend(["(", &value, ")"])
            }
            done = end;
        }
        out.push_str(&text[done..]);
        if !self.inside.is_empty() {
            self.spend(out.len(), at)?;
        }
        Some(out)
    }

    /// Counts what comes of definitions, which could grow without end.
    fn spend(&mut self, length: usize, at: &Range<usize>) -> Option<()> {
        let before = self.length;
        self.length = before.saturating_add(length);
        if self.length > LONGEST && before <= LONGEST {
            let message = format!("more than {LONGEST} characters in what definitions stand for");
            self.errors.push(RuleError::at(self.source, "define", at.clone(), message, "this comes to too much"));
        }
        (self.length <= LONGEST).then_some(())
    }

    /// Finds the definition of a call and binds its parameters; the work is inside it from then on.
    fn enter<'s>(
        &mut self,
        call: &Call,
        around: &Around<'s>,
        at: &Range<usize>,
    ) -> Option<(&'s Definition, &'s Definitions, Bound)> {
        let name = call.name;
        let Some((definition, scope)) = around.scope.find(name) else {
            let help = match closest(name, around.scope.names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`- define:` in a rule file gives it a meaning".to_owned(),
            };
            self.error("undefined", at.clone(), format!("nothing is defined as `{name}`"), "not defined", Some(help));
            return None;
        };
        let bound = self.bind(call, definition, around, at)?;
        if let Some(from) = self.inside.iter().position(|(_, inside)| std::ptr::eq(*inside, definition)) {
            let circle = &self.inside[from..];
            // Each definition of it comes here; the first in the alphabet says so.
            if from == 0 && self.outermost == 1 && circle.iter().all(|(other, _)| *name <= **other) {
                let names: Vec<&str> = circle.iter().map(|(other, _)| other.as_str()).collect();
                let message = format!("`{name}` is defined by itself: {} → {name}", names.join(" → "));
                let at = definition.at.clone();
                self.errors.push(RuleError::at(self.source, "circle", at, message, "needs itself"));
            }
            return None;
        }
        if self.inside.len() >= DEEPEST {
            let message = format!("more than {DEEPEST} definitions that use each other in a row");
            if !self.errors.iter().any(|e| e.message == message) {
                self.errors.push(RuleError::at(self.source, "define", at.clone(), message, "leads too deep"));
            }
            return None;
        }
        if definition.broken {
            return None;
        }
        if self.inside.is_empty() {
            self.used.push(Used { at: at.clone(), name: name.to_owned(), place: definition.place() });
        }
        self.spend(name.len() + 8, at)?;
        self.inside.push((name.to_owned(), definition));
        Some((definition, scope, bound))
    }

    /// Gives each parameter its value.
    fn bind(&mut self, call: &Call, definition: &Definition, around: &Around, at: &Range<usize>) -> Option<Bound> {
        let name = call.name;
        let mut given: Vec<Option<&str>> = vec![None; definition.parameters.len()];
        let mut next = 0;
        for arg in &call.args {
            let by_name = arg.split_once('=').filter(|(_, value)| !value.starts_with('='));
            let by_name = by_name.and_then(|(p, value)| Some((definition.position(p.trim())?, unquoted(value.trim()))));
            let (i, value) = by_name.unwrap_or((next, arg));
            next = i + 1;
            match given.get_mut(i) {
                Some(slot @ None) => *slot = Some(value),
                Some(Some(_)) => {
                    let message = format!("`{}` of `{name}` is given twice", definition.parameters[i].name);
                    self.error("parameter", at.clone(), message, "which is meant?", None);
                    return None;
                }
                None => {
                    let message = format!("`{name}` has {}", definition.listed());
                    self.error("parameter", at.clone(), message, &format!("`{arg}` is one too many"), None);
                    return None;
                }
            }
        }
        let mut bound = Bound::with_capacity(given.len());
        for (parameter, value) in definition.parameters.iter().zip(given) {
            let value = match (value, &parameter.default) {
                (Some(value), _) => self.text(value, around, at)?,
                (None, Some(default)) => {
                    let scope = around.scope.find(name).map_or(around.scope, |(_, scope)| scope);
                    self.text(default, &Around { scope, bound: &bound, call: Some(at.clone()) }, at)?
                }
                (None, None) => {
                    let message = format!("`{name}` lacks its parameter `{}`", parameter.name);
                    let help = format!("it has {}", definition.listed());
                    self.error("parameter", at.clone(), message, "not given here", Some(help));
                    return None;
                }
            };
            bound.push((parameter.name.clone(), value));
        }
        Some(bound)
    }
}

/// True for a formula that has to be in brackets to be a part of another.
fn is_loose(text: &str) -> bool {
    parse_formula(text, &Offsets::default()).is_ok_and(|e| !is_operand(&e))
}
