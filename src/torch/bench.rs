//! Times of a forward.

use std::time::{Duration, Instant};

use super::error::TorchError;
use super::inputs::Inputs;
use super::program::Program;
use super::timing::Timing;

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
