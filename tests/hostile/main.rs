//! Files that somebody made to do harm: each ends in an error that says what is wrong, or in the right answer, soon and in little
//! memory.

#[path = "../common/mod.rs"]
mod common;
#[path = "../../fuzz/src/lib.rs"]
#[allow(dead_code)]
mod fuzz;
#[path = "../common/sources.rs"]
mod sources;

mod archives;
mod bench;
mod changing;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod faults;
mod messages;
mod notation;
mod outputs;
mod replay;
mod scripts;
mod sizes;
mod streams;
mod text;
