//! What runs operators: libtorch or onnxruntime.

use std::fmt::Debug;
use std::rc::Rc;

use super::array::Array;
use crate::model::{Arg, DType, Graph, ValueId};
use crate::rule::Schema;

/// An operator with its arguments.
pub type Call = (String, Vec<(String, Arg)>);

/// Runs small graphs.
pub trait Backend: Debug {
    /// What messages call it.
    fn name(&self) -> &'static str;

    /// Whether the operators of a rule, `aten.conv2d`, are its own.
    fn has(&self, op: &str) -> bool;

    /// Whether a schema is one that it runs.
    fn runs(&self, schema: &Schema) -> bool;

    /// Domains and versions of a program that calls an operator with this schema.
    fn versions(&self, schema: &Schema) -> Vec<(String, i64)>;

    /// The sum of two tensors.
    fn add(&self, x: ValueId, y: ValueId) -> Call;

    /// A copy of a tensor.
    fn copy(&self, x: ValueId) -> Call;

    /// Whether types of elements are part of a program, and lists of numbers may be tensors.
    fn is_typed(&self) -> bool {
        false
    }

    /// The type of elements that schemas call so.
    fn type_named(&self, _name: &str) -> Option<DType> {
        None
    }

    /// A graph that takes its tensors, in order, and returns these values.
    ///
    /// # Errors
    /// Why it refuses.
    fn load(&self, graph: &Graph, outputs: &[ValueId]) -> Result<Rc<dyn Loaded>, String>;
}

/// A graph that can be run.
pub trait Loaded {
    /// Runs it.
    ///
    /// # Errors
    /// Why it refuses.
    fn run(&self, inputs: &[Array]) -> Result<Vec<Array>, String>;
}
