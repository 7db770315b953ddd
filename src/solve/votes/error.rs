//! What can be wrong with masks.

use indexmap::IndexSet;
use miette::Diagnostic;
use thiserror::Error;

use super::conflict::Conflict;
use crate::model::{Graph, Role};

/// Masks that do not fit the model.
#[derive(Debug, Error, Diagnostic)]
pub enum SolveError {
    /// No parameter of that name.
    #[error("there is a mask for `{name}`, but the model has no parameter of that name")]
    #[diagnostic(code(paring::masks::unknown_parameter), help("{}", closest_names(closest)))]
    UnknownParameter {
        /// The name.
        name: String,
        /// The most similar names of parameters.
        closest: Vec<String>,
    },
    /// No name of a mask is one of the model's.
    #[error("none of the names of the {count} masks is one of the model's: is this another model?")]
    #[diagnostic(
        code(paring::masks::other_model),
        help("the masks have names such as `{mask}`, the model's parameters such as `{parameter}`")
    )]
    NoneKnown {
        /// How many masks there are.
        count: usize,
        /// The name of one.
        mask: String,
        /// A parameter of the model.
        parameter: String,
    },
    /// A shape that is neither the parameter's nor one number a channel.
    #[error("the mask for `{name}` has the shape {mask:?}, the parameter {parameter:?}")]
    #[diagnostic(code(paring::masks::shape), help("a mask has its parameter's shape, or one number for each output channel"))]
    MaskShape {
        /// The parameter.
        name: String,
        /// The mask's sizes.
        mask: Vec<usize>,
        /// The parameter's sizes.
        parameter: Vec<usize>,
    },
    /// A name of the exported module that may be one of several tensors.
    #[error("the mask for `{name}` may be for any of {}", quoted(tensors))]
    #[diagnostic(
        code(paring::masks::doubtful),
        help("several nodes of this module have weights that the exporter renamed: give the mask by the name that the file has")
    )]
    Doubtful {
        /// The name.
        name: String,
        /// What it may be.
        tensors: Vec<String>,
    },
    /// Two masks for one tensor.
    #[error("the masks for `{one}` and `{other}` are both for `{tensor}`")]
    #[diagnostic(code(paring::masks::twice), help("it is one tensor in the file: give it one mask"))]
    Twice {
        /// The name of a mask.
        one: String,
        /// That of another.
        other: String,
        /// The tensor.
        tensor: String,
    },
    /// The program multiplies no parameter by a mask.
    #[error("the model masks none of its parameters itself")]
    #[diagnostic(
        code(paring::masks::none_active),
        help(
            "`--masks model` is for a model exported while torch.nn.utils.prune is active: each masked parameter is multiplied by a buffer of zeros and ones of its shape, and read nowhere else. After prune.remove, use `--masks zeros`"
        )
    )]
    NoActiveMasks,
    /// Masks disagree and the policy is `error`.
    #[error("masks of coupled layers disagree on {positions} positions")]
    #[diagnostic(code(paring::masks::conflict), help("{}\nchange the masks, or choose --on-conflict keep, restore or prune", conflicts.join("\n")))]
    Conflict {
        /// On how many positions.
        positions: usize,
        /// Who disagrees, a line each.
        conflicts: Vec<String>,
    },
    /// A name to freeze that nothing has.
    #[error("`--freeze {name}` names no parameter, buffer or module")]
    #[diagnostic(code(paring::masks::unknown_frozen), help("{}", closest_names(closest)))]
    UnknownFrozen {
        /// The name.
        name: String,
        /// The most similar names.
        closest: Vec<String>,
    },
}

pub(crate) fn closest_names(closest: &[String]) -> String {
    match closest.is_empty() {
        true => "no name is like it: is this the model's? `paring analyze MODEL --all` lists its names".into(),
        false => format!("did you mean {}?", quoted(closest)),
    }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")
}

impl SolveError {
    /// Masks that disagree.
    pub(in crate::solve) fn conflict(all: &[Conflict]) -> SolveError {
        const MOST: usize = 8;
        let once = |names: &[String]| {
            names.iter().map(String::as_str).collect::<IndexSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
        };
        let line = |c: &Conflict| format!("{}: dropped by {}, kept by {}", c.positions, once(&c.drop), once(&c.keep));
        let mut conflicts: Vec<String> = all.iter().take(MOST).map(line).collect();
        if all.len() > MOST {
            conflicts.push(format!("and {} groups more", all.len() - MOST));
        }
        SolveError::Conflict { positions: all.iter().map(|c| c.positions).sum(), conflicts }
    }

    /// Masks of which the model knows none. A single one may be a slip of the pen, and gets the closest names.
    pub(super) fn none_known<'n>(graph: &Graph, mut names: impl Iterator<Item = &'n str>) -> SolveError {
        let first = names.next().unwrap_or("");
        let count = 1 + names.count();
        let parameters = || graph.tensors.iter().filter(|t| t.role == Role::Parameter);
        let parameter = parameters().find(|t| t.shape.len() > 1).or(parameters().next()).map(|t| t.name.clone());
        match (count, parameter) {
            (2.., Some(parameter)) => SolveError::NoneKnown { count, mask: first.to_owned(), parameter },
            _ => SolveError::unknown_parameter(graph, first),
        }
    }

    /// A mask for a parameter that the model lacks, with the closest names.
    pub(in crate::solve) fn unknown_parameter(graph: &Graph, name: &str) -> SolveError {
        let parameters = graph.tensors.iter().filter(|t| t.role == Role::Parameter).map(|t| t.name.as_str());
        let parameters = parameters.chain(graph.aliases.iter().map(|a| a.name.as_str()));
        SolveError::UnknownParameter { name: name.into(), closest: closest(name, parameters) }
    }
}

/// How alike two names are at least, for the one to be taken for a slip of the other.
const ALIKE: f64 = 0.7;

/// The three most similar names, if any is like it.
pub fn closest<'a>(name: &str, all: impl Iterator<Item = &'a str>) -> Vec<String> {
    let scored = all.map(|n| (-strsim::jaro_winkler(name, n), n));
    let mut scored: Vec<(f64, &str)> = scored.filter(|(distance, _)| *distance <= -ALIKE).collect();
    scored.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(b.1)));
    scored.into_iter().take(3).map(|(_, n)| n.to_owned()).collect()
}
