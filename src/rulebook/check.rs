//! Checks whole rule files: what reading finds, and the rules' own tests.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::case::run_case;
use crate::rule::{Rule, RuleError, RuleErrors, RuleSet};

/// Rules without mistakes.
#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    /// Files.
    pub files: usize,
    /// Entries.
    pub entries: usize,
    /// Tests that were run.
    pub tests: usize,
}

/// Reads and checks the rules in folders or files (the built-in rules, if none are given) and runs their tests.
///
/// # Errors
/// All mistakes at once.
pub fn check(paths: &[PathBuf]) -> Result<Checked, RuleErrors> {
    let rules = if paths.is_empty() { RuleSet::checked_builtin()? } else { RuleSet::with_dirs(paths)? };
    let own = |rule: &&Arc<Rule>| paths.is_empty() || rules.is_own(rule);
    let mut errors = Vec::new();
    let mut files: Vec<&str> = Vec::new();
    let mut checked = Checked { files: 0, entries: 0, tests: 0 };
    for rule in rules.rules().filter(own) {
        checked.entries += 1;
        checked.tests += rule.tests.len();
        if !files.contains(&rule.place.source.name()) {
            files.push(rule.place.source.name());
        }
        for case in &rule.tests {
            let failures = run_case(&rules, rule, case).err().unwrap_or_default();
            errors.extend(failures.into_iter().map(|f| RuleError {
                kind: "test",
                message: f.message,
                labels: vec![(f.span, f.label)],
                help: f.help,
                source_file: Some(rule.place.source.clone()),
            }));
        }
    }
    // Entries about modules and spellings have no tests.
    for (source, count) in rules.other_entries(paths.is_empty()) {
        checked.entries += count;
        if count > 0 && !files.contains(&source.name()) {
            files.push(source.name());
        }
    }
    checked.files = files.len();
    if errors.is_empty() { Ok(checked) } else { Err(RuleErrors { errors }) }
}

/// A mistake as editors take it.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    /// The file, if it could be read.
    pub file: Option<String>,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
    /// Line of the end.
    pub end_line: usize,
    /// Column after the end.
    pub end_column: usize,
    /// `paring::rule::syntax`
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// What is at the place.
    pub label: Option<String>,
    /// What to do.
    pub help: Option<String>,
}

/// The mistakes with lines and columns.
pub fn problems(errors: &RuleErrors) -> Vec<Problem> {
    errors.errors.iter().map(problem).collect()
}

fn problem(e: &RuleError) -> Problem {
    let text = e.source_file.as_ref().map_or("", |s| s.inner().as_str());
    let (span, label) = e.labels.first().map_or((0..0, None), |(span, label)| (span.clone(), Some(label.clone())));
    let place = |at: usize| {
        let before = text.get(..at).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |n| n + 1);
        (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
    };
    let ((line, column), (end_line, end_column)) = (place(span.start), place(span.end));
    Problem {
        file: e.source_file.as_ref().map(|s| s.name().to_owned()),
        line,
        column,
        end_line,
        end_column,
        code: format!("paring::rule::{}", e.kind),
        message: e.message.clone(),
        label,
        help: e.help.clone(),
    }
}
