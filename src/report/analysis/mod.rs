//! What could be cut: groups of coupled axes, as data, as text and as a graph.

mod dot;
mod groups;
mod text;

pub use dot::dot;
pub use groups::{Analysis, Count, Edge, Group, Member, MemberRole};
pub use text::{csv, group_text, groups_text};
