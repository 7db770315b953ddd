//! Sizes that a file claims.

use serde_json::{Value, json};

use super::bench::{Bench, MODEL, Member, find, members, pack, safetensors};

const HUGE: i64 = 1_000_000_000_000;

fn ints(list: &[i64]) -> Value {
    list.iter().map(|n| json!({"as_int": n})).collect()
}

/// The example with other sizes of a weight: in its config, and where the program speaks of it.
fn claims(sizes: &[i64], strides: &[i64], empty: bool) -> Vec<u8> {
    let mut all = members();
    let config = find(&all, "weights_config.json");
    let mut json: Value = serde_json::from_slice(&all[config].bytes).unwrap();
    let entry = &mut json["config"]["block1.a.0.weight"];
    let file = entry["path_name"].as_str().unwrap().to_owned();
    entry["tensor_meta"]["sizes"] = ints(sizes);
    entry["tensor_meta"]["strides"] = ints(strides);
    entry["tensor_meta"]["device"]["type"] = if empty { "meta" } else { "cpu" }.into();
    all[config].set(json.to_string().as_bytes());
    if empty {
        let k = find(&all, &format!("weights/{file}"));
        all[k].set(b"");
    }
    let model = find(&all, "models/model.json");
    let mut json: Value = serde_json::from_slice(&all[model].bytes).unwrap();
    for (name, meta) in json["graph_module"]["graph"]["tensor_values"].as_object_mut().unwrap() {
        if name.contains("block1_a_0_weight") || name.contains("block1_lambda_a_0_weight") {
            meta["sizes"] = ints(sizes);
            meta["strides"] = ints(strides);
        }
    }
    all[model].set(json.to_string().as_bytes());
    pack(&all)
}

#[test]
fn parameters_are_no_larger_than_their_data() {
    let bench = Bench::new();
    bench.put("drop.yaml", b"block1.a.0: {drop: [0]}");
    bench.put("ratio.yaml", b"block1.a.0: {ratio: 0.5}");
    for (sizes, strides, empty) in [
        ([48, HUGE, 1, 1], [0, 0, 0, 0], false),
        ([HUGE, 24, 3, 3], [0, 0, 0, 0], false),
        ([HUGE, 0, 3, 3], [0, 0, 0, 0], false),
        ([48, 1 << 24, 3, 3], [0, 0, 0, 0], false),
        ([HUGE, 1, 1, 1], [1, 1, 1, 1], true),
        ([48, HUGE, 1, 1], [1, 1, 1, 1], true),
    ] {
        bench.put("claims.pt2", &claims(&sizes, &strides, empty));
        // All commands of the first stored and the first missing tensor; one of the others.
        let commands = if sizes[1] == HUGE || sizes[0] == HUGE && empty { 4 } else { 1 };
        let all = [
            &["speedup", "claims.pt2", "--masks", "zeros", "--plan", "out"][..],
            &["speedup", "claims.pt2", "--masks", "drop.yaml", "--plan", "out"],
            &["speedup", "claims.pt2", "--masks", "ratio.yaml", "--plan", "out"],
            &["prune", "claims.pt2", "--ratio", "0.5", "--by", "random", "--plan", "out"],
        ];
        for args in &all[..commands] {
            bench.fails(args, "paring::pt2::bad_layout");
        }
    }
}

#[test]
fn masks_without_end_and_masks_that_repeat_themselves() {
    let bench = Bench::new();
    #[cfg(unix)]
    for (name, code) in [("zero.yaml", "paring::file::unreadable"), ("zero.safetensors", "paring::masks::not_safetensors")] {
        std::os::unix::fs::symlink("/dev/zero", bench.path(name)).unwrap();
        bench.fails(&["speedup", MODEL, "--masks", name, "-o", "out"], code);
    }
    // A mask of torch.save whose one byte stands for a billion, and one that has the sizes of its parameter.
    let saved = |shape: &[i32], strides: &[i32]| {
        let mut pickle = b"\x80\x02}X\x11\x00\x00\x00block1.a.0.weightctorch._utils\n_rebuild_tensor_v2\n((".to_vec();
        pickle.extend(b"X\x07\x00\x00\x00storagectorch\nByteStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x01tQK\x00");
        for list in [shape, strides] {
            pickle.push(b'(');
            list.iter().for_each(|n| pickle.extend([&b"J"[..], &n.to_le_bytes()].concat()));
            pickle.push(b't');
        }
        pickle.extend(b"\x89ccollections\nOrderedDict\n)RtRs.");
        pack(&[Member::new("m/data.pkl", &pickle), Member::new("m/data/0", &[1])])
    };
    bench.put("billion.pth", &saved(&[1_000_000_000], &[0]));
    bench.fails(&["speedup", MODEL, "--masks", "billion.pth", "-o", "out"], "paring::masks::shape");
    bench.put("fits.pth", &saved(&[48, 24, 3, 3], &[0, 0, 0, 0]));
    bench.succeeds(&["speedup", MODEL, "--masks", "fits.pth", "-o", "out"]);
}

