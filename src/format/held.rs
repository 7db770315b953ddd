//! What a file holds that is not what was asked for, and what its owner can do about it.

use std::path::{Path, PathBuf};

use miette::Diagnostic;
use thiserror::Error;

/// What a file holds, as its first bytes or the names of its members tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// A program of `torch.export.save`.
    Program,
    /// A program of `torch.jit.save`.
    Script,
    /// An ONNX model.
    Onnx,
    /// An object of this class, saved whole with `torch.save`.
    Object(String),
    /// Tensors in plain containers, saved with `torch.save`.
    Tensors,
    /// Arrays of NumPy.
    Arrays,
    /// Tensors in a safetensors file.
    Safetensors,
    /// An HDF5 file, as Keras writes.
    Hdf5,
}

/// A file that holds something else.
#[derive(Debug, Error, Diagnostic)]
#[error("{} holds {held}, and no {wanted}", path.display())]
#[diagnostic(code(paring::file::holds_another), help("{help}"))]
pub struct HoldsAnother {
    /// The file.
    pub path: PathBuf,
    /// What it holds.
    pub held: String,
    /// What was asked for.
    pub wanted: &'static str,
    /// What to do.
    pub help: &'static str,
}

impl Held {
    fn name(&self) -> String {
        match self {
            Held::Program => "a program of torch.export.save".into(),
            Held::Script => "a program of torch.jit.save".into(),
            Held::Onnx => "an ONNX model".into(),
            Held::Object(class) => format!("a whole Python object ({class}) of torch.save"),
            Held::Tensors => "tensors, saved with torch.save".into(),
            Held::Arrays => "arrays of NumPy".into(),
            Held::Safetensors => "tensors, in the format of safetensors".into(),
            Held::Hdf5 => "an HDF5 file, such as Keras writes".into(),
        }
    }

    /// The error where a program was asked for.
    pub(super) fn no_program(&self, path: &Path) -> HoldsAnother {
        let help = match self {
            Held::Object(_) => {
                "its code is in Python alone: model = torch.load(path, weights_only=False); then torch.export.save(torch.export.export(model.eval(), args), \"model.pt2\"), or paring.speedup(model, args, masks=...) on the module itself"
            }
            Held::Tensors | Held::Safetensors => {
                "weights alone do not tell what is computed: build the module in Python, load them into it, and torch.export.save(torch.export.export(model.eval(), args), \"model.pt2\"). To cut weights by a plan, use paring apply"
            }
            Held::Hdf5 => "turn the model into ONNX (tf2onnx), which Paring reads",
            _ => "a program is what torch.export.save, torch.jit.save of a trace, or an exporter of ONNX writes",
        };
        self.error(path, "program", help)
    }

    /// The error where masks were asked for.
    pub(super) fn no_masks(&self, path: &Path) -> HoldsAnother {
        let help = match self {
            Held::Program | Held::Script => {
                "--masks model takes the masks of torch.nn.utils.prune that a program multiplies by; --masks zeros takes the zeros of its weights"
            }
            Held::Object(_) => {
                "nothing in the file is executed: save the masks alone, or the weights with their masks, as torch.save(model.state_dict(), path) does; pruned weights can also be exported with the model, for --masks zeros"
            }
            Held::Arrays => {
                "turn them into safetensors: safetensors.numpy.save_file(dict(numpy.load(\"masks.npz\")), \"masks.safetensors\")"
            }
            _ => "masks come in a safetensors file, a file of torch.save, or YAML (docs/command-line.md)",
        };
        self.error(path, "masks", help)
    }

    /// The error where weights were asked for.
    pub(super) fn no_weights(&self, path: &Path) -> HoldsAnother {
        let help = "weights are a safetensors file, the index of several, or torch.save(model.state_dict(), path)";
        self.error(path, "weights", help)
    }

    fn error(&self, path: &Path, wanted: &'static str, help: &'static str) -> HoldsAnother {
        HoldsAnother { path: path.to_path_buf(), held: self.name(), wanted, help }
    }
}
