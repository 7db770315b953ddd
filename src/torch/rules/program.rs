//! Running a graph of a few nodes, with all its tensors passed in.

use std::borrow::Cow;
use std::io::Cursor;

use tch::{CModule, IValue};

use super::array::Array;
use crate::format::torchscript::{Script, to_bytes};
use crate::model::{Graph, ValueId};
use crate::torch::error;

/// A graph that libtorch holds.
pub(super) struct Program {
    module: CModule,
}

impl Program {
    /// Lowers a graph. It takes the graph's tensors, in order, and returns these values.
    pub fn load(graph: &Graph, outputs: Vec<ValueId>) -> Result<Program, String> {
        let mut open = graph.clone();
        open.inputs = open.tensors.drain(..).map(|t| t.value).collect();
        let mut script = Script::new(&open);
        script.outputs = outputs;
        let none = |_: usize| Ok(Cow::Owned(Vec::new()));
        let bytes = to_bytes(&script, &[], &none).map_err(|e| e.to_string())?;
        let module = CModule::load_data(&mut Cursor::new(bytes)).map_err(|e| last_lines(&e.to_string()))?;
        Ok(Program { module })
    }

    /// Runs it.
    pub fn run(&self, inputs: &[Array]) -> Result<Vec<Array>, String> {
        let _guard = tch::no_grad_guard();
        let why = |e: tch::TchError| last_lines(&e.to_string());
        let values = inputs.iter().map(|a| Ok(IValue::Tensor(a.tensor().map_err(why)?))).collect::<Result<Vec<_>, String>>()?;
        let result = self.module.forward_is(&values).map_err(why)?;
        let mut found = Vec::new();
        flatten(result, &mut found)?;
        Ok(found)
    }
}

/// What libtorch says, without the trace of its own calls.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|l| !l.trim_start().starts_with("frame #")).collect();
    let missing = lines.iter().find(|l| l.contains("Could not run"));
    missing.map_or_else(|| error::last_lines(&lines.join("\n")), |l| l.split(". This could be").next().unwrap_or(l).to_owned())
}

fn flatten(value: IValue, found: &mut Vec<Array>) -> Result<(), String> {
    match value {
        IValue::Tensor(t) => found.push(Array::of(&t).map_err(|e| last_lines(&e.to_string()))?),
        IValue::TensorList(list) => {
            for t in list {
                found.push(Array::of(&t).map_err(|e| last_lines(&e.to_string()))?);
            }
        }
        IValue::Tuple(list) | IValue::GenericList(list) => {
            for v in list {
                flatten(v, found)?;
            }
        }
        _ => {}
    }
    Ok(())
}
