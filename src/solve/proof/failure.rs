//! What a proof fails at.

use crate::solve::positions::{SetId, Why};

/// A removed position that has to stay after all.
pub struct Failure {
    /// The position.
    pub set: SetId,
    /// Where it fails.
    pub why: Why,
}
