//! Where masks disagree.

/// Positions on which the same tensors disagree in the same way.
#[derive(Clone, Debug)]
pub struct Conflict {
    /// Names of those that drop the positions.
    pub drop: Vec<String>,
    /// Names of those that keep them.
    pub keep: Vec<String>,
    /// Number of positions.
    pub positions: usize,
    /// What the policy made of them: they stayed.
    pub stayed: bool,
}
