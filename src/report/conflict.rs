//! Masks that disagree, as a diagnostic: who, where they meet, and what each policy would give.

use std::fmt;
use std::path::Path;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

use super::disagreement::{Disagreement, disagreements};
use super::explain::{Meeting, ranges};
use crate::axis::{Bound, Propagation};
use crate::model::{Frame, Graph, Role};
use crate::solve::{Given, Policy, Solution};

/// What a policy would leave.
#[derive(Clone, Debug)]
pub struct Outlook {
    /// The policy, as the command line names it.
    pub policy: &'static str,
    /// The share of parameters that would stay.
    pub left: f64,
}

impl Outlook {
    /// Of a solution under a policy.
    pub fn new(policy: &'static str, graph: &Graph, p: &Propagation, solution: &Solution) -> Outlook {
        let first = graph.first_names();
        let (mut before, mut after) = (0.0, 0.0);
        for (k, t) in graph.tensors.iter().enumerate() {
            if t.role != Role::Parameter || first[k] != k {
                continue;
            }
            let ids = p.dims[t.value.index()].as_deref().unwrap_or(&[]);
            let kept = |d: usize| ids.get(d).and_then(|id| solution.size(p, *id)).unwrap_or(t.shape[d]) as f64;
            before += t.numel() as f64;
            after += (0..t.shape.len()).map(kept).product::<f64>();
        }
        Outlook { policy, left: if before > 0.0 { after / before } else { 1.0 } }
    }
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
        let all = disagreements(graph, p, &solution.conflicts, Policy::Keep);
        let mut findings = Vec::new();
        for d in all.iter().take(MOST) {
            findings.push(votes(graph, solution, masks, d));
            let Some((meeting, node)) = d.meeting.as_ref().and_then(|m| Some((m, m.node?))) else { continue };
            findings.extend(p.bound_at(node).map(|bound| rule(graph, meeting, bound)));
            findings.extend(graph.node(node).source.frame().map(python));
        }
        if all.len() > MOST {
            let message = format!("and {} more groups of layers disagree", all.len() - MOST);
            findings.push(Finding { message, source: None, labels: Vec::new(), help: None });
        }
        Conflicts { positions: all.iter().map(|d| d.positions).sum(), findings, outlooks }
    }
}

/// The rule that makes two axes one.
fn rule(graph: &Graph, meeting: &Meeting, bound: &Bound) -> Finding {
    let (a, b, node) = (&meeting.a.name, &meeting.b.name, graph.node(bound.node));
    let (source, span) = bound.rule.shown();
    Finding {
        message: format!("{a} and {b} are one axis: they meet at {} ({})", node.name, node.target),
        source: Some(NamedSource::new(source.name(), source.inner().clone())),
        labels: vec![LabeledSpan::at(span, "the same letter is the same axis")],
        help: Some(format!("`paring explain MODEL {a} {b}` shows the whole chain")),
    }
}

/// The entries of the mask file that disagree.
fn votes(graph: &Graph, solution: &Solution, masks: &Path, d: &Disagreement) -> Finding {
    let positions = d.positions;
    let mut text = String::new();
    let mut labels = Vec::new();
    let known = |name: &String| graph.tensors.iter().position(|t| t.name == *name);
    // Weights speak for their biases.
    let makes = |name: &&String| known(name).is_some_and(|k| solution.makes[k].contains(&true));
    let mut shown: Vec<&String> = d.parameters.iter().filter(makes).collect();
    if shown.len() < 2 {
        shown = d.parameters.iter().collect();
    }
    let hidden = shown.len().saturating_sub(MOST_ENTRIES);
    for name in shown.into_iter().take(MOST_ENTRIES) {
        let Some(k) = known(name) else { continue };
        let keeps: usize = d.votes.iter().filter(|v| v.kept_by.contains(name)).map(|v| v.positions).sum();
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
        source: Some(NamedSource::new(format!("what {} says", masks.display()), text)),
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
    // The archive says where: that may be any file, and any line.
    const LONGEST: u64 = 16 << 20;
    let line = frame.line.saturating_sub(1) as usize;
    let line = if line as u64 > LONGEST { 0 } else { line };
    let unchanged = |text: &String| text.lines().nth(line).is_some_and(|l| l.trim() == frame.text.trim());
    let regular = std::fs::metadata(&frame.file).is_ok_and(|m| m.is_file() && m.len() <= LONGEST);
    let text = regular.then(|| std::fs::read_to_string(&frame.file).ok()).flatten().filter(unchanged);
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
