//! Element types by their numbers in the file (these are not c10's numbers).

use crate::model::DType;

/// The type of a number.
pub(super) fn dtype(code: i64) -> Option<DType> {
    Some(match code {
        1 => DType::U8,
        2 => DType::I8,
        3 => DType::I16,
        4 => DType::I32,
        5 => DType::I64,
        6 => DType::F16,
        7 => DType::F32,
        8 => DType::F64,
        9 => DType::C32,
        10 => DType::C64,
        11 => DType::C128,
        12 => DType::Bool,
        13 => DType::BF16,
        28 => DType::U16,
        29..=33 => DType::F8,
        34 => DType::U32,
        35 => DType::U64,
        _ => return None,
    })
}

/// The number of a type. `F8` stands for five of them; the first is given.
pub(super) fn code(dtype: DType) -> i64 {
    match dtype {
        DType::U8 => 1,
        DType::I8 => 2,
        DType::I16 => 3,
        DType::I32 => 4,
        DType::I64 => 5,
        DType::F16 => 6,
        DType::F32 => 7,
        DType::F64 => 8,
        DType::C32 => 9,
        DType::C64 => 10,
        DType::C128 => 11,
        DType::Bool => 12,
        DType::BF16 => 13,
        DType::U16 => 28,
        DType::F8 => 29,
        DType::U32 => 34,
        DType::U64 => 35,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_both_ways() {
        for n in -1..64 {
            let back = dtype(n).map(code);
            assert!(back.is_none() || back == Some(n) || (29..=33).contains(&n), "{n}");
        }
    }
}
