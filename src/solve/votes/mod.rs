//! Who has a say: the masks that were given, which parameters make an axis and which only read it, and how the votes are counted.

mod alias;
mod conflict;
mod count;
mod dead;
mod error;
mod even;
mod kernel;
mod masks;
mod norm;
mod roles;
mod units;

pub use alias::Aliased;
pub use conflict::Conflict;
pub use count::{Votes, said};
pub use dead::dead;
pub(crate) use error::closest_names;
pub use error::{SolveError, closest};
pub use even::even_out;
pub use masks::{Computed, Found, Given, Mask, Masks, Renamed, behind, given};
pub use norm::{move_rows, rows, unmasked};
pub use roles::Roles;
pub use units::{DimUnits, UnitGroup, Units};
