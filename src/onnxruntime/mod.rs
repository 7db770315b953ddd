//! Rules of ONNX are tried in onnxruntime, which runs in a Python beside this program: it is given models and tensors through pipes.

mod python;

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use serde_json::{Value, json};

use crate::format::onnx::{dtype_named, dtype_of, kind_of, to_bytes};
use crate::model::{Arg, DType, Graph, ValueId};
use crate::rule::{Schema, Schemas, base};
use crate::trials::{Array, Backend, Call, Loaded};
use python::Child;
pub use python::PythonError;

/// The newest version of the standard that is tried.
const NEWEST: i64 = 23;

/// The oldest.
const OLDEST: i64 = 9;

/// onnxruntime in a Python.
#[derive(Debug)]
pub struct Onnxruntime {
    child: Rc<RefCell<Child>>,
}

impl Onnxruntime {
    /// Starts it in this Python; without one, in that of an active virtual environment, or the first on the path.
    ///
    /// # Errors
    /// A Python that cannot be started, or that has no onnxruntime.
    pub fn start(python: Option<&Path>) -> Result<Onnxruntime, PythonError> {
        Ok(Onnxruntime { child: Rc::new(RefCell::new(Child::start(python)?)) })
    }
}

/// The newest version of its set in which a schema is in force.
fn version(schema: &Schema) -> Option<i64> {
    let in_force = |v: &i64| Schemas::builtin().in_force(base(&schema.name), *v).is_some_and(|s| s.name == schema.name);
    (OLDEST..=NEWEST).rev().find(in_force)
}

/// Whether an operator is of the standard itself.
fn standard(op: &str) -> bool {
    op.starts_with("onnx.")
}

impl Backend for Onnxruntime {
    fn name(&self) -> &'static str {
        "onnxruntime"
    }

    fn has(&self, op: &str) -> bool {
        Schemas::builtin().is_versioned(base(op))
    }

    fn runs(&self, schema: &Schema) -> bool {
        !standard(&schema.name) || version(schema).is_some()
    }

    fn versions(&self, schema: &Schema) -> Vec<(String, i64)> {
        let own = if standard(&schema.name) { version(schema).unwrap_or(NEWEST) } else { NEWEST };
        let other = schema.name.split('.').next().filter(|set| *set != "onnx").map(|set| (set.to_owned(), 1));
        std::iter::once(("onnx".to_owned(), own)).chain(other).collect()
    }

    fn add(&self, x: ValueId, y: ValueId) -> Call {
        ("onnx.Add.14".into(), vec![("A".into(), Arg::Tensor(x)), ("B".into(), Arg::Tensor(y))])
    }

    fn copy(&self, x: ValueId) -> Call {
        ("onnx.Identity.16".into(), vec![("input".into(), Arg::Tensor(x))])
    }

    fn is_typed(&self) -> bool {
        true
    }

    fn type_named(&self, name: &str) -> Option<DType> {
        dtype_named(name)
    }

    fn load(&self, graph: &Graph, outputs: &[ValueId]) -> Result<Rc<dyn Loaded>, String> {
        let model = to_bytes(graph, outputs).map_err(|e| e.to_string())?;
        let (answer, _) = self.child.borrow_mut().ask(&json!({"do": "load"}), &model)?;
        let id = answer["id"].as_u64().ok_or("onnxruntime gives no session")?;
        let life = self.child.borrow().life;
        Ok(Rc::new(Session { child: self.child.clone(), id, life }))
    }
}

/// A model in the child.
struct Session {
    child: Rc<RefCell<Child>>,
    id: u64,
    /// The process that has it.
    life: usize,
}

impl Loaded for Session {
    fn run(&self, inputs: &[Array]) -> Result<Vec<Array>, String> {
        let like: Vec<Value> = inputs.iter().map(|a| json!({"kind": kind_of(a.dtype), "shape": a.shape})).collect();
        let data: Vec<u8> = inputs.iter().flat_map(|a| a.re.iter().flat_map(|x| x.to_le_bytes())).collect();
        if self.child.borrow().life != self.life {
            return Err("onnxruntime died since it was given the model".to_owned());
        }
        let (answer, data) = self.child.borrow_mut().ask(&json!({"do": "run", "id": self.id, "inputs": like}), &data)?;
        let mut numbers = data.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b));
        let mut found = Vec::new();
        for one in answer["outputs"].as_array().into_iter().flatten() {
            let shape: Vec<usize> =
                one["shape"].as_array().into_iter().flatten().filter_map(|n| Some(n.as_u64()? as usize)).collect();
            let re = numbers.by_ref().take(shape.iter().product()).collect();
            let dtype = one["kind"].as_i64().and_then(dtype_of).unwrap_or(DType::F64);
            found.push(Array { shape, dtype, re, im: None });
        }
        Ok(found)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Ok(mut child) = self.child.try_borrow_mut()
            && child.life == self.life
        {
            let _ = child.ask(&json!({"do": "drop", "id": self.id}), &[]);
        }
    }
}
