//! Groups: the axes that several tensors share, as data.
//!
//! A group is an axis that is made of no others, with every dimension of a stored tensor that has it: which indices of the dimension each of
//! its positions is, what removing one saves, and what it could lose. Analysis shows them, pruning chooses among them.

mod elements;
mod find;
mod flow;
mod group;
mod index;
mod like;
mod macs;
mod worth;

pub use elements::{Element, Elements};
pub use group::{Between, Flow, Group, Groups, Member, MemberRole, Part, Worth, axis_name};
pub use index::{Even, Indices};
pub use macs::{macs, node_macs};
