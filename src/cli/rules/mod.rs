//! `paring rules`

mod check;
mod fmt;
mod list;
mod new;
mod show;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use miette::{IntoDiagnostic, Result};
use paring::rule::{RuleErrors, RuleSet};

/// Look up, check and write rules.
///
/// A rule says what an operator does to the axes of its tensors (docs/writing-rules.md).
///
/// Example: paring rules show conv2d
#[derive(Args)]
pub struct Rules {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    List(list::List),
    Show(show::Show),
    Check(check::Check),
    New(new::New),
    Fmt(fmt::Fmt),
}

impl Rules {
    /// Runs the command.
    pub fn run(self) -> Result<()> {
        match self.command {
            Command::List(args) => args.run(),
            Command::Show(args) => args.run(),
            Command::Check(args) => args.run(),
            Command::New(args) => args.run(),
            Command::Fmt(args) => args.run(),
        }
    }
}

/// The built-in rules and those of the folders.
fn read(dirs: &[PathBuf]) -> Result<RuleSet, RuleErrors> {
    if dirs.is_empty() { Ok(RuleSet::builtin()) } else { RuleSet::with_dirs(dirs) }
}

/// Prints a value as JSON.
fn print_json(value: &impl serde::Serialize) -> Result<()> {
    super::print(&(serde_json::to_string_pretty(value).into_diagnostic()? + "\n"))
}
