//! Element types: their numbers in c10, and what operators make of them.

use crate::model::{Arg, DType, Graph, ValueId};

/// The number that `.pt2` files have for a type, from c10's.
pub(super) fn exported(c10: i64) -> Option<i64> {
    Some(match c10 {
        0..=11 => c10 + 1,
        15 => 13, // bfloat16
        23 => 30, // floats of 8 bits
        24 => 29,
        25 => 32,
        26 => 31,
        27 => 28, // unsigned integers
        28 => 34,
        29 => 35,
        44 => 33,
        _ => return None,
    })
}

/// The type of a number of c10.
pub(super) fn of_c10(c10: i64) -> Option<DType> {
    Some(match c10 {
        0 => DType::U8,
        1 => DType::I8,
        2 => DType::I16,
        3 => DType::I32,
        4 => DType::I64,
        5 => DType::F16,
        6 => DType::F32,
        7 => DType::F64,
        8 => DType::C32,
        9 => DType::C64,
        10 => DType::C128,
        11 => DType::Bool,
        15 => DType::BF16,
        27 => DType::U16,
        28 => DType::U32,
        29 => DType::U64,
        23..=26 | 44 => DType::F8,
        _ => return None,
    })
}

/// The type of a name as Python has it.
pub(super) fn named(name: &str) -> Option<DType> {
    Some(match name {
        "uint8" => DType::U8,
        "int8" => DType::I8,
        "int16" | "short" => DType::I16,
        "int32" | "int" => DType::I32,
        "int64" | "long" => DType::I64,
        "float16" | "half" => DType::F16,
        "float32" | "float" => DType::F32,
        "float64" | "double" => DType::F64,
        "bfloat16" => DType::BF16,
        "bool" => DType::Bool,
        "complex64" => DType::C64,
        "complex128" => DType::C128,
        _ => return None,
    })
}

/// Operators whose results are truth values.
const TRUTH: [&str; 24] = [
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "equal",
    "not_equal",
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "logical_and",
    "logical_or",
    "logical_not",
    "logical_xor",
    "isnan",
    "isinf",
    "isfinite",
    "isin",
    "isclose",
    "any",
    "all",
    "signbit",
];

/// Operators whose results are places.
const PLACES: [&str; 8] = ["argmax", "argmin", "argsort", "searchsorted", "bucketize", "nonzero", "bincount", "one_hot"];

/// Operators whose second result is places, and their first of the operand's type.
const WITH_PLACES: [&str; 9] = ["max", "min", "topk", "sort", "median", "mode", "kthvalue", "cummax", "cummin"];

/// Operators that make a floating point number of an integer.
const REAL: [&str; 21] = [
    "div",
    "divide",
    "true_divide",
    "sqrt",
    "rsqrt",
    "exp",
    "log",
    "sin",
    "cos",
    "tan",
    "tanh",
    "sigmoid",
    "mean",
    "softmax",
    "log_softmax",
    "erf",
    "reciprocal",
    "std",
    "var",
    "norm",
    "atan2",
];

