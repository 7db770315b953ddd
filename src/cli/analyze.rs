//! `paring analyze`

use std::path::PathBuf;

use clap::Args;
use miette::Result;
use paring::report::{Analysis, AxisError, csv, dot, group_text, groups_text, write_html};
use paring::{Outputs, Session};

use super::inputs::Rules;

/// Show the groups of coupled axes: what must shrink together, and what cannot.
///
/// A group is an axis with everything that has it: the weights that make it (output channels), what follows along (biases,
/// norms), and the weights that read it (input channels). The groups with the most parameters come first. One that cannot
/// shrink says what stands in the way.
///
/// Example: paring analyze resnet.pt2
///
/// Example: paring analyze resnet.pt2 --group layer1.0.conv2
#[derive(Args)]
pub struct Analyze {
    /// The program: an archive of torch.export.save (.pt2), of torch.jit.trace and torch.jit.save (.pt), or an ONNX model (.onnx)
    model: PathBuf,
    /// Show one group with all its members: a number, an axis such as `conv.weight[0]`, a parameter or a module
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// Print the groups as JSON
    #[arg(long, group = "form")]
    json: bool,
    /// Print a line for each group with the layers that must be pruned alike, as NNI's dependency export does
    #[arg(long, group = "form", conflicts_with = "group")]
    csv: bool,
    /// Print the groups as a picture for Graphviz: paring analyze MODEL --dot | dot -Tsvg > groups.svg
    #[arg(long, group = "form", conflicts_with = "group")]
    dot: bool,
    /// Write the groups as a page for a browser, with a graph and a search, and print nothing
    #[arg(long, group = "form", conflicts_with = "group", value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// List also the axes of one tensor alone that stay anyway, such as those of kernels
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    rules: Rules,
}

impl Analyze {
    /// Runs the command.
    pub fn run(self) -> Result<()> {
        let rules = self.rules.dirs.set()?;
        let session = Session::open(&self.model, &self.rules.inputs, rules, &self.rules.freeze)?;
        if let Some(path) = &self.report {
            let _stage = tracing::info_span!("write").entered();
            let read: Vec<_> = self.rules.dirs.with_model(&self.model).collect();
            Outputs { report: Some(path.into()), ..Outputs::default() }.check(&read)?;
            let page = write_html(path, &session.page())?;
            session.model().archive.unchanged()?;
            return Ok(page.persist()?);
        }
        let analysis = tracing::info_span!("groups").in_scope(|| Analysis::new(session.graph(), session.axes(), session.rules()));
        if let Some(name) = &self.group {
            let groups = analysis.named(name);
            return match (groups.is_empty(), name.parse()) {
                (true, Ok(number)) => Err(AxisError::NoGroup { number, groups: analysis.groups.len() }.into()),
                (true, Err(_)) => Err(AxisError::no_axis(name, analysis.names()).into()),
                (false, _) if self.json => super::say::print_json(&groups),
                (false, _) => super::say::print(&groups.into_iter().map(group_text).collect::<Vec<_>>().join("\n")),
            };
        }
        match (self.json, self.csv, self.dot) {
            (true, ..) => super::say::print_json(&analysis),
            (_, true, _) => super::say::print(&csv(&analysis)),
            (_, _, true) => super::say::print(&dot(&analysis)),
            _ => super::say::print(&groups_text(&analysis, self.all)),
        }
    }
}
