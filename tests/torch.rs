//! Running programs with libtorch: `verify`, `run`, `bench` and `speedup --verify`, as a user runs them.
#![cfg(feature = "torch")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

fn command(dir: &TempDir, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paring"));
    command.current_dir(dir.path()).args(args).env_remove("NO_COLOR").env("COLUMNS", "100");
    command
}

fn run(dir: &TempDir, args: &[&str]) -> Output {
    command(dir, args).env("NO_COLOR", "1").output().unwrap()
}

/// A folder with the example, its small model and the unified masks.
fn shrunk() -> TempDir {
    let dir = TempDir::new().unwrap();
    for name in ["pocketnet.pt2", "pocketnet.masks.safetensors"] {
        fs::copy(example(name), dir.path().join(name)).unwrap();
    }
    let args = ["speedup", "pocketnet.pt2", "--masks", "pocketnet.masks.safetensors", "-o", "small.pt2"];
    let out = run(&dir, &[&args[..], &["--unified-masks", "unified.safetensors", "--verify"]].concat());
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(text.contains("Verified: equal to the masked original on 2 inputs"), "{text}");
    dir
}

const VERIFY: [&str; 5] = ["verify", "pocketnet.pt2", "small.pt2", "--unified-masks", "unified.safetensors"];

/// Rolls the rows of a weight of the small model by one, as if other channels had been kept.
fn roll(dir: &TempDir, weight: &str) {
    let path = dir.path().join("small.pt2");
    let mut bytes = fs::read(&path).unwrap();
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes.clone())).unwrap();
    let names: Vec<String> = zip.file_names().map(|n| n.unwrap().into_owned()).collect();
    let config = names.iter().find(|n| n.ends_with("model_weights_config.json")).unwrap();
    let json: Value = serde_json::from_reader(zip.by_name(config).unwrap()).unwrap();
    let entry = &json["config"][weight];
    let rows = entry["tensor_meta"]["sizes"][0]["as_int"].as_u64().unwrap() as usize;
    let member = config.replace("model_weights_config.json", entry["path_name"].as_str().unwrap());
    let file = zip.by_name(&member).unwrap();
    let (start, size, sum) = (file.data_start().unwrap() as usize, file.size() as usize, file.crc32());
    drop(file);
    bytes[start..start + size].rotate_left(size / rows);
    // Its checksum stands before it and in the directory.
    let (old, new) = (sum.to_le_bytes(), crc32fast::hash(&bytes[start..start + size]).to_le_bytes());
    let places: Vec<usize> = (0..bytes.len() - 4).filter(|k| bytes[*k..*k + 4] == old).collect();
    places.into_iter().for_each(|k| bytes[k..k + 4].copy_from_slice(&new));
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_right_model_is_accepted() {
    let dir = shrunk();
    let out = run(&dir, &[&VERIFY[..], &["--float64", "--runs", "3", "--json"]].concat());
    let json: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert!(out.status.success(), "{json}");
    assert!(json["outputs"][0]["relative"].as_f64().unwrap() < 1e-12, "{json}");
    assert_eq!(json["times"][1]["runs"], 3);
    assert!(json["memory"][1]["weights"].as_u64() < json["memory"][0]["weights"].as_u64());
    let text = String::from_utf8(run(&dir, &VERIFY).stdout).unwrap();
    for part in ["linear_4", "equal", "memory of weights", "times as fast"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn a_wrong_cut_is_refused_and_named() {
    // Which layer, and the node that reads its weight.
    for (weight, node) in [("block1.a.0.weight", "conv2d_1"), ("attention.up.weight", "linear_2"), ("stem.0.weight", "conv2d")] {
        let dir = shrunk();
        roll(&dir, weight);
        let out = run(&dir, &[&VERIFY[..], &["--float64", "--json"]].concat());
        let json: Value = serde_json::from_slice(&out.stdout).unwrap();
        assert_eq!(out.status.code(), Some(1));
        assert_eq!(json["difference"]["node"], node, "{weight}: {json}");
        let text = String::from_utf8_lossy(&out.stderr);
        assert!(text.contains("is the first that differs") && text.contains("make_example.py"), "{text}");
    }
}

#[test]
fn outputs_and_times() {
    let dir = shrunk();
    let out = run(&dir, &["run", "small.pt2", "-o", "out.safetensors", "--seed", "3"]);
    assert_eq!(String::from_utf8(out.stdout).unwrap(), "linear_4 [1, 10] Float\n");
    // What one writes another reads: the outputs of a second run from the same seed are the same file.
    run(&dir, &["run", "small.pt2", "-o", "again.safetensors", "--seed", "3"]);
    let read = |name: &str| fs::read(dir.path().join(name)).unwrap();
    assert_eq!(read("out.safetensors"), read("again.safetensors"));
    let out = run(&dir, &["bench", "pocketnet.pt2", "small.pt2", "--runs", "5", "--threads", "1", "--json"]);
    let json: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((&json["threads"], &json["models"][1]["milliseconds"]["runs"]), (&1.into(), &5.into()));
    assert!(json["models"][0]["milliseconds"]["median"].as_f64().unwrap() > 0.0);
}

#[test]
fn mistakes_of_the_user() {
    let dir = shrunk();
    let table = [
        ("device", vec!["run", "small.pt2", "-o", "out.safetensors", "--device", "tpu"]),
        ("inputs_none", vec!["run", "small.pt2", "-o", "out.safetensors", "--inputs", "none.safetensors"]),
        ("inputs_names", vec!["run", "small.pt2", "-o", "out.safetensors", "--inputs", "unified.safetensors"]),
        ("masks_of_another", vec!["verify", "small.pt2", "small.pt2", "--unified-masks", "unified.safetensors"]),
    ];
    for (name, args) in table {
        let (code, out, text) = common::error(command(&dir, &args));
        assert_eq!((code, out.as_str()), (Some(1), ""), "{name}");
        insta::assert_snapshot!(format!("torch_{name}"), text);
    }
    assert!(!dir.path().join("out.safetensors").exists());
}
