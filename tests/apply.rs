//! `paring apply`: a state dict cut by a plan holds what the small program holds.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use paring::load::Model;
use paring::model::Role;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

type Weights = BTreeMap<String, (Vec<usize>, Vec<u8>)>;

/// Parameters and buffers of a program; all of the example's are dense 32-bit floats or one 64-bit counter.
fn weights(path: &Path) -> Weights {
    let model = Model::open(path).unwrap();
    let mut all = Weights::new();
    for t in model.graph.tensors.iter().filter(|t| t.role != Role::Constant) {
        let (width, bytes) = (t.dtype.bytes(), model.archive.storage(t.storage).unwrap());
        let bytes = bytes[t.offset * width..(t.offset + t.numel()) * width].to_vec();
        all.insert(t.name.clone(), (t.shape.clone(), bytes));
    }
    all
}

fn safetensors(list: &Weights) -> Vec<u8> {
    let (mut header, mut data) = (Map::new(), Vec::new());
    header.insert("__metadata__".into(), json!({"format": "pt"}));
    for (name, (shape, bytes)) in list {
        let start = data.len();
        data.extend(bytes);
        let dtype = if bytes.len() == shape.iter().product::<usize>() * 8 { "I64" } else { "F32" };
        header.insert(name.clone(), json!({"dtype": dtype, "shape": shape, "data_offsets": [start, data.len()]}));
    }
    let header = Value::from(header).to_string();
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat()
}

/// The tensors of a file, and what it says of itself.
fn read(path: &Path) -> (Weights, Value) {
    let bytes = fs::read(path).unwrap();
    let (len, rest) = bytes.split_first_chunk::<8>().unwrap();
    let (header, data) = rest.split_at(u64::from_le_bytes(*len) as usize);
    let mut header: Map<String, Value> = serde_json::from_slice(header).unwrap();
    let metadata = header.remove("__metadata__").unwrap_or_default();
    let size = |v: &Value| v.as_u64().unwrap() as usize;
    let one = |(name, info): (String, Value)| {
        let shape = info["shape"].as_array().unwrap().iter().map(size).collect();
        (name, (shape, data[size(&info["data_offsets"][0])..size(&info["data_offsets"][1])].to_vec()))
    };
    (header.into_iter().map(one).collect(), metadata)
}

/// A folder with the example shrunk, its plan, and its weights as a state dict.
struct Bench {
    dir: TempDir,
    big: Weights,
    small: Weights,
}

impl Bench {
    fn new() -> Bench {
        let example = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
        let bench = Bench { dir: TempDir::new().unwrap(), big: weights(&example("pocketnet.pt2")), small: Weights::new() };
        let (model, masks) = (example("pocketnet.pt2"), example("pocketnet.masks.safetensors"));
        let outputs = ["-o", "small.pt2", "--plan", "plan.json", "--unified-masks", "unified.safetensors", "--quiet"];
        let status = bench.command(&["speedup"]).arg(model).arg("--masks").arg(masks).args(outputs).status().unwrap();
        assert!(status.success());
        fs::write(bench.path("big.safetensors"), safetensors(&bench.big)).unwrap();
        Bench { small: weights(&bench.path("small.pt2")), ..bench }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_paring"));
        command.current_dir(self.dir.path()).args(args).env("COLUMNS", "100");
        command
    }

