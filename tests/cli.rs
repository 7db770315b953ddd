//! The program as a user runs it: reports, bad input, and that nothing is left behind.

mod common;
#[path = "common/schema.rs"]
mod schema;

use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

const MODEL: &str = "pocketnet.pt2";
const MASKS: &str = "pocketnet.masks.safetensors";

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

/// An empty folder in which the program runs, with the example in it.
struct Bench {
    dir: TempDir,
    inputs: Vec<String>,
}

impl Bench {
    fn new() -> Bench {
        let mut bench = Bench { dir: TempDir::new().unwrap(), inputs: Vec::new() };
        for name in [MODEL, MASKS] {
            bench.put(name, &fs::read(example(name)).unwrap());
        }
        bench
    }

    fn put(&mut self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        self.inputs.push(name.split('/').next().unwrap().to_owned());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_paring"));
        command.current_dir(self.dir.path()).args(args).env_remove("NO_COLOR").env("COLUMNS", "100");
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).env("NO_COLOR", "1").output().unwrap()
    }

    /// Files that are no inputs.
    fn made(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|n| !self.inputs.contains(n));
        names.sort();
        names
    }

    /// Runs into an error that leaves nothing, and gives its text.
    fn fails(&self, args: &[&str]) -> String {
        let (code, out, text) = common::error(self.command(args));
        assert_eq!(code, Some(1), "{args:?}\n{text}");
        assert!(out.is_empty(), "{args:?}");
        assert_eq!(self.made(), [""; 0], "{args:?}");
        text
    }

    fn succeeds(&self, args: &[&str]) -> String {
        let out = self.run(args);
        assert_eq!(out.status.code(), Some(0), "{args:?}\n{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }
}

/// All outputs that can be asked for.
const ALL: [&str; 6] = ["-o", "small.pt2", "--unified-masks", "unified.safetensors", "--plan", "plan.json"];

fn speedup<'a>(model: &'a str, masks: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["speedup", model, "--masks", masks], ALL.as_slice(), more].concat()
}

/// A masks file of uint8.
fn masks(list: &[(&str, &[usize], u8)]) -> Vec<u8> {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (name, shape, value) in list {
        let start = data.len();
        data.resize(start + shape.iter().product::<usize>(), *value);
        header.insert((*name).into(), json!({"dtype": "U8", "shape": shape, "data_offsets": [start, data.len()]}));
    }
    let header = Value::from(header).to_string();
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat()
}

/// The members of the example.
fn members() -> Vec<(String, Vec<u8>)> {
    let mut zip = ZipArchive::new(Cursor::new(fs::read(example(MODEL)).unwrap())).unwrap();
    let len = zip.len();
    let read = |i| {
        let mut member = zip.by_index(i).unwrap();
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).unwrap();
        (member.name().unwrap().into_owned(), bytes)
    };
    (0..len).map(read).collect()
}

