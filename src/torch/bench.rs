//! Times of a forward.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::{Inputs, Program, TorchError};

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

/// Times programs in turns, so that what else the machine does hits them alike. A few runs to warm up come first.
///
/// # Errors
/// A program that fails.
pub fn bench(programs: &[&Program], inputs: &Inputs, runs: usize, patience: Duration) -> Result<Vec<Timing>, TorchError> {
    const WARM: usize = 2;
    let mut times = vec![Vec::new(); programs.len()];
    let start = Instant::now();
    for run in 0..runs.max(1) + WARM {
        // Enough to say something was measured, and the time is up.
        if run > WARM + 2 && start.elapsed() > patience {
            break;
        }
        for (program, times) in programs.iter().zip(&mut times) {
            let begin = Instant::now();
            program.run(inputs)?;
            if run >= WARM {
                times.push(begin.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    Ok(times.into_iter().map(Timing::of).collect())
}

impl Timing {
    fn of(mut times: Vec<f64>) -> Timing {
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
