//! `paring rules check`

use std::path::PathBuf;

use clap::Args;
use miette::Result;
use paring::rulebook::{check, problems};

/// Check rule files and run their tests.
///
/// Reports all mistakes at once, each where it stands: unreadable notation, unknown letters, arguments and layouts, sizes
/// that cannot be derived, entries that are never reached, and tests (`tests:`) that fail. Without a folder, the built-in
/// rules are checked. Ends with 1 if there is a mistake.
///
/// Example: paring rules check my_rules
#[derive(Args)]
pub struct Check {
    /// Folders of YAML files, or files
    #[arg(value_name = "DIR")]
    paths: Vec<PathBuf>,
    /// Print the mistakes as JSON, with lines and columns
    #[arg(long)]
    json: bool,
}

impl Check {
    /// Runs the command.
    pub fn run(self) -> Result<()> {
        let result = check(&self.paths);
        if self.json {
            let list = result.as_ref().err().map(problems).unwrap_or_default();
            crate::cli::say::print_json(&list)?;
            if !list.is_empty() {
                std::process::exit(1); // all is said
            }
            return Ok(());
        }
        let checked = result?;
        let count = |n: usize, what: &str, many: &str| format!("{n} {}", if n == 1 { what } else { many });
        crate::cli::say::print(&format!(
            "{} in {}, {}: no mistakes\n",
            count(checked.entries, "entry", "entries"),
            count(checked.files, "file", "files"),
            count(checked.tests, "test", "tests")
        ))
    }
}
