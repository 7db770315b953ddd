//! A program that libtorch holds, ready to run.

use std::collections::HashMap;
use std::io::Cursor;
use std::str::FromStr;

use tch::{CModule, IValue, Kind, Tensor};

use super::error::last_lines;
use super::{Inputs, TorchError};
use crate::format::torchscript::{Script, to_bytes};
use crate::format::{Archive, Payload};
use crate::model::{DType, Graph, ValueId};
use crate::solve::Masks;

/// Where a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Device {
    /// The processor.
    #[default]
    Cpu,
    /// A CUDA device by its number.
    Cuda(usize),
}

impl FromStr for Device {
    type Err = TorchError;

    fn from_str(name: &str) -> Result<Device, TorchError> {
        let loaded = if name.starts_with("cuda") { load_cuda() } else { Ok(()) };
        let count = tch::Cuda::device_count();
        let number = match name.split_once(':') {
            Some(("cuda", n)) => n.parse().ok(),
            None if name == "cuda" => Some(0),
            _ => None,
        };
        match number {
            _ if name == "cpu" => Ok(Device::Cpu),
            Some(n) if (n as i64) < count => Ok(Device::Cuda(n)),
            _ => {
                let help = match (count, loaded) {
                    (n, _) if n > 0 => format!("there are cpu and cuda:0 to cuda:{}", n - 1),
                    (_, Err(why)) => format!("there is only cpu: the part of libtorch for CUDA cannot be loaded: {why}"),
                    _ => "there is only cpu: libtorch sees no CUDA device".to_owned(),
                };
                Err(TorchError::Device { name: name.to_owned(), help })
            }
        }
    }
}

/// Loads the part of libtorch for CUDA. The linker leaves it out, for nothing here calls it, and it is large; it registers itself.
fn load_cuda() -> Result<(), String> {
    static LOADED: std::sync::OnceLock<Result<libloading::Library, String>> = std::sync::OnceLock::new();
    // SAFETY: it is the library that belongs to the libtorch which runs already, and it is never unloaded.
    let loaded = LOADED.get_or_init(|| unsafe { libloading::Library::new("libtorch_cuda.so") }.map_err(|e| e.to_string()));
    loaded.as_ref().map(|_| ()).map_err(Clone::clone)
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(n) => write!(f, "cuda:{n}"),
        }
    }
}

impl Device {
    pub(super) fn torch(self) -> tch::Device {
        match self {
            Device::Cpu => tch::Device::Cpu,
            Device::Cuda(n) => tch::Device::Cuda(n),
        }
    }

    /// Waits until all that was started on it is done.
    pub(super) fn wait(self) {
        if let Device::Cuda(n) = self {
            tch::Cuda::synchronize(n as i64);
        }
    }
}

/// In which floats a program computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Precision {
    /// Those that it was saved with.
    #[default]
    Own,
    /// 64 bits wherever it has floats.
    Double,
}

/// How programs run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setup {
    /// Where.
    pub device: Device,
    /// In which floats.
    pub precision: Precision,
    /// Threads for one operator; `None` leaves libtorch's choice.
    pub threads: Option<usize>,
}

impl Setup {
    /// Settings of the whole process: threads, and no optimiser between the operators, which changes roundings.
    ///
    /// # Errors
    /// If the libtorch in this process is another version than the one that the program was built for.
    pub fn apply(&self) -> Result<(), TorchError> {
        super::library::check()?;
        tch::jit::set_graph_executor_optimize(false);
        if let Some(n) = self.threads {
            tch::set_num_threads(n as i32);
        }
        Ok(())
    }
}

/// Threads that libtorch uses for one operator.
pub fn threads() -> usize {
    tch::get_num_threads().max(1) as usize
}

/// A lowered program.
pub struct Program {
    module: CModule,
    device: Device,
}

impl Program {
    /// Lowers a graph whose weights are in `archive`. `outputs` are what it returns instead of its own results; then only
    /// what they need is run: the nodes up to the one that makes the last of them.
    ///
    /// # Errors
    /// What TorchScript cannot express or libtorch does not know.
    pub fn new(graph: &Graph, archive: &Archive, outputs: Option<&[ValueId]>, setup: &Setup) -> Result<Program, TorchError> {
        let payloads: Vec<Payload<'_>> = (0..archive.storages()).map(Payload::Stored).collect();
        let device = setup.device.to_string();
        let mut script = Script::new(graph);
        script.writes_back = false;
        script.device = Some(&device);
        script.double = setup.precision == Precision::Double;
        if let Some(outputs) = outputs {
            let last = graph.nodes.iter().rposition(|n| n.outputs.iter().any(|v| outputs.contains(v)));
            script.nodes = last.map_or(0, |at| at + 1);
            script.outputs = outputs.to_vec();
        }
        let bytes = to_bytes(&script, &payloads, &|n| archive.storage(n))?;
        Program::load(&bytes, setup.device)
    }

