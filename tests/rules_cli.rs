//! `paring rules`: what is listed, drawn, checked, proposed and formatted.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use paring::rule::{RuleErrors, RuleSet, formatted};
use paring::rulebook::check;
use serde_json::Value;
use tempfile::TempDir;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs in an empty folder with these files.
struct Bench(TempDir);

impl Bench {
    fn new(files: &[(&str, &str)]) -> Bench {
        let bench = Bench(TempDir::new().unwrap());
        for (name, text) in files {
            let path = bench.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        bench
    }

    /// With the custom operator's example.
    fn custom() -> Bench {
        let bench = Bench::new(&[]);
        let example = root().join("examples/custom_op");
        fs::copy(example.join("model.pt2"), bench.path("model.pt2")).unwrap();
        fs::copy(example.join("masks.safetensors"), bench.path("masks.safetensors")).unwrap();
        fs::create_dir(bench.path("rules")).unwrap();
        fs::copy(example.join("rules/shop.yaml"), bench.path("rules/shop.yaml")).unwrap();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_paring"));
        command.current_dir(self.0.path()).args(args).env("COLUMNS", "100");
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).env("NO_COLOR", "1").output().unwrap()
    }

    fn succeeds(&self, args: &[&str]) -> String {
        let out = self.run(args);
        assert_eq!(out.status.code(), Some(0), "{args:?}\n{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    fn fails(&self, args: &[&str]) -> String {
        let (code, out, text) = common::error(self.command(args));
        assert_eq!(code, Some(1), "{args:?}");
        assert!(out.is_empty(), "{args:?}");
        text
    }
}

const POCKETNET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/pocketnet.pt2");

/// Wrong rules, a mistake each.
const WRONG: &str = include_str!("rules/wrong.yaml");

#[test]
fn list_has_every_operator_once() {
    let bench = Bench::new(&[]);
    let text = bench.succeeds(&["rules", "list"]);
    let some: Vec<&str> = text.lines().filter(|l| l.starts_with("aten.conv") || l.starts_with("aten.linear")).collect();
    // Lines of the files move; the rest is as it is.
    let stable: Vec<&str> = some.iter().map(|l| l.rsplit_once(':').unwrap().0).collect();
    insta::assert_snapshot!("list", stable.join("\n"));
    let list: Value = serde_json::from_str(&bench.succeeds(&["rules", "list", "--json"])).unwrap();
    let ops: Vec<&str> = list.as_array().unwrap().iter().map(|l| l["op"].as_str().unwrap()).collect();
    let rules = RuleSet::builtin();
    let all = rules.ops().filter(|op| ops.iter().filter(|o| o == &op).count() == 1).count();
    assert_eq!((ops.len(), all), (rules.ops().count(), rules.ops().count()));
}

#[test]
fn list_shows_what_a_model_uses() {
    let bench = Bench::custom();
    let known = bench.succeeds(&["rules", "list", "--model", POCKETNET]);
    assert!(known.ends_with("Every operator of the model that has tensors has a rule.\n"), "{known}");
    let place = |text: String| {
        text.lines().map(|l| l.rsplit_once("rules/").map_or(l, |(l, _)| l.trim_end()).to_owned() + "\n").collect::<String>()
    };
    insta::assert_snapshot!("list_missing", place(bench.succeeds(&["rules", "list", "--model", "model.pt2"])));
    let own = bench.succeeds(&["rules", "list", "--model", "model.pt2", "--rules", "rules"]);
    assert!(own.contains("yours     rules/shop.yaml:"), "{own}");
    let json: Value = serde_json::from_str(&bench.succeeds(&["rules", "list", "--model", "model.pt2", "--json"])).unwrap();
    assert_eq!(json["missing"][0]["op"], "shop.scaled_gate.default");
    assert_eq!(json["missing"][0]["nodes"], 2);
}

#[test]
fn show_draws_rules() {
    let bench = Bench::custom();
    let mut text = String::new();
    for op in ["linear", "aten::conv2d", "layer_norm", "aten.cat", "matmul", "aten.sum.dim_IntList"] {
        text += &format!("=== {op}\n{}\n", bench.succeeds(&["rules", "show", op]));
    }
    text += &format!("=== own\n{}", bench.succeeds(&["rules", "show", "shop.scaled_gate", "--rules", "rules"]));
    let lines = text.lines().map(|l| match l.split_once("yaml:") {
        Some((before, after)) => format!("{before}yaml:…{}\n", after.trim_start_matches(|c: char| c.is_ascii_digit())),
        None => format!("{l}\n"),
    });
    insta::assert_snapshot!("show", lines.collect::<String>());
}

#[test]
fn show_finds_overloads_and_says_what_is_near() {
    let bench = Bench::new(&[]);
    let all = bench.succeeds(&["rules", "show", "aten.split"]);
    assert!(all.contains("aten.split.sizes    rules/") && all.contains("aten.split.Tensor    rules/"), "{all}");
    assert!(bench.succeeds(&["rules", "show", "relu_"]).contains("rules/elementwise.yaml"));
    assert!(bench.succeeds(&["rules", "show", "aten.conv2d.default"]).contains("rules/convolution.yaml"));
    let mut text = String::new();
    for op in ["aten.conv2", "aten._cholesky_solve_helper", "shop.nothing"] {
        text += &bench.fails(&["rules", "show", op]);
    }
    insta::assert_snapshot!("show_unknown", text);
}

#[test]
fn every_rule_can_be_shown() {
    for rule in RuleSet::builtin().rules() {
        let text = paring::rulebook::describe(rule);
        assert!(text.contains("at a removed position"), "{}", rule.place);
    }
}

#[test]
fn built_in_rules_pass_their_tests() {
    let checked = check(&[]).unwrap_or_else(|e: RuleErrors| panic!("{:?}", miette::Report::new(e)));
    assert!(checked.tests >= 12, "{checked:?}");
    // Entries about modules, and spellings, are none about operators.
    assert!(checked.entries > RuleSet::builtin().rules().count() + RuleSet::builtin().spellings().count());
}

#[test]
fn check_reports_every_mistake() {
    let bench = Bench::custom();
    assert_eq!(bench.succeeds(&["rules", "check", "rules"]), "1 entry in 1 file, 2 tests: no mistakes\n");
    let bench = Bench::new(&[("mine/wrong.yaml", WRONG), ("tests/failing.yaml", include_str!("rules/failing.yaml"))]);
    insta::assert_snapshot!("check", bench.fails(&["rules", "check", "mine"]));
    insta::assert_snapshot!("check_tests", bench.fails(&["rules", "check", "tests"]));
    insta::assert_snapshot!("check_missing", bench.fails(&["rules", "check", "nowhere"]));
    let out = bench.run(&["rules", "check", "tests", "--json"]);
    assert_eq!(out.status.code(), Some(1));
    insta::assert_snapshot!("check_json", String::from_utf8(out.stdout).unwrap());
}

#[test]
fn check_knows_what_a_model_calls() {
    let bench = Bench::custom();
    let check = |dir: &str| bench.fails(&["rules", "check", dir, "--model", "model.pt2"]);
    assert!(bench.succeeds(&["rules", "check", "rules", "--model", "model.pt2"]).ends_with("no mistakes\n"));
    let files = [
        ("name", "- op: shop.scaled_gates\n  rule: \"x[n, c, s...], gate[c] -> [n, c, s...]\"\n"),
        ("operand", "- op: shop.scaled_gate\n  rule: \"x[n, c, s...], gates[c] -> [n, c, s...]\"\n"),
        ("fit", "- op: shop.scaled_gate\n  rule: \"x[n, c], gate[c] -> [n, c]\"\n"),
    ];
    let mut said = Vec::new();
    for (dir, text) in files {
        fs::create_dir(bench.path(dir)).unwrap();
        fs::write(bench.path(dir).join("shop.yaml"), text).unwrap();
        assert!(bench.succeeds(&["rules", "check", dir]).ends_with("no mistakes\n"));
        said.push(check(dir));
    }
    insta::assert_snapshot!("check_model", said.join("\n"));
}

#[test]
fn new_proposes_what_fits() {
    let bench = Bench::custom();
    // Python lines depend on where the example was exported.
    let moves = |l: &&str| !l.contains(".py:") && !l.contains("There is a rule already");
    let plain = |text: String| text.lines().filter(moves).map(|l| l.to_owned() + "\n").collect::<String>();
    let model = ["--model", "model.pt2"];
    let gate = plain(bench.succeeds(&[&["rules", "new", "shop.scaled_gate"], &model[..]].concat()));
    insta::assert_snapshot!("new_letters", gate);
    insta::assert_snapshot!(
        "new_elementwise",
        plain(bench.succeeds(&["rules", "new", "silu", "--model", POCKETNET])).replace(POCKETNET, "pocketnet.pt2")
    );
    insta::assert_snapshot!("new_schema", bench.succeeds(&["rules", "new", "aten._cholesky_solve_helper"]));
    let mut text = bench.fails(&["rules", "new", "shop.scald_gate", "--model", "model.pt2"]);
    text += &bench.fails(&["rules", "new", "xyzzy", "--model", "model.pt2"]);
    text += &bench.fails(&["rules", "new", "shop.scaled_gate"]);
    text += &bench.fails(&["rules", "new", "shop.scaled_gate", "--model", "model.pt2", "-o", "rules/shop.yaml"]);
    insta::assert_snapshot!("new_errors", text);
}

#[test]
fn what_new_proposes_passes_check() {
    let bench = Bench::custom();
    bench.succeeds(&["rules", "new", "shop.scaled_gate", "--model", "model.pt2", "-o", "mine/gate.yaml"]);
    assert_eq!(bench.succeeds(&["rules", "check", "mine"]), "1 entry in 1 file, 1 test: no mistakes\n");
    for op in ["silu", "linear", "conv2d", "layer_norm", "adaptive_avg_pool2d"] {
        let file = format!("mine/{op}.yaml");
        bench.succeeds(&["rules", "new", op, "--model", POCKETNET, "-o", &file]);
        bench.succeeds(&["rules", "check", &file]);
    }
}

#[test]
fn fmt_spaces_notation_and_nothing_else() {
    let loose = include_str!("rules/loose.yaml");
    let bench = Bench::new(&[("mine/loose.yaml", loose), ("bad/wrong.yaml", "- op: aten.relu\n  rule: \"self[a -> [a]\"\n")]);
    let check = bench.fails(&["rules", "fmt", "--check", "mine"]);
    assert_eq!(fs::read_to_string(bench.path("mine/loose.yaml")).unwrap(), loose);
    assert_eq!(bench.succeeds(&["rules", "fmt", "mine"]), "mine/loose.yaml: formatted\n");
    let tidy = fs::read_to_string(bench.path("mine/loose.yaml")).unwrap();
    assert_eq!(bench.succeeds(&["rules", "fmt", "--check", "mine"]), "");
    insta::assert_snapshot!("fmt", format!("{tidy}\n{check}{}", bench.fails(&["rules", "fmt", "bad"])));
}

#[test]
fn definitions_hold_in_a_folder_and_rules_are_shown_with_them() {
    let bench = Bench::new(&[
        ("mine/a.yaml", "- op: shop.gate\n  use: by_gate(x, gate), plainly\n"),
        (
            "mine/shared.yaml",
            "- define:\n    by_gate(x, by): { use: \"pairs($x, $by)\", zero: $x | $by }\n    plainly: { finite: all }\n",
        ),
    ]);
    let shown = bench.succeeds(&["rules", "show", "shop.gate", "--rules", "mine"]);
    for line in ["shop.gate    mine/a.yaml:1 (yours)", "x[...], gate[...] -> [...]", "where `x` is zero or `gate` is zero"] {
        assert!(shown.contains(line), "{shown}");
    }
    assert_eq!(bench.succeeds(&["rules", "check", "mine"]), "1 entry in 1 file, 0 tests: no mistakes\n");
    let text = bench.fails(&["rules", "check", "mine/a.yaml"]);
    assert!(text.contains("paring::rule::undefined") && text.contains("nothing is defined as `by_gate`"), "{text}");
}

#[test]
fn definitions_are_formatted_and_kept() {
    // `shared` is in another file.
    let loose = "- define:\n    half(x):   { rule:  \"$x[n,c]->[n,c]\", value: \"$x  / 2\" }  # of all\n    \
                 steps(x): [\"out=aten.neg.default(self=$x,a=1)\"]\n\
                 - op: mine.f\n  use: half(x),shared( x )\n- op: mine.g\n  use: each(x)\n  value:  max(x,0)\n";
    let even = "- define:\n    half(x):   { rule:  \"$x[n, c]->[n, c]\", value: \"$x / 2\" }  # of all\n    \
                steps(x): [\"out=aten.neg.default(self=$x, a=1)\"]\n\
                - op: mine.f\n  use: half(x), shared(x)\n- op: mine.g\n  use: each(x)\n  value:  max(x, 0)\n";
    assert_eq!(formatted("mine.yaml", loose).unwrap(), even);
    assert!(formatted("mine.yaml", "- define: { a: $a }\n").is_err());
}

#[test]
fn built_in_rules_are_formatted() {
    for entry in
        fs::read_dir(root().join("rules")).unwrap().flatten().filter(|e| e.path().extension().is_some_and(|e| e == "yaml"))
    {
        let text = fs::read_to_string(entry.path()).unwrap();
        let name = entry.path().display().to_string();
        assert_eq!(formatted(&name, &text).unwrap(), text, "{name}");
    }
}

#[test]
fn an_operator_without_a_rule_is_explained() {
    let bench = Bench::custom();
    let args = ["speedup", "model.pt2", "--masks", "masks.safetensors", "-o", "small.pt2"];
    // Python lines depend on where the example was exported.
    let plain = |text: String| text.lines().filter(|l| !l.contains(".py:")).map(|l| l.to_owned() + "\n").collect::<String>();
    insta::assert_snapshot!("speedup_without", plain(bench.succeeds(&args)));
    insta::assert_snapshot!("speedup_insists", bench.fails(&[&args[..], &["--on-unknown", "error"]].concat()));
    insta::assert_snapshot!("speedup_with", plain(bench.succeeds(&[&args[..], &["--rules", "rules"]].concat())));
}

#[test]
fn completions_and_man_pages() {
    let bench = Bench::new(&[]);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(bench.succeeds(&["completions", shell]).contains("speedup"), "{shell}");
    }
    assert!(bench.succeeds(&["man"]).contains(".TH paring 1"));
    bench.succeeds(&["man", "--out", "pages"]);
    for page in ["paring.1", "paring-speedup.1", "paring-rules.1", "paring-rules-check.1"] {
        assert!(bench.path("pages").join(page).is_file(), "{page}");
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paring"));
    let mut child = command.args(["rules", "list", "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let out = child.wait_with_output().unwrap();
    assert_eq!((out.status.code(), String::from_utf8(out.stderr).unwrap().as_str()), (Some(0), ""));
}

#[test]
fn helps_teach_with_an_example() {
    let bench = Bench::new(&[]);
    let subcommands: [&[&str]; 9] = [
        &["speedup"],
        &["rules"],
        &["rules", "list"],
        &["rules", "show"],
        &["rules", "check"],
        &["rules", "new"],
        &["rules", "fmt"],
        &["completions"],
        &["man"],
    ];
    for command in subcommands {
        let help = bench.succeeds(&[command, &["--help"]].concat());
        assert!(help.contains(&format!("Example: paring {}", command.join(" "))), "{help}");
    }
}

/// The guide's example, word for word.
#[test]
fn the_guide_shows_what_the_commands_print() {
    let bench = Bench::custom();
    let guide = fs::read_to_string(root().join("docs/writing-rules.md")).unwrap();
    let shown = |text: &str| assert!(guide.contains(text.trim_end()), "not in the guide:\n{text}");
    let speedup = "speedup model.pt2 --masks masks.safetensors -o small.pt2";
    let new = "rules new shop.scaled_gate --model model.pt2";
    let run = |command: &str| bench.succeeds(&command.split(' ').collect::<Vec<_>>());
    shown(&format!("paring {speedup}\n"));
    shown(&format!("paring {new} -o my_rules/shop.yaml\n"));
    shown(run(speedup).split_once("What stayed").unwrap().1);
    shown(&run(new));
    run(&format!("{new} -o my_rules/shop.yaml"));
    // As the guide says: the comment before `zero:` goes.
    let file = bench.path("my_rules/shop.yaml");
    fs::write(&file, fs::read_to_string(&file).unwrap().replace("# zero:", "zero:")).unwrap();
    run("rules check my_rules");
    shown(&run("rules show shop.scaled_gate --rules my_rules"));
    let report = run(&format!("{speedup} --unified-masks unified.safetensors --rules my_rules"));
    assert!(report.contains("4 218 →     1 250   29.6 %"), "{report}");
}
