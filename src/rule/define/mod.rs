//! Named parts of rules. A **definition** (`- define:`) gives keys, a list or a text a name with parameters; `use:` and `$name` put
//! it where it is wanted. [`Definitions`] holds those of some files; what they stand for is put in before an entry is read.

mod call;
mod collect;
mod definition;
mod expand;
mod merge;

pub(super) use collect::is_definition;
pub(super) use definition::{Definitions, Used};

use super::error::RuleError;

/// Adds to mistakes in what a definition stands for where that is.
pub(super) fn explain(used: &[Used], errors: &mut [RuleError]) {
    for error in errors {
        let at = error.labels.first().map(|(at, _)| at.clone());
        let Some(used) = used.iter().rfind(|used| Some(&used.at) == at.as_ref()) else { continue };
        let note = format!("`{}` is defined at {}", used.name, used.place);
        error.help = Some(match error.help.take() {
            Some(help) => format!("{help}; {note}"),
            None => note,
        });
    }
}
