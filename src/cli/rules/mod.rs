//! `paring rules`

mod check;
mod fmt;
mod list;
mod new;
mod show;
mod test;

use clap::{Args, Subcommand};
use miette::Result;

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
    Test(test::Test),
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
            Command::Test(args) => args.run(),
        }
    }
}
