//! What can go wrong when rules are looked up or proposed.

use std::path::PathBuf;

use miette::Diagnostic;
use thiserror::Error;

/// An error of `paring rules`.
#[derive(Debug, Error, Diagnostic)]
pub enum RulebookError {
    /// No rule, and no operator of that name.
    #[error("there is no rule for `{op}`")]
    #[diagnostic(code(paring::rules::unknown))]
    Unknown {
        /// What was asked for.
        op: String,
        /// What to do.
        #[help]
        help: String,
    },
    /// The model does not call the operator.
    #[error("no node of the model calls `{op}`")]
    #[diagnostic(code(paring::rules::not_in_model))]
    NotInModel {
        /// What was asked for.
        op: String,
        /// What to do.
        #[help]
        help: String,
    },
    /// A file that would be overwritten.
    #[error("{} exists already", path.display())]
    #[diagnostic(code(paring::rules::exists), help("name another file with -o, or add the entry to this one by hand"))]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// `rules fmt --check` found something.
    #[error("{} not evenly spaced: {}", if files.len() == 1 { "a rule file is".to_owned() } else { format!("{} rule files are", files.len()) }, files.join(", "))]
    #[diagnostic(code(paring::rules::unformatted), help("run `paring rules fmt` on it"))]
    Unformatted {
        /// The files.
        files: Vec<String>,
    },
    /// A rule file that cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    #[diagnostic(code(paring::rules::unreadable), help("check the path, and that you may read the file"))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}
