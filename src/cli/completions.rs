//! `paring completions`

use clap::{Args, Command};
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
    /// Runs the command; `command` is the whole command line.
    pub fn run(self, mut command: Command) -> Result<()> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut command, "paring", &mut text);
        super::say::print(&String::from_utf8_lossy(&text))
    }
}
