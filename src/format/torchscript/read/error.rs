//! What can be wrong with the code of a TorchScript archive.

use std::ops::Range;
use std::path::{Path, PathBuf};

use miette::{Diagnostic, NamedSource, SourceSpan};
use thiserror::Error;

use super::syntax::{Fault, Reason};

/// A place in an archive's code that cannot be followed.
#[derive(Debug, Error)]
#[error("{}: {what}", path.display())]
pub struct ScriptError {
    /// The archive.
    pub path: PathBuf,
    /// What is wrong.
    pub what: String,
    code: &'static str,
    help: String,
    label: String,
    source_code: NamedSource<String>,
    span: SourceSpan,
}

impl Diagnostic for ScriptError {
    fn code<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        Some(Box::new(self.code))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        Some(Box::new(&self.help))
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(&self.source_code)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = miette::LabeledSpan> + '_>> {
        Some(Box::new(std::iter::once(miette::LabeledSpan::new_with_span(Some(self.label.clone()), self.span))))
    }
}

impl Fault {
    /// The error for a fault in a file of an archive. `python` is the user's line, if the archive tells it.
    pub(super) fn of(self, path: &Path, file: &str, text: &str, python: Option<&str>) -> ScriptError {
        let (code, what, label, mut help) = match self.reason {
            Reason::Syntax(expected) => (
                "paring::torchscript::syntax",
                "the code of the archive cannot be read".to_owned(),
                expected,
                "Paring reads what torch.jit.trace writes. A scripted module is to be traced, torch.jit.trace(model, example), or exported with torch.export.export; a trace with this error is damaged: save it again".to_owned(),
            ),
            Reason::Control(word) => (
                "paring::torchscript::control_flow",
                format!("the model was scripted: `{word}` decides at run time what is computed"),
                format!("`{word}` here"),
                "trace the model instead, torch.jit.trace(model, example), or export it with torch.export.export".to_owned(),
            ),
            Reason::Fused(what) => (
                "paring::torchscript::fused",
                format!("the trace holds {what}"),
                "here".to_owned(),
                "trace the model after torch.backends.mha.set_fastpath_enabled(False), which gives the plain operators, or export \
                 it with torch.export.export"
                    .to_owned(),
            ),
            Reason::Unsupported(what) => (
                "paring::torchscript::unsupported",
                what,
                "here".to_owned(),
                "trace the model with torch.jit.trace, or export it with torch.export.export".to_owned(),
            ),
        };
        if let Some(python) = python {
            help = format!("it comes from {python}\n{help}");
        }
        ScriptError {
            path: path.to_path_buf(),
            what,
            code,
            help,
            label,
            source_code: NamedSource::new(file, text.to_owned()),
            span: span(self.span, text),
        }
    }
}

fn span(of: Range<usize>, text: &str) -> SourceSpan {
    let start = of.start.min(text.len());
    SourceSpan::new(start.into(), of.end.min(text.len()).saturating_sub(start))
}
