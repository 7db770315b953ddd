//! `paring rules check`

use std::path::{Path, PathBuf};

use clap::Args;
use miette::Result;
use paring::Session;
use paring::format::torchscript::Input;
use paring::rule::{RuleErrors, RuleSet};
use paring::rulebook::{Checked, check, fits, problems};

/// Check rule files and run their tests.
///
/// Reports all mistakes at once, each where it stands: unreadable notation, unknown letters, arguments and layouts, sizes
/// that cannot be derived, entries that are never reached, and tests (`tests:`) that fail. Without a folder, the built-in
/// rules are checked. Ends with 1 if there is a mistake.
///
/// With a model, an entry for an operator that the model does not call is a mistake too, and so are a name of an operand that no call
/// has and a call that no entry fits.
///
/// Example: paring rules check my_rules
///
/// Example: paring rules check my_rules --model model.pt2
#[derive(Args)]
pub struct Check {
    /// Folders of YAML files, or files
    #[arg(value_name = "DIR")]
    paths: Vec<PathBuf>,
    /// A program that the rules are for
    #[arg(long, value_name = "MODEL", requires = "paths")]
    model: Option<PathBuf>,
    /// The sizes of an input of a TorchScript program, such as 1x3x224x224 or 1x128:int64 (repeated for each input)
    #[arg(long = "input", value_name = "SIZES", requires = "model")]
    inputs: Vec<Input>,
    /// Print the mistakes as JSON, with lines and columns
    #[arg(long)]
    json: bool,
}

impl Check {
    /// Runs the command.
    pub fn run(self) -> Result<()> {
        let result = match &self.model {
            Some(model) => self.against(model, check(&self.paths))?,
            None => check(&self.paths),
        };
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

    /// What the rules alone show to be right, on a model.
    fn against(&self, model: &Path, checked: Result<Checked, RuleErrors>) -> Result<Result<Checked, RuleErrors>> {
        let Ok(checked) = checked else { return Ok(checked) };
        let session = Session::open(model, &self.inputs, RuleSet::with_dirs(&self.paths)?, &[])?;
        let errors = fits(session.graph(), session.rules(), session.axes());
        Ok(if errors.is_empty() { Ok(checked) } else { Err(RuleErrors { errors }) })
    }
}
