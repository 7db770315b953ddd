//! What all commands that run programs are told.

use std::path::PathBuf;

use clap::Args;

/// Where programs run, and on what.
#[derive(Args)]
#[cfg_attr(not(feature = "torch"), allow(dead_code))]
pub struct Libtorch {
    /// The inputs: a safetensors file with tensors named after the inputs, or numbered 0, 1, ...; random ones otherwise
    #[arg(long, value_name = "FILE")]
    pub inputs: Option<PathBuf>,
    /// Where to run: `cpu`, `cuda` or `cuda:N`
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub device: String,
    /// Threads for one operator [default: libtorch's choice]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Seed of random inputs
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: i64,
}

#[cfg(feature = "torch")]
impl Libtorch {
    /// The setup, in the program's own floats.
    pub fn setup(&self) -> Result<paring::torch::Setup, paring::torch::TorchError> {
        let device = self.device.parse()?;
        Ok(paring::torch::Setup { device, threads: self.threads, ..Default::default() })
    }

    /// The inputs for a program: of the file, or random ones.
    pub fn inputs_for(
        &self,
        graph: &paring::model::Graph,
        program: &paring::torch::Program,
        setup: &paring::torch::Setup,
    ) -> Result<paring::torch::Inputs, paring::torch::TorchError> {
        use paring::torch::{Inputs, read_inputs};
        match &self.inputs {
            Some(path) => read_inputs(path, graph, setup.precision),
            None => {
                let bounds = Inputs::bounds(graph, program, setup.precision)?;
                Inputs::random(graph, 1, &bounds, self.seed, setup.precision)
            }
        }
    }
}

/// The error of commands that need libtorch, in a build without it.
#[cfg(not(feature = "torch"))]
pub fn no_libtorch<T>() -> miette::Result<T> {
    Err(miette::miette!(
        code = "paring::torch::not_built",
        help = "in an environment where `python` imports torch 2.13: cargo install --path . --features torch",
        "this build of paring has no libtorch"
    ))
}
