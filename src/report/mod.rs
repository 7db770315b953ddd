//! What a run did, as data, as tables and as JSON.

mod analysis;
mod branch;
mod conflict;
mod disagreement;
mod error;
mod explain;
mod html;
mod place;
mod summary;
mod table;
mod words;

use std::io::Write;
use std::path::Path;

use crate::format::{FormatError, Output, Pending};

pub use crate::groups::{macs, node_macs};
pub use analysis::{Analysis, Count, Edge, Group, Member, MemberRole, csv, dot, group_text, groups_text};
pub use branch::Gone;
pub use conflict::{Conflicts, Finding, Outlook};
pub use disagreement::{Disagreement, Fate, Vote, disagreements};
pub use error::ReportError;
pub use explain::{
    AxisError, AxisRef, Chain, Evidence, Explainer, Fates, Meeting, Meetings, Run, Step, axis, fates, same, stuck,
};
pub use html::{Page, Quarrel, html, write_html};
pub use place::{Obstacle, Place};
pub(crate) use place::{obstacle, place};
pub use summary::{Layer, Note, Outcome, Stays, Summary, Total, Verified};
pub use table::table;

/// Writes JSON to a file that has no name before [`Pending::persist`].
///
/// # Errors
/// Where the file cannot be written.
pub fn write_json(path: &Path, value: &serde_json::Value) -> Result<Pending, FormatError> {
    let mut output = Output::create(path)?;
    let written = serde_json::to_writer_pretty(&mut output.file, value).map_err(Into::into);
    written.and_then(|()| output.file.write_all(b"\n")).map_err(|e| output.fault(e))?;
    output.complete()
}
