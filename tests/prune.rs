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

/// Not more is left than was asked for, and hardly less.
#[test]
fn budgets_are_met() {
    let dir = folder();
    let table = [
        ("--params 0.5", "parameters", 0.5, 0.01),
        ("--params 0.8 --by l2", "parameters", 0.8, 0.01),
        ("--macs 0.5", "macs", 0.5, 0.01),
        ("--macs 0.5 --round-to 8", "macs", 0.5, 0.1),
        ("--params 0.5 --scope isomorphic", "parameters", 0.5, 0.02),
    ];
    for (options, key, wanted, near) in table {
        let left = share(&pruned(&dir, options)[key]);
        assert!(left <= wanted && left >= wanted - near, "{options}: {left}");
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
    fs::write(dir.path().join("two.yaml"), "stem.0: 0.5\nblock1.b.0: 0.25\n").unwrap();
    fs::write(dir.path().join("bad.yaml"), "stem.0: many\n").unwrap();
    fs::write(dir.path().join("no.scores"), "no tensors").unwrap();
    let short = scores(&[("stem.0.weight", vec![1.0; 3])]);
    fs::write(dir.path().join("short.scores"), short).unwrap();
    let table = [
        ("ratio", "--ratio 1"),
        ("exclude", "--ratio 0.5 --exclude nothing*"),
        ("budget", "--params 0.05 --min-keep 16"),
        ("conflict", "--ratios two.yaml"),
        ("ratios", "--ratios bad.yaml"),
        ("scores", "--ratio 0.5 --scores no.scores"),
        ("score", "--ratio 0.5 --scores short.scores"),
        ("nothing", "--ratio 0.5 --min-keep 1000"),
    ];
    for (name, options) in table {
        let mut args = vec!["prune", "net.pt2", "-o", "small.pt2"];
        args.extend(options.split(' '));
        let (code, out, text) = common::error(command(&dir, &args));
        assert_eq!((code, out.as_str()), (Some(1), ""), "{name}");
        insta::assert_snapshot!(format!("prune_{name}"), text);
    }
    assert!(!dir.path().join("small.pt2").exists());
}

/// A safetensors file of vectors.
fn scores(list: &[(&str, Vec<f64>)]) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> = list.iter().map(|(_, v)| v.iter().flat_map(|x| x.to_le_bytes()).collect()).collect();
    let views = list.iter().zip(&bytes).map(|((name, v), bytes)| {
        (name.to_string(), safetensors::tensor::TensorView::new(safetensors::Dtype::F64, vec![v.len()], bytes).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

/// What `removed` says of a group.
fn removed(json: &Value, name: &str) -> Vec<u64> {
    let lost = json["pruned"]["lost"].as_array().unwrap().iter().find(|l| l["name"] == name);
    lost.map(|l| l["removed"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect()).unwrap_or_default()
}

#[test]
fn scores_of_a_file_decide() {
    let dir = folder();
    // By output channel of one of the parameters that make the axis, and by the name of the axis.
    for name in ["stem.0.weight", "stem.0.weight[0]"] {
        let mut list: Vec<f64> = vec![1.0; 24];
        [3, 7, 11].iter().for_each(|c| list[*c] = 0.1);
        fs::write(dir.path().join("s.safetensors"), scores(&[(name, list)])).unwrap();
        let json = pruned(&dir, "--ratio 0.125 --scores s.safetensors");
        assert_eq!(removed(&json, "stem.0.weight[0]"), [3, 7, 11], "{name}");
        assert_eq!(json["pruned"]["groups"], 1);
        let left_out = json["pruned"]["left_out"].to_string();
        assert!(left_out.contains("no scores are given"), "{left_out}");
    }
}

#[test]
fn ratios_and_patterns_name_groups() {
    let dir = folder();
    fs::write(dir.path().join("r.yaml"), "default: 0.25\nblock1.b.0: 0.5\n\"6\": 0\n").unwrap();
    let size = |json: &Value, layer: &str| sizes(json).into_iter().find(|(n, _, _)| n == layer).unwrap().2[0];
    let json = pruned(&dir, "--ratios r.yaml");
    let layers = ["stem.0", "block1.b.0", "block1.a.0", "block2.wide.0"];
    assert_eq!(layers.map(|l| size(&json, l)), [12, 12, 48, 54]);
    let json = pruned(&dir, "--ratio 0.5 --include stem.0.weight[0] --include block1.a.*");
    assert_eq!(layers.map(|l| size(&json, l)), [12, 12, 24, 72]);
    let json = pruned(&dir, "--ratio 0.5 --include stem.0.weight[0] --exclude block1.b.0 --include 11");
    assert_eq!(layers.map(|l| size(&json, l)), [24, 24, 48, 36]);
    let json = pruned(&dir, "--ratio 0.75 --max-ratio 0.5");
    assert_eq!(layers.map(|l| size(&json, l)), [12, 12, 24, 36]);
}

/// A ratio is of the width of heads, `--head-ratio` of their number, `--heads` of nothing else.
#[test]
fn heads_and_their_width() {
    let dir = folder();
    let qkv = |options: &str| {
        let (_, _, after) = sizes(&pruned(&dir, options)).into_iter().find(|(n, _, _)| n == "attention.qkv").unwrap();
        after
    };
    // 4 heads of 24, in a model of 96.
    assert_eq!(qkv("--ratio 0.5"), [144, 48]);
    assert_eq!(qkv("--ratio 0.5 --heads"), [144, 48]);
    assert_eq!(qkv("--ratio 0.5 --head-ratio 0.5"), [72, 48]);
    assert_eq!(qkv("--head-ratio 0.25"), [216, 96]);
}

/// Masks that were given are evened out by keeping the best of what they drop.
#[test]
fn given_masks_are_rounded() {
    let dir = folder();
    fs::write(dir.path().join("m.yaml"), "block1.a.0: {drop: [0-10]}\n\"block2.squeeze\": {drop: [0]}\n").unwrap();
    let args = ["speedup", "net.pt2", "--masks", "m.yaml", "-o", "small.pt2", "--json"];
    let plain = run(&dir, &args);
    let after = |out: &Output, layer: &str| {
        let json: Value = serde_json::from_slice(&out.stdout).unwrap();
        sizes(&json).into_iter().find(|(n, _, _)| n == layer).unwrap().2[0]
    };
    assert_eq!(after(&plain, "block1.a.0"), 37);
    let even = run(&dir, &[&args[..], &["--round-to", "8"]].concat());
    assert_eq!((after(&even, "block1.a.0"), after(&even, "block2.squeeze")), (40, 16));
    assert!(String::from_utf8_lossy(&even.stderr).contains("block1.a.0.weight[0]: 40 positions stay instead of 37"));
}

#[test]
fn scores_that_are_given_as_masks_get_a_word() {
    let dir = folder();
    fs::write(dir.path().join("m"), scores(&[("stem.0.weight", (0..24).map(|c| 0.5 + f64::from(c)).collect())])).unwrap();
    let out = run(&dir, &["speedup", "net.pt2", "--masks", "m", "-o", "small.pt2", "-q"]);
    assert!(String::from_utf8_lossy(&out.stderr).contains("are these scores?"), "{out:?}");
}

/// What `speedup` takes, `prune` takes.
#[test]
fn prune_has_the_options_of_speedup() {
    let dir = folder();
    let json = pruned(
        &dir,
        "--ratio 0.5 --statistics approximate --unmasked abstain --on-conflict prune --on-unknown error --report r.html",
    );
    assert!(share(&json["parameters"]) < 0.5);
    assert!(dir.path().join("r.html").exists());
}