    /// Loads an archive that is in memory.
    ///
    /// # Errors
    /// What libtorch does not know.
    pub fn load(bytes: &[u8], device: Device) -> Result<Program, TorchError> {
        let module = CModule::load_data_on_device(&mut Cursor::new(bytes), device.torch());
        let module = module.map_err(|e| TorchError::Load { reason: last_lines(&e.to_string()) })?;
        Ok(Program { module, device })
    }

    /// Where it runs.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Runs it. Results that are no tensors are left out.
    ///
    /// # Errors
    /// What libtorch refuses.
    pub fn run(&self, inputs: &Inputs) -> Result<Vec<Tensor>, TorchError> {
        let _guard = tch::no_grad_guard();
        let values = inputs.values(self.device);
        let result = self.module.forward_is(&values);
        let result = result.map_err(|e| TorchError::run(e, "check the sizes and element types of the inputs"))?;
        self.device.wait();
        let mut found = Vec::new();
        flatten(result, &mut found);
        Ok(found)
    }

    /// Multiplies parameters by their masks.
    ///
    /// # Errors
    /// A parameter that is not there, or has other sizes.
    pub fn mask(&self, masks: &Masks<'_>) -> Result<(), TorchError> {
        let _guard = tch::no_grad_guard();
        let wrong = |name: &str, reason: String| TorchError::Mask { name: name.to_owned(), reason };
        let known = self.module.named_parameters().map_err(|e| TorchError::Load { reason: last_lines(&e.to_string()) })?;
        let known: HashMap<&str, &Tensor> = known.iter().map(|(n, t)| (n.as_str(), t)).collect();
        for (name, mask) in masks {
            let parameter = known.get(name.as_str()).ok_or_else(|| wrong(name, "no parameter has this name".to_owned()))?;
            let mut parameter = parameter.shallow_clone();
            let shape: Vec<i64> = mask.shape.iter().map(|n| *n as i64).collect();
            if parameter.size() != shape {
                return Err(wrong(name, format!("its sizes are {shape:?}, the parameter's {:?}", parameter.size())));
            }
            let keep: Vec<u8> = mask.keep.iter().map(|k| u8::from(*k != 0)).collect();
            let product = Tensor::f_from_data_size(&keep, &shape, Kind::Uint8)
                .and_then(|m| m.f_to_device(self.device.torch()))
                .and_then(|m| m.f_to_kind(parameter.kind()))
                .and_then(|m| parameter.f_mul_(&m));
            drop(product.map_err(|e| wrong(name, e.to_string()))?);
        }
        Ok(())
    }
}

fn flatten(value: IValue, found: &mut Vec<Tensor>) {
    match value {
        IValue::Tensor(t) => found.push(t),
        IValue::TensorList(list) => found.extend(list),
        IValue::Tuple(list) | IValue::GenericList(list) => list.into_iter().for_each(|v| flatten(v, found)),
        IValue::GenericDict(pairs) => pairs.into_iter().for_each(|(_, v)| flatten(v, found)),
        _ => {}
    }
}

/// The element type in libtorch's words; `None` for those that it has no word for.
pub(super) fn kind(dtype: DType) -> Option<Kind> {
    Some(match dtype {
        DType::F32 => Kind::Float,
        DType::F64 => Kind::Double,
        DType::F16 => Kind::Half,
        DType::BF16 => Kind::BFloat16,
        DType::U8 => Kind::Uint8,
        DType::I8 => Kind::Int8,
        DType::I16 => Kind::Int16,
        DType::I32 => Kind::Int,
        DType::I64 => Kind::Int64,
        DType::Bool => Kind::Bool,
        DType::C64 => Kind::ComplexFloat,
        DType::C128 => Kind::ComplexDouble,
        DType::C32 => Kind::ComplexHalf,
        DType::U16 | DType::U32 | DType::U64 | DType::F8 => return None,
    })
}
