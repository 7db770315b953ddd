//! `paring apply`

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use comfy_table::{Table, presets};
use miette::Result;
use paring::plan::transfer::{Part, PlanFile, Prefixes, Transfer, Transferred, transfer};
use tracing::info_span;

/// Cut a state dict by a plan.
///
/// `paring speedup --plan plan.json` writes the plan. The result holds the tensors of the small program under the names of the
/// state dict, for a Python class with a smaller config. What a class must do besides (other sizes in its code, repaired means
/// and norms) is printed.
///
/// Tensors that the plan does not mention are copied. Elements that a mask makes zero but that stay are made zero: the plan says which, where
/// masks have one number a channel; else the unified masks do, which are taken from beside the plan if `speedup` wrote both. Then the weights
/// are those of the small program. Without them such elements keep their values, and a note says so.
///
/// Weights that are larger than a machine are cut file by file: `--shard 3/8` cuts the third of eight parts of the files of an index, in any
/// order, at the same time, on machines that share the output folder, or one after the other. Only its own files need to be there. Each
/// file gets its name when it is complete; what an earlier run finished with the same plan, from the same file, is left as it is, so that a
/// run that was ended is simply run again. The run that finds all files writes the index; `--shard 1/1` does all that is left.
///
/// Example: paring apply plan.json --weights model.safetensors -o small.safetensors
///
/// Example: seq 8 | xargs -P 2 -I{} paring apply plan.json --weights big/model.safetensors.index.json -o small --shard {}/8
#[derive(Args)]
pub struct Apply {
    /// The plan, as `paring speedup --plan` writes it
    plan: PathBuf,
    /// The weights: a safetensors file, a state dict of torch.save (.pth, .bin), or the index (.json) of a sharded checkpoint with its shards beside it
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    /// Where to write the small weights, as safetensors; of an index, a folder for shards of the same names, or an index in it
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The unified masks that `paring speedup --unified-masks` wrote with the plan, if they lie elsewhere now
    #[arg(long, value_name = "FILE")]
    unified_masks: Option<PathBuf>,
    /// What the plan's names begin with and the weights' names do not, as in `model.` (found alone where only one fits)
    #[arg(long, value_name = "PREFIX")]
    strip_prefix: Option<String>,
    /// What the weights' names begin with and the plan's names do not (found alone where only one fits)
    #[arg(long, value_name = "PREFIX")]
    add_prefix: Option<String>,
    /// Cut only the K-th of N parts of the files of an index, counted from 1; finished ones are left, and the index comes last
    #[arg(long, value_name = "K/N")]
    shard: Option<Part>,
    /// Print nothing
    #[arg(short, long)]
    quiet: bool,
    /// Print the report as JSON
    #[arg(long, conflicts_with = "quiet")]
    json: bool,
}

impl Apply {
    /// Runs the command.
    pub fn run(self) -> Result<()> {
        let plan = info_span!("open").in_scope(|| PlanFile::open(&self.plan))?;
        let prefixes = Prefixes { strip: self.strip_prefix, add: self.add_prefix };
        let wanted = Transfer {
            plan: &plan,
            weights: &self.weights,
            masks: self.unified_masks.as_deref(),
            prefixes: &prefixes,
            output: &self.output,
            part: self.shard,
        };
        let quiet = self.quiet || self.json;
        let mut told = |line: &str| {
            if !quiet {
                super::say::note(line);
            }
        };
        let cut = || transfer(&wanted, &mut told);
        let done = info_span!("write").in_scope(cut)?;
        if self.json {
            super::say::print_json(&done)?;
        } else if !self.quiet {
            super::say::print(&text(&done))?;
        }
        Ok(())
    }
}

fn text(done: &Transferred) -> String {
    let mut out = String::new();
    let mut tensors = Table::new();
    tensors.load_style(presets::NOTHING);
    tensors.set_header(["tensor", "sizes", "after"]);
    tensors.add_rows(done.changed.iter().map(|c| [c.name.clone(), sizes(&c.before), sizes(&c.after)]));
    if !done.changed.is_empty() {
        lines(&mut out, &tensors);
        out.push('\n');
    }
    let (changed, copied) = (done.changed.len(), done.copied);
    let _ =
        writeln!(out, "{changed} tensors cut, {copied} copied; bytes of weights {} -> {}", done.bytes_before, done.bytes_after);
    if let Some(first) = done.renamed.first() {
        let count = |n: usize, what: &str| if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") };
        let (weights, masks) = (count(done.renamed.len(), "weight"), count(done.removed.len(), "mask"));
        let _ = writeln!(out, "{weights} stored masked, `{}` as `{}`; {masks} left out", first.from, first.to);
    }
    if !done.strip_prefix.is_empty() || !done.add_prefix.is_empty() {
        let _ = writeln!(out, "names: `{}` of the plan is `{}` in the weights", done.strip_prefix, done.add_prefix);
    }
    if part(done) {
        let _ = writeln!(out, "files: {} written, {} finished before", done.written.len(), done.finished.len());
    }
    match (&done.index, done.missing.as_slice()) {
        (Some(index), _) => _ = writeln!(out, "all files are there, and {index} is written"),
        (None, [only]) => _ = writeln!(out, "{only} is not finished yet: the run that finds all files writes the index"),
        (None, [first, more @ ..]) => {
            let n = more.len();
            let _ = writeln!(out, "{first} and {n} more are not finished yet: the run that finds all files writes the index");
        }
        _ => {}
    }
    // What the class must do is said once, with the index.
    if part(done) && done.index.is_none() {
        return out;
    }
    if !done.arguments.is_empty() {
        out.push_str("\nWhere the Python class writes these sizes out, it must write the new ones:\n");
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["module", "operator", "argument", "value", "after", "times"]);
        let row = |a: &paring::plan::transfer::Argument| {
            [a.module.clone(), a.op.clone(), a.arg.clone(), a.old.to_string(), a.new.to_string(), a.times.to_string()]
        };
        table.add_rows(done.arguments.iter().map(row));
        lines(&mut out, &table);
    }
    if !done.notes.is_empty() {
        out.push_str("\nNotes:\n");
    }
    for note in &done.notes {
        let _ = writeln!(out, "- {note}");
    }
    out
}

/// Whether this is of a part of an index.
fn part(done: &Transferred) -> bool {
    done.index.is_some() || !done.missing.is_empty()
}

fn sizes(list: &[usize]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join("×")
}

fn lines(out: &mut String, table: &Table) {
    for line in table.lines() {
        let _ = writeln!(out, "{}", line.trim_end().strip_prefix(' ').unwrap_or(&line));
    }
}
