//! Why nothing could be chosen.

use miette::Diagnostic;
use thiserror::Error;

/// Why masks could not be chosen.
#[derive(Debug, Error, Diagnostic)]
#[non_exhaustive]
pub enum PruneError {
    /// A pattern that matches nothing.
    #[error("`--exclude {pattern}` matches no parameter or module")]
    #[diagnostic(
        code(paring::prune::exclude),
        help("`*` stands for any text without a dot, `**` for any text, `?` for one character")
    )]
    Exclude {
        /// The pattern.
        pattern: String,
    },
    /// No group can shrink.
    #[error("nothing in this model can be pruned")]
    #[diagnostic(code(paring::prune::nothing), help("paring analyze says of each group what stands in the way"))]
    Nothing,
    /// A ratio of channels that leaves none, or is no share.
    #[error("`--ratio {share}` is not at least 0 and less than 1")]
    #[diagnostic(code(paring::prune::ratio), help("it is the share of the channels that goes: 0.5 is half"))]
    Ratio {
        /// The number.
        share: f64,
    },
    /// A budget outside 0 to 1.
    #[error("the budget {share} is not more than 0 and at most 1")]
    #[diagnostic(code(paring::prune::share), help("it is the share that is left: 0.5 is half"))]
    Share {
        /// The number.
        share: f64,
    },
    /// A budget that no choice comes close to.
    #[error("{goal} of the {what} cannot be left: what can be reached is {reachable}")]
    #[diagnostic(
        code(paring::prune::budget),
        help(
            "ask for what can be reached, or allow more with --min-keep, --round-to, --exclude, --heads; paring analyze says what stands in the way of what stays"
        )
    )]
    Budget {
        /// What is counted.
        what: &'static str,
        /// What was asked for.
        goal: String,
        /// What can be had.
        reachable: String,
    },
    /// A weight whose numbers cannot be read.
    #[error("the weight `{name}` cannot be read")]
    #[diagnostic(
        code(paring::prune::weight),
        help("its data are missing, or its element type is none to compute with; exclude it")
    )]
    Weight {
        /// The weight.
        name: String,
    },
}
