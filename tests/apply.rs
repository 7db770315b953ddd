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

/// A folder `hf` with the weights in this many files, and their index.
fn sharded(bench: &Bench, files: usize) {
    fs::create_dir(bench.path("hf")).unwrap();
    let (mut map, mut shards) = (Map::new(), vec![Weights::new(); files]);
    for (k, (name, t)) in bench.big.iter().enumerate() {
        map.insert(name.clone(), json!(format!("model-{}.safetensors", k % files)));
        shards[k % files].insert(name.clone(), t.clone());
    }
    shards.iter().enumerate().for_each(|(k, list)| bench.put(&format!("hf/model-{k}.safetensors"), list));
    let index = json!({"metadata": {"total_size": 1, "total_parameters": 1}, "weight_map": map});
    fs::write(bench.path("hf/index.json"), index.to_string()).unwrap();
}

/// The command for a part of the files.
fn part(bench: &Bench, part: &str) -> Command {
    bench.command(&["apply", "plan.json", "--weights", "hf/index.json", "-o", "cut", "--quiet", "--shard", part])
}

#[test]
fn parts_are_cut_each_by_itself() {
    let bench = Bench::new();
    sharded(&bench, 5);
    let index = bench.path("cut/index.json");
    let files = || (0..5).map(|k| bench.path(&format!("cut/model-{k}.safetensors"))).collect::<Vec<_>>();
    let state = || files().iter().map(|f| f.metadata().and_then(|m| m.modified()).ok()).collect::<Vec<_>>();
    let all = || files().iter().flat_map(|f| read(f).0).collect::<Weights>();
    let run = |text: &str| assert!(part(&bench, text).status().unwrap().success());

    // The files of other parts may lie on another machine.
    fs::create_dir(bench.path("away")).unwrap();
    let away = |k: usize, from: &str, to: &str| {
        let path = |folder: &str| bench.path(&format!("{folder}/model-{k}.safetensors"));
        fs::rename(path(from), path(to)).unwrap();
    };
    [0, 2, 3].iter().for_each(|k| away(*k, "hf", "away"));
    run("2/3");
    assert_eq!(state().iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, false, false, true]);
    assert!(!index.exists());
    [0, 2, 3].iter().for_each(|k| away(*k, "away", "hf"));

    // Two at the same time, one of which is killed, wherever that finds it; the end of a file is lost.
    let before = state();
    let (mut killed, mut other) = (part(&bench, "1/3").spawn().unwrap(), part(&bench, "3/3").spawn().unwrap());
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(other.wait().unwrap().success());
    let bytes = fs::read(&files()[2]).unwrap();
    fs::write(&files()[2], &bytes[..bytes.len() - 1]).unwrap();
    let _ = fs::remove_file(&index);
    let out =
        bench.command(&["apply", "plan.json", "--weights", "hf/index.json", "-o", "cut", "--shard", "3/3"]).output().unwrap();
    assert!(String::from_utf8_lossy(&out.stderr).contains("model-2.safetensors: written"));
    for k in ["1/3", "1/1"] {
        run(k);
    }
    assert!(all() == bench.small && index.exists());
    assert_eq!((state()[1], state()[4]), (before[1], before[4]), "what is finished is left");
    let new: Value = serde_json::from_slice(&fs::read(&index).unwrap()).unwrap();
    assert_eq!(new["metadata"]["total_size"], bench.small.values().map(|t| t.1.len()).sum::<usize>());
    assert_eq!(new["metadata"]["total_parameters"], bench.small.values().map(|t| t.0.iter().product::<usize>()).sum::<usize>());
    let leftovers = fs::read_dir(bench.path("cut")).unwrap().filter(|e| !files().contains(&e.as_ref().unwrap().path())).count();
    assert_eq!(leftovers, 1, "the index");

    // Nothing to do: all stays, and JSON tells so.
    let before = state();
    let json = bench.apply(&["--weights", "hf/index.json", "-o", "cut", "--json", "--shard", "1/1"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (json["finished"].as_array().unwrap().len(), &json["written"], &json["index"]),
        (5, &Value::Null, &json!("cut/index.json"))
    );
    assert_eq!(state(), before);

    // Other weights are another file to cut, and another plan makes all of them others. The index goes first.
    let mut other = read(&bench.path("hf/model-3.safetensors")).0;
    other.values_mut().for_each(|t| t.1.reverse());
    bench.put("hf/model-3.safetensors", &other);
    let report = bench.apply(&["--weights", "hf/index.json", "-o", "cut", "--shard", "1/5"]);
    assert!(
        report.contains("0 written, 1 finished before") && report.contains("model-3.safetensors is not finished"),
        "{report}"
    );
    let report = bench.apply(&["--weights", "hf/index.json", "-o", "cut", "--shard", "4/5"]);
    assert!(report.contains("1 written, 0 finished before") && report.contains("all files are there"), "{report}");
    let plan = fs::read_to_string(bench.path("plan.json")).unwrap();
    fs::write(bench.path("plan.json"), plan + "\n").unwrap();
    let report = bench.apply(&["--weights", "hf/index.json", "-o", "cut", "--shard", "2/5"]);
    assert!(report.contains("model-0.safetensors and 3 more are not finished yet") && !index.exists(), "{report}");

    insta::assert_snapshot!("apply_no_shards", bench.fails(&["plan.json", "--weights", "big.safetensors", "--shard", "1/2"]));
    let usage = part(&bench, "0/3").output().unwrap();
    assert_eq!(usage.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&usage.stderr).contains("parts are counted from 1: 1/3 to 3/3"));
}

