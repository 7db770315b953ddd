//! The report as a page for a browser: one file that needs no network. `assets/report.html` shows what [`Page`] holds.

mod conflict;
mod left;
mod shorten;

use std::io::Write;
use std::path::Path;

use rustc_hash::FxHashMap;
use serde::Serialize;

use super::analysis::{Analysis, Edge, Group, MemberRole};
use super::explain::{AxisRef, Chain, Explainer};
use super::note::Note;
use super::stayed::Kept;
use super::summary::{Layer, Outcome, Summary, Total};
use super::table::branches;
use crate::axis::Propagation;
use crate::format::{FormatError, Output, Pending};
use crate::model::{Graph, NodeId};
use crate::rule::RuleSet;
use crate::rulebook::{Usage, usage};
use crate::solve::Solution;

pub use conflict::Quarrel;

/// What the page shows.
#[derive(Clone, Debug, Serialize)]
pub struct Page {
    /// The program's version.
    pub version: &'static str,
    /// The model's file name.
    pub model: String,
    /// Whether masks were applied; else all is as it is in the model.
    pub masks: bool,
    /// What was written.
    pub outcome: Outcome,
    /// Parameters; tied ones count once.
    pub parameters: Total,
    /// Multiply-accumulates of a forward pass.
    pub macs: Total,
    /// Bytes of parameters and buffers.
    pub bytes: Total,
    /// Modules with parameters, in the order of the model.
    pub layers: Vec<Layer>,
    /// The groups of coupled axes, in the order in which the program reads their weights.
    pub groups: Vec<GroupBox>,
    /// The weights between them.
    pub edges: Vec<Edge>,
    /// Where masks disagreed.
    pub conflicts: Vec<Quarrel>,
    /// What stayed although it could have been asked to go.
    pub kept: Vec<Kept>,
    /// Other things to know.
    pub notes: Vec<Note>,
    /// Operators, with and without a rule.
    pub operators: Usage,
}

/// A group as the page shows it.
#[derive(Clone, Debug, Serialize)]
pub struct GroupBox {
    /// The group.
    #[serde(flatten)]
    pub group: Group,
    /// How many positions stay; `None` without masks, or where they cannot be counted.
    pub left: Option<usize>,
    /// Which: a bit for each position, the first one highest, as hexadecimal digits. `None` where all stay.
    pub kept: Option<String>,
    /// The chain to what locks it. Axes of one tensor alone have none: what locks them says it all.
    pub chain: Option<Chain>,
}

