//! Single elements of floating point types.

use crate::model::DType;

/// Multiplies an element by zero: zero of its sign, but NaN and infinity give NaN, as they would in PyTorch.
pub fn mask_element(element: &mut [u8], dtype: DType) {
    let exponent: Option<(u64, u64)> = match dtype {
        DType::F64 => Some((0x7ff0_0000_0000_0000, 0x7ff8_0000_0000_0000)),
        DType::F32 => Some((0x7f80_0000, 0x7fc0_0000)),
        DType::F16 => Some((0x7c00, 0x7e00)),
        DType::BF16 => Some((0x7f80, 0x7fc0)),
        _ => None,
    };
    let Some((infinite, nan)) = exponent else { return element.fill(0) };
    let mut bits = [0u8; 8];
    bits[..element.len()].copy_from_slice(element);
    let bits = u64::from_le_bytes(bits);
    let sign = 1u64 << (element.len() * 8 - 1);
    let result = if bits & infinite == infinite { nan } else { bits & sign };
    element.copy_from_slice(&result.to_le_bytes()[..element.len()]);
}

/// Adds a number to an element of a floating point type, in double precision.
pub fn add_to(element: &mut [u8], dtype: DType, x: f64) {
    map_float(element, dtype, |y| y + x);
}

/// Gives an element of a floating point type another value, in double precision.
pub fn map_float(element: &mut [u8], dtype: DType, f: impl Fn(f64) -> f64) {
    match (dtype, &mut *element) {
        (DType::F64, [a, b, c, d, e, g, h, i]) => {
            let x = f(f64::from_le_bytes([*a, *b, *c, *d, *e, *g, *h, *i]));
            element.copy_from_slice(&x.to_le_bytes());
        }
        (DType::F32, [a, b, c, d]) => {
            let x = f(f64::from(f32::from_le_bytes([*a, *b, *c, *d])));
            element.copy_from_slice(&(x as f32).to_le_bytes());
        }
        (DType::F16, [a, b]) => {
            let x = f(f64::from(half::f16::from_le_bytes([*a, *b])));
            element.copy_from_slice(&half::f16::from_f64(x).to_le_bytes());
        }
        (DType::BF16, [a, b]) => {
            let x = f(f64::from(half::bf16::from_le_bytes([*a, *b])));
            element.copy_from_slice(&half::bf16::from_f64(x).to_le_bytes());
        }
        _ => {}
    }
}

/// The elements of a floating point type.
pub fn floats(bytes: &[u8], dtype: DType) -> Vec<f64> {
    bytes.chunks_exact(dtype.bytes()).map(|element| dtype.number(element).unwrap_or(0.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_added_in_double_precision() {
        let added = |dtype: DType, bytes: &[u8], x: f64| {
            let mut element = bytes.to_vec();
            add_to(&mut element, dtype, x);
            element
        };
        assert_eq!(added(DType::F64, &1.5f64.to_le_bytes(), 0.1), 1.6f64.to_le_bytes());
        assert_eq!(added(DType::F32, &1.5f32.to_le_bytes(), 0.1), 1.6f32.to_le_bytes());
        assert_eq!(added(DType::F16, &half::f16::from_f64(1.5).to_le_bytes(), 0.25), half::f16::from_f64(1.75).to_le_bytes());
        assert_eq!(added(DType::BF16, &half::bf16::from_f64(1.5).to_le_bytes(), 0.5), half::bf16::from_f64(2.0).to_le_bytes());
    }

    #[test]
    fn masked_elements_keep_sign_and_nan() {
        let masked = |x: f32| {
            let mut b = x.to_le_bytes();
            mask_element(&mut b, DType::F32);
            f32::from_le_bytes(b)
        };
        assert_eq!(masked(3.5).to_bits(), 0f32.to_bits());
        assert_eq!(masked(-3.5).to_bits(), (-0f32).to_bits());
        assert!(masked(f32::NAN).is_nan() && masked(f32::INFINITY).is_nan());
    }
}