/// A mask of one number a channel needs no file beside the plan: the plan says what is zero.
#[test]
fn a_plan_says_what_masks_of_channels_make_zero() {
    let bench = Bench::new();
    let keep: Vec<u8> = (0..24u8).flat_map(|k| f32::from(k % 3).to_le_bytes()).collect();
    let masks = Weights::from([("stem.0.weight".to_owned(), (vec![24], keep))]);
    bench.put("channels.safetensors", &masks);
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/pocketnet.pt2");
    for policy in ["keep", "restore", "prune"] {
        let mut speedup = bench.command(&["speedup", "--masks", "channels.safetensors", "--on-conflict", policy, "--quiet"]);
        speedup.args(["-o", "channels.pt2", "--plan", "plan.json"]).arg(&model);
        assert!(speedup.status().unwrap().success());
        let plan: Value = serde_json::from_slice(&fs::read(bench.path("plan.json")).unwrap()).unwrap();
        let zeroed: Vec<&Value> = plan["tensors"].as_array().unwrap().iter().filter(|t| t["zeroed"] == true).collect();
        assert_eq!(zeroed.len(), usize::from(policy == "keep"), "{policy}");
        zeroed.iter().for_each(|t| assert_eq!(t["zeros"], json!({"dim": 0, "at": [0, 3, 6, 9, 12, 15, 18, 21]})));
        let report = bench.apply(&["--weights", "big.safetensors", "-o", "channels.safetensors.out"]);
        assert!(!report.contains("unified"), "{report}");
        assert!(read(&bench.path("channels.safetensors.out")).0 == weights(&bench.path("channels.pt2")), "{policy}");
    }
}

