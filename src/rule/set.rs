//! All rules of a run, by operator.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use miette::NamedSource;
use rustc_hash::{FxHashMap, FxHashSet};

use super::ast::Rule;
use super::builtin;
use super::check::{Loaded, check_set};
use super::define::Definitions;
use super::entry::Entry;
use super::error::{RuleError, RuleErrors};
use super::file::load;
use super::modules::{self, ModuleSizes};
use super::name::base;
use super::schema::{Schema, Schemas};
use super::spelling::{self, Spelling};

/// The rules that are used, with the schemas of PyTorch's operators.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    entries: Vec<Entry>,
    by_op: FxHashMap<String, Slot>,
    /// The files that are not built in.
    own: Vec<Arc<NamedSource<String>>>,
    /// What classes of modules call their sizes, by the user's files.
    modules: Vec<ModuleSizes>,
    /// How core forms spell operators out, by the user's files.
    spellings: Vec<Spelling>,
}

/// The entries of one operator or overload.
#[derive(Clone, Debug, Default)]
struct Slot {
    entries: Vec<usize>,
    rules: OnceLock<Vec<Arc<Rule>>>,
}

impl RuleSet {
    /// The built-in rules.
    pub fn builtin() -> RuleSet {
        RuleSet::of(Entry::builtin())
    }

    /// The built-in rules, where the files in `paths` (folders of YAML files, or single files) do not replace them.
    pub fn with_dirs(paths: &[PathBuf]) -> Result<RuleSet, RuleErrors> {
        let (mut files, mut errors) = (Vec::new(), Vec::new());
        for file in paths.iter().flat_map(|path| yaml_files_of(path, &mut errors)).collect::<Vec<_>>() {
            match crate::format::text_of(&file) {
                Ok(text) => files.push(Arc::new(NamedSource::new(file.display().to_string(), text))),
                Err(e) => errors.push(unreadable(&file, &e)),
            }
        }
        let modules = files.iter().flat_map(|file| modules::load(file, &mut errors)).collect();
        let spellings = files.iter().flat_map(|file| spelling::load(file, &mut errors)).collect();
        let definitions = Definitions::of(&files, &mut errors);
        load_all(&files, &definitions, errors).map(|own| RuleSet {
            own: files,
            modules,
            spellings,
            ..RuleSet::of(Entry::builtin()).replaced_by(own)
        })
    }

    /// The rules of texts alone, each with the name of its file, checked.
    pub fn from_texts<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<RuleSet, RuleErrors> {
        let source = |(name, text): (&str, &str)| Arc::new(NamedSource::new(name, text.to_owned()));
        let files: Vec<_> = files.into_iter().map(source).collect();
        let mut errors = Vec::new();
        let spellings = files.iter().flat_map(|file| spelling::load(file, &mut errors)).collect();
        let definitions = Definitions::of(&files, &mut errors);
        load_all(&files, &definitions, errors).map(|entries| RuleSet { spellings, ..RuleSet::of(entries) })
    }

    /// The built-in rules, read to the end and checked: for tests and `rules check`.
    pub fn checked_builtin() -> Result<RuleSet, RuleErrors> {
        let (mut rules, mut errors) = (Vec::new(), Vec::new());
        for file in builtin::files() {
            let outer = (file.name() != builtin::SHARED).then(Definitions::shared);
            let definitions = Definitions::within(std::slice::from_ref(file), outer, &mut errors);
            rules.extend(load(file, &definitions, Some(Schemas::builtin()), &mut errors));
            spelling::load(file, &mut errors);
        }
        checked(rules, errors).map(RuleSet::of)
    }

    fn of(entries: Vec<Entry>) -> RuleSet {
        let mut by_op: FxHashMap<String, Slot> = FxHashMap::default();
        for (i, entry) in entries.iter().enumerate() {
            for op in &entry.ops {
                by_op.entry(op.clone()).or_default().entries.push(i);
            }
        }
        RuleSet { entries, by_op, own: Vec::new(), modules: Vec::new(), spellings: Vec::new() }
    }

    /// These rules, but for the operators that `own` has rules for.
    fn replaced_by(self, own: Vec<Entry>) -> RuleSet {
        let replaced: FxHashSet<&str> = own.iter().flat_map(|e| &e.ops).map(String::as_str).collect();
        let mut entries = self.entries;
        for entry in &mut entries {
            entry.ops.retain(|op| !replaced.contains(op.as_str()) && !replaced.contains(base(op)));
        }
        entries.retain(|entry| !entry.ops.is_empty());
        entries.extend(own);
        RuleSet::of(entries)
    }

    /// These rules with one of them changed.
    pub fn with(&self, old: &Rule, new: Rule) -> Option<RuleSet> {
        let same = |r: &Arc<Rule>| r.place.span == old.place.span && r.place.source.name() == old.place.source.name();
        let at = self.entries.iter().position(|e| e.rule().is_some_and(same))?;
        let mut entries = self.entries.clone();
        let mut entry = Entry::from(new);
        entry.ops.clone_from(&entries[at].ops);
        entries[at] = entry;
        let (own, modules, spellings) = (self.own.clone(), self.modules.clone(), self.spellings.clone());
        Some(RuleSet { own, modules, spellings, ..RuleSet::of(entries) })
    }

