//! What state dicts of `torch.save` are called, and what they hold.

use safetensors::Dtype;

use crate::model::DType;

/// Keys under which checkpoints hold a state dict.
pub(super) const NESTED: [&str; 3] = ["state_dict", "model_state_dict", "model"];

/// The element type as safetensors calls it.
pub(super) fn dtype(of: DType) -> Option<Dtype> {
    Some(match of {
        DType::F32 => Dtype::F32,
        DType::F64 => Dtype::F64,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::U8 => Dtype::U8,
        DType::I8 => Dtype::I8,
        DType::I16 => Dtype::I16,
        DType::I32 => Dtype::I32,
        DType::I64 => Dtype::I64,
        DType::U16 => Dtype::U16,
        DType::U32 => Dtype::U32,
        DType::U64 => Dtype::U64,
        DType::Bool => Dtype::BOOL,
        DType::F8 => Dtype::F8_E4M3,
        DType::C32 | DType::C64 | DType::C128 => return None,
    })
}
