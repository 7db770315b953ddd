//! Gathering what stays of a stored tensor, whose bytes may lie in memory in any order.

mod element;
mod memory;
mod norms;
mod places;
mod strided;
mod zeros;

pub use element::{add_to, floats, mask_element};
pub use memory::{in_order, order, reordered};
pub use norms::Norms;
pub use places::{Places, places_of, slices};
pub use strided::{Strided, cut, dense};
pub use zeros::drops;
