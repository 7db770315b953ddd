//! The rules that are built into the program. Of each entry only the operators are read at first; the rest when it is
//! needed, for a model uses few of them.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use include_dir::{Dir, include_dir};
use miette::NamedSource;

use super::ast::Rule;
use super::load::load_part;
use super::modules::{self, ModuleSizes};

/// The folder `rules/`.
static FOLDER: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/rules");

/// An entry of a rule file that is read when it is first needed.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The operators it is for.
    pub ops: Vec<String>,
    source: Arc<NamedSource<String>>,
    part: Range<usize>,
    line: usize,
    rule: OnceLock<Option<Arc<Rule>>>,
}

impl Entry {
    /// The rule; `None` if the entry has a mistake, which the tests of the built-in rules would show.
    pub fn rule(&self) -> Option<&Arc<Rule>> {
        let read =
            || load_part(&self.source, self.part.clone(), self.line, None, &mut Vec::new()).pop().map(|l| Arc::new(l.rule));
        self.rule.get_or_init(read).as_ref()
    }
}

impl From<Rule> for Entry {
    fn from(rule: Rule) -> Entry {
        let (source, part, line) = (rule.place.source.clone(), rule.place.span.clone(), rule.place.line);
        Entry { ops: rule.ops.clone(), source, part, line, rule: OnceLock::from(Some(Arc::new(rule))) }
    }
}

/// The rule files in alphabetical order.
pub(super) fn files() -> Vec<Arc<NamedSource<String>>> {
    let yaml = FOLDER.files().filter(|f| f.path().extension().is_some_and(|e| e == "yaml"));
    let mut files: Vec<_> = yaml.filter_map(|f| Some((format!("rules/{}", f.path().display()), f.contents_utf8()?))).collect();
    files.sort();
    files.into_iter().map(|(name, text)| Arc::new(NamedSource::new(name, text.to_owned()))).collect()
}

/// The entries of all files.
pub(super) fn entries() -> Vec<Entry> {
    let mut entries = Vec::new();
    for source in files() {
        let text = source.inner();
        let mut starts = Vec::new();
        let mut at = 0;
        for (i, line) in text.split_inclusive('\n').enumerate() {
            if line.starts_with("- ") {
                starts.push((at, i + 1));
            }
            at += line.len();
        }
        let ends = starts.iter().skip(1).map(|(at, _)| *at).chain([text.len()]);
        for ((start, line), end) in starts.iter().zip(ends) {
            let ops = ops(&text[*start..end]).map(str::to_owned).collect();
            entries.push(Entry { ops, source: source.clone(), part: *start..end, line: *line, rule: OnceLock::new() });
        }
    }
    entries
}

/// The operators of an entry, whose first key is `op:`: a name or a list of names in brackets.
fn ops(entry: &str) -> impl Iterator<Item = &str> {
    let value = entry.trim_start_matches("- ").strip_prefix("op:").unwrap_or("").trim_start();
    let list = match value.strip_prefix('[') {
        Some(list) => list.split(']').next(),
        None => value.lines().next(),
    };
    list.unwrap_or("")
        .lines()
        .flat_map(|line| line.split('#').next().unwrap_or("").split(','))
        .map(str::trim)
        .filter(|op| !op.is_empty())
}

/// What PyTorch's classes of modules call their sizes.
pub(super) fn modules() -> &'static [ModuleSizes] {
    static READ: OnceLock<Vec<ModuleSizes>> = OnceLock::new();
    READ.get_or_init(|| {
        let about = |source: &Arc<NamedSource<String>>| modules::load(source, &mut Vec::new());
        files().iter().filter(|f| f.inner().contains("\n- module:")).flat_map(about).collect()
    })
}

/// PyTorch's schemas, a line each.
pub(super) fn schemas() -> &'static str {
    FOLDER.get_file("aten.schemas").and_then(|f| f.contents_utf8()).unwrap_or("")
}
