//! What a run did, as data, as tables and as JSON.

mod error;
mod macs;
mod summary;
mod table;

use std::io::Write;
use std::path::Path;

pub use error::ReportError;
pub use macs::macs;
pub use summary::{Layer, Note, Summary, Total};
pub use table::table;

/// Writes JSON to a file, which appears whole or not at all.
///
/// # Errors
/// Where the file cannot be written.
pub fn write_json(path: &Path, value: &serde_json::Value) -> Result<(), ReportError> {
    let fault = |source| ReportError::Unwritable { path: path.into(), source };
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(fault)?;
    serde_json::to_writer_pretty(&mut file, value).map_err(|e| fault(e.into()))?;
    file.write_all(b"\n").map_err(fault)?;
    file.persist(path).map_err(|e| fault(e.error))?;
    Ok(())
}
