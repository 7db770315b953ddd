//! Every error has a code and says what to do.

use std::fs;
use std::path::Path;

use super::bench::{Bench, MASKS, MODEL};
use super::sources::sources;

/// The text of an attribute's brackets that begin at `at`.
fn bracketed(text: &str, at: usize) -> &str {
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    for (n, c) in text[at..].char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '(' | '[' if !quoted => depth += 1,
            ')' | ']' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    return &text[at..=at + n];
                }
            }
            _ => {}
        }
    }
    &text[at..]
}

#[test]
fn every_kind_of_error_has_a_code_and_a_help() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "python/src"] {
        sources(&root.join(folder), &mut files);
    }
    let (mut count, mut wrong) = (0, Vec::new());
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.strip_prefix(root).unwrap().display().to_string();
        // Types whose errors nobody sees as such are not diagnostics.
        if !text.contains("Diagnostic)]") {
            continue;
        }
        for (at, _) in text.match_indices("#[error(") {
            let message = bracketed(&text, at + 1);
            let rest = &text[at + 1 + message.len()..];
            let next = rest.find("#[error(").unwrap_or(rest.len());
            let about = rest[..next].find("#[diagnostic(").map(|at| bracketed(rest, at + 1));
            // An error of a struct has its attributes in any order.
            let about = about.or_else(|| text[..at].rfind("#[diagnostic(").map(|at| bracketed(&text, at + 1)));
            count += 1;
            let explained = about.is_some_and(|a| a.contains("transparent") || (a.contains("code(") && a.contains("help(")));
            let inner = ["#[diagnostic_source]", "#[help]"].iter().any(|word| rest[..next].contains(word));
            let coded = about.is_some_and(|a| a.contains("code("));
            if !(explained || inner && coded) {
                wrong.push(format!("{name}: {message}"));
            }
        }
        // What is turned into an error without more has neither.
        for word in ["into_diagnostic()", "miette::miette!(\""] {
            if text.contains(word) {
                wrong.push(format!("{name}: {word}"));
            }
        }
    }
    assert!(count > 100, "{count}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn helps_are_about_the_file_at_hand() {
    let bench = Bench::new();
    for (name, expected) in [("m.pt2", "torch.export.save"), ("m.pt", "torch.jit.save"), ("m.pth", "torch.save")] {
        bench.put(name, b"this is no zip file");
        let text = bench.fails(&["analyze", name], "paring::pt2::not_a_zip");
        assert!(text.contains(expected), "{text}");
        assert!(name == "m.pt2" || !text.contains("export"), "{text}");
    }
    let text = bench.fails(&["speedup", MODEL, "--masks", MASKS, "--input", "1x3x8x8", "-o", "out"], "paring::pt2::inputs");
    assert!(text.contains("leave --input out") && !text.contains("give the sizes"), "{text}");
    // Errors of rules: a file that is not there, no YAML, no notation, no entry.
    fs::create_dir(bench.path("rules")).unwrap();
    for (rules, code) in [
        (None, "paring::rule::file"),
        (Some("- op: ["), "paring::rule::yaml"),
        (Some("- op: shop.gate\n  rule: \"x[n\""), "paring::rule::syntax"),
        (Some("- 7"), "paring::rule::entry"),
        (Some("- {}"), "paring::rule::entry"),
    ] {
        let folder = if rules.is_some() { "rules" } else { "none" };
        rules.iter().for_each(|text| bench.put("rules/a.yaml", text.as_bytes()));
        let text = bench.fails(&["rules", "check", folder], code);
        assert!(text.contains("help:"), "{text}");
        assert!(rules.is_none() || text.contains("a.yaml:1:") || text.contains("a.yaml:2:"), "{text}");
    }
    bench.put("full", b"");
    let text = bench.fails(&["man", "--out", "full"], "paring::file::folder");
    assert!(text.contains("full") && text.contains("help:"), "{text}");
}
