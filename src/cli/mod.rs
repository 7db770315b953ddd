//! The command line: one file a subcommand.

mod analyze;
mod apply;
mod bench;
mod completions;
mod explain;
mod inputs;
mod libtorch;
mod man;
mod prune;
mod rules;
mod run;
mod speedup;
mod verify;

use std::ffi::OsString;
use std::io::{ErrorKind, IsTerminal, Write};

use clap::{Parser, Subcommand, ValueEnum};
use miette::{IntoDiagnostic, JSONReportHandler, Result};

pub use inputs::{MaskFile, Opened};
use inputs::{RuleDirs, Rules};
use libtorch::Libtorch;
#[cfg(not(feature = "torch"))]
use libtorch::no_libtorch;

/// Cut pruned channels out of a traced PyTorch model.
///
/// Paring takes a program saved by torch.export.save or torch.jit.save and pruning masks, works out which channels can really go, and writes a
/// smaller dense program that computes the same.
///
/// Example: paring speedup model.pt2 --masks masks.safetensors -o small.pt2
#[derive(Parser)]
#[command(name = "paring", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How errors are written: for people, or as JSON for editors (code, message, help, labels with places)
    #[arg(long, global = true, value_enum, value_name = "FORM", default_value = "text")]
    errors: Form,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people
    Text,
    /// As JSON, one object
    Json,
}

#[derive(Subcommand)]
enum Command {
    Speedup(speedup::Speedup),
    Prune(prune::Prune),
    Masks(prune::Masks),
    Apply(apply::Apply),
    Analyze(analyze::Analyze),
    Explain(explain::Explain),
    Verify(verify::Verify),
    Run(run::Run),
    Bench(bench::Bench),
    Rules(rules::Rules),
    Completions(completions::Completions),
    Man(man::Man),
}

/// Runs the program with these arguments, the first of which is its name, and says how it ended: 0 done, 1 error. Wrong usage ends the
/// process with 2.
pub fn main(args: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = Cli::parse_from(args);
    // Deep graphs recurse deeply: egg's proofs, nested concatenations.
    let run = std::thread::Builder::new().stack_size(STACK).spawn(|| run(cli));
    match run.map(std::thread::JoinHandle::join) {
        Ok(Ok(code)) => code,
        _ => 1,
    }
}

/// Bytes of stack that the analysis of a deep graph may take.
pub const STACK: usize = 256 << 20;

fn run(cli: Cli) -> u8 {
    let result = match cli.command {
        Command::Speedup(args) => args.run(),
        Command::Prune(args) => args.run(),
        Command::Masks(args) => args.run(),
        Command::Apply(args) => args.run(),
        Command::Analyze(args) => args.run(),
        Command::Explain(args) => args.run(),
        Command::Verify(args) => args.run(),
        Command::Run(args) => args.run(),
        Command::Bench(args) => args.run(),
        Command::Rules(args) => args.run(),
        Command::Completions(args) => args.run(),
        Command::Man(args) => args.run(),
    };
    match result {
        Ok(()) => 0,
        Err(report) => {
            let mut json = String::new();
            match cli.errors {
                Form::Json if JSONReportHandler::new().render_report(&mut json, report.as_ref()).is_ok() => eprintln!("{json}"),
                _ => eprintln!("{report:?}"),
            }
            1
        }
    }
}

/// True if progress bars make sense.
fn on_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// Prints a text. That nobody reads on, as in `paring rules list | head`, is no error.
fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.into_diagnostic(),
    }
}

/// Prints a value as JSON.
fn print_json(value: &impl serde::Serialize) -> Result<()> {
    print(&(serde_json::to_string_pretty(value).into_diagnostic()? + "\n"))
}