fn archive(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in members {
        zip.start_file(name.as_str(), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn find(members: &[(String, Vec<u8>)], end: &str) -> usize {
    members.iter().position(|(n, _)| n.ends_with(end)).unwrap()
}

/// The example with one member changed.
fn changed(end: &str, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut all = members();
    let k = find(&all, end);
    change(&mut all[k].1);
    archive(&all)
}

#[test]
fn shrinks_the_example() {
    let bench = Bench::new();
    let report = bench.succeeds(&speedup(MODEL, MASKS, &[]));
    insta::assert_snapshot!("report", report);
    assert_eq!(bench.made(), ["plan.json", "small.pt2", "unified.safetensors"]);
    let small = paring::load::Model::open(&bench.path("small.pt2")).unwrap();
    let weight = small.graph.tensors.iter().find(|t| t.name == "block1.a.0.weight").unwrap();
    assert_eq!(weight.shape, [24, 13, 3, 3]);

    // The unified masks say all: with them the same comes out, and nobody disagrees.
    let again = bench.succeeds(&["speedup", MODEL, "--masks", "unified.safetensors", "-o", "again.pt2"]);
    assert!(fs::read(bench.path("again.pt2")).unwrap() == fs::read(bench.path("small.pt2")).unwrap(), "{again}");
}

#[test]
fn report_as_json() {
    let bench = Bench::new();
    let report: Value = serde_json::from_str(&bench.succeeds(&speedup(MODEL, MASKS, &["--json"]))).unwrap();
    assert_eq!(report["outcome"], "smaller");
    assert_eq!(report["parameters"]["before"], 154_568);
    assert_eq!(report["macs"]["before"], 38_538_432);
    assert_eq!(report["layers"].as_array().unwrap().len(), 26);
}

#[test]
fn quiet_prints_nothing() {
    let bench = Bench::new();
    let out = bench.run(&speedup(MODEL, MASKS, &["--quiet"]));
    assert_eq!((out.status.code(), out.stdout.len(), out.stderr.len()), (Some(0), 0, 0));
    assert_eq!(bench.made().len(), 3);
}

#[test]
fn policies() {
    let bench = Bench::new();
    let section = |policy| {
        let report = bench.succeeds(&speedup(MODEL, MASKS, &["--on-conflict", policy]));
        report.split_once("Coupled layers").map_or(String::new(), |(_, s)| s.to_owned())
    };
    insta::assert_snapshot!("restore", section("restore"));
    insta::assert_snapshot!("prune", section("prune"));
    let bench = Bench::new();
    let args = speedup(MODEL, MASKS, &["--on-conflict", "error"]);
    insta::assert_snapshot!("conflict_error", bench.fails(&args));
    let coloured = bench.command(&args).env("FORCE_COLOR", "1").output().unwrap().stderr;
    insta::assert_snapshot!("conflict_error_coloured", String::from_utf8(coloured).unwrap().replace('\u{1b}', "\\e"));
    let out = bench.run(&speedup(MODEL, MASKS, &["--on-conflict", "error", "--errors", "json"]));
    let json: Value = serde_json::from_slice(&out.stderr).unwrap();
    assert_eq!(json["code"], "paring::masks::conflict");
    insta::assert_snapshot!("conflict_error_json", serde_json::to_string_pretty(&json["related"][0]).unwrap());
}

#[test]
fn nothing_to_remove() {
    let mut bench = Bench::new();
    bench.put("none.safetensors", &masks(&[]));
    bench.put("ones.safetensors", &masks(&[("block1.a.0.weight", &[48], 1)]));
    let kept = masks(&[("head.weight", &[10, 96], 0)]);
    bench.put("head.safetensors", &kept);
    let ending = |masks| {
        let report = bench.succeeds(&speedup(MODEL, masks, &[]));
        report.rsplit_once("%\n\n").unwrap().1.to_owned()
    };
    assert_eq!(ending("none.safetensors"), "Nothing could be removed: the output is a copy of the model.\n");
    assert_eq!(ending("ones.safetensors"), ending("none.safetensors"));
    insta::assert_snapshot!("locked", ending("head.safetensors"));
    assert!(bench.path("small.pt2").is_file());
}

#[test]
fn a_layer_is_never_emptied() {
    let mut bench = Bench::new();
    bench.put("zero.safetensors", &masks(&[("block1.a.0.weight", &[48], 0)]));
    let report = bench.succeeds(&speedup(MODEL, "zero.safetensors", &[]));
    assert!(report.contains("block1.a.0                  48×24×3×3  1×24×3×3 "), "{report}");
    insta::assert_snapshot!("emptied", report.split_once("What stayed").unwrap().1);
}

#[test]
fn wrong_usage() {
    let bench = Bench::new();
    for args in [
        &["speedup", MODEL][..],
        &["speedup"],
        &["shrink"],
        &[],
        &["speedup", MODEL, "--masks", MASKS, "-o", "x", "--on-conflict", "maybe"],
    ] {
        assert_eq!(bench.run(args).status.code(), Some(2), "{args:?}");
    }
    let version = bench.succeeds(&["--version"]);
    for line in ["paring ", "\nfeatures: ", "\nrules: "] {
        assert!(version.contains(line), "{version}");
    }
    assert_eq!(bench.made(), [""; 0]);
    insta::assert_snapshot!("help", bench.succeeds(&["speedup", "--help"]));
}

#[test]
fn bad_models() {
    let mut bench = Bench::new();
    let whole = fs::read(example(MODEL)).unwrap();
    let mut without = members();
    without.remove(find(&without, "weights/weight_3"));
    let version = |json: &mut Vec<u8>| {
        let mut value: Value = serde_json::from_slice(json).unwrap();
        value["schema_version"]["major"] = 9.into();
        *json = value.to_string().into_bytes();
    };
    let cases: [(&str, Vec<u8>); 7] = [
        ("text", b"no model".to_vec()),
        ("empty", Vec::new()),
        ("truncated", whole[..whole.len() / 2].to_vec()),
        ("missing_member", archive(&without)),
        ("short_payload", changed("weights/weight_3", |b| b.truncate(b.len() - 4))),
        ("schema_version", changed("models/model.json", version)),
        ("malformed_json", changed("models/model.json", |b| b.truncate(1000))),
    ];
    for (name, bytes) in cases {
        let file = format!("{name}.pt2");
        bench.put(&file, &bytes);
        insta::assert_snapshot!(format!("model_{name}"), bench.fails(&speedup(&file, MASKS, &[])));
    }
    // One payload without content beside others that have some.
    bench.put("hole.pt2", &changed("weights/weight_3", Vec::clear));
    let text = bench.fails(&speedup("hole.pt2", MASKS, &[]));
    assert!(text.contains("paring::pt2::payload_too_short") && text.contains("has 0"), "{text}");
    insta::assert_snapshot!("model_none", bench.fails(&speedup("none.pt2", MASKS, &[])));
}

/// The example as `torch.export` writes it on the `meta` device: all tensors have one empty payload.
fn without_weights() -> Vec<u8> {
    let mut all = members();
    let folder = |name: &str| name.contains("data/weights/weight_");
    let first = all.iter().position(|(name, _)| folder(name)).unwrap();
    all[first].1.clear();
    let file = all[first].0.rsplit('/').next().unwrap().to_owned();
    let (kept, k) = (all[first].0.clone(), find(&all, "weights_config.json"));
    let mut config: Value = serde_json::from_slice(&all[k].1).unwrap();
    for entry in config["config"].as_object_mut().unwrap().values_mut() {
        entry["path_name"] = file.as_str().into();
        entry["tensor_meta"]["device"]["type"] = "meta".into();
    }
    all[k].1 = config.to_string().into_bytes();
    all.retain(|(name, _)| !folder(name) || *name == kept);
    archive(&all)
}

#[test]
fn a_model_without_weights_is_planned_and_not_written() {
    let mut bench = Bench::new();
    bench.put("bare.pt2", &without_weights());
    insta::assert_snapshot!("model_no_data", bench.fails(&speedup("bare.pt2", MASKS, &[])));
    insta::assert_snapshot!("no_data_to_rank", bench.fails(&["prune", "bare.pt2", "--ratio", "0.5", "--plan", "plan.json"]));
    let mut found = Vec::new();
    for model in [MODEL, "bare.pt2"] {
        let [plan, unified] = ["the.plan", "the.unified"];
        let report = bench.succeeds(&["speedup", model, "--masks", MASKS, "--plan", plan, "--unified-masks", unified]);
        let groups = bench.succeeds(&["analyze", model]);
        found.push((report, groups, fs::read(bench.path(plan)).unwrap(), fs::read(bench.path(unified)).unwrap()));
    }
    assert!(found[0] == found[1], "{}\n{}", found[0].0, found[1].0);
    let usage = bench.run(&["speedup", MODEL, "--masks", MASKS]);
    assert_eq!(usage.status.code(), Some(2), "an output is needed");
    bench.succeeds(&["prune", "bare.pt2", "--ratio", "0.5", "--by", "random", "--plan", "random.json"]);
}

#[test]
fn bad_masks() {
    let mut bench = Bench::new();
    let cases = [
        ("text", b"no masks".to_vec()),
        ("empty", Vec::new()),
        ("unknown", masks(&[("block1.a.0.weigth", &[48], 0)])),
        ("shape", masks(&[("block1.a.0.weight", &[47], 0)])),
    ];
    for (name, bytes) in cases {
        let file = format!("{name}.safetensors");
        bench.put(&file, &bytes);
        insta::assert_snapshot!(format!("masks_{name}"), bench.fails(&speedup(MODEL, &file, &[])));
    }
    insta::assert_snapshot!("masks_are_a_program", bench.fails(&speedup(MODEL, MODEL, &[])));
    insta::assert_snapshot!("model_is_weights", bench.fails(&speedup(MASKS, MASKS, &[])));
    bench.put("array.npy", b"\x93NUMPY\x01\x00v\x00{'descr': '<f4'}");
    insta::assert_snapshot!("masks_are_arrays", bench.fails(&speedup(MODEL, "array.npy", &[])));
    let header = r#"{"head.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    bench.put("nan.safetensors", &[&(header.len() as u64).to_le_bytes(), header.as_bytes(), &f32::NAN.to_le_bytes()].concat());
    insta::assert_snapshot!("masks_nan", bench.fails(&speedup(MODEL, "nan.safetensors", &[])));
}

#[test]
fn bad_options() {
    let mut bench = Bench::new();
    bench.put(
        "rules/mine.yaml",
        b"- op: aten.relu\n  rule: \"self[...] -> [..\"\n- op: aten.silu\n  rule: \"self[...] -> [...]\"\n  zer: self\n",
    );
    insta::assert_snapshot!("rules", bench.fails(&speedup(MODEL, MASKS, &["--rules", "rules"])));
    insta::assert_snapshot!("rules_missing", bench.fails(&speedup(MODEL, MASKS, &["--rules", "nowhere"])));
    insta::assert_snapshot!("freeze", bench.fails(&speedup(MODEL, MASKS, &["--freeze", "head.wieght"])));
    bench.put("rules2/mine.yaml", b"- op: aten.relu\n  when: inplace == 1\n  rule: \"self[...] -> [...]\"\n");
    // `relu` has no argument of that name.
    insta::assert_snapshot!("rules_argument", bench.fails(&speedup(MODEL, MASKS, &["--rules", "rules2"])));
}

#[test]
fn bad_outputs() {
    let bench = Bench::new();
    let run = |args: &[&str]| bench.fails(&[&["speedup", MODEL, "--masks", MASKS], args].concat());
    let before = fs::read(bench.path(MODEL)).unwrap();
    insta::assert_snapshot!("output_is_model", run(&["-o", MODEL]));
    insta::assert_snapshot!("output_is_masks", run(&["-o", "s.pt2", "--unified-masks", MASKS]));
    insta::assert_snapshot!("output_twice", run(&["-o", "s.pt2", "--plan", "./s.pt2"]));
    insta::assert_snapshot!("output_is_folder", run(&["-o", "."]));
    let random = |text: String| text.split(".paring-").next().unwrap().to_owned();
    // The plan could be written; it is not, as the model cannot.
    let text = random(run(&["-o", "nowhere/s.pt2", "--plan", "plan.json"]));
    assert!(text.contains("paring::file::unwritable") && text.contains("nowhere/s.pt2"), "{text}");
    let text = random(run(&["-o", "s.pt2", "--plan", "nowhere/plan.json"]));
    assert!(text.contains("paring::file::unwritable") && text.contains("nowhere/plan.json"), "{text}");
    assert_eq!(fs::read(bench.path(MODEL)).unwrap(), before);
}

/// Numbers that look random and are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

/// Replaces a value somewhere in a JSON text.
fn replace(value: &mut Value, random: &mut Random) {
    let here = random.below(12) == 0;
    match value {
        Value::Array(list) if !list.is_empty() && !here => {
            let k = random.below(list.len());
            replace(&mut list[k], random);
        }
        Value::Object(map) if !map.is_empty() && !here => {
            let k = random.below(map.len());
            replace(map.values_mut().nth(k).unwrap(), random);
        }
        Value::Object(map) if !map.is_empty() && random.below(2) == 0 => {
            let key = map.keys().nth(random.below(map.len())).unwrap().clone();
            map.remove(&key);
        }
        other => {
            let choices = [
                json!(null),
                json!(-1),
                json!(0),
                json!(1u64 << 62),
                json!(i64::MIN),
                json!("x"),
                json!([]),
                json!({}),
                json!([1, 2]),
                json!(true),
                json!(7),
            ];
            *other = choices[random.below(choices.len())].clone();
        }
    }
}

#[test]
fn damaged_models_never_panic() {
    let mut random = Random(1);
    let whole = fs::read(example(MODEL)).unwrap();
    let all = members();
    let jsons: Vec<usize> = (0..all.len()).filter(|k| all[*k].0.ends_with(".json")).collect();
    let mut cases: Vec<Vec<u8>> = Vec::new();
    for k in 0..60 {
        let len = if k < 20 { k * 40 } else { whole.len() - 1 - random.below(if k < 40 { 3000 } else { whole.len() - 1 }) };
        cases.push(whole[..len].to_vec());
    }
    for _ in 0..60 {
        let mut bytes = whole.clone();
        let near = bytes.len() - 6000; // the directory of the zip
        let at = if random.below(2) == 0 { near + random.below(6000) } else { random.below(bytes.len()) };
        bytes[at] ^= 1 << random.below(8);
        cases.push(bytes);
    }
    for k in 0..180 {
        let mut parts = all.clone();
        let json = &mut parts[jsons[if k % 4 == 0 {
            random.below(jsons.len())
        } else {
            jsons.iter().position(|j| all[*j].0.ends_with("models/model.json")).unwrap()
        }]]
        .1;
        if k % 3 == 0 {
            let at = random.below(json.len());
            json[at] ^= 1 << random.below(7);
        } else {
            let mut value: Value = serde_json::from_slice(json).unwrap();
            replace(&mut value, &mut random);
            *json = serde_json::to_vec(&value).unwrap();
        }
        cases.push(archive(&parts));
    }
    let next = std::sync::atomic::AtomicUsize::new(0);
    let failed = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut bench = Bench::new();
                loop {
                    let k = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let Some(bytes) = cases.get(k) else { break };
                    bench.put("damaged.pt2", bytes);
                    let out = bench.run(&speedup("damaged.pt2", MASKS, &["--quiet"]));
                    let text = String::from_utf8_lossy(&out.stderr);
                    let (code, made) = (out.status.code(), bench.made());
                    let fine = match code {
                        Some(0) => made.len() == 3,
                        Some(1) => made.is_empty() && text.contains("paring::"),
                        _ => false,
                    };
                    if !fine || common::faulty(code, &text) {
                        failed.lock().unwrap().push(format!("case {k}: {code:?} {made:?}\n{text}"));
                    }
                    made.iter().for_each(|f| fs::remove_file(bench.path(f)).unwrap());
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), cases.len(), failed.join("\n"));
}

/// The plan has what its schema requires.
#[test]
fn plan_fits_its_schema() {
    let bench = Bench::new();
    bench.succeeds(&speedup(MODEL, MASKS, &["--quiet"]));
    let plan: Value = serde_json::from_slice(&fs::read(bench.path("plan.json")).unwrap()).unwrap();
    let text = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/plan.schema.json")).unwrap();
    let schema: Value = serde_json::from_slice(&text).unwrap();
    schema::validate(&plan, &schema, &schema, "plan").unwrap();
    for key in ["version", "tensors", "edits", "constants"] {
        let mut less = plan.clone();
        less.as_object_mut().unwrap().remove(key);
        assert!(schema::validate(&less, &schema, &schema, "plan").is_err());
    }
    let mut other = plan.clone();
    other["edits"][0]["edit"] = "cut".into();
    assert!(schema::validate(&other, &schema, &schema, "plan").is_err());
}

#[test]
fn a_model_that_masks_nothing_itself() {
    let bench = Bench::new();
    insta::assert_snapshot!("masks_none_active", bench.fails(&speedup(MODEL, "model", &[])));
}

#[test]
fn zeros_in_the_weights_serve_as_masks() {
    let bench = Bench::new();
    let parameters = |json: &str| serde_json::from_str::<Value>(json).unwrap()["parameters"]["after"].clone();
    let direct = bench.succeeds(&["speedup", MODEL, "--masks", MASKS, "-o", "small.pt2", "--json"]);
    // With all modules frozen nothing is cut, but what is masked becomes zero.
    let report: Value = serde_json::from_str(&direct).unwrap();
    let names: Vec<String> =
        report["layers"].as_array().unwrap().iter().map(|l| l["name"].as_str().unwrap().to_owned()).collect();
    let mut args = vec!["speedup", MODEL, "--masks", MASKS, "-o", "zeroed.pt2", "--quiet"];
    for name in names.iter().filter(|n| !n.is_empty()) {
        args.extend(["--freeze", name.as_str()]);
    }
    bench.succeeds(&args);
    let from_zeros = bench.succeeds(&["speedup", "zeroed.pt2", "--masks", "zeros", "-o", "again.pt2", "--json"]);
    assert_ne!(parameters(&direct), report["parameters"]["before"]);
    assert_eq!(parameters(&direct), parameters(&from_zeros));
}

/// With `--lossless` the masks stay as they are, and biases take up what removed channels held.
#[test]
fn lossless() {
    let bench = Bench::new();
    let report = bench.succeeds(&speedup(MODEL, MASKS, &["--lossless"]));
    insta::assert_snapshot!("lossless", report.split_once("What stayed").unwrap().1);
    let read = |name: &str| {
        let bytes = fs::read(bench.path(name)).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let tensors = file.tensors().into_iter().map(|(name, t)| (name, t.shape().to_vec(), t.data().to_vec()));
        let mut tensors: Vec<_> = tensors.collect();
        tensors.sort();
        tensors
    };
    assert_eq!(read(MASKS), read("unified.safetensors"));
    let plan: Value = serde_json::from_slice(&fs::read(bench.path("plan.json")).unwrap()).unwrap();
    let text = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/plan.schema.json")).unwrap();
    let schema: Value = serde_json::from_slice(&text).unwrap();
    schema::validate(&plan, &schema, &schema, "plan").unwrap();
    assert!(plan["edits"].as_array().unwrap().iter().any(|e| e["edit"] == "fold"), "nothing was folded");
}

#[test]
fn bias_maps_let_more_go() {
    let bench = Bench::new();
    let after = |more: &[&str]| {
        let report: Value = serde_json::from_str(&bench.succeeds(&speedup(MODEL, MASKS, more))).unwrap();
        (report["parameters"]["after"].as_u64().unwrap(), report["notes"].to_string())
    };
    let (default, _) = after(&["--json"]);
    let (lossless, notes) = after(&["--json", "--lossless"]);
    assert!(!notes.contains("is added to the result"), "{notes}");
    let (maps, notes) = after(&["--json", "--lossless", "--bias-maps"]);
    assert!(notes.contains("is added to the result"), "{notes}");
    assert!(default <= maps && maps < lossless, "{default} {maps} {lossless}");
    for more in [&["--bias-maps"][..], &["--lossless", "--on-conflict", "prune"], &["--lossless", "--statistics", "approximate"]]
    {
        assert_eq!(bench.run(&speedup(MODEL, MASKS, more)).status.code(), Some(2), "{more:?}");
    }
}

/// The rows of a table of `--timings`: depth, name, and milliseconds by the clock and of the processor.
fn stages(table: &str) -> Vec<(usize, String, f64, f64)> {
    let rows = table.lines().skip_while(|l| !l.starts_with("stage")).skip(1).take_while(|l| !l.contains(':'));
    let row = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |back: usize| words[words.len() - back].parse::<f64>().unwrap();
        ((line.len() - line.trim_start().len()) / 2, words[0].to_owned(), number(2), number(1))
    };
    rows.map(row).collect()
}

/// A count below such a table.
fn count(table: &str, name: &str) -> usize {
    let last = table.lines().last().unwrap();
    let found = last.split(", ").find_map(|c| c.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    found.unwrap_or_else(|| panic!("no {name} in {last:?}"))
}

#[test]
#[cfg(target_os = "linux")]
fn timings_say_where_the_time_went() {
    let bench = Bench::new();
    let commands: [(&[&str], &[&str]); 5] = [
        (
            &speedup(MODEL, MASKS, &[]),
            &["masks", "open", "graph", "rules", "propagate", "solve", "plan", "edit", "check", "write", "close"],
        ),
        (&["prune", MODEL, "-o", "half.pt2", "--ratio", "0.5"], &["rules", "open", "propagate", "choose", "solve", "write"]),
        (&["masks", MODEL, "-o", "half.safetensors", "--ratio", "0.5"], &["open", "propagate", "choose", "write"]),
        (&["analyze", MODEL], &["open", "propagate", "groups"]),
        (&["explain", MODEL, "block1.a.0"], &["open", "propagate", "groups"]),
    ];
    for (args, wanted) in commands {
        let plain = bench.run(args);
        assert!(plain.status.success() && plain.stderr.is_empty(), "{args:?}: {}", String::from_utf8_lossy(&plain.stderr));
        let out = bench.run(&[args, ["--timings"].as_slice()].concat());
        assert_eq!(out.stdout, plain.stdout, "{args:?}");
        let table = String::from_utf8(out.stderr).unwrap();
        let rows = stages(&table);
        let top: Vec<&str> = rows.iter().filter(|r| r.0 == 0).map(|r| r.1.as_str()).collect();
        assert!(wanted.iter().all(|name| top.contains(name)), "{args:?}\n{table}");
        assert_eq!(top[top.len() - 2..], ["other", "total"], "{table}");
        let total = rows.last().unwrap();
        let sum = |of: fn(&(usize, String, f64, f64)) -> f64| rows.iter().filter(|r| r.0 == 0).map(of).sum::<f64>() - of(total);
        // Each number is rounded to a hundredth.
        let slack = 0.01 * rows.len() as f64;
        assert!(total.2 > 0.0 && (sum(|r| r.2) - total.2).abs() <= slack, "{table}");
        assert!(total.3 > 0.0 && (sum(|r| r.3) - total.3).abs() <= slack, "{table}");
        for (at, row) in rows.iter().enumerate() {
            let inside = rows[at + 1..].iter().take_while(|r| r.0 > row.0).filter(|r| r.0 == row.0 + 1);
            assert!(inside.map(|r| r.2).sum::<f64>() <= row.2 + slack, "more inside {} than all of it\n{table}", row.1);
        }
        let peak =
            table.lines().find_map(|l| l.strip_prefix("peak of anonymous memory: ")?.strip_suffix(" MB")?.parse::<f64>().ok());
        assert!(peak.is_some_and(|mb| mb > 1.0 && mb < 200.0), "{table}");
        assert!(count(&table, "nodes") > 10 && count(&table, "classes") > 10, "{table}");
        assert!(count(&table, "tensors") < count(&table, "values"), "{table}");
        assert!(!wanted.contains(&"solve") || count(&table, "rounds") >= 1, "{table}");
    }
    // After an error there is the error alone.
    assert_eq!(bench.run(&["analyze", "none.pt2", "--timings"]).stderr, bench.run(&["analyze", "none.pt2"]).stderr);
}
