//! What goes into a program: from a file, or random numbers of the right types and sizes.

use std::path::Path;

use tch::{IValue, Kind, Tensor};

use super::dtype::kind;
use super::error::TorchError;
use super::setup::{Device, Precision};
use crate::format::{self, Pending};
use crate::model::{DType, Graph, Size};

/// The values for a program's inputs, in order.
#[derive(Debug)]
pub struct Inputs {
    list: Vec<Input>,
}

#[derive(Debug)]
enum Input {
    Tensor(Tensor),
    Int(i64),
    Float(f64),
}

impl Inputs {
    /// As arguments on a device. Tensors are copied: a program may write its inputs.
    pub(super) fn values(&self, device: Device) -> Vec<IValue> {
        let value = |input: &Input| match input {
            Input::Tensor(t) => IValue::Tensor(t.to_device(device.torch()).copy()),
            Input::Int(n) => IValue::Int(*n),
            Input::Float(x) => IValue::Double(*x),
        };
        self.list.iter().map(value).collect()
    }

    /// Random inputs for a graph. Dynamic sizes are `scale` times those of the traced example. `bounds` has, for each input
    /// of integers, the number that they stay below.
    ///
    /// # Errors
    /// Sizes that are not known.
    pub fn random(graph: &Graph, scale: i64, bounds: &[i64], seed: i64, precision: Precision) -> Result<Inputs, TorchError> {
        tch::manual_seed(seed);
        let mut list = Vec::new();
        for (k, v) in graph.inputs.iter().enumerate() {
            let value = graph.value(*v);
            let sized = |s: &Size| match s.as_int() {
                Some(n) => Some(n),
                None => s.hint().map(|n| n * scale),
            };
            if let (None, Some(size)) = (&value.shape, &value.scalar) {
                list.push(match value.dtype {
                    DType::I64 => Input::Int(sized(size).unwrap_or(2)),
                    _ => Input::Float(0.5),
                });
                continue;
            }
            let unknown = || TorchError::UnknownSizes { input: value.name.clone() };
            let shape: Vec<i64> = value.shape.iter().flatten().map(sized).collect::<Option<_>>().ok_or_else(unknown)?;
            value.shape.as_ref().ok_or_else(unknown)?;
            list.push(Input::Tensor(draw(&shape, wide(value.dtype, precision), bounds.get(k).copied().unwrap_or(2))?));
        }
        Ok(Inputs { list })
    }

    /// Sets the first element of an input, so that the bound is reached.
    pub(super) fn reach(&mut self, k: usize, to: i64) {
        if let Some(Input::Tensor(t)) = self.list.get_mut(k)
            && t.numel() > 0
        {
            let _ = t.view([-1]).get(0).fill_(to);
        }
    }

    /// Other values of the same types and sizes, different everywhere if these are floats.
    pub(super) fn other(&self) -> Inputs {
        let other = |input: &Input| match input {
            Input::Tensor(t) if t.is_floating_point() && t.dim() > 0 => Input::Tensor(t.flip([-1]) * 0.7 + 0.1),
            Input::Tensor(t) if t.dim() > 0 => Input::Tensor(t.flip([-1])),
            Input::Tensor(t) => Input::Tensor(t.shallow_clone()),
            Input::Int(n) => Input::Int(*n),
            Input::Float(x) => Input::Float(*x),
        };
        Inputs { list: self.list.iter().map(other).collect() }
    }
}

fn wide(dtype: DType, precision: Precision) -> DType {
    let narrow = matches!(dtype, DType::F32 | DType::F16 | DType::BF16);
    if narrow && precision == Precision::Double { DType::F64 } else { dtype }
}

fn draw(shape: &[i64], dtype: DType, bound: i64) -> Result<Tensor, TorchError> {
    let kind = kind(dtype).ok_or_else(|| TorchError::run(format!("an input has the element type {dtype:?}"), "give --inputs"))?;
    let cpu = tch::Device::Cpu;
    let drawn = match kind {
        Kind::Bool => Tensor::f_rand(shape, (Kind::Float, cpu)).and_then(|t| t.f_lt(0.9)),
        _ if dtype.is_float() || matches!(kind, Kind::ComplexFloat | Kind::ComplexDouble) => Tensor::f_randn(shape, (kind, cpu)),
        _ => Tensor::f_randint(bound.max(1), shape, (kind, cpu)),
    };
    drawn.map_err(|e| TorchError::run(e, "give the inputs with --inputs FILE.safetensors"))
}

/// Reads the inputs of a graph from a safetensors file: by their names, or numbered.
///
/// # Errors
/// A file that cannot be read, or that lacks an input.
pub fn read_inputs(path: &Path, graph: &Graph, precision: Precision) -> Result<Inputs, TorchError> {
    let watched = format::Watched::open(path).map_err(format::FormatError::reading(path))?;
    let wrong = |e: tch::TchError| TorchError::Tensors { path: path.to_path_buf(), reason: e.to_string() };
    let tensors = Tensor::read_safetensors(path).map_err(wrong)?;
    let names: Vec<String> = graph.inputs.iter().map(|v| graph.value(*v).name.clone()).collect();
    let mut list = Vec::new();
    for (k, name) in names.iter().enumerate() {
        let found = tensors.iter().find(|(n, _)| n == name).or_else(|| tensors.iter().find(|(n, _)| *n == k.to_string()));
        let missing = || TorchError::MissingInput { path: path.to_path_buf(), input: name.clone(), inputs: names.clone() };
        let tensor = &found.ok_or_else(missing)?.1;
        let value = graph.value(graph.inputs[k]);
        list.push(match (&value.shape, &value.scalar) {
            (None, Some(_)) if value.dtype == DType::I64 => Input::Int(tensor.f_int64_value(&[]).map_err(wrong)?),
            (None, Some(_)) => Input::Float(tensor.f_double_value(&[]).map_err(wrong)?),
            _ if precision == Precision::Double && tensor.is_floating_point() => Input::Tensor(tensor.to_kind(Kind::Double)),
            _ => Input::Tensor(tensor.shallow_clone()),
        });
    }
    watched.unchanged()?;
    Ok(Inputs { list })
}

/// Writes tensors as a safetensors file.
///
/// # Errors
/// A file that cannot be written.
pub fn write_outputs(path: &Path, tensors: &[(String, Tensor)]) -> Result<Pending, TorchError> {
    let output = format::Output::create(path)?;
    let list: Vec<(&str, Tensor)> =
        tensors.iter().map(|(n, t)| (n.as_str(), t.to_device(tch::Device::Cpu).contiguous())).collect();
    let wrong = |e: tch::TchError| TorchError::Tensors { path: path.to_path_buf(), reason: e.to_string() };
    Tensor::write_safetensors(&list, output.file.get_ref().path()).map_err(wrong)?;
    Ok(output.complete()?)
}
