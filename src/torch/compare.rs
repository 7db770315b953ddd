//! How far two tensors are apart.

use tch::{Kind, Tensor};

/// The largest difference between what is wanted and what was got, and the scale to hold it against.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Distance {
    /// Largest absolute difference; infinite where one side is no number and the other is.
    pub(super) absolute: f64,
    /// The same against the scale.
    pub(super) relative: f64,
}

/// Compares tensors of equal sizes. The scale is the largest number that is wanted; `other`, the result for other inputs,
/// narrows it to what the input changes, so that a large constant in the result hides nothing.
pub(super) fn distance(want: &Tensor, got: &Tensor, other: Option<&Tensor>) -> Distance {
    if want.numel() == 0 {
        return Distance::default();
    }
    let wide = |t: &Tensor| {
        let t = t.to_device(tch::Device::Cpu);
        let t = if t.is_complex() { t.view_as_real() } else { t };
        t.to_kind(Kind::Double)
    };
    let (want, got) = (wide(want), wide(got));
    let equal = want.eq_tensor(&got).logical_or(&want.isnan().logical_and(&got.isnan()));
    let difference = (&want - &got).abs().masked_fill(&equal, 0.0).nan_to_num(f64::INFINITY, f64::INFINITY, f64::INFINITY);
    let absolute = largest(&difference);
    let finite = want.nan_to_num(0.0, 0.0, 0.0);
    let mut scale = largest(&finite.abs());
    if let Some(other) = other.map(wide).filter(|o| o.size() == want.size()) {
        scale = scale.min(largest(&(finite - other.nan_to_num(0.0, 0.0, 0.0)).abs()));
    }
    Distance { absolute, relative: absolute / scale.max(1e-9) }
}

fn largest(t: &Tensor) -> f64 {
    t.max().double_value(&[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_what_is_none() {
        let a = Tensor::from_slice(&[1.0, 2.0, f64::NAN, f64::INFINITY]);
        let b = Tensor::from_slice(&[1.0, 2.5, f64::NAN, f64::INFINITY]);
        assert_eq!(distance(&a, &a, None).absolute, 0.0);
        let found = distance(&a, &b, None);
        assert_eq!((found.absolute, found.relative), (0.5, 0.25));
        // A bias of 2 that no input changes does not count: only 1.0 -> 0.9 does.
        let other = Tensor::from_slice(&[0.9, 2.0, f64::NAN, f64::INFINITY]);
        assert!((distance(&a, &b, Some(&other)).relative - 5.0).abs() < 1e-9);
        let c = Tensor::from_slice(&[f64::NAN, 2.0, 1.0, 1.0]);
        assert_eq!(distance(&a, &c, None).absolute, f64::INFINITY);
    }
}
