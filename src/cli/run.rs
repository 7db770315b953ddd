//! `paring run`

use std::path::PathBuf;

use clap::Args;
use miette::Result;

use super::libtorch::Libtorch;

/// Run a program in PyTorch's own library and write its outputs.
///
/// Needs a build with `--features torch`.
///
/// Example: paring run small.pt2 --inputs x.safetensors -o outputs.safetensors
#[derive(Args)]
pub struct Run {
    /// The program
    model: PathBuf,
    /// Where to write the outputs, a safetensors file
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    libtorch: Libtorch,
}

impl Run {
    /// Runs the command.
    #[cfg(not(feature = "torch"))]
    pub fn run(self) -> Result<()> {
        super::libtorch::no_libtorch()
    }

    /// Runs the command.
    #[cfg(feature = "torch")]
    pub fn run(self) -> Result<()> {
        use paring::format::torchscript::Script;
        use paring::load::Model;
        use paring::torch::{Program, write_outputs};

        let files = self.libtorch.inputs.iter().map(|path| ("the inputs that are read", path.as_path()));
        let read: Vec<_> = std::iter::once(("the model that is read", self.model.as_path())).chain(files).collect();
        paring::Outputs { model: Some(self.output.clone()), ..Default::default() }.check(&read)?;
        let model = Model::open(&self.model)?;
        let setup = self.libtorch.setup()?;
        setup.apply()?;
        let program = Program::new(&model.graph, &model.archive, None, &setup)?;
        let inputs = self.libtorch.inputs_for(&model.graph, &program, &setup)?;
        let _stage = tracing::info_span!("run").entered();
        let outputs = program.run(&inputs)?;
        let names = Script::new(&model.graph).outputs.into_iter().map(|v| model.graph.value(v).name.clone());
        let named: Vec<_> = names.zip(outputs).collect();
        let written = write_outputs(&self.output, &named)?;
        model.archive.unchanged()?;
        written.persist()?;
        let lines = named.iter().map(|(name, t)| format!("{name} {:?} {:?}\n", t.size(), t.kind()));
        super::say::print(&lines.collect::<String>())
    }
}
