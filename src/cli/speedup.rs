//! `paring speedup`

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use miette::Result;
use paring::prune::{Rounded, round};
use paring::report::{Summary, table};
use paring::solve::Masks;
use paring::{Progress, Session, Settings};

use super::inputs::{MaskFile, Opened, Rules};
use super::way::Way;

/// Shrink a model by its masks.
///
/// The small model computes what the original does with its parameters multiplied by the unified masks. What cannot be proven
/// to make no difference stays, and the report says why.
///
/// Masks are a safetensors file: a tensor for each parameter name, of the parameter's shape or one number for each output
/// channel; zero means masked. A file of torch.save does as well: NNI's masks, a state_dict with the `*_mask` entries of
/// torch.nn.utils.prune, or masks by parameter; nothing in it is executed. A YAML file says by hand what goes:
/// `layer1.0.conv1: { drop: [0, 3, 5-9] }`, `"layer2.*": { ratio: 0.5 }`. `--masks zeros` takes what is zero in the weights
/// already, `--masks model` the masks of a model exported while torch.nn.utils.prune was active; the small program then stores
/// its weights masked and under their own names, as torch.nn.utils.prune.remove leaves them.
///
/// A TorchScript program (.pt) needs the sizes of its inputs, `--input 1x3x224x224`, unless it holds its traced inputs; the
/// output is written as its name ends, .pt2 or .pt.
///
/// Example: paring speedup resnet.pt2 --masks masks.safetensors -o small.pt2
#[derive(Args)]
pub struct Speedup {
    /// The program: an archive of torch.export.save (.pt2), of torch.jit.trace and torch.jit.save (.pt), or an ONNX model (.onnx)
    model: PathBuf,
    /// The masks, a file of safetensors or of torch.save; or `zeros`: what is zero in the weights already; or `model`: what a
    /// model exported while torch.nn.utils.prune is active multiplies its weights by
    #[arg(long, value_name = "FILE")]
    masks: PathBuf,
    #[command(flatten)]
    way: Way,
    /// Even the masks out: of each axis a multiple of so many channels stays, or all of it. The most important of those that masks drop are kept
    #[arg(long, value_name = "N", default_value_t = 1)]
    round_to: usize,
    #[command(flatten)]
    rules: Rules,
    /// Print nothing
    #[arg(short, long)]
    quiet: bool,
    /// Print the report as JSON
    #[arg(long, conflicts_with = "quiet")]
    json: bool,
}

impl Speedup {
    /// Runs the command.
    pub fn run(self) -> Result<()> {
        self.way.check()?;
        let outputs = self.way.outputs();
        let masks = Some(self.masks.as_path()).filter(|masks| masks.is_file()).map(|masks| ("the masks that are read", masks));
        outputs.check(&self.rules.dirs.with_model(&self.model).chain(masks).collect::<Vec<_>>())?;
        let rules = self.rules.dirs.set()?;
        let file = MaskFile::open(&self.masks)?;
        let mut settings =
            Settings { sources: file.source().into_iter().collect(), ..self.way.settings(&self.rules, &self.masks) };
        settings.choices.settle_masks = matches!(file, MaskFile::Model);
        let bar = self.bar();
        bar.set_message("reading the program and propagating axes");
        let session = Session::open(&self.model, &self.rules.inputs, rules, &self.rules.freeze)?;
        let mut masks = file.masks_of(&|| Ok(Opened::Of(&session)), &mut |note| bar.suspend(|| super::say::note(&note)))?;
        if self.round_to > 1 {
            masks = self.rounded(&session, &masks, &settings)?;
        }
        let mut show = |progress| match progress {
            Progress::Step(step) => bar.set_message(step),
            Progress::Total(bytes) => {
                bar.set_style(style("{msg} {bar:30} {bytes:>10} of {total_bytes}, {bytes_per_sec}"));
                bar.set_length(bytes);
            }
            Progress::Written(bytes) => bar.inc(bytes),
        };
        let summary = session.shrink(&masks, &settings, &outputs, &mut show)?;
        bar.finish_and_clear();
        self.print(&summary)?;
        // Of a large file that was read, the end of the mapping takes its time.
        let _stage = tracing::info_span!("close").entered();
        drop(masks);
        drop((file, session, settings));
        Ok(())
    }

    fn rounded<'m>(&self, session: &Session, masks: &Masks<'m>, settings: &Settings) -> Result<Masks<'m>> {
        let _stage = tracing::info_span!("masks").entered();
        let parts = (session.axes(), session.rules());
        let (masks, found) = round(session.model(), parts.0, parts.1, masks, (self.round_to, &settings.options))?;
        for Rounded { group, before, after } in found {
            super::say::note(&format!("{group}: {after} positions stay instead of {before}"));
        }
        Ok(masks)
    }

    fn bar(&self) -> ProgressBar {
        if self.quiet || self.json || !super::say::on_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new_spinner().with_style(style("{spinner} {msg} {elapsed}"));
        bar.enable_steady_tick(Duration::from_millis(100));
        bar
    }

    fn print(&self, summary: &Summary) -> Result<()> {
        if self.json {
            super::say::print_json(summary)?;
        } else if !self.quiet {
            super::say::print(&table(summary))?;
        }
        Ok(())
    }
}

/// A style of progress bars; the default one where the template is wrong.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
