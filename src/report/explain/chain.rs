//! Why two axes are the same, and why an axis is locked.

use std::fmt;

use egg::Id;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::Serialize;

use super::error::AxisError;
use super::name::AxisRef;
use crate::axis::{Axis, Chains, Link, Propagation, Reason};
use crate::model::Graph;
use crate::report::place::{Obstacle, Place, obstacle, place};
use crate::rule::Rule;

/// Who says that two axes are the same.
#[derive(Clone, Debug, Serialize)]
pub struct Evidence {
    /// In words.
    pub text: String,
    /// The node, if it is one.
    pub place: Option<Place>,
    /// The rule's place: `rules/linear.yaml:12`.
    pub rule: Option<String>,
    /// The rule's text, and below it marks under the letter.
    pub marked: Option<[String; 2]>,
    /// Why the law may be applied: the axes that had to be the same before.
    pub because: Option<Box<Chain>>,
}

/// A step of a chain.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// One axis.
    pub from: String,
    /// The next.
    pub to: String,
    /// Who says that they are the same.
    pub evidence: Vec<Evidence>,
}

/// A chain from one axis to another.
#[derive(Clone, Debug, Serialize)]
pub struct Chain {
    /// The first axis.
    pub from: String,
    /// The last.
    pub to: String,
    /// Number of positions.
    pub size: String,
    /// The steps.
    pub steps: Vec<Step>,
    /// What stands in the way at its end.
    pub locked: Option<Obstacle>,
    /// Where the last axis is only a part of the one that stands in the way.
    pub part_of: Option<String>,
}

/// Why two axes are the same.
///
/// # Errors
/// Where they are not.
pub fn same(graph: &Graph, p: &Propagation, a: &AxisRef, b: &AxisRef) -> Result<Chain, AxisError> {
    Explainer::new(graph, p).same(a, b)
}

/// Why an axis cannot shrink: the chain to what locks it, or to a part of what is locked. `None` if it can.
pub fn stuck(graph: &Graph, p: &Propagation, a: &AxisRef) -> Option<Chain> {
    Explainer::new(graph, p).stuck(a)
}

/// Tells chains. What they are searched in is built once, for many questions.
pub struct Explainer<'a> {
    graph: &'a Graph,
    p: &'a Propagation,
    chains: Chains<'a>,
    names: FxHashMap<Id, String>,
    laws: FxHashSet<(Id, Id)>,
    locks: FxHashMap<Id, &'a Reason>,
    locked: FxHashMap<Id, &'a Reason>,
}

/// Premises of laws are followed so deep.
const DEEPEST: usize = 2;

impl<'a> Explainer<'a> {
    /// For a program and its axes.
    pub fn new(graph: &'a Graph, p: &'a Propagation) -> Explainer<'a> {
        let mut names = FxHashMap::default();
        let stored = graph.tensors.iter().map(|t| (t.value, t.name.as_str()));
        let values = graph.values.iter().enumerate().map(|(k, v)| (crate::model::ValueId(k as u32), v.name.as_str()));
        for (value, name) in stored.chain(values) {
            for (d, id) in p.dims[value.index()].iter().flatten().enumerate() {
                names.entry(*id).or_insert_with(|| format!("{name}[{d}]"));
            }
        }
        let (chains, laws) = (Chains::new(&p.axes), FxHashSet::default());
        Explainer { graph, p, chains, names, laws, locks: p.axes.locks().collect(), locked: p.axes.locked_because() }
    }

    /// See [`same`].
    ///
    /// # Errors
    /// Where they are not.
    pub fn same(&mut self, a: &AxisRef, b: &AxisRef) -> Result<Chain, AxisError> {
        let links = self.chains.between(a.id, b.id);
        let links = links.ok_or_else(|| AxisError::NotTheSame { a: a.name.clone(), b: b.name.clone() })?;
        self.laws.clear();
        self.names.insert(a.id, a.name.clone());
        self.names.insert(b.id, b.name.clone());
        Ok(self.chain(a.id, b.id, &links, 0))
    }

    /// See [`stuck`].
    pub fn stuck(&mut self, a: &AxisRef) -> Option<Chain> {
        self.laws.clear();
        self.names.insert(a.id, a.name.clone());
        if let Some(links) = self.chains.search(a.id, |id| self.locks.contains_key(&id)) {
            let end = links.last().map_or(a.id, |l| l.to);
            let mut chain = self.chain(a.id, end, &links, 0);
            chain.locked = self.locks.get(&end).map(|r| obstacle(self.graph, r));
            return Some(chain);
        }
        let reason = self.locked.get(&self.p.axes.class(a.id)).copied()?;
        let mut chain = self.chain(a.id, a.id, &[], 0);
        chain.locked = Some(obstacle(self.graph, reason));
        chain.part_of = Some("an axis that is locked as a whole".to_owned());
        Some(chain)
    }

    /// A name for any axis: that of a tensor's dimension, or of which parts it is made.
    fn name(&self, id: Id) -> String {
        if let Some(name) = self.names.get(&id) {
            return name.clone();
        }
        let list = |parts: &[Id]| parts.iter().take(6).map(|p| self.name(*p)).collect::<Vec<_>>();
        let more = |parts: &[Id]| if parts.len() > 6 { ", …" } else { "" };
        match self.p.axes.made(id) {
            Axis::Cat(parts) => format!("cat({}{})", list(parts).join(", "), more(parts)),
            Axis::Merge(parts) => format!("merge({}{})", list(parts).join(", "), more(parts)),
            Axis::Pick([of], _) => format!("some of {}", self.name(*of)),
            Axis::Leaf(_) => format!("an axis of {}", self.p.axes.size(id)),
        }
    }

    /// Links between axes without a name of their own are one step.
    fn chain(&mut self, from: Id, to: Id, links: &[Link<'a>], depth: usize) -> Chain {
        let mut steps = Vec::new();
        let (mut start, mut evidence) = (from, Vec::new());
        for (k, link) in links.iter().enumerate() {
            let new = self.evidence(link, depth);
            let known = |old: &Evidence| old.text == new.text && old.rule == new.rule && old.marked == new.marked;
            if !evidence.iter().any(known) {
                evidence.push(new);
            }
            if k + 1 == links.len() || self.names.contains_key(&link.to) {
                steps.push(Step { from: self.name(start), to: self.name(link.to), evidence: std::mem::take(&mut evidence) });
                start = link.to;
            }
        }
        let size = self.p.axes.size(from).to_string();
        Chain { from: self.name(from), to: self.name(to), size, steps, locked: None, part_of: None }
    }

    fn evidence(&mut self, link: &Link<'a>, depth: usize) -> Evidence {
        let mut e = Evidence { text: String::new(), place: None, rule: None, marked: None, because: None };
        match link.reason {
            None => e.text = "they have the same parts".into(),
            Some(Reason::Rule { node, rule, letter }) => {
                let place = place(self.graph, *node);
                e.text = format!("{} ({})", place.node, place.op);
                e.place = Some(place);
                e.rule = Some(rule.place.to_string());
                e.marked = Some(marked(rule, letter));
            }
            Some(Reason::Composite { node }) => {
                let place = place(self.graph, *node);
                e.text = format!("layout operators that work as one, from {} ({}) on", place.node, place.op);
                e.place = Some(place);
            }
            Some(Reason::Tied { names }) => e.text = format!("{} and {} are one parameter", names[0], names[1]),
            Some(Reason::Law { name, left, right }) => {
                e.text = format!("a law: {name}");
                if depth < DEEPEST
                    && self.laws.insert((*left, *right))
                    && let Some(links) = self.chains.between(*left, *right).filter(|links| !links.is_empty())
                {
                    e.because = Some(Box::new(self.chain(*left, *right, &links, depth + 1)));
                }
            }
            Some(other) => e.text = crate::report::words::reason(self.graph, other),
        }
        e
    }
}

