//! What was decided, and what there is to say of it.

mod solution;
mod stays;
mod verdict;

pub use solution::{Hindrance, Obstacle, Solution};
pub use stays::{Holding, Holds, Stay, stays};
pub use verdict::{Verdict, verdicts};
