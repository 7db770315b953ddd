//! An error as it is shown.

use std::error::Error;
use std::fmt::{self, Display};

use miette::{Diagnostic, LabeledSpan, MietteHandlerOpts, ReportHandler, Severity, SourceCode};

use super::excerpt::Excerpt;
use super::message;

/// Bytes of a label's place that are marked.
const MARKED: usize = 400;
/// Errors in a chain or a list that are shown.
const MOST: usize = 1000;
/// Of many mistakes in one file the first are shown; the error says how many there are.
const RELATED: usize = 100;

/// A copy of an error, with all that it says fit to be shown: nothing that a terminal obeys, and excerpts of long texts.
pub struct Shown {
    text: String,
    code: Option<String>,
    help: Option<String>,
    url: Option<String>,
    severity: Option<Severity>,
    labels: Option<Vec<LabeledSpan>>,
    source: Option<Excerpt>,
    related: Option<Vec<Shown>>,
    cause: Option<Box<Shown>>,
    /// Whether its cause says more than a text.
    explained: bool,
}

impl Shown {
    /// Of an error.
    pub fn of(error: &dyn Diagnostic) -> Shown {
        Shown::inside(error, None, 0)
    }

    /// `parent` is the text that labels without a text of their own are about.
    fn inside(error: &dyn Diagnostic, parent: Option<&dyn SourceCode>, depth: usize) -> Shown {
        let source = error.source_code().or(parent);
        let labels: Option<Vec<LabeledSpan>> = error.labels().map(|all| all.take(MOST).map(marked).collect());
        let cause = match (error.diagnostic_source(), error.source()) {
            _ if depth > MOST => None,
            (Some(cause), _) => Some(Shown::inside(cause, source, depth + 1)),
            (None, Some(cause)) => Some(Shown::bare(cause, depth + 1)),
            (None, None) => None,
        };
        Shown {
            text: message(&error.to_string()),
            code: error.code().map(|c| message(&c.to_string())),
            help: error.help().map(|h| message(&h.to_string())),
            url: error.url().map(|u| message(&u.to_string())),
            severity: error.severity(),
            source: source.map(|s| Excerpt::of(s, labels.as_deref().unwrap_or(&[]))),
            labels,
            related: error.related().map(|all| all.take(RELATED).map(|e| Shown::inside(e, source, depth + 1)).collect()),
            cause: cause.map(Box::new),
            explained: error.diagnostic_source().is_some(),
        }
    }

    /// Of an error that says no more than a text.
    fn bare(error: &dyn Error, depth: usize) -> Shown {
        Shown {
            text: message(&error.to_string()),
            code: None,
            help: None,
            url: None,
            severity: None,
            labels: None,
            source: None,
            related: None,
            cause: error.source().filter(|_| depth < MOST).map(|cause| Box::new(Shown::bare(cause, depth + 1))),
            explained: false,
        }
    }
}

/// A label that ends where its text does at the latest.
fn marked(label: LabeledSpan) -> LabeledSpan {
    let (text, place) = (label.label().map(message), (label.offset(), label.len().min(MARKED)));
    match label.primary() {
        true => LabeledSpan::new_primary_with_span(text, place),
        false => LabeledSpan::new_with_span(text, place),
    }
}

impl Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// As the terminal shows it, with its colours and in its width.
impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        MietteHandlerOpts::new().build().debug(self, f)
    }
}

impl Error for Shown {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|c| c as &(dyn Error + 'static))
    }
}

impl Diagnostic for Shown {
    fn code<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        self.code.as_ref().map(|c| Box::new(c) as Box<dyn Display>)
    }

    fn severity(&self) -> Option<Severity> {
        self.severity
    }

    fn help<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        self.help.as_ref().map(|h| Box::new(h) as Box<dyn Display>)
    }

    fn url<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        self.url.as_ref().map(|u| Box::new(u) as Box<dyn Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|s| s as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.labels.as_ref().map(|all| Box::new(all.iter().cloned()) as Box<dyn Iterator<Item = LabeledSpan>>)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        let all = self.related.as_ref()?.iter().map(|e| e as &dyn Diagnostic);
        Some(Box::new(all))
    }

    fn diagnostic_source(&self) -> Option<&dyn Diagnostic> {
        self.cause.as_deref().filter(|_| self.explained).map(|c| c as &dyn Diagnostic)
    }
}
