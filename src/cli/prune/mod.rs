//! `paring prune` and `paring masks`: for those who have no masks.

mod choice;

use std::path::{Path, PathBuf};

use clap::Args;
use miette::Result;
use paring::format::{masks, persist_all};
use paring::prune::Pruned;
use paring::report::{Summary, table};
use paring::{Outputs, Session};
use serde::Serialize;

use crate::cli::inputs::Rules;
use crate::cli::way::Way;
use choice::{Choice, line};

/// Shrink a model without masks: drop the least important channels.
///
/// A channel's importance is summed over everything that is coupled to it. `--ratio` is the share of the channels removed, of
/// all groups that can be pruned: of attention that is the size of each head, which stays alike in queries, keys and values, while
/// `--head-ratio` is the share of the heads. `--params` and `--macs` are upper bounds of what is left. What stands in the way of the others, paring
/// analyze says.
///
/// Example: paring prune resnet.pt2 -o small.pt2 --ratio 0.5 --round-to 8
#[derive(Args)]
pub struct Prune {
    /// The program: an archive of torch.export.save (.pt2), of torch.jit.trace and torch.jit.save (.pt), or an ONNX model (.onnx)
    model: PathBuf,
    #[command(flatten)]
    way: Way,
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    rules: Rules,
    /// Print nothing
    #[arg(short, long)]
    quiet: bool,
    /// Print the report as JSON
    #[arg(long, conflicts_with = "quiet")]
    json: bool,
}

impl Prune {
    /// Runs the command.
    pub fn run(self) -> Result<()> {
        self.way.check()?;
        let outputs = self.way.outputs();
        outputs.check(&self.rules.dirs.with_model(&self.model).collect::<Vec<_>>())?;
        let rules = self.rules.dirs.set()?;
        let session = Session::open(&self.model, &self.rules.inputs, rules, &self.rules.freeze)?;
        let pruned = self.choice.pruned(&session)?;
        let settings = self.way.settings(&self.rules, Path::new("what was chosen"));
        let summary = session.shrink(&pruned.masks, &settings, &outputs, &mut |_| {})?;
        if self.json {
            return crate::cli::say::print_json(&Whole { summary: &summary, pruned: &pruned });
        }
        if self.quiet { Ok(()) } else { crate::cli::say::print(&(table(&summary) + &line(&pruned))) }
    }
}

/// The report, and what was chosen.
#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    summary: &'a Summary,
    pruned: &'a Pruned,
}

/// Write masks that drop the least important channels, without cutting.
///
/// Takes what paring prune takes; paring speedup --masks reads the result.
///
/// Example: paring masks resnet.pt2 -o masks.safetensors --ratio 0.5
#[derive(Args)]
pub struct Masks {
    /// The program: an archive of torch.export.save (.pt2), of torch.jit.trace and torch.jit.save (.pt), or an ONNX model (.onnx)
    model: PathBuf,
    /// Where to write the masks, a safetensors file
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    rules: Rules,
    /// Print nothing
    #[arg(short, long)]
    quiet: bool,
    /// Print what was chosen as JSON
    #[arg(long, conflicts_with = "quiet")]
    json: bool,
}

impl Masks {
    /// Runs the command.
    pub fn run(self) -> Result<()> {
        let outputs = Outputs { model: Some(self.output.clone()), ..Outputs::default() };
        outputs.check(&self.rules.dirs.with_model(&self.model).collect::<Vec<_>>())?;
        let rules = self.rules.dirs.set()?;
        let session = Session::open(&self.model, &self.rules.inputs, rules, &self.rules.freeze)?;
        let pruned = self.choice.pruned(&session)?;
        let _stage = tracing::info_span!("write").entered();
        let list: Vec<_> = pruned.masks.iter().map(|(name, mask)| (name.clone(), mask.shape.clone())).collect();
        let file = masks::write_safetensors(&self.output, &list, |k| {
            pruned.masks.get_index(k).map_or_else(Default::default, |(_, mask)| mask.keep.clone())
        })?;
        session.model().archive.unchanged()?;
        persist_all(vec![file])?;
        if self.json {
            return crate::cli::say::print_json(&pruned);
        }
        if self.quiet { Ok(()) } else { crate::cli::say::print(&line(&pruned)) }
    }
}
