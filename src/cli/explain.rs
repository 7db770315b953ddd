//! `paring explain`

use std::path::PathBuf;

use clap::Args;
use miette::Result;
use paring::report::{Analysis, axis, fates, group_text, same, stuck};
use paring::solve::Options;
use paring::{Session, Settings};

use super::inputs::{MaskFile, Opened, Rules};

/// Say why: why two axes are the same, why one cannot shrink, or why its positions stayed.
///
/// An axis is a parameter or a value of the graph with a dimension, as in `layer1.0.conv2.weight[0]`. Without a dimension, or with
/// the name of a module, it is the axis of the output channels.
///
/// With two axes: the shortest chain of operators between them, each with its rule and its line of Python.
/// With one: the chain to what keeps it whole. With one and masks: which positions go and stay, and who decided.
///
/// Example: paring explain resnet.pt2 layer1.0.conv2 layer1.1.conv2
///
/// Example: paring explain resnet.pt2 fc
///
/// Example: paring explain resnet.pt2 layer1.0.conv2 --masks masks.safetensors
#[derive(Args)]
pub struct Explain {
    /// The program: an archive of torch.export.save (.pt2), of torch.jit.trace and torch.jit.save (.pt), or an ONNX model (.onnx)
    model: PathBuf,
    /// An axis
    #[arg(value_name = "AXIS")]
    a: String,
    /// Another one
    #[arg(value_name = "OTHER", conflicts_with = "masks")]
    b: Option<String>,
    /// Masks as `speedup` takes them: a file of safetensors or of torch.save, YAML, `zeros` or `model`
    #[arg(long, value_name = "FILE")]
    masks: Option<PathBuf>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    rules: Rules,
}

impl Explain {
    /// Runs the command.
    pub fn run(self) -> Result<()> {
        let rules = self.rules.dirs.set()?;
        let session = Session::open(&self.model, &self.rules.inputs, rules, &self.rules.freeze)?;
        let (graph, p) = (session.graph(), session.axes());
        let a = axis(graph, p, &self.a)?;
        if let Some(b) = &self.b {
            let chain = same(graph, p, &a, &axis(graph, p, b)?)?;
            return self.print(&chain);
        }
        if let Some(chain) = stuck(graph, p, &a) {
            return self.print(&chain);
        }
        if let Some(masks) = &self.masks {
            let file = MaskFile::open(masks)?;
            let masks = file.masks_of(&|| Ok(Opened::Of(&session)), &mut |note| super::say::note(&note))?;
            let options = Options { explain: Some(a.id), ..Options::default() };
            let solution = session.solve(&masks, &Settings { options, ..Settings::default() })?;
            if let Some(fates) = fates(graph, p, &solution, &a) {
                return self.print(&fates);
            }
        }
        let analysis = tracing::info_span!("groups").in_scope(|| Analysis::new(graph, p, session.rules()));
        let groups = analysis.named(&a.name);
        match self.json {
            true => super::say::print_json(&groups),
            false if groups.is_empty() => super::say::print(&format!("{} can shrink; no parameter has this axis\n", a.name)),
            false => super::say::print(&groups.into_iter().map(group_text).collect::<Vec<_>>().join("\n")),
        }
    }

    fn print(&self, answer: &(impl std::fmt::Display + serde::Serialize)) -> Result<()> {
        match self.json {
            true => super::say::print_json(answer),
            false => super::say::print(&answer.to_string()),
        }
    }
}
