//! `paring rules fmt`

use std::path::PathBuf;

use clap::Args;
use miette::Result;
use paring::rule::{formatted, yaml_files};
use paring::rulebook::RulebookError;

/// Space the notation of rule files evenly.
///
/// `x[n,c]->[n,c]` becomes `x[n, c] -> [n, c]`, and blanks at the ends of lines go. Comments, the order of keys and the meaning
/// stay; files with mistakes are reported and left as they are.
///
/// Example: paring rules fmt my_rules
#[derive(Args)]
pub struct Fmt {
    /// Folders of YAML files, or files
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Change nothing; end with 1 if a file would change
    #[arg(long)]
    check: bool,
}

impl Fmt {
    /// Runs the command.
    pub fn run(self) -> Result<()> {
        let mut files = Vec::new();
        for path in yaml_files(&self.paths)? {
            let text =
                paring::format::text_of(&path).map_err(|source| RulebookError::Unreadable { path: path.clone(), source })?;
            let new = formatted(&path.display().to_string(), &text)?;
            if new == text {
                continue;
            }
            files.push(path.display().to_string());
            if !self.check {
                paring::format::write_text(&path, &new)?;
                crate::cli::say::print(&format!("{}: formatted\n", path.display()))?;
            }
        }
        if self.check && !files.is_empty() { Err(RulebookError::Unformatted { files }.into()) } else { Ok(()) }
    }
}
