//! Masks that disagree, as a diagnostic: who, where they meet, and what each policy would give.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use indexmap::IndexMap;
use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

use super::analysis::place;
use super::explain::{Meetings, ranges};
use crate::axis::{Propagation, Step};
use crate::model::{Frame, Graph, Role};
use crate::solve::{Conflict, Given, Solution};

/// What a policy would leave.
#[derive(Clone, Debug)]
pub struct Outlook {
    /// The policy, as the command line names it.
    pub policy: &'static str,
    /// The share of parameters that would stay.
    pub left: f64,
}

/// A text with labels.
#[derive(Debug)]
pub struct Finding {
    message: String,
    source: Option<NamedSource<String>>,
    labels: Vec<LabeledSpan>,
    help: Option<String>,
}

/// Masks of coupled layers disagree.
#[derive(Debug)]
pub struct Conflicts {
    positions: usize,
    findings: Vec<Finding>,
    outlooks: Vec<Outlook>,
}

/// At most so many conflicts are shown.
const MOST: usize = 4;

/// At most so many masks are shown of those that disagree on an axis.
const MOST_ENTRIES: usize = 12;

impl Conflicts {
    /// The conflicts of a solution under the policy `keep`. `masks` is the file that they come from.
    pub fn new(graph: &Graph, p: &Propagation, solution: &Solution, masks: &Path, outlooks: Vec<Outlook>) -> Conflicts {
        let meetings = Meetings::new(graph, p);
        let mut findings = Vec::new();
        // Together by the layers that disagree, whichever of them drop and keep.
        let mut layers: IndexMap<BTreeSet<&String>, Vec<&Conflict>> = IndexMap::new();
        for c in &solution.conflicts {
            layers.entry(c.drop.iter().chain(&c.keep).collect()).or_default().push(c);
        }
        for (names, conflicts) in layers.iter().take(MOST) {
            findings.push(votes(graph, solution, masks, names, conflicts));
            let Some((a, b)) = conflicts.first().and_then(|c| Some((c.drop.first()?, c.keep.first()?))) else { continue };
            let Some(meeting) = meetings.of(a, b) else { continue };
            let Some(node) = meeting.node else { continue };
            let at = place(graph, node);
            if let Some(Step::Bound(bound)) = p.steps.get(node.index()) {
                let rule = &bound.rule.place;
                findings.push(Finding {
                    message: format!(
                        "{} and {} are one axis: they meet at {} ({})",
                        meeting.a.name, meeting.b.name, at.node, at.op
                    ),
                    source: Some(NamedSource::new(rule.source.name(), rule.source.inner().clone())),
                    labels: vec![LabeledSpan::at(rule.span.clone(), "the same letter is the same axis")],
                    help: Some(format!("`paring explain MODEL {} {}` shows the whole chain", meeting.a.name, meeting.b.name)),
                });
            }
            findings.extend(graph.node(node).source.frame().map(python));
        }
        if layers.len() > MOST {
            let message = format!("and {} more groups of layers disagree", layers.len() - MOST);
            findings.push(Finding { message, source: None, labels: Vec::new(), help: None });
        }
        Conflicts { positions: solution.conflicts.iter().map(|c| c.positions).sum(), findings, outlooks }
    }
}