/// What `--masks model` plans: weights are stored masked and under their own names, their masks are not.
#[test]
fn masks_of_the_program_end_in_its_weights() {
    let bench = Bench { dir: TempDir::new().unwrap(), big: Weights::new(), small: Weights::new() };
    let floats = |list: &[f32]| list.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let tensor =
        |name: &str, kind: &str, zeroed| json!({"name": name, "kind": kind, "shape": [3, 2], "same_as": null, "zeroed": zeroed});
    let plan = json!({
        "version": 1,
        "tensors": [tensor("conv.weight_orig", "parameter", true), tensor("conv.weight_mask", "buffer", false)],
        "edits": [
            {"edit": "slice", "tensor": "conv.weight_orig", "dim": 0, "of": 3, "by": null, "keep": [0, 2]},
            {"edit": "mask", "tensor": "conv.weight_orig", "by": "conv.weight_mask"},
            {"edit": "bypass", "node": {"name": "mul", "op": "aten.mul.Tensor", "module": "conv"}, "value": "p_conv_weight_orig"},
            {"edit": "rename", "tensor": "conv.weight_orig", "to": "conv.weight"},
            {"edit": "remove", "tensor": "conv.weight_mask"},
        ],
        "constants": [],
    });
    fs::write(bench.path("plan.json"), plan.to_string()).unwrap();
    let orig = ("conv.weight_orig".to_owned(), (vec![3, 2], floats(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])));
    let mask = ("conv.weight_mask".to_owned(), (vec![3, 2], floats(&[1.0, 0.0, 0.0, 0.0, 1.0, 1.0])));
    let bias = ("conv.bias".to_owned(), (vec![3], floats(&[7.0, 8.0, 9.0])));
    let wanted = Weights::from([bias.clone(), ("conv.weight".to_owned(), (vec![2, 2], floats(&[1.0, 0.0, 5.0, 6.0])))]);
    bench.put("big.safetensors", &Weights::from([orig.clone(), mask.clone(), bias.clone()]));
    let report = bench.apply(&["--weights", "big.safetensors", "-o", "out.safetensors"]);
    insta::assert_snapshot!("apply_masks_of_the_program", report);
    assert!(read(&bench.path("out.safetensors")).0 == wanted);
    let json = bench.apply(&["--weights", "big.safetensors", "-o", "out.safetensors", "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["renamed"], json!([{"from": "conv.weight_orig", "to": "conv.weight"}]));
    assert_eq!(json["removed"], json!(["conv.weight_mask"]));

    // A mask in another file, cut in parts; the index has the new names.
    fs::create_dir(bench.path("hf")).unwrap();
    bench.put("hf/model-0.safetensors", &Weights::from([orig.clone(), bias.clone()]));
    bench.put("hf/model-1.safetensors", &Weights::from([mask.clone()]));
    let files = json!({"conv.weight_orig": "model-0.safetensors", "conv.bias": "model-0.safetensors", "conv.weight_mask": "model-1.safetensors"});
    fs::write(bench.path("hf/index.json"), json!({"metadata": {"total_size": 1}, "weight_map": files}).to_string()).unwrap();
    let small = json!({"conv.weight": "model-0.safetensors", "conv.bias": "model-0.safetensors"});
    for (folder, runs) in [("whole", &[&[][..]][..]), ("parts", &[&["--shard", "1/2"], &["--shard", "2/2"]])] {
        for run in runs {
            bench.apply(&[&["--weights", "hf/index.json", "-o", folder], *run].concat());
        }
        assert!(read(&bench.path(&format!("{folder}/model-0.safetensors"))).0 == wanted, "{folder}");
        assert!(read(&bench.path(&format!("{folder}/model-1.safetensors"))).0.is_empty());
        let index: Value = serde_json::from_slice(&fs::read(bench.path(&format!("{folder}/index.json"))).unwrap()).unwrap();
        assert_eq!((&index["weight_map"], &index["metadata"]["total_size"]), (&small, &json!(28)), "{folder}");
    }

    // Names that are taken, and a mask of other sizes.
    let mut taken = Weights::from([orig.clone(), mask.clone()]);
    taken.insert("conv.weight".to_owned(), orig.1.clone());
    bench.put("taken.safetensors", &taken);
    fs::remove_file(bench.path("out.safetensors")).unwrap();
    let text = bench.fails(&["plan.json", "--weights", "taken.safetensors"]);
    assert!(text.contains("the weights have that one too"), "{text}");
    let mut bad = plan.clone();
    bad["edits"][4] = json!({"edit": "rename", "tensor": "conv.weight_mask", "to": "conv.weight"});
    fs::write(bench.path("plan.json"), bad.to_string()).unwrap();
    let text = bench.fails(&["plan.json", "--weights", "big.safetensors"]);
    assert!(text.contains("it gives `conv.weight_mask` a name"), "{text}");
    let mut bad = plan.clone();
    bad["tensors"][1]["shape"] = json!([2, 3]);
    fs::write(bench.path("plan.json"), bad.to_string()).unwrap();
    bench.put("other.safetensors", &Weights::from([orig, ("conv.weight_mask".to_owned(), (vec![2, 3], mask.1.1))]));
    let text = bench.fails(&["plan.json", "--weights", "other.safetensors"]);
    assert!(text.contains("not those of its mask"), "{text}");
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
    let wrong = [("keep", json!([3, 2])), ("keep", json!([1 << 30])), ("keep", json!({"edit": at})), ("keep", json!([[0]]))];
    for (key, value) in wrong.into_iter().chain([("dim", json!(9)), ("edit", json!("fly"))]) {
        let mut wrong = plan.clone();
        wrong["edits"][at][key] = value;
        fs::write(bench.path("wrong.json"), wrong.to_string()).unwrap();
        let text = bench.fails(&["wrong.json", "--weights", "big.safetensors"]);
        assert!(text.contains("paring::transfer::"), "{text}");
    }
}
