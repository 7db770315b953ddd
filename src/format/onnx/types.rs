//! Element types of results, by the type variables of schemas.

use rustc_hash::FxHashMap;

use super::data::{dtype, named};
use crate::model::{Arg, DType, Graph};
use crate::rule::Schema;

/// What is known at one node.
pub(super) struct Types<'a> {
    schema: Option<&'a Schema>,
    bound: FxHashMap<&'a str, DType>,
    /// Type that an attribute names.
    told: Option<DType>,
    first: Option<DType>,
}

/// The `T` of `Tensor<T>?`.
fn variable(ty: &str) -> Option<&str> {
    ty.split_once('<')?.1.split_once('>').map(|(v, _)| v)
}

impl<'a> Types<'a> {
    pub(super) fn of(schema: Option<&'a Schema>, args: &[(String, Arg)], graph: &Graph) -> Types<'a> {
        let mut types = Types { schema, bound: FxHashMap::default(), told: None, first: None };
        for (name, arg) in args {
            let Some(value) = arg.tensors().first().copied() else { continue };
            let dtype = graph.value(value).dtype;
            types.first = types.first.or(Some(dtype));
            if let Some(v) = schema.and_then(|s| s.arg(name)).and_then(|a| variable(&a.ty)) {
                types.bound.insert(v, dtype);
            }
        }
        let number = |name: &str| match args.iter().find(|(n, _)| n == name) {
            Some((_, Arg::Int(n))) => dtype(*n),
            Some((_, Arg::Float(_))) => Some(DType::F32),
            _ => None,
        };
        types.told = number("to").or_else(|| number("dtype")).or_else(|| match args.iter().find(|(n, _)| n == "value") {
            Some((_, Arg::Int(_))) => Some(DType::I64),
            Some((_, Arg::Float(_))) => Some(DType::F32),
            _ => None,
        });
        types
    }

    /// The type of a result.
    pub(super) fn result(&mut self, at: usize) -> Option<DType> {
        let returns = &self.schema?.returns;
        let ty = &returns.get(at).or(returns.last())?.ty;
        let variable = variable(ty)?;
        if variable.starts_with('=') {
            return self.told.or(self.first);
        }
        named(variable).or_else(|| self.bound.get(variable).copied()).or(self.told).or(self.first)
    }
}