/// The element type of a result. It serves what reads values' types: indices that are masks, reports; it is no promise.
pub(super) fn result(target: &str, args: &[(String, Arg)], dtypes: &dyn Fn(ValueId) -> DType, output: usize) -> DType {
    let base = target.split('.').nth(1).unwrap_or("").trim_end_matches('_');
    let explicit = args.iter().filter(|(name, _)| name == "dtype").find_map(|(_, a)| stated(a));
    if let Some(found) = explicit {
        return found;
    }
    let tensors: Vec<DType> = match base {
        "embedding" => args.iter().filter(|(n, _)| n == "weight").flat_map(|(_, a)| a.tensors()).map(dtypes).collect(),
        "where" => args.iter().filter(|(n, _)| n != "condition").flat_map(|(_, a)| a.tensors()).map(dtypes).collect(),
        "to" | "type_as" if args.iter().any(|(n, _)| n == "other") => {
            args.iter().filter(|(n, _)| n == "other").flat_map(|(_, a)| a.tensors()).map(dtypes).collect()
        }
        _ => match args.iter().find(|(_, a)| !a.tensors().is_empty()) {
            // Operators of one tensor and places for it keep its type.
            Some((_, a))
                if ["index", "gather", "index_select", "take", "scatter", "masked_fill", "embedding_bag"].contains(&base) =>
            {
                a.tensors().into_iter().map(dtypes).collect()
            }
            _ => args.iter().flat_map(|(_, a)| a.tensors()).map(dtypes).collect(),
        },
    };
    let real = args.iter().any(|(n, a)| n == "other" && matches!(a, Arg::Float(_)));
    match base {
        _ if TRUTH.contains(&base) => DType::Bool,
        _ if PLACES.contains(&base) => DType::I64,
        _ if WITH_PLACES.contains(&base) && output == 1 => DType::I64,
        "arange" => {
            if args.iter().any(|(_, a)| matches!(a, Arg::Float(_))) {
                DType::F32
            } else {
                DType::I64
            }
        }
        "sum" | "cumsum" | "prod" if !tensors.iter().any(|d| rank(*d) >= 8) => DType::I64,
        _ => {
            let most = tensors.into_iter().max_by_key(|d| rank(*d)).unwrap_or(DType::F32);
            if rank(most) < 8 && (real || REAL.contains(&base)) { DType::F32 } else { most }
        }
    }
}

/// The type that an argument states.
fn stated(arg: &Arg) -> Option<DType> {
    let Arg::Opaque(json) = arg else { return None };
    let value: serde_json::Value = serde_json::from_str(json).ok()?;
    let code = value.get("as_scalar_type")?.as_i64()?;
    (0..64).find(|c10| exported(*c10) == Some(code)).and_then(of_c10)
}

/// The order of promotion.
fn rank(dtype: DType) -> u8 {
    match dtype {
        DType::Bool => 0,
        DType::U8 | DType::I8 => 1,
        DType::I16 | DType::U16 => 2,
        DType::I32 | DType::U32 => 3,
        DType::I64 | DType::U64 => 4,
        DType::F8 => 8,
        DType::BF16 | DType::F16 => 9,
        DType::F32 => 10,
        DType::F64 => 11,
        DType::C32 => 12,
        DType::C64 => 13,
        DType::C128 => 14,
    }
}

/// The element type of a value.
pub(super) fn of(graph: &Graph, v: ValueId) -> DType {
    graph.value(v).dtype
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_results() {
        let (f, b, i) = (ValueId(0), ValueId(1), ValueId(2));
        let dtypes = |v: ValueId| [DType::F64, DType::Bool, DType::I64][v.index()];
        let arg = |n: &str, a: Arg| (n.to_owned(), a);
        let table = [
            ("aten.add.Tensor", vec![arg("self", Arg::Tensor(i)), arg("other", Arg::Tensor(f))], 0, DType::F64),
            ("aten.le.Tensor", vec![arg("self", Arg::Tensor(i)), arg("other", Arg::Tensor(i))], 0, DType::Bool),
            ("aten.topk.default", vec![arg("self", Arg::Tensor(f))], 1, DType::I64),
            ("aten.embedding.default", vec![arg("weight", Arg::Tensor(f)), arg("indices", Arg::Tensor(i))], 0, DType::F64),
            ("aten.where.self", vec![arg("condition", Arg::Tensor(b)), arg("self", Arg::Tensor(i))], 0, DType::I64),
            ("aten.sum.default", vec![arg("self", Arg::Tensor(b))], 0, DType::I64),
            (
                "aten.to.dtype",
                vec![arg("self", Arg::Tensor(f)), arg("dtype", Arg::Opaque("{\"as_scalar_type\":12}".into()))],
                0,
                DType::Bool,
            ),
            ("aten.div.Tensor", vec![arg("self", Arg::Tensor(i)), arg("other", Arg::Tensor(i))], 0, DType::F32),
        ];
        for (target, args, output, expected) in table {
            assert_eq!(result(target, &args, &dtypes, output), expected, "{target}");
        }
        assert!((0..64).all(|n| exported(n).is_some() == of_c10(n).is_some()));
    }
}
