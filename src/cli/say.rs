//! What commands print and note.

use std::io::{ErrorKind, IsTerminal, Write};

use miette::Result;
use paring::shown;

use super::error::CliError;

/// True if progress bars make sense.
pub fn on_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// Prints a text, as [`shown::plain`]. That nobody reads on, as in `paring rules list | head`, is no error.
pub fn print(text: &str) -> Result<()> {
    put(&shown::plain(text))
}

/// Says something on the way.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "note: {}", shown::plain(text)); // a run does not fail for a note
}

fn put(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result.map_err(CliError::Stdout)?),
    }
}

/// Prints a value as JSON.
pub fn print_json(value: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(|e| CliError::Text(e.into()))?;
    put(&(shown::json(&text).into_owned() + "\n"))
}
