//! `paring prune` and `paring masks`, as a user runs them.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

fn command(dir: &TempDir, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paring"));
    command.current_dir(dir.path()).args(args).env_remove("NO_COLOR").env("COLUMNS", "100");
    command
}

fn folder() -> TempDir {
    let dir = TempDir::new().unwrap();
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/pocketnet.pt2"), dir.path().join("net.pt2")).unwrap();
    dir
}

fn run(dir: &TempDir, args: &[&str]) -> Output {
    command(dir, args).env("NO_COLOR", "1").output().unwrap()
}

/// What `prune` reports with these options.
fn pruned(dir: &TempDir, options: &str) -> Value {
    let mut args = vec!["prune", "net.pt2", "-o", "small.pt2", "--json"];
    args.extend(options.split(' '));
    let out = run(dir, &args);
    assert!(out.status.success(), "{options}: {}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

fn share(total: &Value) -> f64 {
    total["after"].as_f64().unwrap() / total["before"].as_f64().unwrap()
}

#[test]
fn ratios_are_met() {
    let dir = folder();
    let table = [
        ("--ratio 0.5", 0.5),
        ("--ratio 0.25 --by l2", 0.25),
        ("--ratio 0.5 --by bn", 0.5),
        ("--ratio 0.5 --by fpgm", 0.5),
        ("--ratio 0.75 --by random --seed 3", 0.75),
        ("--ratio 0.5 --scope global", 0.5),
        ("--ratio 0.5 --exclude stem*", 0.5),
        ("--ratio 0.5 --heads", 0.5),
    ];
    for (options, ratio) in table {
        let json = pruned(&dir, options);
        let found = json["pruned"]["ratio"].as_f64().unwrap();
        assert!((found - ratio).abs() <= 0.02, "{options}: {found}");
        let of = |key: &str| json["pruned"][key].as_f64().unwrap();
        assert!((of("removed") / of("positions") - found).abs() < 1e-9);
        assert!(share(&json["parameters"]) < 1.0 - ratio / 2.0, "{options}: {json}");
    }
}

#[test]
fn budgets_are_met() {
    let dir = folder();
    for (options, key, wanted) in
        [("--params 0.5", "parameters", 0.5), ("--params 0.8 --by l2", "parameters", 0.8), ("--macs 0.5", "macs", 0.5)]
    {
        let json = pruned(&dir, options);
        assert!((share(&json[key]) - wanted).abs() <= 0.01, "{options}: {}", share(&json[key]));
    }
}

/// Sizes after the cut, by layer.
fn sizes(json: &Value) -> Vec<(String, Vec<u64>, Vec<u64>)> {
    let list = |v: &Value| v.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect::<Vec<u64>>();
    let layers = json["layers"].as_array().unwrap().iter();
    layers.map(|l| (l["name"].as_str().unwrap().to_owned(), list(&l["before"]), list(&l["after"]))).collect()
}

#[test]
fn axes_have_the_sizes_that_were_asked_for() {
    let dir = folder();
    for (name, before, after) in sizes(&pruned(&dir, "--ratio 0.4 --round-to 8")) {
        for (old, new) in before.iter().zip(&after).filter(|(old, new)| old != new) {
            assert!(new % 8 == 0, "{name}: {old} became {new}");
        }
    }
    for (name, before, after) in sizes(&pruned(&dir, "--ratio 0.9 --min-keep 6")) {
        for (old, new) in before.iter().zip(&after).filter(|(old, new)| old != new) {
            assert!(*new >= 6, "{name}: {old} became {new}");
        }
    }
    let stem = |options: &str| sizes(&pruned(&dir, options)).into_iter().find(|(n, _, _)| n == "stem.0").unwrap();
    assert_eq!(stem("--ratio 0.5 --exclude stem.*").2[0], 24);
    assert_eq!(stem("--ratio 0.5").2[0], 12);
}

#[test]
fn one_seed_gives_one_result_and_masks_are_what_speedup_reads() {
    let dir = folder();
    let masks = |to: &str, seed: &str| {
        let out = run(&dir, &["masks", "net.pt2", "-o", to, "--ratio", "0.5", "--by", "random", "--seed", seed]);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        fs::read(dir.path().join(to)).unwrap()
    };
    let one = masks("a", "1");
    assert_eq!(one, masks("b", "1"));
    assert_ne!(one, masks("c", "2"));
    run(&dir, &["prune", "net.pt2", "-o", "pruned.pt2", "--ratio", "0.5", "--by", "random", "--seed", "1", "-q"]);
    run(&dir, &["speedup", "net.pt2", "--masks", "a", "-o", "small.pt2", "-q"]);
    let read = |name: &str| fs::read(dir.path().join(name)).unwrap();
    assert_eq!(read("pruned.pt2"), read("small.pt2"));
}

#[test]
fn what_cannot_be_done_is_an_error() {
    let dir = folder();
    for (name, options) in
        [("ratio", "--ratio 1"), ("exclude", "--ratio 0.5 --exclude nothing*"), ("budget", "--params 0.05 --min-keep 16")]
    {
        let mut args = vec!["prune", "net.pt2", "-o", "small.pt2"];
        args.extend(options.split(' '));
        let (code, out, text) = common::error(command(&dir, &args));
        assert_eq!((code, out.as_str()), (Some(1), ""), "{name}");
        insta::assert_snapshot!(format!("prune_{name}"), text);
    }
    assert!(!dir.path().join("small.pt2").exists());
}
