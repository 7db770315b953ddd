//! The house: files of one subject and a size that one can read, and no file that imports itself around others.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A file may have this many lines.
const MOST: usize = 400;

/// A module: its file, what it declares, what it hands on, and what it imports.
#[derive(Default)]
struct Module {
    file: String,
    lines: usize,
    /// By name what `pub use` hands on, as a path from the crate.
    exports: BTreeMap<String, Vec<String>>,
    /// Paths from the crate.
    imports: BTreeSet<Vec<String>>,
}

type Modules = BTreeMap<Vec<String>, Module>;

fn read(dir: &Path, path: &[String], out: &mut Modules) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            read(&entry.path(), &[path, &[name]].concat(), out);
        } else if let Some(stem) = name.strip_suffix(".rs").filter(|stem| *stem != "main") {
            let own = if ["mod", "lib"].contains(&stem) { path.to_vec() } else { [path, &[stem.to_owned()]].concat() };
            let text = fs::read_to_string(entry.path()).unwrap();
            out.insert(own.clone(), module(&own, entry.path().display().to_string(), &text));
        }
    }
}

fn module(path: &[String], file: String, text: &str) -> Module {
    let mut module = Module { file, lines: text.lines().count(), ..Module::default() };
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or("");
    let code: String = code.lines().filter(|l| !l.trim_start().starts_with("//")).map(|l| format!("{l}\n")).collect();
    let mut rest = code.as_str();
    // Statements: trees of names. Elsewhere: single paths.
    while let Some(at) = rest.find("use ") {
        let begins =
            rest[..at].rsplit('\n').next().is_some_and(|before| ["", "pub ", "pub(crate) ", "pub(super) "].contains(&before));
        let public = rest[..at].ends_with("pub ") || rest[..at].ends_with("pub(crate) ");
        let tree = rest[at + 4..].split(';').next().unwrap_or("");
        if begins {
            for names in branches(tree) {
                let Some(full) = from_crate(path, &names) else { continue };
                let last = full.last().cloned().unwrap_or_default();
                let (full, name) = match names.iter().position(|n| n == "as") {
                    Some(k) => (full[..full.len() - (names.len() - k)].to_vec(), names[names.len() - 1].clone()),
                    None => (full, last),
                };
                if public {
                    module.exports.insert(name, full);
                } else {
                    module.imports.insert(full);
                }
            }
        }
        rest = &rest[at + 4..];
    }
    let body: String = code.split(';').filter(|s| !s.trim_start().starts_with("use ") && !s.contains("pub use ")).collect();
    // Here a module is a file: what `name::` means is looked up later, among the modules of this one.
    let own: BTreeSet<&str> =
        code.lines().filter_map(|l| l.trim().strip_suffix(';')?.split_once("mod ")).map(|(_, name)| name).collect();
    for child in own {
        let named = |at: usize| !body[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
        if body.match_indices(&format!("{child}::")).any(|(at, _)| named(at)) {
            module.imports.insert([path, &[child.to_owned(), String::new()]].concat());
        }
    }
    for start in ["crate::", "super::"] {
        for (at, _) in body.match_indices(start) {
            if body[..at].ends_with("::") || body[..at].ends_with("pub(in ") {
                continue;
            }
            let end = body[at..].find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(0);
            let names: Vec<String> = body[at..at + end].split("::").filter(|n| !n.is_empty()).map(str::to_owned).collect();
            module.imports.extend(from_crate(path, &names));
        }
    }
    module
}

/// The paths that a tree of names stands for.
fn branches(tree: &str) -> Vec<Vec<String>> {
    let tree = tree.trim();
    let words = |s: &str| s.split("::").flat_map(str::split_whitespace).map(str::to_owned).collect::<Vec<_>>();
    let Some(open) = tree.find('{') else { return vec![words(tree)] };
    let (before, inside) = (words(&tree[..open]), &tree[open + 1..tree.rfind('}').unwrap_or(tree.len())]);
    let (mut out, mut depth, mut from) = (Vec::new(), 0, 0);
    for (k, c) in inside.char_indices().chain([(inside.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let item = inside[from..k].trim();
                if !item.is_empty() {
                    out.extend(branches(item).into_iter().map(|b| [before.clone(), b].concat()));
                }
                from = k + 1;
            }
            _ => {}
        }
    }
    out
}

/// A path as seen from the crate; `None` for other crates.
fn from_crate(own: &[String], names: &[String]) -> Option<Vec<String>> {
    let up = names.iter().take_while(|n| *n == "super").count();
    match names.first()?.as_str() {
        "crate" => Some(names[1..].to_vec()),
        "self" => Some([own, &names[1..]].concat()),
        "super" => Some([&own[..own.len().checked_sub(up)?], &names[up..]].concat()),
        _ => Some([own, names].concat()),
    }
}

/// The module that defines what a path names; what is handed on counts for where it comes from.
fn defines(modules: &Modules, path: &[String], depth: usize) -> Option<Vec<String>> {
    let mut here: Vec<String> = Vec::new();
    for (k, name) in path.iter().enumerate() {
        let child = [here.as_slice(), std::slice::from_ref(name)].concat();
        if modules.contains_key(&child) {
            here = child;
            continue;
        }
        let handed = modules.get(&here)?.exports.get(name).filter(|_| depth < 8);
        return match handed {
            Some(from) => defines(modules, &[from.as_slice(), &path[k + 1..]].concat(), depth + 1),
            None => Some(here),
        };
    }
    Some(here)
}

#[test]
fn no_file_imports_itself_around_others() {
    let mut modules = Modules::new();
    read(Path::new("src"), &[], &mut modules);
    assert!(modules.len() > 200, "{} files found", modules.len());
    let mut edges: BTreeMap<&Vec<String>, BTreeSet<Vec<String>>> = BTreeMap::new();
    for (own, module) in &modules {
        let to = module
            .imports
            .iter()
            .filter(|i| i.len() > 1 || modules.contains_key(*i) || modules[&vec![]].exports.contains_key(&i[0]));
        let to = to.filter_map(|i| defines(&modules, i, 0)).filter(|to| to != own && !(to.is_empty() && own.is_empty()));
        edges.insert(own, to.collect());
    }
    assert!(edges.values().map(BTreeSet::len).sum::<usize>() > 500, "hardly any imports found");
    let reached = |from: &Vec<String>| {
        let mut seen = BTreeSet::new();
        let mut todo: Vec<&Vec<String>> = edges[from].iter().collect();
        while let Some(next) = todo.pop() {
            if seen.insert(next) {
                todo.extend(&edges[next]);
            }
        }
        seen
    };
    let reached: BTreeMap<&Vec<String>, BTreeSet<&Vec<String>>> = edges.keys().map(|own| (*own, reached(own))).collect();
    let name = |path: &Vec<String>| modules[path].file.clone();
    let mut lines = Vec::new();
    for (own, to) in edges.iter().filter(|(own, _)| reached[*own].contains(*own)) {
        let to: Vec<String> = to.iter().filter(|to| reached[to].contains(own)).map(name).collect();
        lines.push(format!("{} -> {}", name(own), to.join(", ")));
    }
    assert!(lines.is_empty(), "these files import each other:\n{}", lines.join("\n"));
}

#[test]
fn no_file_is_too_long() {
    let mut modules = Modules::new();
    read(Path::new("src"), &[], &mut modules);
    let long: Vec<String> =
        modules.values().filter(|m| m.lines > MOST).map(|m| format!("{}: {} lines", m.file, m.lines)).collect();
    assert!(long.is_empty(), "more than {MOST} lines:\n{}", long.join("\n"));
}

/// `pattern if let …` of a match is newer than the oldest Rust that the crate promises, and the one that builds it here says nothing.
#[test]
fn guards_are_those_of_the_oldest_rust() {
    fn walk(dir: &Path, out: &mut Vec<String>) {
        for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                walk(&entry.path(), out);
            } else if entry.path().extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(entry.path()).unwrap();
                let guards = text.lines().enumerate().filter(|(_, line)| line.contains(" if let ") && line.contains("=>"));
                let guards = guards.filter(|(_, line)| {
                    let before = &line[..line.find(" if let ").unwrap()];
                    !before.trim().is_empty() && !before.contains("=>") && !before.ends_with("else") && !before.contains('|')
                });
                out.extend(guards.map(|(n, line)| format!("{}:{}: {}", entry.path().display(), n + 1, line.trim())));
            }
        }
    }
    let mut found = Vec::new();
    ["src", "python/src", "tests", "benches"].iter().for_each(|dir| walk(Path::new(dir), &mut found));
    found.retain(|line| !line.contains("tests/house.rs"));
    assert!(found.is_empty(), "guards with `if let`:\n{}", found.join("\n"));
}
