//! Element types in libtorch's words.

use tch::Kind;

use crate::model::DType;

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
