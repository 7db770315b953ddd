//! The command line.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Deep graphs recurse deeply: egg's proofs, nested concatenations.
    let run = std::thread::Builder::new().stack_size(256 << 20).spawn(cli::main);
    match run.map(std::thread::JoinHandle::join) {
        Ok(Ok(code)) => code,
        _ => ExitCode::from(1),
    }
}
