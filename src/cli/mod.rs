//! The command line: one file a subcommand.

mod analyze;
mod apply;
mod bench;
mod completions;
mod error;
mod explain;
mod fault;
mod inputs;
mod libtorch;
mod man;
mod prune;
mod rules;
mod run;
mod say;
#[cfg(unix)]
mod signals;
mod speedup;
mod timings;
mod verify;
mod way;

use std::ffi::OsString;
use std::io::Write;
use std::sync::OnceLock;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use miette::{JSONReportHandler, Result};
use paring::rule::{Operators, entries};
use paring::shown::Shown;

pub use fault::{FAULT, STACK};
pub use inputs::{MaskFile, Opened};

/// Cut pruned channels out of a traced PyTorch model.
///
/// Paring takes a program saved by torch.export.save or torch.jit.save and pruning masks, works out which channels can really go, and writes a
/// smaller dense program that computes the same.
///
/// Example: paring speedup model.pt2 --masks masks.safetensors -o small.pt2
#[derive(Parser)]
#[command(name = "paring", version, long_version = version(), arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How errors are written: for people, or as JSON for editors (code, message, help, labels with places)
    #[arg(long, global = true, value_enum, value_name = "FORM", default_value = "text")]
    errors: Form,
    /// When done, show on the standard error where the time went: stages, processor time, memory and counts
    #[arg(long, global = true)]
    timings: bool,
}

/// What `--version` says: of a fault's report it is what one has to know.
fn version() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let features = if cfg!(feature = "torch") { "torch" } else { "none" };
        let (pytorch, onnx) = (entries(Operators::PyTorch), entries(Operators::Onnx));
        let version = env!("CARGO_PKG_VERSION");
        format!("{version}\nfeatures: {features}\nrules: {pytorch} entries for PyTorch's operators, {onnx} for ONNX's")
    })
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

/// Runs the program with these arguments, the first of which is its name, and says how it ended: 0 done, 1 error, [`FAULT`] a fault
/// in Paring. Wrong usage ends the process with 2.
pub fn main(args: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = Cli::parse_from(args);
    let form = cli.errors;
    #[cfg(unix)]
    let _handled = signals::Handled::install(form == Form::Json);
    match fault::caught(|| run(cli)) {
        Ok(Ok(())) => 0,
        Ok(Err(report)) => {
            complain(&Shown::of(report.as_ref()), form);
            1
        }
        Err(fault::Ended::NoStack(e)) => {
            complain(&Shown::of(&e), form);
            1
        }
        Err(fault::Ended::Fault(fault)) => {
            complain(&Shown::of(&fault), form);
            FAULT
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    if !cli.timings {
        return cli.command.run();
    }
    let timings = timings::Timings::begin();
    timings.of(|| cli.command.run())?;
    let _ = write!(std::io::stderr(), "{}", timings.end()); // a run does not fail for its times
    Ok(())
}

impl Command {
    fn run(self) -> Result<()> {
        match self {
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
            Command::Completions(args) => args.run(Cli::command()),
            Command::Man(args) => args.run(Cli::command()),
        }
    }
}

/// Says what went wrong.
fn complain(error: &Shown, form: Form) {
    let mut json = String::new();
    let text = match form {
        Form::Json if JSONReportHandler::new().render_report(&mut json, error).is_ok() => json,
        // What belongs to an error gets its severity as a heading of its own, which says nothing.
        _ => format!("{error:?}").lines().filter(|l| *l != "Advice: ").map(|l| format!("{l}\n")).collect(),
    };
    let _ = writeln!(std::io::stderr(), "{}", text.trim_end_matches('\n')); // the exit status says it too
}
