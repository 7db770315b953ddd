//! `paring bench`

use std::path::PathBuf;

use clap::Args;
use miette::Result;

use super::libtorch::Libtorch;

/// Time a program's forward in PyTorch's own library.
///
/// Prints the median and the fastest and slowest tenth, of runs one after the other. Several programs are timed in turns, so
/// that what else the machine does hits them alike.
///
/// Needs a build with `--features torch`.
///
/// Example: paring bench model.pt2 small.pt2 --threads 1
#[derive(Args)]
pub struct Bench {
    /// The programs; all get the same inputs
    #[arg(required = true)]
    models: Vec<PathBuf>,
    /// Forwards to time of each
    #[arg(long, value_name = "N", default_value_t = 50)]
    runs: usize,
    /// End after about so many seconds
    #[arg(long, value_name = "S", default_value_t = 60)]
    seconds: u64,
    #[command(flatten)]
    libtorch: Libtorch,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl Bench {
    /// Runs the command.
    #[cfg(not(feature = "torch"))]
    pub fn run(self) -> Result<()> {
        super::libtorch::no_libtorch()
    }

    /// Runs the command.
    #[cfg(feature = "torch")]
    pub fn run(self) -> Result<()> {
        use std::time::Duration;

        use paring::load::Model;
        use paring::torch::{Program, bench};

        let setup = self.libtorch.setup()?;
        setup.apply()?;
        let models: Vec<Model> = self.models.iter().map(|m| Model::open(m)).collect::<Result<_, _>>()?;
        let programs = models.iter().map(|m| Program::new(&m.graph, &m.archive, None, &setup));
        let programs: Vec<Program> = programs.collect::<Result<_, _>>()?;
        let [first, ..] = models.as_slice() else { return Ok(()) };
        let inputs = self.libtorch.inputs_for(&first.graph, &programs[0], &setup)?;
        let all: Vec<&Program> = programs.iter().collect();
        let _stage = tracing::info_span!("run").entered();
        let times = bench(&all, &inputs, self.runs, Duration::from_secs(self.seconds))?;
        let rows: Vec<(String, _)> = self.models.iter().map(|m| m.display().to_string()).zip(times).collect();
        match self.json {
            true => super::say::print_json(&serde_json::json!({
                "device": self.libtorch.device,
                "threads": paring::torch::threads(),
                "models": rows.iter().map(|(name, t)| serde_json::json!({"model": name, "milliseconds": t})).collect::<Vec<_>>(),
            })),
            false => super::say::print(&paring::torch::timings_text(&rows, &self.libtorch.device, paring::torch::threads())),
        }
    }
}