/// The entries of the mask file that disagree.
fn votes(graph: &Graph, solution: &Solution, masks: &Path, names: &BTreeSet<&String>, conflicts: &[&Conflict]) -> Finding {
    let positions: usize = conflicts.iter().map(|c| c.positions).sum();
    let mut text = String::new();
    let mut labels = Vec::new();
    let known = |name: &&&String| graph.tensors.iter().position(|t| t.name == ***name);
    // Weights speak for their biases.
    let makes = |name: &&&String| known(name).is_some_and(|k| solution.makes[k].contains(&true));
    let mut shown: Vec<&&String> = names.iter().filter(makes).collect();
    if shown.len() < 2 {
        shown = names.iter().collect();
    }
    let hidden = shown.len().saturating_sub(MOST_ENTRIES);
    for name in shown.into_iter().take(MOST_ENTRIES) {
        let Some(k) = known(&name) else { continue };
        let keeps: usize = conflicts.iter().filter(|c| c.keep.contains(name)).map(|c| c.positions).sum();
        let start = text.len();
        text.push_str(name);
        let span = start..text.len();
        let label = match solution.given[k].as_ref() {
            Some(given) => {
                text.push_str(&described(&solution.makes[k], given));
                match keeps {
                    0 if positions == 1 => "drops it".into(),
                    0 => "drops them".into(),
                    n if n == positions => {
                        if positions == 1 {
                            "keeps it".into()
                        } else {
                            "keeps them".into()
                        }
                    }
                    n => format!("keeps {n} of these {positions}, drops {}", positions - n),
                }
            }
            None => {
                text.push_str(": no mask");
                "has no mask, and so keeps all".to_owned()
            }
        };
        labels.push(LabeledSpan::at(span, label));
        text.push('\n');
    }
    if hidden > 0 {
        text.push_str(&format!("… and {hidden} more\n"));
    }
    let what = if positions == 1 { "a position".to_owned() } else { format!("{positions} positions") };
    Finding {
        message: format!("these masks disagree on {what}"),
        source: Some(NamedSource::new(masks.display().to_string(), text)),
        labels,
        help: None,
    }
}

/// Which slices of the dimension that a parameter makes its mask keeps.
fn described(makes: &[bool], given: &Given) -> String {
    let made = makes.iter().position(|m| *m).unwrap_or(0);
    let slices = given.slices.get(made).and_then(Option::as_ref);
    let Some(any) = slices else { return String::new() };
    let kept: Vec<usize> = (0..any.len()).filter(|at| any[*at]).collect();
    format!("[{made}]: keeps {} of {}: {}", kept.len(), any.len(), ranges(&kept))
}

/// A line of the user's Python; in the file itself, if it is there and has not changed.
fn python(frame: &Frame) -> Finding {
    let line = frame.line.saturating_sub(1) as usize;
    let unchanged = |text: &String| text.lines().nth(line).is_some_and(|l| l.trim() == frame.text.trim());
    let text = std::fs::read_to_string(&frame.file).ok().filter(unchanged);
    let text = text.unwrap_or_else(|| "\n".repeat(line) + &frame.text);
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let own = text[start..].lines().next().unwrap_or_default();
    let indent = own.len() - own.trim_start().len();
    Finding {
        message: format!("in {}", frame.function),
        labels: vec![LabeledSpan::at(start + indent..start + own.len(), "here")],
        source: Some(NamedSource::new(&frame.file, text)),
        help: None,
    }
}

/// The share of parameters that a solution keeps.
pub fn parameters_left(graph: &Graph, p: &Propagation, solution: &Solution) -> f64 {
    let first = graph.first_names();
    let (mut before, mut after) = (0.0, 0.0);
    for (_, t) in graph.tensors.iter().enumerate().filter(|(k, t)| t.role == Role::Parameter && first[*k] == *k) {
        let ids = p.dims[t.value.index()].as_deref().unwrap_or(&[]);
        let kept = |d: usize| solution.size(p, ids[d]).unwrap_or(t.shape[d]) as f64;
        before += t.numel() as f64;
        after += (0..t.shape.len()).map(kept).product::<f64>();
    }
    if before > 0.0 { after / before } else { 1.0 }
}

impl fmt::Display for Conflicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.positions == 1 { "a position".to_owned() } else { format!("{} positions", self.positions) };
        write!(f, "masks of coupled layers disagree on {what}")
    }
}

impl std::error::Error for Conflicts {}

impl Diagnostic for Conflicts {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new("paring::masks::conflict"))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let would =
            self.outlooks.iter().map(|o| format!("--on-conflict {} leaves {:.1} % of the parameters", o.policy, 100.0 * o.left));
        let would: Vec<String> = would.collect();
        Some(Box::new(format!("change the masks so that they agree, or choose another policy:\n{}", would.join("\n"))))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.findings.iter().map(|f| f as &dyn Diagnostic)))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Finding {}

impl Diagnostic for Finding {
    fn severity(&self) -> Option<miette::Severity> {
        Some(miette::Severity::Advice)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|s| s as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        (!self.labels.is_empty()).then(|| Box::new(self.labels.iter().cloned()) as Box<dyn Iterator<Item = LabeledSpan>>)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|h| Box::new(h) as Box<dyn fmt::Display>)
    }
}
