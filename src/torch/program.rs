//! A program that libtorch holds, ready to run.

use std::collections::HashMap;
use std::io::Cursor;

use tch::{CModule, IValue, Kind, Tensor};

use super::error::{TorchError, last_lines};
use super::inputs::Inputs;
use super::setup::{Device, Precision, Setup};
use crate::format::torchscript::{Script, to_bytes};
use crate::format::{Archive, Payload};
use crate::model::{Graph, ValueId};
use crate::solve::Masks;

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
