//! What the program is made of besides its own safe code: other crates by licence, source and version, and each `unsafe` with its reason.
//! The lists are those of deny.toml, which `cargo deny check` reads too.

#[path = "common/sources.rs"]
mod sources;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use sources::sources;

/// The packages that this build is made of.
fn packages() -> Vec<Value> {
    let host = Command::new("rustc").arg("-vV").output().unwrap().stdout;
    let host = String::from_utf8(host).unwrap().lines().find_map(|l| l.strip_prefix("host: ").map(str::to_owned)).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", &host]);
    if cfg!(feature = "torch") {
        cargo.args(["--features", "torch"]);
    }
    let out = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let metadata: Value = serde_json::from_slice(&out.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// The quoted texts of deny.toml between a line that begins with `start` and the next `]` alone.
fn listed(start: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml")).unwrap();
    let lines = text.lines().skip_while(|l| !l.starts_with(start)).skip(1).take_while(|l| *l != "]");
    lines.map(|l| l.split('"').nth(1).unwrap().to_owned()).collect()
}

/// Whether an expression of licences can be met by the allowed ones.
fn allowed(expression: &str, licences: &[String]) -> bool {
    let plain = expression.replace(['(', ')'], "").replace('/', " OR ");
    plain.split(" AND ").all(|part| part.split(" OR ").any(|one| licences.iter().any(|l| l == one.trim())))
}

#[test]
fn licences_sources_and_versions_are_those_of_the_list() {
    let (licences, twice) = (listed("allow = ["), listed("skip = ["));
    assert!(
        allowed("(MIT OR X) AND Unicode-3.0", &licences) && !allowed("MIT AND X", &licences) && !allowed("GPL-3.0", &licences)
    );
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut others = 0;
    for package in packages() {
        let text = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
        let (name, version, source) = (text("name"), text("version"), text("source"));
        assert!(allowed(&text("license"), &licences), "{name} {version}: {}", text("license"));
        let own = package["source"].is_null();
        assert!(own || source == "registry+https://github.com/rust-lang/crates.io-index", "{name} {version}: {source}");
        others += usize::from(!own);
        versions.entry(name).or_default().push(version);
    }
    assert!(others > 50, "{others}");
    for (name, mut all) in versions {
        all.sort();
        // What is listed may be there besides another version; what tch brings is for those who ask for it.
        let skipped = |v: &String| twice.contains(&format!("{name}@{v}"));
        let counted: Vec<&String> = all.iter().filter(|v| !skipped(v)).collect();
        assert!(counted.len() < 2 || cfg!(feature = "torch") || build_only(&name), "{name} is there as {all:?}");
    }
}

/// Macros at build time, of which no code is in the program.
fn build_only(name: &str) -> bool {
    matches!(name, "syn" | "thiserror" | "thiserror-impl" | "foldhash" | "object")
}

/// Files with `unsafe`, how often, and why.
const UNSAFE: [(&str, usize, &str); 4] = [
    ("src/cli/signals.rs", 3, "handlers of signals, and putting back what was there before"),
    ("src/format/leftovers.rs", 3, "removing files in a handler, ending by a signal, and asking whether a process lives"),
    ("src/format/source.rs", 2, "mapping files, and letting go of pages"),
    ("src/torch/setup.rs", 1, "loading libtorch's library for CUDA, with the feature torch"),
];

#[test]
fn each_unsafe_block_is_listed_and_says_why_it_is_right() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    ["src", "python/src"].iter().for_each(|folder| sources(&root.join(folder), &mut files));
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let word = |line: &str| {
            !line.trim_start().starts_with("//") && line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == "unsafe")
        };
        let places: Vec<usize> = (0..lines.len()).filter(|n| word(lines[*n])).collect();
        for n in &places {
            let before = &lines[n.saturating_sub(4)..*n];
            assert!(before.iter().any(|l| l.contains("// SAFETY: ")), "{}:{}: no reason", file.display(), n + 1);
        }
        if !places.is_empty() {
            found.push((file.strip_prefix(root).unwrap().display().to_string(), places.len()));
        }
    }
    let listed: Vec<(String, usize)> = UNSAFE.iter().map(|(file, n, _)| ((*file).to_owned(), *n)).collect();
    assert_eq!(found, listed);
    assert!(UNSAFE.iter().all(|(.., why)| !why.is_empty()));
}