/// The rule's text, and marks under each place of a letter.
fn marked(rule: &Rule, letter: &str) -> [String; 2] {
    let (source, span) = rule.shown();
    let text = source.inner().get(span).unwrap_or_default();
    let text = text.lines().map(str::trim).find(|line| line.contains(letter)).or(text.lines().next()).unwrap_or_default();
    let text = text.trim_start_matches("- ").trim_matches(['"', '\'']).to_owned();
    let letter = if letter.starts_with("...") { "..." } else { letter };
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let mut marks = vec![' '; text.chars().count()];
    for (at, _) in text.match_indices(letter) {
        let before = text[..at].chars().next_back().is_some_and(word);
        let after = text[at + letter.len()..].chars().next();
        // An operand's name is followed by its brackets.
        if letter != "..." && (before || after.is_some_and(|c| word(c) || c == '[')) {
            continue;
        }
        let first = text[..at].chars().count();
        marks[first..first + letter.chars().count()].fill('^');
    }
    [text, marks.into_iter().collect::<String>().trim_end().to_owned()]
}

impl Chain {
    fn write(&self, f: &mut fmt::Formatter<'_>, indent: usize) -> fmt::Result {
        let pad = " ".repeat(indent);
        for step in &self.steps {
            writeln!(f, "{pad}{} = {}", step.from, step.to)?;
            for e in &step.evidence {
                writeln!(f, "{pad}    {}", e.text)?;
                if let (Some(rule), Some([text, marks])) = (&e.rule, &e.marked) {
                    writeln!(f, "{pad}      {rule}")?;
                    writeln!(f, "{pad}        {text}")?;
                    if !marks.is_empty() {
                        writeln!(f, "{pad}        {marks}")?;
                    }
                }
                if let Some(line) = e.place.as_ref().and_then(|p| p.line.as_ref()) {
                    writeln!(f, "{pad}      {line}")?;
                }
                if let Some(because) = &e.because {
                    writeln!(f, "{pad}      as {} = {}:", because.from, because.to)?;
                    because.write(f, indent + 8)?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.locked {
            None if self.steps.is_empty() => writeln!(f, "{} is {}", self.from, self.to)?,
            None => writeln!(f, "{} and {} are the same axis of {} positions:\n", self.from, self.to, self.size)?,
            Some(_) if self.steps.is_empty() => writeln!(f, "{} cannot shrink:\n", self.from)?,
            Some(_) => writeln!(f, "{} cannot shrink. It is the same axis as {}:\n", self.from, self.to)?,
        }
        self.write(f, 2)?;
        if let Some(locked) = &self.locked {
            if let Some(whole) = &self.part_of {
                writeln!(f, "  {} is part of {whole}", self.from)?;
            }
            writeln!(f, "  {} stays whole: {}", self.to, locked.why)?;
            if let Some(line) = locked.place.as_ref().and_then(|p| p.line.as_ref()) {
                writeln!(f, "      {line}")?;
            }
        }
        Ok(())
    }
}
