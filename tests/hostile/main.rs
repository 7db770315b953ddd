//! Files that somebody made to do harm: each ends in an error that says what is wrong, or in the right answer, soon and in little
//! memory.

#[path = "../common/mod.rs"]
mod common;

mod archives;
mod bench;
mod notation;
mod outputs;
mod scripts;
mod sizes;
mod text;
