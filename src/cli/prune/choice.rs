//! What `prune` and `masks` have in common: how masks are chosen.

use std::fmt::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use miette::Result;
use paring::Session;
use paring::prune::{By, LeftOut, Options, Pruned, Ratios, Scope, Scores, Target, prune};

/// How masks are chosen.
#[derive(Args)]
pub struct Choice {
    #[command(flatten)]
    target: Goal,
    /// What makes a channel important; summed over all that is coupled to it, as it goes or stays as one
    #[arg(long, value_enum, default_value = "l1")]
    by: ByArg,
    /// Where channels compete
    #[arg(long, value_enum, default_value = "local")]
    scope: ScopeArg,
    /// Remove these shares of what is named: a YAML file with `default: 0.5` and lines such as `"layer1.*.conv2": 0.25`, by a group's number or
    /// axis as analyze shows it, or by parameters or modules that make it
    #[arg(long, value_name = "FILE")]
    ratios: Option<PathBuf>,
    /// Take the scores of a safetensors file: for each parameter a tensor of its sizes or a number for each output channel, or for a group,
    /// by the name of its axis, a number for each position. The least go first
    #[arg(long, value_name = "FILE", conflicts_with = "by")]
    scores: Option<PathBuf>,
    /// Prune only these: groups by number or axis, or parameters or modules that make them; `*` is any text without a dot, `**` any text
    /// (may be repeated)
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,
    /// Keep all channels of these (may be repeated)
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
    /// Remove at most this share of the channels of a group
    #[arg(long, value_name = "SHARE")]
    max_ratio: Option<f64>,
    /// Keep at least so many channels of each axis
    #[arg(long, value_name = "N", default_value_t = 1)]
    min_keep: usize,
    /// Keep a multiple of so many channels of each axis that is cut, where it has as many
    #[arg(long, value_name = "N", default_value_t = 1)]
    round_to: usize,
    /// Drop whole attention heads and groups, not positions inside each
    #[arg(long, conflicts_with = "head_ratio")]
    heads: bool,
    /// Remove this share of the attention heads and groups, besides what goes inside each
    #[arg(long, value_name = "SHARE")]
    head_ratio: Option<f64>,
    /// The seed of `--by random`
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

#[derive(Args)]
#[group(multiple = false)]
struct Goal {
    /// Remove this share of the channels of all groups that can be pruned
    #[arg(long, value_name = "SHARE", required_unless_present_any = ["ratio", "params", "macs", "ratios", "head_ratio"])]
    ratio: Option<f64>,
    /// Remove until at most this share of the parameters is left
    #[arg(long, value_name = "SHARE")]
    params: Option<f64>,
    /// Remove until at most this share of the multiply-accumulates is left
    #[arg(long, value_name = "SHARE")]
    macs: Option<f64>,
}

#[derive(Clone, Copy, ValueEnum)]
enum ByArg {
    /// The sum of magnitudes
    L1,
    /// The root of the sum of squares
    L2,
    /// The gain of the norms that follow; without any as l1
    Bn,
    /// The sum of distances to the other channels' weights
    Fpgm,
    /// Chance
    Random,
}

#[derive(Clone, Copy, ValueEnum)]
enum ScopeArg {
    /// Each group loses the same share
    Local,
    /// The least important of all groups go, in multiples of their group's mean
    Global,
    /// As global, but groups compete only with those of like structure
    Isomorphic,
}

impl Choice {
    /// Chooses masks for a model.
    pub fn pruned(&self, session: &Session) -> Result<Pruned> {
        let _stage = tracing::info_span!("choose").entered();
        Ok(prune(session.model(), session.axes(), session.rules(), &self.options()?)?)
    }

    fn options(&self) -> Result<Options> {
        let Goal { ratio, params, macs } = self.target;
        let said = match &self.ratios {
            Some(path) => Ratios::read(path, &paring::format::read_text(path)?)?,
            None => Ratios::default(),
        };
        let budget = params.map(Target::Parameters).or(macs.map(Target::Macs));
        Ok(Options {
            // What nothing is said of stays.
            target: budget.unwrap_or(Target::Ratio(ratio.or(said.default).unwrap_or(0.0))),
            by: match self.by {
                ByArg::L1 => By::L1,
                ByArg::L2 => By::L2,
                ByArg::Bn => By::Bn,
                ByArg::Fpgm => By::Fpgm,
                ByArg::Random => By::Random,
            },
            scores: self.scores.as_deref().map(Scores::read).transpose()?,
            scope: match self.scope {
                ScopeArg::Local => Scope::Local,
                ScopeArg::Global => Scope::Global,
                ScopeArg::Isomorphic => Scope::Isomorphic,
            },
            include: self.include.clone(),
            exclude: self.exclude.clone(),
            ratios: said.entries,
            max_ratio: self.max_ratio.or(said.max).unwrap_or(1.0),
            min_keep: self.min_keep,
            round_to: self.round_to.max(1),
            heads: self.heads,
            head_ratio: self.head_ratio,
            seed: self.seed,
            ..Options::default()
        })
    }
}

/// What was chosen, in a line, and a line for each reason that leaves groups out.
pub fn line(pruned: &Pruned) -> String {
    let Pruned { groups, positions, removed, ratio, left_out, .. } = pruned;
    let mut text = String::new();
    let all: usize = left_out.iter().map(|l| l.groups).sum();
    if all > 0 {
        let _ = writeln!(text, "left out {all} groups:");
    }
    for LeftOut { why, groups, .. } in left_out {
        let _ = writeln!(text, "  {groups} {why}");
    }
    let _ = writeln!(text, "removed {removed} of the {positions} channels of {groups} groups: {:.1} %", 100.0 * ratio);
    text
}
