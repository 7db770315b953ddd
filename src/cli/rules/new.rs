//! `paring rules new`

use std::path::PathBuf;

use clap::Args;
use miette::Result;
use paring::load::Model;
use paring::rulebook::{RulebookError, propose};

use crate::cli::error::CliError;
use crate::cli::inputs::RuleDirs;

/// Propose a rule for an operator.
///
/// Prints an entry with the operator's arguments as the model passes them. Where the shapes of all its calls fit an
/// element-wise rule, or equal sizes tell which axes are the same, that is proposed, with comments that say what to check.
///
/// Example: paring rules new shop.scaled_gate --model model.pt2 -o rules/shop.yaml
#[derive(Args)]
pub struct New {
    /// The operator: shop.scaled_gate, aten.conv2d
    op: String,
    /// A program that calls it; without one, only the operator's schema is used
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Write to a new file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    rules: RuleDirs,
}

impl New {
    /// Runs the command.
    pub fn run(self) -> Result<()> {
        if let Some(path) = self.output.as_ref().filter(|p| p.exists()) {
            return Err(RulebookError::Exists { path: path.clone() }.into());
        }
        let rules = self.rules.set()?;
        let model = self.model.as_ref().map(|path| Model::open(path).map(|m| (m, path.display().to_string()))).transpose()?;
        let proposal = propose(&self.op, model.as_ref().map(|(m, file)| (&m.graph, file.as_str())), &rules)?;
        match &self.output {
            None => crate::cli::say::print(&proposal.text)?,
            Some(path) => {
                if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
                    std::fs::create_dir_all(folder).map_err(CliError::folder(folder))?;
                }
                paring::format::write_text(path, &proposal.text)?;
                let path = path.display();
                crate::cli::say::print(&format!("{path}: written; `paring rules check {path}` checks it\n"))?;
            }
        }
        Ok(())
    }
}
