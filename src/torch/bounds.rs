//! Which integers a program takes.

use super::error::TorchError;
use super::inputs::Inputs;
use super::program::Program;
use super::setup::Precision;
use crate::model::{DType, Graph, ValueId};

/// Integers are drawn below this, or below the largest bound for which the program runs.
const LARGEST: i64 = 1 << 15;

impl Inputs {
    /// The bounds for which a program takes integers: for each input the largest that works while all others are 0.
    ///
    /// # Errors
    /// A program that does not run on zeros.
    pub fn bounds(graph: &Graph, program: &Program, precision: Precision) -> Result<Vec<i64>, TorchError> {
        let mut bounds = vec![1; graph.inputs.len()];
        let integers = |v: &ValueId| {
            let value = graph.value(*v);
            value.shape.is_some() && !value.dtype.is_float() && !matches!(value.dtype, DType::Bool | DType::C64 | DType::C128)
        };
        for k in 0..bounds.len() {
            if !integers(&graph.inputs[k]) {
                continue;
            }
            let works = |bound: i64| {
                let mut tried = vec![1; bounds.len()];
                tried[k] = bound;
                let mut inputs = Inputs::random(graph, 1, &tried, 0, precision)?;
                inputs.reach(k, bound - 1);
                program.run(&inputs).map(drop)
            };
            if works(LARGEST).is_ok() {
                bounds[k] = LARGEST;
                continue;
            }
            works(1)?;
            let (mut good, mut bad) = (1, LARGEST);
            while bad - good > 1 {
                let middle = good + (bad - good) / 2;
                if works(middle).is_ok() { good = middle } else { bad = middle }
            }
            bounds[k] = good;
        }
        // A mask that says what to attend to: only 0 and 1 mean something.
        for (bound, v) in bounds.iter_mut().zip(&graph.inputs) {
            if graph.value(*v).name.contains("mask") {
                *bound = (*bound).min(2);
            }
        }
        Ok(bounds)
    }
}
