//! What there is to say of a choice.

use serde::Deserialize;

use super::given::Scores;

/// What makes a position important.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The sum of magnitudes.
    #[default]
    L1,
    /// The root of the sum of squares.
    L2,
    /// The gain of the norms that follow; without any as `L1`.
    Bn,
    /// The sum of distances to the other positions' weights.
    Fpgm,
    /// Chance.
    Random,
}

/// Where positions compete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Each group loses the same share.
    #[default]
    Local,
    /// The least important of all go, in multiples of their group's mean.
    Global,
    /// The same, but groups compete only with those of like structure (isomorphic pruning, Fang et al. 2024).
    Isomorphic,
}

/// How much goes.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// This share of the positions of all groups that can be pruned.
    Ratio(f64),
    /// So much that this share of the parameters stays.
    Parameters(f64),
    /// So much that this share of the multiply-accumulates stays.
    Macs(f64),
}

/// How to choose.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// How much goes.
    pub target: Target,
    /// What makes a position important.
    pub by: By,
    /// Scores from elsewhere, in the place of that.
    #[serde(skip)]
    pub scores: Option<Scores>,
    /// Where positions compete.
    pub scope: Scope,
    /// Patterns of groups, parameters or modules: what alone may go. Empty: all.
    pub include: Vec<String>,
    /// Patterns of what stays.
    pub exclude: Vec<String>,
    /// Patterns with the share that goes of what they mean, whatever else goes.
    pub ratios: Vec<(String, f64)>,
    /// What at most goes of a group.
    pub max_ratio: f64,
    /// Of how many positions that is a share, where earlier rounds took some: for each group the axis of its first member and what it had
    /// then, in the order of the groups.
    pub widths: Vec<(String, usize)>,
    /// What at least stays of each axis.
    pub min_keep: usize,
    /// What stays of an axis that is cut is a multiple of this.
    pub round_to: usize,
    /// Whole heads go, not positions inside each.
    pub heads: bool,
    /// This share of the heads goes, besides what goes inside each.
    pub head_ratio: Option<f64>,
    /// The seed of chance.
    pub seed: u64,
    /// Where all groups compete, scores are compared as they are, not in multiples of their group's mean.
    pub raw: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            target: Target::Ratio(0.5),
            by: By::L1,
            scores: None,
            scope: Scope::Local,
            include: Vec::new(),
            exclude: Vec::new(),
            ratios: Vec::new(),
            max_ratio: 1.0,
            widths: Vec::new(),
            min_keep: 1,
            round_to: 1,
            heads: false,
            head_ratio: None,
            seed: 0,
            raw: false,
        }
    }
}

impl Target {
    /// What is counted.
    pub(super) fn what(self) -> &'static str {
        match self {
            Target::Ratio(_) => "channels",
            Target::Parameters(_) => "parameters",
            Target::Macs(_) => "multiply-accumulates",
        }
    }
}