    fn apply(&self, args: &[&str]) -> String {
        let out = self.command(&[&["apply", "plan.json"], args].concat()).env("NO_COLOR", "1").output().unwrap();
        assert!(out.status.success(), "{args:?}\n{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    /// Runs into an error; nothing is written.
    fn fails(&self, args: &[&str]) -> String {
        let (code, out, text) = common::error(self.command(&[&["apply"], args, &["-o", "out.safetensors"]].concat()));
        assert_eq!((code, out.as_str()), (Some(1), ""), "{text}");
        assert!(!self.path("out.safetensors").exists());
        text
    }

    fn put(&self, name: &str, list: &Weights) {
        fs::write(self.path(name), safetensors(list)).unwrap();
    }
}

fn renamed(list: &Weights, name: impl Fn(&str) -> String) -> Weights {
    list.iter().map(|(n, t)| (name(n), t.clone())).collect()
}

#[test]
fn the_small_state_dict_is_that_of_the_small_program() {
    let bench = Bench::new();
    let report =
        bench.apply(&["--weights", "big.safetensors", "-o", "out.safetensors", "--unified-masks", "unified.safetensors"]);
    insta::assert_snapshot!("apply_report", report);
    let (found, metadata) = read(&bench.path("out.safetensors"));
    assert!(found == bench.small);
    assert_eq!(metadata, json!({"format": "pt"}));

    // They are found beside the plan.
    let report = bench.apply(&["--weights", "big.safetensors", "-o", "found.safetensors"]);
    assert!(report.contains("zero is what unified.safetensors drops"), "{report}");
    assert!(read(&bench.path("found.safetensors")).0 == bench.small);

    // Without masks what stays keeps its values, and the report says where that matters.
    fs::remove_file(bench.path("unified.safetensors")).unwrap();
    let plan: Value = serde_json::from_slice(&fs::read(bench.path("plan.json")).unwrap()).unwrap();
    let zeroed: Vec<&str> =
        plan["tensors"].as_array().unwrap().iter().filter(|t| t["zeroed"] == true).map(|t| t["name"].as_str().unwrap()).collect();
    let report = bench.apply(&["--weights", "big.safetensors", "-o", "plain.safetensors"]);
    assert_eq!(report.contains("--unified-masks FILE makes them zero"), !zeroed.is_empty());
    let (plain, _) = read(&bench.path("plain.safetensors"));
    let differ: Vec<&str> = plain.iter().filter(|(n, t)| bench.small[*n] != **t).map(|(n, _)| n.as_str()).collect();
    assert!(differ.iter().all(|n| zeroed.contains(n)), "{differ:?} {zeroed:?}");
    assert!(plain.iter().all(|(n, t)| bench.small[n].0 == t.0));
}

#[test]
fn shards_keep_their_names() {
    let bench = Bench::new();
    fs::create_dir(bench.path("hf")).unwrap();
    let (mut map, mut shards) = (Map::new(), [Weights::new(), Weights::new()]);
    for (k, (name, t)) in bench.big.iter().enumerate() {
        map.insert(name.clone(), json!(format!("model-{}.safetensors", k % 2)));
        shards[k % 2].insert(name.clone(), t.clone());
    }
    shards.iter().enumerate().for_each(|(k, list)| bench.put(&format!("hf/model-{k}.safetensors"), list));
    let index = json!({"metadata": {"total_size": 1, "total_parameters": 1, "other": "x"}, "weight_map": map});
    fs::write(bench.path("hf/model.safetensors.index.json"), index.to_string()).unwrap();
    let args = ["--weights", "hf/model.safetensors.index.json", "--unified-masks", "unified.safetensors", "-q", "-o"];
    for (output, index_name) in [("cut", "cut/model.safetensors.index.json"), ("cut/other.json", "cut/other.json")] {
        bench.apply(&[&args[..], &[output]].concat());
        let mut all = read(&bench.path("cut/model-0.safetensors")).0;
        all.extend(read(&bench.path("cut/model-1.safetensors")).0);
        assert!(all == bench.small);
        let new: Value = serde_json::from_slice(&fs::read(bench.path(index_name)).unwrap()).unwrap();
        assert_eq!(new["weight_map"], index["weight_map"]);
        assert_eq!(new["metadata"]["total_size"], bench.small.values().map(|t| t.1.len()).sum::<usize>());
        assert_eq!(
            new["metadata"]["total_parameters"],
            bench.small.values().map(|t| t.0.iter().product::<usize>()).sum::<usize>()
        );
        assert_eq!(new["metadata"]["other"], "x");
    }
    let same = bench.command(&["apply", "plan.json"]).args(args).arg("hf").output().unwrap();
    assert!(String::from_utf8_lossy(&same.stderr).contains("paring::transfer::same_file"));
    assert!(read(&bench.path("hf/model-0.safetensors")).0 == shards[0]);
}

#[test]
fn names_may_differ_by_a_prefix() {
    let bench = Bench::new();
    bench.put("wrapped.safetensors", &renamed(&bench.big, |n| format!("net.model.{n}")));
    let report =
        bench.apply(&["--weights", "wrapped.safetensors", "--unified-masks", "unified.safetensors", "-o", "out.safetensors"]);
    assert!(report.contains("names: `` of the plan is `net.model.` in the weights"), "{report}");
    assert!(read(&bench.path("out.safetensors")).0 == renamed(&bench.small, |n| format!("net.model.{n}")));

    // The plan of a wrapper.
    let plan: Value = serde_json::from_slice(&fs::read(bench.path("plan.json")).unwrap()).unwrap();
    let mut wrapper = plan.clone();
    let longer = |v: &mut Value| *v = json!(format!("m.{}", v.as_str().unwrap()));
    wrapper["tensors"].as_array_mut().unwrap().iter_mut().for_each(|t| longer(&mut t["name"]));
    wrapper["edits"].as_array_mut().unwrap().iter_mut().filter(|e| e["edit"] == "slice").for_each(|e| longer(&mut e["tensor"]));
    wrapper.as_object_mut().unwrap().remove("unified_masks");
    fs::write(bench.path("plan.json"), wrapper.to_string()).unwrap();
    for more in [&[][..], &["--strip-prefix", "m."]] {
        bench.apply(&[&["--weights", "big.safetensors", "-o", "out.safetensors", "-q"], more].concat());
        assert!(read(&bench.path("out.safetensors")).0.iter().all(|(n, t)| bench.small[n].0 == t.0));
    }
    // Two models in one file: either could be meant.
    let mut two = renamed(&bench.big, |n| format!("student.{n}"));
    two.extend(renamed(&bench.big, |n| format!("teacher.{n}")));
    bench.put("two.safetensors", &two);
    fs::remove_file(bench.path("out.safetensors")).unwrap();
    insta::assert_snapshot!("apply_ambiguous", bench.fails(&["plan.json", "--weights", "two.safetensors"]));
    insta::assert_snapshot!(
        "apply_prefix",
        bench.fails(&["plan.json", "--weights", "big.safetensors", "--strip-prefix", "net."])
    );
    bench.apply(&["--weights", "two.safetensors", "--strip-prefix", "m.", "--add-prefix", "student.", "-o", "out.safetensors"]);
    let (found, _) = read(&bench.path("out.safetensors"));
    assert!(found.iter().all(|(n, t)| n.strip_prefix("student.").map_or(two[n].0 == t.0, |n| bench.small[n].0 == t.0)));
}

#[test]
fn errors() {
    let bench = Bench::new();
    let mut less = bench.big.clone();
    less.remove("block1.a.0.weight").unwrap();
    bench.put("less.safetensors", &less);
    insta::assert_snapshot!("apply_missing", bench.fails(&["plan.json", "--weights", "less.safetensors"]));
    let mut other = bench.big.clone();
    other.get_mut("block1.a.0.weight").unwrap().0.swap(0, 1);
    bench.put("other.safetensors", &other);
    insta::assert_snapshot!("apply_shape", bench.fails(&["plan.json", "--weights", "other.safetensors"]));
    let (code, _, text) = common::error(bench.command(&["apply", "plan.json", "--weights", "big.safetensors", "-o", "out.pth"]));
    assert!(code == Some(1) && text.contains("paring::transfer::format") && !bench.path("out.pth").exists(), "{text}");
    insta::assert_snapshot!("apply_not_safetensors", bench.fails(&["plan.json", "--weights", "small.pt2"]));
    fs::write(bench.path("text.json"), "{\"version\": 1,\n \"edits\": [}").unwrap();
    insta::assert_snapshot!("apply_bad_plan", bench.fails(&["text.json", "--weights", "big.safetensors"]));
    fs::write(bench.path("index.json"), "{\"weight_map\": {\"a\": \"../x.safetensors\"}}").unwrap();
    insta::assert_snapshot!("apply_bad_index", bench.fails(&["plan.json", "--weights", "index.json"]));
    let plan: Value = serde_json::from_slice(&fs::read(bench.path("plan.json")).unwrap()).unwrap();
    let at = plan["edits"].as_array().unwrap().iter().position(|e| e["edit"] == "slice").unwrap();
    for (key, value) in [("keep", json!([3, 2])), ("keep", json!([1 << 30])), ("dim", json!(9)), ("edit", json!("fly"))] {
        let mut wrong = plan.clone();
        wrong["edits"][at][key] = value;
        fs::write(bench.path("wrong.json"), wrong.to_string()).unwrap();
        let text = bench.fails(&["wrong.json", "--weights", "big.safetensors"]);
        assert!(text.contains("paring::transfer::"), "{text}");
    }
}
