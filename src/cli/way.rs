//! What `speedup` and `prune` have in common: where results go, and how masks are weighed.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use miette::Result;
use paring::plan::{Choices, Statistics};
use paring::solve::{Options, Policy};
use paring::{OnUnknown, Outputs, Settings};

use super::inputs::Rules;

/// Where results go, and how masks are weighed.
#[derive(Args)]
pub struct Way {
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
    /// What to do with operators that no rule describes
    #[arg(long, value_enum, default_value = "lock")]
    on_unknown: OnUnknownArg,
    /// Before any output appears, run both models in PyTorch's own library and compare (a build with --features torch)
    #[arg(long, requires = "output")]
    verify: bool,
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

impl Way {
    /// Whether this build can do what is asked.
    #[cfg_attr(feature = "torch", allow(clippy::unnecessary_wraps))]
    pub fn check(&self) -> Result<()> {
        #[cfg(not(feature = "torch"))]
        if self.verify {
            return super::libtorch::no_libtorch();
        }
        Ok(())
    }

    /// The files that are written.
    pub fn outputs(&self) -> Outputs {
        Outputs {
            model: self.output.clone(),
            unified_masks: self.unified_masks.clone(),
            plan: self.plan.clone(),
            report: self.report.clone(),
        }
    }

    /// What decides over the run; `masks` is what messages call the masks.
    pub fn settings(&self, rules: &Rules, masks: &Path) -> Settings {
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
                settle_masks: false,
            },
            freeze: rules.freeze.clone(),
            inputs: rules.inputs.clone(),
            masks: masks.to_path_buf(),
            sources: Vec::new(),
            on_unknown: match self.on_unknown {
                OnUnknownArg::Lock => OnUnknown::Lock,
                OnUnknownArg::Error => OnUnknown::Error,
            },
            #[cfg(feature = "torch")]
            verify: self.verify.then(Default::default),
        }
    }
}
