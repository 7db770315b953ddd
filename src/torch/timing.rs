//! Times as data.

use serde::Serialize;

/// Times of one forward, in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Timing {
    /// How many were measured.
    pub runs: usize,
    /// Half were faster.
    pub median: f64,
    /// A tenth was faster.
    pub p10: f64,
    /// Nine tenths were faster.
    pub p90: f64,
    /// The fastest.
    pub min: f64,
}

impl Timing {
    /// Of measured times, in milliseconds.
    pub(super) fn of(mut times: Vec<f64>) -> Timing {
        times.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = share * (times.len().saturating_sub(1)) as f64;
            let (low, high) = (place.floor() as usize, place.ceil() as usize);
            let value = |k: usize| times.get(k).copied().unwrap_or(0.0);
            value(low) + (value(high) - value(low)) * place.fract()
        };
        Timing { runs: times.len(), median: at(0.5), p10: at(0.1), p90: at(0.9), min: at(0.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles() {
        let t = Timing::of((0..=10).rev().map(f64::from).collect());
        assert_eq!((t.runs, t.min, t.p10, t.median, t.p90), (11, 0.0, 1.0, 5.0, 9.0));
        assert_eq!(Timing::of(vec![1.0, 2.0]).median, 1.5);
    }
}
