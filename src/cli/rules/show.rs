//! `paring rules show`

use std::sync::Arc;

use clap::Args;
use miette::Result;
use paring::rule::Rule;
use paring::rulebook::{describe, find};
use serde_json::json;

use crate::cli::inputs::RuleDirs;

/// Draw the rules of an operator.
///
/// A row of the picture is a tensor, a column is a letter, and the numbers say in which dimension of the tensor the letter
/// stands: dimensions in one column are the same axis and lose positions together. Below, what becomes of each letter, and
/// what is known of the result's values.
///
/// Example: paring rules show aten.conv2d
#[derive(Args)]
pub struct Show {
    /// The operator, with or without its overload: aten.conv2d, aten.add.Tensor, relu
    op: String,
    #[command(flatten)]
    rules: RuleDirs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Show {
    /// Runs the command.
    pub fn run(self) -> Result<()> {
        let rules = self.rules.set()?;
        let found = find(&rules, &self.op)?;
        let entries: Vec<_> = found.iter().flat_map(|(op, list)| list.iter().map(move |rule| (op, rule))).collect();
        if self.json {
            let entry = |(op, rule): &(&String, &&Arc<Rule>)| {
                let (file, line) = (rule.place.source.name(), rule.place.line);
                json!({"op": op, "file": file, "line": line, "built_in": !rules.is_own(rule), "text": describe(rule)})
            };
            return crate::cli::say::print_json(&entries.iter().map(entry).collect::<Vec<_>>());
        }
        let entry = |(op, rule): &(&String, &&Arc<Rule>)| {
            let kind = if rules.is_own(rule) { "yours" } else { "built-in" };
            format!("{op}    {} ({kind})\n\n{}", rule.place, describe(rule))
        };
        crate::cli::say::print(&entries.iter().map(entry).collect::<Vec<_>>().join("\n"))
    }
}
