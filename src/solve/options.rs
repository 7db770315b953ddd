//! How to solve.

use egg::Id;

/// What decides where masks of coupled layers disagree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// A position goes only if all say so; masked weights that stay, stay zero.
    #[default]
    Keep,
    /// As keep, and the mask of what stays is lifted.
    Restore,
    /// One vote is enough.
    Prune,
    /// A disagreement is an error.
    Error,
}

/// How to solve.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What decides where masks disagree.
    pub policy: Policy,
    /// A layer without a mask follows the others instead of voting to stay.
    pub unmasked_abstain: bool,
    /// The small model is to equal the original with the given masks, and no further zeros.
    pub lossless: bool,
    /// In that case numbers may be added that differ from place to place of a result.
    pub bias_maps: bool,
    /// An axis of which to say what was decided of each position.
    pub explain: Option<Id>,
}
