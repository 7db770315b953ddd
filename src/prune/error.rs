//! Why nothing could be chosen.

use std::path::PathBuf;

use miette::Diagnostic;
use thiserror::Error;

/// Why masks could not be chosen.
#[derive(Debug, Error, Diagnostic)]
#[non_exhaustive]
pub enum PruneError {
    /// A pattern that matches nothing.
    #[error("`{pattern}` of --{option} means no group, parameter or module")]
    #[diagnostic(
        code(paring::prune::exclude),
        help(
            "a group's number or axis as paring analyze shows it, or the name of a parameter or module that makes it; `*` stands for any text without a dot, `**` for any text, `?` for one character"
        )
    )]
    Pattern {
        /// The option.
        option: &'static str,
        /// The pattern.
        pattern: String,
    },
    /// Two ratios for one group.
    #[error("two ratios for the group {group}: {first}, and {second}")]
    #[diagnostic(
        code(paring::prune::conflict),
        help("its layers are coupled and lose the same positions; paring analyze --group shows them")
    )]
    Conflict {
        /// The group.
        group: String,
        /// One ratio, with the entry that says so.
        first: String,
        /// The other.
        second: String,
    },
    /// A file of ratios that is none.
    #[error("{path}: {reason}", path = path.display())]
    #[diagnostic(
        code(paring::prune::ratios),
        help("a file of ratios is YAML: `default: 0.5`, then a line for each exception: \"layer1.*.conv2\": 0.25")
    )]
    Ratios {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file of scores that is none.
    #[error("{path}: {reason}", path = path.display())]
    #[diagnostic(
        code(paring::prune::scores),
        help(
            "a file of scores is safetensors: for each parameter a tensor of its sizes, or one number for each output channel; or for a group, by the name of its axis, one number for each position"
        )
    )]
    Scores {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Scores that do not fit the model.
    #[error("what is given as scores of `{name}` {reason}")]
    #[diagnostic(
        code(paring::prune::score),
        help(
            "scores are by parameter, of its sizes or one number for each output channel; or by group, one number for each position, under a name of paring analyze such as `conv1.weight[0]`"
        )
    )]
    Score {
        /// Their name.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// No group can shrink.
    #[error("nothing in this model can be pruned: {why}")]
    #[diagnostic(code(paring::prune::nothing), help("paring analyze says of each group what stands in the way"))]
    Nothing {
        /// What stands in the way, of the most groups first.
        why: String,
    },
    /// A ratio of channels that leaves none, or is no share.
    #[error("the ratio {share} is not at least 0 and less than 1")]
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
