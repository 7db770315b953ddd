//! `paring man`

use std::path::PathBuf;

use clap::{Args, Command};
use miette::Result;

use super::error::CliError;

/// Print the man page, or write all pages to a folder.
///
/// Example: paring man --out ~/.local/share/man/man1
#[derive(Args)]
pub struct Man {
    /// Write a page for each subcommand to this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Man {
    /// Runs the command; `command` is the whole command line.
    pub fn run(self, command: Command) -> Result<()> {
        match self.out {
            None => {
                let mut text = Vec::new();
                clap_mangen::Man::new(command).render(&mut text).map_err(|e| CliError::Text(e.into()))?;
                super::say::print(&String::from_utf8_lossy(&text))
            }
            Some(dir) => {
                std::fs::create_dir_all(&dir).map_err(CliError::folder(&dir))?;
                Ok(clap_mangen::generate_to(command, &dir).map_err(CliError::folder(&dir))?)
            }
        }
    }
}
