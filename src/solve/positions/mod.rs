//! The positions of axes: which sets of atoms they are, where they depend on an outer axis, and which of them stay so far.

mod frame;
mod ragged;
mod sets;
mod state;

pub use frame::{Coords, Frame};
pub use ragged::{Contexts, Link};
pub use sets::{Atom, Positions, STAYS, SetId};
pub use state::{State, Uneven, Why};
