//! Rule files: their entries, with the definitions that they use, read and checked.

use std::ops::Range;
use std::sync::Arc;

use miette::NamedSource;

use super::check::{Loaded, check};
use super::define::{self, Definitions};
use super::error::RuleError;
use super::modules;
use super::reader::Reader;
use super::schema::Schemas;
use super::spelling;
use super::tree;

/// Reads the rules of one file. Entries with mistakes are left out and reported; with `schemas` the others are checked too.
pub(super) fn load(
    source: &Arc<NamedSource<String>>,
    definitions: &Definitions,
    schemas: Option<&Schemas>,
    errors: &mut Vec<RuleError>,
) -> Vec<Loaded> {
    load_part(source, 0..source.inner().len(), 1, definitions, schemas, errors)
}

/// Reads the rules in a part of a file, which begins in this line.
pub(super) fn load_part(
    source: &Arc<NamedSource<String>>,
    part: Range<usize>,
    mut line: usize,
    definitions: &Definitions,
    schemas: Option<&Schemas>,
    errors: &mut Vec<RuleError>,
) -> Vec<Loaded> {
    let text = source.inner();
    let mut seen = part.start;
    let entries = match tree::entries(text, part) {
        Ok(entries) => entries,
        Err(e) => {
            let labels = vec![(e.span, "here".into())];
            let source_file = Some(source.clone());
            errors.push(RuleError { kind: "yaml", message: e.message, labels, help: None, source_file });
            return Vec::new();
        }
    };
    let mut rules = Vec::new();
    for entry in entries {
        line += text[seen..entry.start.max(seen)].matches('\n').count();
        seen = entry.start.max(seen);
        if modules::is_module(&entry.node) || spelling::is_spelling(&entry.node) || define::is_definition(&entry.node) {
            continue;
        }
        let before = errors.len();
        let Some((node, used)) = definitions.expand(entry.node, source, errors) else { continue };
        let mut reader = Reader { keep: schemas.is_some(), ..Reader::new(source, errors) };
        let Some(mut rule) = reader.entry(node, line) else { continue };
        rule.place.defined = used.iter().any(|u| u.at == rule.place.span);
        let sites = reader.sites;
        if let Some(schemas) = schemas.filter(|_| errors.len() == before) {
            errors.extend(check(&rule, &sites, schemas));
        }
        define::explain(&used, &mut errors[before..]);
        if errors.len() == before {
            let op_places = (0..rule.ops.len()).map(|i| sites.span(&format!("op.{i}"))).collect();
            rules.push(Loaded { rule, op_places });
        }
    }
    rules
}