#[test]
fn symbolic_sizes_take_no_time() {
    let bench = Bench::new();
    let many = |n: usize, one: &dyn Fn(usize) -> String| (0..n).map(one).collect::<Vec<_>>().join(", ");
    let sum = format!("Add({})", many(10, &|n| format!("Symbol('s{n}')")));
    let binomials = many(40, &|n| format!("Add(Symbol('a{n}'), Symbol('b{n}'))"));
    let deep = "Max(".repeat(100_000);
    for text in [
        "FloorDiv(Integer(-9223372036854775808), Integer(-1))".to_owned(),
        format!("Pow(Pow({sum}, Integer(8)), Integer(8))"),
        format!("Mul({binomials})"),
        format!("Add({})", many(3000, &|n| format!("FloorDiv(Symbol('s{n}'), Integer(2))"))),
        deep,
    ] {
        bench.put("sized.pt2", &super::fuzz::targets::sized(&text).unwrap());
        for args in [&["analyze", "sized.pt2"][..], &["speedup", "sized.pt2", "--masks", "zeros", "--plan", "plan.json"]] {
            let (out, start) = (bench.command(args).output().unwrap(), &text[..40]);
            let said = String::from_utf8_lossy(&out.stderr);
            assert!(!super::common::faulty(out.status.code(), &said), "{start} {args:?}: {:?} {said}", out.status);
            assert!(out.status.success() || said.contains("paring::") && said.contains("help:"), "{start} {args:?}: {said}");
        }
    }
}

#[test]
fn small_members_are_small() {
    let bench = Bench::new();
    let mut all = members();
    let k = find(&all, "archive_format");
    let mut zeros = b"pt2".to_vec();
    zeros.resize(200 << 20, b' ');
    all[k].set(&zeros);
    bench.put("word.pt2", &pack(&all));
    bench.fails(&["analyze", "word.pt2"], "paring::pt2::bad_zip");
}

#[test]
fn plans_claim_no_more_than_the_weights_hold() {
    let bench = Bench::new();
    bench.put("w.safetensors", &safetensors("w", &[4, 4], &[0; 16]));
    bench.put("empty.safetensors", &safetensors("w", &[1 << 40, 0], &[]));
    let kept = json!([0, 1]);
    let plan = |shape: Value, edit: Value| {
        let tensor = json!({"name": "w", "kind": "parameter", "shape": shape, "same_as": null, "zeroed": false});
        json!({"version": 1, "tensors": [tensor], "edits": [edit]})
    };
    let slice = |dim: u64, of: Value, by: Value, keep: &Value| json!({"edit": "slice", "tensor": "w", "dim": dim, "of": of, "by": by, "keep": keep});
    let lists = json!([[0, 1], [0, 1], [0, 1], [0, 1]]);
    let cases = [
        ("w", plan(json!([HUGE, 4]), slice(1, json!(4), Value::Null, &kept))),
        ("w", plan(json!([HUGE, 4]), slice(0, json!(HUGE), Value::Null, &kept))),
        ("w", plan(json!([1u64 << 63, 4]), slice(1, json!(4), Value::Null, &kept))),
        ("empty", plan(json!([1u64 << 40, 0]), slice(0, json!(1u64 << 40), Value::Null, &kept))),
        ("w", plan(json!([4, 4]), slice(0, json!(4), json!({"dim": 1, "div": 1, "outer": 4}), &lists))),
        ("w", plan(json!([4, 4]), slice(0, json!(4), json!({"dim": 0, "div": 1, "outer": 4}), &lists))),
        ("w", plan(json!([4, 4]), slice(1, json!(4), json!({"dim": 0, "div": 0, "outer": 4}), &lists))),
    ];
    for (weights, plan) in cases {
        bench.put("plan.json", plan.to_string().as_bytes());
        let weights = format!("{weights}.safetensors");
        bench.fails(&["apply", "plan.json", "--weights", &weights, "-o", "out"], "paring::transfer::");
    }
    // A tensor that is not there may be of any size: nothing is cut then.
    let mut absent = plan(json!([HUGE, 4]), slice(0, json!(HUGE), Value::Null, &kept));
    absent["tensors"][0]["kind"] = "buffer".into();
    bench.put("plan.json", absent.to_string().as_bytes());
    bench.put("v.safetensors", &safetensors("v", &[4], &[0; 4]));
    bench.succeeds(&["apply", "plan.json", "--weights", "v.safetensors", "-o", "out"]);
    #[cfg(unix)]
    {
        std::fs::remove_file(bench.path("out")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", bench.path("zero.json")).unwrap();
        bench.fails(&["apply", "zero.json", "--weights", "w.safetensors", "-o", "out"], "paring::file::unreadable");
        bench.fails(&["apply", "plan.json", "--weights", "zero.json", "-o", "out"], "paring::file::unreadable");
    }
}