    /// All rules, in the order of the files. Their `ops` may include some that rules of the user's replace.
    pub fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.entries.iter().filter_map(Entry::rule)
    }

    /// True if the rule is the user's, not built in.
    pub fn is_own(&self, rule: &Rule) -> bool {
        self.own.iter().any(|source| Arc::ptr_eq(source, &rule.place.source))
    }

    /// The files, the built-in ones or the user's, with how many entries they have that are about no operator: about modules, and spellings.
    pub fn other_entries(&self, built_in: bool) -> impl Iterator<Item = (&Arc<NamedSource<String>>, usize)> {
        let files = if built_in { builtin::files() } else { &self.own[..] };
        files.iter().map(|file| (file, modules::load(file, &mut Vec::new()).len() + spelling::load(file, &mut Vec::new()).len()))
    }

    /// The names that rules are given for, such as `aten.conv2d` and `aten.add.Tensor`.
    pub fn ops(&self) -> impl Iterator<Item = &str> {
        self.by_op.keys().map(String::as_str)
    }

    /// The entries for a class of modules: the user's first, then those that are built in.
    pub fn modules<'a>(&'a self, module: &'a str, class: &'a str) -> impl Iterator<Item = &'a ModuleSizes> {
        self.modules.iter().chain(modules::built_in()).filter(move |m| m.names(module, class))
    }

    /// How core forms spell operators out: the user's entries first, then those that are built in.
    pub fn spellings(&self) -> impl Iterator<Item = &Spelling> {
        self.spellings.iter().chain(spelling::built_in())
    }

    /// The schemas of PyTorch's operators.
    pub fn schemas(&self) -> &'static Schemas {
        Schemas::builtin()
    }

    /// The entries for a node's target, in the order in which they are tried: those for the overload, else those for the
    /// operator, else those for what the operator computes without writing (`relu` for `relu_`, and for `out=`).
    pub fn for_target(&self, target: &str) -> &[Arc<Rule>] {
        let slot = self.slot(target).or_else(|| self.slot(&functional(target, self.schemas())?));
        let Some(slot) = slot else { return &[] };
        let read = || slot.entries.iter().filter_map(|i| self.entries.get(*i)?.rule().cloned()).collect();
        slot.rules.get_or_init(read)
    }

    /// Reads the entries for these targets, which otherwise are read when they are first asked for.
    pub(crate) fn read<'a>(&self, targets: impl Iterator<Item = &'a str>) {
        for target in targets.collect::<FxHashSet<_>>() {
            self.for_target(target);
        }
    }

    /// The entries for exactly this name: an operator's or an overload's.
    pub fn named(&self, op: &str) -> Vec<&Arc<Rule>> {
        let entries = self.by_op.get(op).into_iter().flat_map(|slot| &slot.entries);
        entries.filter_map(|i| self.entries.get(*i)?.rule()).collect()
    }

    fn slot(&self, target: &str) -> Option<&Slot> {
        self.by_op.get(target).or_else(|| self.by_op.get(base(target)))
    }
}

/// `aten.add.Tensor` of `aten.add_.Tensor` and of `aten.add.out`.
fn functional(target: &str, schemas: &Schemas) -> Option<String> {
    let operator = base(target);
    let overload = target.strip_prefix(operator)?;
    if let Some(plain) = operator.strip_suffix('_').filter(|plain| !plain.ends_with('_')) {
        return Some(format!("{plain}{overload}"));
    }
    if overload != ".out" && !overload.ends_with("_out") {
        return None;
    }
    let inputs = |s: &Schema| s.args.iter().filter(|a| !a.writes).map(|a| a.ty.clone()).collect::<Vec<_>>();
    let wanted = schemas.get(target).map(&inputs);
    let same = |s: &&&Schema| s.written().is_empty() && Some(inputs(s)) == wanted;
    let found = schemas.overloads(operator).iter().find(same).map(|s| s.name.clone());
    Some(found.unwrap_or_else(|| format!("{operator}.default")))
}

/// Reads and checks files.
fn load_all(
    files: &[Arc<NamedSource<String>>],
    definitions: &Definitions,
    mut errors: Vec<RuleError>,
) -> Result<Vec<Entry>, RuleErrors> {
    let mut rules = Vec::new();
    for source in files {
        rules.extend(load(source, definitions, Some(Schemas::builtin()), &mut errors));
    }
    checked(rules, errors)
}

/// The entries of rules that were read, where there is no mistake in or between them.
fn checked(rules: Vec<Loaded>, mut errors: Vec<RuleError>) -> Result<Vec<Entry>, RuleErrors> {
    errors.extend(check_set(&rules));
    if errors.is_empty() { Ok(rules.into_iter().map(|l| Entry::from(l.rule)).collect()) } else { Err(RuleErrors { errors }) }
}

/// The YAML files of folders in alphabetical order, and files as they are.
///
/// # Errors
/// A folder that cannot be read.
pub fn yaml_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, RuleErrors> {
    let mut errors = Vec::new();
    let files = paths.iter().flat_map(|path| yaml_files_of(path, &mut errors)).collect();
    if errors.is_empty() { Ok(files) } else { Err(RuleErrors { errors }) }
}

fn yaml_files_of(path: &Path, errors: &mut Vec<RuleError>) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let mut files: Vec<PathBuf> = match std::fs::read_dir(path) {
        Ok(entries) => entries.flatten().map(|e| e.path()).collect(),
        Err(e) => {
            errors.push(unreadable(path, &e));
            return Vec::new();
        }
    };
    files.retain(|f| f.extension().is_some_and(|e| e == "yaml" || e == "yml"));
    files.sort();
    files
}

fn unreadable(path: &Path, e: &std::io::Error) -> RuleError {
    let message = format!("cannot read {}: {e}", path.display());
    RuleError { kind: "file", message, labels: Vec::new(), help: None, source_file: None }
}
