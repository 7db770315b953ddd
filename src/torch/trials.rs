//! Running a graph of a few nodes, with all its tensors passed in, for trials of rules.

use std::borrow::Cow;
use std::io::Cursor;
use std::rc::Rc;

use tch::{CModule, IValue, Kind, Tensor};

use super::error;
use crate::format::torchscript::{Script, to_bytes};
use crate::model::{Arg, DType, Graph, ValueId};
use crate::rule::{Schema, Schemas, base};
use crate::trials::{Array, Backend, Call, Loaded};

/// A graph that libtorch holds.
struct Module {
    module: CModule,
}

/// libtorch.
#[derive(Debug)]
pub struct Libtorch;

impl Backend for Libtorch {
    fn name(&self) -> &'static str {
        "libtorch"
    }

    fn has(&self, op: &str) -> bool {
        !Schemas::builtin().is_versioned(base(op))
    }

    fn runs(&self, schema: &Schema) -> bool {
        self.has(base(&schema.name))
    }

    fn versions(&self, _: &Schema) -> Vec<(String, i64)> {
        Vec::new()
    }

    fn add(&self, x: ValueId, y: ValueId) -> Call {
        ("aten.add.Tensor".into(), vec![("self".into(), Arg::Tensor(x)), ("other".into(), Arg::Tensor(y))])
    }

    fn copy(&self, x: ValueId) -> Call {
        ("aten.alias.default".into(), vec![("self".into(), Arg::Tensor(x))])
    }

    fn load(&self, graph: &Graph, outputs: &[ValueId]) -> Result<Rc<dyn Loaded>, String> {
        let mut open = graph.clone();
        open.inputs = open.tensors.drain(..).map(|t| t.value).collect();
        let mut script = Script::new(&open);
        script.outputs = outputs.to_vec();
        let none = |_: usize| Ok(Cow::Owned(Vec::new()));
        let bytes = to_bytes(&script, &[], &none).map_err(|e| e.to_string())?;
        let module = CModule::load_data(&mut Cursor::new(bytes)).map_err(|e| last_lines(&e.to_string()))?;
        Ok(Rc::new(Module { module }))
    }
}

impl Loaded for Module {
    fn run(&self, inputs: &[Array]) -> Result<Vec<Array>, String> {
        let _guard = tch::no_grad_guard();
        let why = |e: tch::TchError| last_lines(&e.to_string());
        let values = inputs.iter().map(|a| Ok(IValue::Tensor(tensor(a).map_err(why)?))).collect::<Result<Vec<_>, String>>()?;
        let result = self.module.forward_is(&values).map_err(why)?;
        let mut found = Vec::new();
        flatten(result, &mut found)?;
        Ok(found)
    }
}

/// As a tensor of libtorch's.
fn tensor(array: &Array) -> Result<Tensor, tch::TchError> {
    let shape: Vec<i64> = array.shape.iter().map(|n| *n as i64).collect();
    let floats = |list: &[f64]| Tensor::f_from_slice(list)?.f_reshape(&shape);
    match (array.dtype, &array.im) {
        (_, Some(im)) => Tensor::f_complex(&floats(&array.re)?, &floats(im)?),
        (DType::F32, _) => floats(&array.re)?.f_to_kind(Kind::Float),
        (DType::I64, _) => floats(&array.re)?.f_to_kind(Kind::Int64),
        (DType::Bool, _) => floats(&array.re)?.f_to_kind(Kind::Bool),
        _ => floats(&array.re),
    }
}

/// From a tensor of libtorch's.
fn array(t: &Tensor) -> Result<Array, tch::TchError> {
    let shape = t.size().iter().map(|n| *n as usize).collect();
    let list = |t: &Tensor| -> Result<Vec<f64>, tch::TchError> {
        let flat = t.f_resolve_conj()?.f_resolve_neg()?.f_to_kind(Kind::Double)?.f_contiguous()?.f_reshape([-1])?;
        Vec::<f64>::try_from(&flat)
    };
    if t.is_complex() {
        let (re, im) = (list(&t.f_real()?)?, list(&t.f_imag()?)?);
        return Ok(Array { shape, dtype: DType::C128, re, im: Some(im) });
    }
    let dtype = match t.f_kind()? {
        Kind::Bool => DType::Bool,
        Kind::Float => DType::F32,
        _ if t.is_floating_point() => DType::F64,
        _ => DType::I64,
    };
    Ok(Array { shape, dtype, re: list(t)?, im: None })
}

/// What libtorch says, without the trace of its own calls.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|l| !l.trim_start().starts_with("frame #")).collect();
    let missing = lines.iter().find(|l| l.contains("Could not run"));
    missing.map_or_else(|| error::last_lines(&lines.join("\n")), |l| l.split(". This could be").next().unwrap_or(l).to_owned())
}

fn flatten(value: IValue, found: &mut Vec<Array>) -> Result<(), String> {
    match value {
        IValue::Tensor(t) => found.push(array(&t).map_err(|e| last_lines(&e.to_string()))?),
        IValue::TensorList(list) => {
            for t in list {
                found.push(array(&t).map_err(|e| last_lines(&e.to_string()))?);
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
