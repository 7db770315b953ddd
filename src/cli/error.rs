//! What can go wrong besides the work itself: with the terminal, and with folders.

use std::path::{Path, PathBuf};

use miette::Diagnostic;
use thiserror::Error;

/// What the command line does not get done.
#[derive(Debug, Error, Diagnostic)]
pub(super) enum CliError {
    /// The standard output takes nothing.
    #[error("cannot write to the standard output")]
    #[diagnostic(
        code(paring::stdout::unwritable),
        help(
            "what it leads to may be full. Files that the command writes are complete and in their places; --quiet prints nothing, where a command has it"
        )
    )]
    Stdout(#[source] std::io::Error),
    /// A folder for outputs.
    #[error("cannot make the folder {}, or write in it", path.display())]
    #[diagnostic(code(paring::file::folder), help("check the path, and that you may write there"))]
    Folder { path: PathBuf, source: std::io::Error },
    /// Text that cannot be put together.
    #[error("cannot put the output together")]
    #[diagnostic(code(paring::stdout::text), help("please report this with the command line"))]
    Text(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Processes that test rules.
    #[error("cannot run tests in processes of their own")]
    #[diagnostic(
        code(paring::rule::workers),
        help("check that the program can start itself, and the limits of processes and memory")
    )]
    Workers(#[source] std::io::Error),
}

impl CliError {
    /// Turns the system's error about a folder into one that names it.
    pub(super) fn folder(path: &Path) -> impl FnOnce(std::io::Error) -> CliError + '_ {
        move |source| CliError::Folder { path: path.to_path_buf(), source }
    }
}
