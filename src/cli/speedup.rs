//! `paring speedup`

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use miette::Result;
use paring::plan::{Choices, Statistics};
use paring::report::{Summary, table};
use paring::solve::{Options, Policy};
use paring::{OnUnknown, Outputs, Progress, Settings};

use super::inputs::{MaskFile, Rules};

/// Shrink a model by its masks.
///
/// The small model computes what the original does with its parameters multiplied by the unified masks. What cannot be proven
/// to make no difference stays, and the report says why.
///
/// Masks are a safetensors file: a tensor for each parameter name, of the parameter's shape or one number for each output
/// channel; zero means masked. A file of torch.save does as well: NNI's masks, a state_dict with the `*_mask` entries of
/// torch.nn.utils.prune, or masks by parameter; nothing in it is executed. A YAML file says by hand what goes:
/// `layer1.0.conv1: { drop: [0, 3, 5-9] }`, `"layer2.*": { ratio: 0.5 }`. `--masks zeros` takes what is zero in the weights
/// already, `--masks model` the masks of a model exported while torch.nn.utils.prune was active.
///
/// A TorchScript program (.pt) needs the sizes of its inputs, `--input 1x3x224x224`, unless it holds its traced inputs; the
/// output is written as its name ends, .pt2 or .pt.
///
/// Example: paring speedup resnet.pt2 --masks masks.safetensors -o small.pt2
#[derive(Args)]
pub struct Speedup {
    /// The program: an archive of torch.export.save (.pt2), or of torch.jit.trace and torch.jit.save (.pt)
    model: PathBuf,
    /// The masks, a file of safetensors or of torch.save; or `zeros`: what is zero in the weights already; or `model`: what a
    /// model exported while torch.nn.utils.prune is active multiplies its weights by
    #[arg(long, value_name = "FILE")]
    masks: PathBuf,
    /// Where to write the small program. Not needed where one of the files below is asked for, as of a program that was
    /// exported on the meta device and has no weights
    #[arg(short, long, value_name = "FILE", required_unless_present_any = ["unified_masks", "plan", "report"])]
    output: Option<PathBuf>,
    /// Write the masks that the small model is equal to
    #[arg(long, value_name = "FILE")]
    unified_masks: Option<PathBuf>,
    /// Write the edits and their reasons as JSON
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Write the report as a page for a browser: layers, groups, conflicts and what stands in the way, with a search
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// What decides where masks of coupled layers disagree
    #[arg(long, value_enum, default_value = "keep")]
    on_conflict: OnConflict,
    /// What a layer without a mask says of its channels
    #[arg(long, value_enum, default_value = "keep")]
    unmasked: Unmasked,
    /// Whether means and norms over removed channels are repaired or left over fewer channels
    #[arg(long, value_enum, default_value = "exact")]
    statistics: StatisticsArg,
    /// Add no zeros to the masks: the small model computes what the original does with the masks as they are. A channel
    /// that some mask drops goes where it adds nothing, or a number that a bias can take up
    #[arg(long, conflicts_with_all = ["on_conflict", "statistics"])]
    lossless: bool,
    /// With --lossless: where a padded convolution reads such a number, add a tensor of the size of its result. The small
    /// model takes no other image sizes then
    #[arg(long, requires = "lossless")]
    bias_maps: bool,
    #[command(flatten)]
    rules: Rules,
    /// What to do with operators that no rule describes
    #[arg(long, value_enum, default_value = "lock")]
    on_unknown: OnUnknownArg,
    /// Before any output appears, run both models in PyTorch's own library and compare (a build with --features torch)
    #[arg(long, requires = "output")]
    verify: bool,
    /// Print nothing
    #[arg(short, long)]
    quiet: bool,
    /// Print the report as JSON
    #[arg(long, conflicts_with = "quiet")]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum OnConflict {
    /// A channel goes only if all masks drop it; what stays keeps its masked zeros
    Keep,
    /// As keep, and what stays gets its weights back
    Restore,
    /// One mask is enough
    Prune,
    /// Stop with an error
    Error,
}

#[derive(Clone, Copy, ValueEnum)]
enum Unmasked {
    /// That they stay
    Keep,
    /// Nothing: it follows the others
    Abstain,
}

#[derive(Clone, Copy, ValueEnum)]
enum StatisticsArg {
    /// Repaired: the result is the same to rounding
    Exact,
    /// Left as they are
    Approximate,
}

#[derive(Clone, Copy, ValueEnum)]
enum OnUnknownArg {
    /// Their axes stay
    Lock,
    /// Stop with an error
    Error,
}

impl Speedup {
    /// Runs the command.
    pub fn run(self) -> Result<()> {
        #[cfg(not(feature = "torch"))]
        if self.verify {
            return super::libtorch::no_libtorch();
        }
        let outputs = Outputs {
            model: self.output.clone(),
            unified_masks: self.unified_masks.clone(),
            plan: self.plan.clone(),
            report: self.report.clone(),
        };
        outputs.check(&[("the model that is read", &self.model), ("the masks that are read", &self.masks)])?;
        let rules = self.rules.dirs.set()?;
        let file = MaskFile::open(&self.masks)?;
        let masks = file.masks(&self.model)?;
        let bar = self.bar();
        let mut show = |progress| match progress {
            Progress::Step(step) => bar.set_message(step),
            Progress::Total(bytes) => {
                bar.set_style(style("{msg} {bar:30} {bytes:>10} of {total_bytes}, {bytes_per_sec}"));
                bar.set_length(bytes);
            }
            Progress::Written(bytes) => bar.inc(bytes),
        };
        let summary = paring::speedup(&self.model, &masks, rules, &self.settings(), &outputs, &mut show)?;
        bar.finish_and_clear();
        self.print(&summary)
    }

    fn settings(&self) -> Settings {
        Settings {
            options: Options {
                policy: match self.on_conflict {
                    OnConflict::Keep => Policy::Keep,
                    OnConflict::Restore => Policy::Restore,
                    OnConflict::Prune => Policy::Prune,
                    OnConflict::Error => Policy::Error,
                },
                unmasked_abstain: matches!(self.unmasked, Unmasked::Abstain),
                lossless: self.lossless,
                bias_maps: self.bias_maps,
                explain: None,
            },
            choices: Choices {
                statistics: match self.statistics {
                    StatisticsArg::Exact => Statistics::Exact,
                    StatisticsArg::Approximate => Statistics::Approximate,
                },
                keep_branches: false,
            },
            freeze: self.rules.freeze.clone(),
            inputs: self.rules.inputs.clone(),
            masks: self.masks.clone(),
            on_unknown: match self.on_unknown {
                OnUnknownArg::Lock => OnUnknown::Lock,
                OnUnknownArg::Error => OnUnknown::Error,
            },
            #[cfg(feature = "torch")]
            verify: self.verify.then(Default::default),
        }
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
