//! Errors in rule files.

use std::fmt::{self, Display};
use std::ops::Range;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

/// One mistake in a rule file.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct RuleError {
    /// The last part of its code: `syntax` in `paring::rule::syntax`.
    pub kind: &'static str,
    /// What is wrong.
    pub message: String,
    /// Places in the file with what is there; the first is the mistake.
    pub labels: Vec<(Range<usize>, String)>,
    /// What to do.
    pub help: Option<String>,
    /// The file; `None` if it could not be read.
    pub source_file: Option<Arc<NamedSource<String>>>,
}

impl RuleError {
    /// A mistake at a place in a file.
    pub(super) fn at(
        file: &Arc<NamedSource<String>>,
        kind: &'static str,
        place: Range<usize>,
        message: String,
        label: &str,
    ) -> RuleError {
        RuleError { kind, message, labels: vec![(place, label.to_owned())], help: None, source_file: Some(file.clone()) }
    }

    /// The same with what to do.
    pub(super) fn help(self, help: Option<&str>) -> RuleError {
        RuleError { help: help.map(str::to_owned), ..self }
    }
}

impl Diagnostic for RuleError {
    fn code<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        Some(Box::new(format!("paring::rule::{}", self.kind)))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        Some(Box::new(self.help.as_deref().unwrap_or_else(|| general(self.kind))))
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.source_file.as_ref()?;
        let labels = self.labels.iter().enumerate().map(|(i, (span, text))| match i {
            0 => LabeledSpan::new_primary_with_span(Some(text.clone()), span.clone()),
            _ => LabeledSpan::new_with_span(Some(text.clone()), span.clone()),
        });
        Some(Box::new(labels))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source_file.as_deref().map(|s| s as &dyn SourceCode)
    }
}

/// What to do about a mistake of this kind.
fn general(kind: &str) -> &'static str {
    match kind {
        "file" => "--rules names folders of YAML files, or such files, that may be read",
        "yaml" => {
            "a rule file is a YAML list of entries; docs/writing-rules.md shows some. Texts with brackets or colons stand in quotes"
        }
        "syntax" => "docs/writing-rules.md describes the notation; `paring rules show aten.linear` shows a rule",
        "test" => "what the test says and what the rule does must be the same; docs/writing-rules.md tells what tests hold",
        _ => "docs/writing-rules.md tells what entries hold; `paring rules show aten.linear` shows one",
    }
}

/// All mistakes of the rule files that were read.
#[derive(Clone, Debug)]
pub struct RuleErrors {
    /// The mistakes, in the order of files and places. Never empty in an `Err`.
    pub errors: Vec<RuleError>,
}

impl std::error::Error for RuleErrors {}

impl Display for RuleErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.errors.len() {
            1 => f.write_str("a mistake in the rules"),
            n => write!(f, "{n} mistakes in the rules"),
        }
    }
}

impl Diagnostic for RuleErrors {
    fn code<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        Some(Box::new("paring::rule"))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.errors.iter().map(|e| e as &dyn Diagnostic)))
    }
}

/// The one of `known` that `name` was probably meant to be.
pub(crate) fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let limit = (name.len() / 3).max(1);
    let distance = |k: &str| {
        let k = k.to_lowercase();
        let part = k.len() >= 3 && name.len() >= 3 && (name.contains(&k) || k.contains(&name));
        let distance = strsim::damerau_levenshtein(&name, &k);
        if part { distance.min(limit) } else { distance }
    };
    let near = known.into_iter().map(|k| (distance(k), k)).filter(|(d, k)| *d <= limit && *d < k.len());
    near.min_by_key(|(d, _)| *d).map(|(_, k)| k)
}
