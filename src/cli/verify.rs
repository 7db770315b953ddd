//! `paring verify`

use std::path::PathBuf;

use clap::Args;
use miette::Result;

use super::inputs::RuleDirs;
use super::libtorch::Libtorch;

/// Compare a small model with its masked original in PyTorch's own library.
///
/// Both run here, on given inputs or on random ones made from the original's input types. The small model must equal the
/// original with its parameters multiplied by the masks: the largest error of each output is printed, with times and memory
/// before and after. Beyond the tolerance the command fails and names the first node whose result differs.
///
/// Needs a build with `--features torch`.
///
/// Example: paring verify model.pt2 small.pt2 --unified-masks unified.safetensors --float64
#[derive(Args)]
pub struct Verify {
    /// The original program
    original: PathBuf,
    /// The small program made from it
    small: PathBuf,
    /// The masks that `paring speedup --unified-masks` wrote
    #[arg(long, value_name = "FILE", required_unless_present = "masks", conflicts_with = "masks")]
    unified_masks: Option<PathBuf>,
    /// The masks that were given, where the small model is equal to the original under these (--lossless)
    #[arg(long, value_name = "FILE")]
    masks: Option<PathBuf>,
    /// The largest relative error that is tolerated [default: 1e-6 for 64 bits, 1e-3 for 32, 5e-2 for 16]
    #[arg(long, value_name = "X")]
    tolerance: Option<f64>,
    /// Compute in floats of 64 bits, in which a wrong cut cannot be taken for rounding
    #[arg(long)]
    float64: bool,
    /// Forwards to time of each model; 0 for none
    #[arg(long, value_name = "N", default_value_t = 20)]
    runs: usize,
    #[command(flatten)]
    libtorch: Libtorch,
    #[command(flatten)]
    rules: RuleDirs,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl Verify {
    /// Runs the command.
    #[cfg(not(feature = "torch"))]
    pub fn run(self) -> Result<()> {
        super::libtorch::no_libtorch()
    }

    /// Runs the command.
    #[cfg(feature = "torch")]
    pub fn run(self) -> Result<()> {
        use paring::load::Model;
        use paring::torch::{Precision, verify};

        let (original, small) = (Model::open(&self.original)?, Model::open(&self.small)?);
        let masks = self.unified_masks.as_ref().or(self.masks.as_ref()).cloned().unwrap_or_default();
        let rules = self.rules.set()?;
        let file = super::inputs::MaskFile::open(&masks)?;
        let masks = file.masks(&self.original)?;
        let mut setup = self.libtorch.setup()?;
        setup.precision = if self.float64 { Precision::Double } else { Precision::Own };
        let comparing = tracing::info_span!("compare").entered();
        let verdict = verify(&paring::torch::Verify {
            original: &original,
            small: &small,
            masks: &masks,
            lossless: self.masks.is_some(),
            rules: &rules,
            setup,
            inputs: self.libtorch.inputs.as_deref(),
            tolerance: self.tolerance,
            seed: self.libtorch.seed,
            runs: self.runs,
        })?;
        drop(comparing);
        original.archive.unchanged()?;
        small.archive.unchanged()?;
        file.source().map_or(Ok(()), |source| source.unchanged())?;
        if self.json {
            super::say::print_json(&verdict)?;
        } else {
            super::say::print(&paring::torch::verdict_text(&verdict))?;
        }
        if verdict.holds() { Ok(()) } else { Err(paring::torch::TorchError::differs(&verdict).into()) }
    }
}
