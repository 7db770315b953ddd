//! Where a number at a removed position goes: a sum over an axis, the weight that it is multiplied by, the bias that takes it up.

use std::rc::Rc;

use egg::Id;

use crate::axis::LetterId;
use crate::model::NodeId;
use crate::solve::positions::Link;

/// Whether a removed position can be folded.
pub enum Folded {
    /// It can, and the proof relies on that.
    Yes,
    /// It holds a number, but nothing can take that up.
    Constant,
    /// It holds a number that a bias for each place of the result could take up.
    Border,
    /// It holds no number.
    No,
}

/// A sum over an axis some of whose removed positions hold numbers.
#[derive(Clone, Debug)]
pub struct Fold {
    pub node: NodeId,
    pub letter: LetterId,
    pub site: Site,
    /// By position of the input's dimension: its number, or NaN.
    pub numbers: Rc<[f64]>,
}

/// Where the parts of a sum stand.
#[derive(Clone, Debug)]
pub struct Site {
    /// The input's dimension that has the axis, in terms of letters.
    pub input: Factors,
    /// The letter that tells the outer position of the axis, where it has a context.
    pub link: Option<Link<LetterId>>,
    /// The weight: a stored tensor, for each of its dimensions the letters.
    pub tensor: usize,
    pub weight: Vec<Factors>,
    /// The result's dimension that the weight makes.
    pub made: Factors,
    /// The axis of that dimension.
    pub axis: Id,
    /// The argument that takes the sum up.
    pub into: String,
    /// The stored tensor that is there now.
    pub bias: Option<usize>,
    /// The operand is that tensor, which nobody else reads.
    pub own: bool,
    /// Where results sum over some of the weight only, as at a padded border.
    pub windows: Vec<Window>,
}

/// One dimension over which a window slides.
#[derive(Clone, Debug)]
pub struct Window {
    /// The letter of the window in the weight.
    pub k: LetterId,
    /// Number of places of the window.
    pub places: usize,
    /// For each position of the result and place of the window whether it lies on the input.
    pub inside: Vec<bool>,
    /// Number of positions of the result.
    pub size: usize,
}

/// A dimension as a product of letters, each with its step.
pub type Factors = Vec<(LetterId, usize)>;