impl Page {
    /// Gathers what is known of a program; `solution` is what masks made of it.
    pub fn new(
        model: &Path,
        (graph, p): (&Graph, &Propagation),
        rules: &RuleSet,
        summary: &Summary,
        solution: Option<&Solution>,
    ) -> Page {
        let analysis = Analysis::new(graph, p, rules).without_indices();
        let tensors: FxHashMap<&str, usize> = graph.tensors.iter().enumerate().map(|(k, t)| (t.name.as_str(), k)).collect();
        let mut explainer = Explainer::new(graph, p);
        let conflicts = conflict::quarrels(&analysis, &summary.conflicts, &mut explainer);
        let went = |note: Note| Note { text: format!("went as a whole, since all that it adds is zero: {}", note.text), ..note };
        let gone = branches(&summary.branches).into_iter().map(went);
        let Analysis { groups, edges, classes, .. } = analysis;
        let mut boxes = Vec::with_capacity(groups.len());
        for (group, class) in groups.into_iter().zip(classes) {
            let dims = group.members.iter().filter_map(|m| {
                let tensor = &graph.tensors[*tensors.get(m.tensor.as_str())?];
                p.dims[tensor.value.index()].as_ref()?.get(m.dim).copied()
            });
            let dims: Vec<_> = dims.collect();
            let stays = solution.and_then(|s| left::left(p, s, class, &dims));
            let whole = dims.iter().copied().find(|id| p.axes.class(*id) == class);
            let axis = AxisRef { name: group.name.clone(), id: whole.unwrap_or(class) };
            let alone = group.members.len() == 1;
            let chain = if group.locked.is_some() && !alone { explainer.stuck(&axis) } else { None };
            let (left, kept) = stays.map_or((None, None), |s| (Some(s.count), s.bits));
            boxes.push(GroupBox { group, left, kept, chain: chain.map(shorten::shorten) });
        }
        let first = first_uses(graph);
        let order = |b: &GroupBox| {
            let makes = b.group.members.iter().filter(|m| m.role == MemberRole::Makes);
            let any = b.group.members.iter();
            let at = |tensor: &str| tensors.get(tensor).and_then(|k| first[graph.tensors[*k].value.index()]);
            let of_makers = makes.filter_map(|m| at(&m.tensor)).min();
            (of_makers.or_else(|| any.filter_map(|m| at(&m.tensor)).min()), b.group.id)
        };
        boxes.sort_by_cached_key(order);
        Page {
            version: env!("CARGO_PKG_VERSION"),
            model: model.file_name().unwrap_or(model.as_os_str()).to_string_lossy().into_owned(),
            masks: solution.is_some(),
            outcome: summary.outcome,
            parameters: summary.parameters,
            macs: summary.macs,
            bytes: summary.bytes,
            layers: summary.layers.clone(),
            groups: boxes,
            edges,
            conflicts,
            kept: summary.kept.clone(),
            notes: gone.chain(summary.notes.iter().cloned()).collect(),
            operators: usage(graph, rules, p),
        }
    }
}

/// By value: the first node that reads it.
fn first_uses(graph: &Graph) -> Vec<Option<NodeId>> {
    let mut first = vec![None; graph.values.len()];
    for id in graph.node_ids() {
        for value in graph.node(id).args.iter().flat_map(|(_, a)| a.tensors()) {
            first[value.index()].get_or_insert(id);
        }
    }
    first
}

const TEMPLATE: &str = include_str!("../../../assets/report.html");

/// Where the data goes in the template.
const PLACE: &str = "/*DATA*/";

/// The page as HTML.
///
/// # Errors
/// None that a page of [`Page::new`] has: serde's.
pub fn html(page: &Page) -> Result<String, serde_json::Error> {
    // In a script element only `<` can end or open anything.
    let data = serde_json::to_string(page)?.replace('<', "\\u003c");
    let title = page.model.replace('&', "&amp;").replace('<', "&lt;");
    let (head, tail) = TEMPLATE.split_once(PLACE).unwrap_or((TEMPLATE, ""));
    Ok(head.replace("<title>", &format!("<title>{title} · ")) + &data + tail)
}

/// Writes the page to a file that has no name before [`Pending::persist`].
///
/// # Errors
/// Where the file cannot be written.
pub fn write_html(path: &Path, page: &Page) -> Result<Pending, FormatError> {
    let mut output = Output::create(path)?;
    let written = html(page).map_err(Into::into).and_then(|text| output.file.write_all(text.as_bytes()));
    written.map_err(|e| output.fault(e))?;
    output.complete()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_end_the_data() {
        let page = Page {
            version: "0",
            model: "a</title><b>.pt2".into(),
            masks: false,
            outcome: Outcome::Copy,
            parameters: Total::default(),
            macs: Total::default(),
            bytes: Total::default(),
            layers: vec![],
            groups: vec![],
            edges: vec![],
            conflicts: vec![],
            kept: vec![],
            notes: vec![Note { subject: "</script><!--<script>".into(), text: String::new(), line: None }],
            operators: Usage::default(),
        };
        let empty = html(&Page { model: "m".into(), notes: vec![], ..page.clone() }).unwrap();
        let html = html(&page).unwrap();
        let tags = |text: &str| ["<script", "</script", "<!--", "</title", "<b>"].map(|t| text.matches(t).count());
        assert_eq!(tags(&html), tags(&empty));
        assert!(html.contains(r#""subject":"\u003c/script>\u003c!--\u003cscript>""#));
    }
}
