//! Pruning without masks: importance of coupled groups, and masks that drop the least of them.
//!
//! [`prune`] scores every [unit](crate::solve::Units) by all that is coupled to it, chooses a share, and gives masks for the
//! parameters that make the axes. From there on everything is as with masks that somebody else made.

mod budget;
mod bundle;
mod choose;
mod chosen;
mod coupled;
mod error;
mod fault;
mod file;
mod given;
mod left_out;
mod lost;
mod mask;
mod options;
mod pool;
mod ratios;
mod round;
mod score;

pub use chosen::{Pruned, prune};
pub use error::PruneError;
pub use file::{FileError, masks as masks_of_yaml};
pub use given::Scores;
pub use left_out::LeftOut;
pub use lost::Lost;
pub use options::{By, Options, Scope, Target};
pub use ratios::Ratios;
pub use round::{Rounded, round};
