//! `paring completions`

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use miette::Result;

/// Print completions for a shell.
///
/// Example: paring completions bash > ~/.local/share/bash-completion/completions/paring
#[derive(Args)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    /// Runs the command.
    pub fn run(self) -> Result<()> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut super::Cli::command(), "paring", &mut text);
        super::print(&String::from_utf8_lossy(&text))
    }
}
