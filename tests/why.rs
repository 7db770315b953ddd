//! `paring analyze` and `paring explain`: groups, chains, fates.

mod common;

use std::path::Path;
use std::process::Command;

use serde_json::Value;

const MODEL: &str = "pocketnet.pt2";

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paring"));
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"));
    command.args(args).env("COLUMNS", "100");
    command
}

fn succeeds(args: &[&str]) -> String {
    let out = command(args).env("NO_COLOR", "1").output().unwrap();
    assert_eq!(out.status.code(), Some(0), "{args:?}\n{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

fn fails(args: &[&str]) -> String {
    let (code, out, text) = common::error(command(args));
    assert_eq!(code, Some(1), "{args:?}");
    assert!(out.is_empty(), "{args:?}");
    text
}

#[test]
fn groups() {
    insta::assert_snapshot!("groups", succeeds(&["analyze", MODEL]));
    insta::assert_snapshot!("group", succeeds(&["analyze", MODEL, "--group", "stem.0"]));
    insta::assert_snapshot!("groups_csv", succeeds(&["analyze", MODEL, "--csv"]));
    insta::assert_snapshot!("groups_dot", succeeds(&["analyze", MODEL, "--dot"]));
    insta::assert_snapshot!("groups_unknown", succeeds(&["analyze", "custom_op/model.pt2"]));
}

/// The JSON says what the text says.
#[test]
fn groups_json() {
    let json: Value = serde_json::from_str(&succeeds(&["analyze", MODEL, "--json"])).unwrap();
    let groups = json["groups"].as_array().unwrap();
    let text = succeeds(&["analyze", MODEL, "--all"]);
    assert!(text.contains(&format!("\n{} groups, ", groups.len())), "{text}");
    for group in groups {
        assert!(text.contains(group["name"].as_str().unwrap()));
        let one = succeeds(&["analyze", MODEL, "--group", &group["id"].to_string()]);
        for member in group["members"].as_array().unwrap() {
            assert!(one.contains(member["axis"].as_str().unwrap()), "{one}");
        }
    }
    for edge in json["edges"].as_array().unwrap() {
        let (from, to) = (edge["from"].as_u64().unwrap() as usize, edge["to"].as_u64().unwrap() as usize);
        let holds = |k: usize| groups[k]["members"].as_array().unwrap().iter().any(|m| m["tensor"] == edge["tensor"]);
        assert!(holds(from) && holds(to), "{edge}");
    }
}

#[test]
fn chains() {
    let masks = "pocketnet.masks.safetensors";
    let cases: [(&str, &[&str]); 5] = [
        ("same", &["stem.0", "block1.b.0"]),
        ("stuck_output", &["head"]),
        ("free", &["block1.a.0"]),
        ("fates", &["block1.a.0", "--masks", masks]),
        ("fates_coupled", &["stem.0", "--masks", masks]),
    ];
    for (name, args) in cases {
        insta::assert_snapshot!(name, succeeds(&[&["explain", MODEL], args].concat()));
    }
    insta::assert_snapshot!("stuck_unknown", succeeds(&["explain", "custom_op/model.pt2", "conv1"]));
    let json: Value = serde_json::from_str(&succeeds(&["explain", MODEL, "head", "--json"])).unwrap();
    assert!(json["locked"]["why"].as_str().unwrap().contains("output"));
}

#[test]
fn wrong_names() {
    insta::assert_snapshot!("no_axis", fails(&["explain", MODEL, "stem.0.wieght[0]"]));
    for name in ["", "[0]", "stem.0.weight[a]", "stem.0.weight[]", "stem.0.weight[-1]", "stem.0.weight[99999999999999999999]"] {
        assert!(fails(&["explain", MODEL, name]).contains("paring::report::no_axis"), "{name}");
    }
    insta::assert_snapshot!("no_dimension", fails(&["explain", MODEL, "stem.0.weight[4]"]));
    insta::assert_snapshot!("not_the_same", fails(&["explain", MODEL, "stem.0", "head"]));
    insta::assert_snapshot!("no_group", fails(&["analyze", MODEL, "--group", "nothing"]));
    insta::assert_snapshot!("no_group_number", fails(&["analyze", MODEL, "--group", "9999"]));
}
