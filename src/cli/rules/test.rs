//! `paring rules test`

use clap::Args;
use miette::Result;

use crate::cli::inputs::RuleDirs;

/// Prove rules by running their operators.
///
/// Each rule is tried on small random tensors: the operator is run by libtorch on all of them, and on what is left when
/// positions are removed that the rule lets go, with the arguments rewritten as it says; the results must agree. What its
/// clauses (`zero`, `finite`, ...) say of removed positions is checked on the numbers, and so are the sizes that it derives, the
/// repairs of its statistics, and the numbers that `value` and `fold` give under --lossless. Calls are drawn from the rule's notation and the operator's schema, and taken from its
/// `tests:`. Locks without which everything agrees as well are listed: such a rule could say more. Without operators or
/// --rules, all built-in rules are tested. Ends with 1 if a rule is wrong.
///
/// With --onnx the rules of ONNX's operators are tested by onnxruntime, which runs in a Python beside this program.
///
/// Example: paring rules test conv2d softmax
#[derive(Args)]
pub struct Test {
    /// Operators whose rules to test [default: all]
    #[arg(value_name = "OP")]
    ops: Vec<String>,
    #[command(flatten)]
    rules: RuleDirs,
    /// Seed of the random numbers
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Test the rules of ONNX's operators, by onnxruntime
    #[arg(long)]
    onnx: bool,
    /// The Python that has onnxruntime [default: that of the active virtual environment, or the first on the path]
    #[arg(long, value_name = "FILE", requires = "onnx")]
    python: Option<std::path::PathBuf>,
    /// Print JSON: for each rule its cases, trials, idle locks, and what is wrong
    #[arg(long)]
    json: bool,
    /// Answer the command that started this one
    #[arg(long, hide = true)]
    worker: bool,
}

impl Test {
    /// Runs the command.
    pub fn run(self) -> Result<()> {
        use crate::cli::error::CliError;
        use paring::trials::{chosen, test, untested, verdict, workers};
        let by = self.backend()?;
        let rules = self.rules.set()?;
        for op in &self.ops {
            paring::rulebook::find(&rules, op)?;
        }
        let list = chosen(&rules, &self.ops, by.as_ref());
        if self.worker {
            let one = |(k, written): workers::Job| match list.get(k) {
                Some(rule) => test(&rules, rule, &by, &self.ops, self.seed, written),
                None => std::process::exit(1), // nobody asks for it
            };
            return Ok(workers::serve(one).map_err(CliError::Workers)?);
        }
        let name = by.name();
        drop(by);
        let program = std::env::current_exe().map_err(CliError::Workers)?;
        let command = || {
            let mut command = std::process::Command::new(&program);
            command.args(std::env::args_os().skip(1)).arg("--worker");
            command
        };
        let died = |k: usize| untested(list[k], &format!("{name} dies of it"));
        let tested = workers::share(list.len(), &command, &died, name).map_err(CliError::Workers)?;
        if self.json {
            crate::cli::say::print_json(&tested)?;
        } else {
            crate::cli::say::print(&text(&tested, name))?;
        }
        match verdict(&list, &tested) {
            Err(_) if self.json => std::process::exit(1), // all is said
            result => Ok(result?),
        }
    }

    /// What runs the operators.
    fn backend(&self) -> Result<std::rc::Rc<dyn paring::trials::Backend>> {
        if self.onnx {
            return Ok(std::rc::Rc::new(paring::onnxruntime::Onnxruntime::start(self.python.as_deref())?));
        }
        #[cfg(feature = "torch")]
        {
            paring::torch::Setup { threads: self.worker.then_some(1), ..paring::torch::Setup::default() }.apply()?;
            Ok(std::rc::Rc::new(paring::torch::Libtorch))
        }
        #[cfg(not(feature = "torch"))]
        {
            crate::cli::libtorch::no_libtorch()
        }
    }
}

fn text(rules: &[paring::trials::TestedRule], by: &str) -> String {
    use std::fmt::Write;
    let mut out = String::new();
    let mut section = |title: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            let _ = write!(out, "{title}\n  {}\n\n", lines.join("\n  "));
        }
    };
    let name = |r: &paring::trials::TestedRule| format!("{} ({}:{})", r.op.join(", "), r.file, r.line);
    let idle = rules.iter().filter(|r| !r.could_say_more.is_empty());
    let idle = idle.map(|r| format!("{}: {}", name(r), r.could_say_more.join(", "))).collect();
    section("Could say more: without these locks everything agrees as well", idle);
    let idle = rules.iter().filter_map(|r| Some(format!("{}: {}", name(r), r.not_run.as_ref()?))).collect();
    section("Not run", idle);
    let untried =
        rules.iter().flat_map(|r| r.untried.iter().map(|(op, at, why)| format!("{} alternative {at} for {op}: {why}", name(r))));
    section("Alternatives of which no call was run", untried.collect());
    let dead = rules.iter().filter(|r| r.skipped.iter().any(|(what, _)| what == "drawn calls")).map(&name).collect();
    section(&format!("Only their tests were run, for {by} dies of a drawn call"), dead);
    let run = rules.iter().filter(|r| r.cases > 0).count();
    let (cases, trials) = rules.iter().fold((0, 0), |(c, t), r| (c + r.cases, t + r.trials));
    let wrong = rules.iter().filter(|r| !r.failures.is_empty()).count();
    let _ = writeln!(out, "{run} of {} rules run: {cases} calls, {trials} cuts compared, {wrong} rules wrong", rules.len());
    out
}
