//! The texts that are built into the program: the rule files of `rules/`, cut into their entries, and PyTorch's schemas.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use include_dir::{Dir, include_dir};
use miette::NamedSource;

/// The folder `rules/`.
static FOLDER: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/rules");

/// The file of the definitions that all files may use.
pub(super) const SHARED: &str = "rules/definitions.yaml";

/// A part of a rule file that a `-` begins.
#[derive(Debug)]
pub(super) struct Part {
    pub source: Arc<NamedSource<String>>,
    pub at: Range<usize>,
    /// Line number of its begin, from 1.
    pub line: usize,
}

impl Part {
    pub fn text(&self) -> &str {
        &self.source.inner()[self.at.clone()]
    }
}

/// The rule files in alphabetical order.
pub(super) fn files() -> &'static [Arc<NamedSource<String>>] {
    static FILES: OnceLock<Vec<Arc<NamedSource<String>>>> = OnceLock::new();
    FILES.get_or_init(|| {
        let all = FOLDER.files().chain(FOLDER.dirs().flat_map(|d| d.files()));
        let yaml = all.filter(|f| f.path().extension().is_some_and(|e| e == "yaml"));
        let named = yaml.filter_map(|f| Some((format!("rules/{}", f.path().display()), f.contents_utf8()?)));
        let mut files: Vec<_> = named.collect();
        files.sort();
        files.into_iter().map(|(name, text)| Arc::new(NamedSource::new(name, text.to_owned()))).collect()
    })
}

/// The files that have entries which begin with this key.
pub(super) fn files_with(key: &str) -> impl Iterator<Item = &'static Arc<NamedSource<String>>> {
    let begin = format!("\n- {key}:");
    files().iter().filter(move |f| f.inner().contains(&begin))
}

/// The parts of all files.
pub(super) fn parts() -> &'static [Part] {
    static PARTS: OnceLock<Vec<Part>> = OnceLock::new();
    PARTS.get_or_init(|| files().iter().flat_map(parts_of).collect())
}

fn parts_of(source: &Arc<NamedSource<String>>) -> Vec<Part> {
    let text = source.inner();
    let mut parts: Vec<Part> = Vec::new();
    let mut at = 0;
    for (i, line) in text.split_inclusive('\n').enumerate() {
        if line.starts_with("- ") {
            if let Some(last) = parts.last_mut() {
                last.at.end = at;
            }
            parts.push(Part { source: source.clone(), at: at..text.len(), line: i + 1 });
        }
        at += line.len();
    }
    parts
}

/// A set of operators that rules are built in for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operators {
    /// Those of PyTorch and its libraries.
    PyTorch,
    /// Those of ONNX.
    Onnx,
}

/// How many entries the built-in rule files have for a set of operators.
pub fn entries(of: Operators) -> usize {
    let here = |f: &&Arc<NamedSource<String>>| f.name().starts_with("rules/onnx/") == (of == Operators::Onnx);
    files().iter().filter(here).map(|f| f.inner().lines().filter(|l| l.starts_with("- op:")).count()).sum()
}

/// The tables of schemas, a line each.
pub(super) fn schemas() -> Vec<&'static str> {
    let tables = FOLDER.files().filter(|f| f.path().extension().is_some_and(|e| e == "schemas"));
    tables.filter_map(|f| f.contents_utf8()).collect()
}
