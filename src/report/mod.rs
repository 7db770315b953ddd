//! What a run did, as data, as tables and as JSON.

mod analysis;
mod branch;
mod conflict;
mod disagreement;
mod error;
mod explain;
mod html;
mod note;
mod place;
mod stayed;
mod summary;
mod table;
mod words;

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
pub use note::Note;
pub use place::{Obstacle, Place};
pub(crate) use place::{obstacle, place};
pub use stayed::{Cause, Kept, Stays};
pub use summary::{Layer, Outcome, Summary, Total, Verified};
pub use table::table;
