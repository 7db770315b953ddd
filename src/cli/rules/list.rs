//! `paring rules list`

use std::path::PathBuf;

use clap::Args;
use miette::Result;
use paring::Session;
use paring::rule::Schemas;
use paring::rulebook::{Listed, Usage, listing, usage};

use crate::cli::inputs::RuleDirs;

/// List the operators that have a rule, or those of a model.
///
/// Each line has the operator (with all overloads, unless one is named), its family, and where its entries are. With
/// --model: the rules that a model uses with the number of nodes, and its operators that no rule describes.
///
/// Example: paring rules list --model resnet.pt2
#[derive(Args)]
pub struct List {
    /// Show the rules that this program uses
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    #[command(flatten)]
    rules: RuleDirs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl List {
    /// Runs the command.
    pub fn run(self) -> Result<()> {
        let rules = self.rules.set()?;
        let Some(path) = &self.model else {
            let list = listing(&rules);
            return if self.json { crate::cli::say::print_json(&list) } else { crate::cli::say::print(&operators(&list)) };
        };
        let session = Session::open(path, &[], rules, &[])?;
        let usage = usage(session.graph(), session.rules(), session.axes());
        if self.json {
            crate::cli::say::print_json(&usage)
        } else {
            crate::cli::say::print(&of_model(&usage, &path.display().to_string()))
        }
    }
}

fn operators(list: &[Listed]) -> String {
    let width = list.iter().map(|l| l.op.chars().count()).max().unwrap_or(0);
    let family = list.iter().map(|l| l.family.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for l in list {
        let lines: Vec<String> = l.lines.iter().map(ToString::to_string).collect();
        let kind = if l.built_in { "built-in" } else { "yours" };
        out += &format!("{:<width$}  {:<family$}  {kind:<8}  {}:{}\n", l.op, l.family, l.file, lines.join(","));
    }
    out + &format!("\n{} operators\n", list.len())
}

fn of_model(usage: &Usage, model: &str) -> String {
    let mut out = String::new();
    let ops = usage.used.iter().map(|u| &u.op).chain(usage.missing.iter().map(|m| &m.op));
    let width = ops.map(|op| op.chars().count()).max().unwrap_or(0);
    for u in &usage.used {
        let kind = if u.built_in { "built-in" } else { "yours" };
        out += &format!("{:>5}  {:<width$}  {kind:<8}  {}\n", u.nodes, u.op, u.place);
    }
    if usage.missing.is_empty() {
        return out + "\nEvery operator of the model that has tensors has a rule.\n";
    }
    out += "\nWithout a rule (their axes stay)\n";
    for m in &usage.missing {
        out += &format!("{:>5}  {:<width$}  {}\n", m.nodes, m.op, m.why);
        if let Some(line) = &m.line {
            out += &format!("       {line}\n");
        }
    }
    let can_have = |op: &str| Schemas::builtin().get(op).is_none_or(|s| !s.has_graphs());
    let Some(first) = usage.missing.iter().find(|m| can_have(&m.op)) else { return out };
    let first = first.op.strip_suffix(".default").unwrap_or(&first.op);
    out + &format!("\n`paring rules new {first} --model {model}` proposes a rule\n")
}
