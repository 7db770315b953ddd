//! What `--json` prints, against docs/json.schema.json and docs/groups.schema.json.

#[path = "common/schema.rs"]
mod schema;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

const MODEL: &str = "pocketnet.pt2";
const MASKS: &str = "pocketnet.masks.safetensors";

fn read(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Runs a command beside the example, and gives what it prints: on stdout, or where it fails on stderr.
fn said(folder: &Path, args: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paring"));
    let out = command.current_dir(folder).args(args).env("NO_COLOR", "1").output().unwrap();
    let text = if out.stdout.is_empty() { out.stderr } else { out.stdout };
    serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{args:?}: {e}: {}", String::from_utf8_lossy(&text)))
}

/// Every command, and the definition of what it prints.
const COMMANDS: &[(&str, &[&str])] = &[
    (
        "report",
        &["speedup", MODEL, "--masks", MASKS, "-o", "a.pt2", "--plan", "plan.json", "--unified-masks", "u.safetensors", "--json"],
    ),
    ("pruned", &["prune", MODEL, "--macs", "0.5", "-o", "b.pt2", "--json"]),
    ("chosen", &["masks", MODEL, "--ratio", "0.5", "-o", "m.safetensors", "--json"]),
    ("transferred", &["apply", "plan.json", "--weights", "a.safetensors", "-o", "c.safetensors", "--json"]),
    ("fates", &["explain", MODEL, "stem.0.weight[0]", "--masks", MASKS, "--json"]),
    ("chain", &["explain", MODEL, "stem.0.weight[0]", "stem.1.weight[0]", "--json"]),
    ("operators", &["rules", "list", "--json"]),
    ("usage", &["rules", "list", "--model", MODEL, "--json"]),
    ("entries", &["rules", "show", "aten.add.Tensor", "--json"]),
    ("problems", &["rules", "check", "wrong.yaml", "--json"]),
    ("error", &["speedup", "none.pt2", "--masks", MASKS, "-o", "d.pt2", "--errors", "json"]),
    ("error", &["speedup", MODEL, "--masks", MASKS, "-o", "d.pt2", "--on-conflict", "error", "--errors", "json"]),
    #[cfg(feature = "torch")]
    ("verdict", &["verify", MODEL, "a.pt2", "--unified-masks", "u.safetensors", "--json"]),
    #[cfg(feature = "torch")]
    ("bench", &["bench", MODEL, "--runs", "2", "--json"]),
    #[cfg(feature = "torch")]
    ("tested", &["rules", "test", "aten.relu", "--json"]),
];

#[test]
fn what_commands_print_fits_the_schema() {
    let dir = TempDir::new().unwrap();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for name in [MODEL, MASKS] {
        fs::copy(examples.join(name), dir.path().join(name)).unwrap();
    }
    fs::write(dir.path().join("wrong.yaml"), "- op: mine.op\n  rule: \"x[a] -> [b\"\n").unwrap();
    let root = read("json.schema.json");
    let mut left: Vec<&String> = root["$defs"].as_object().unwrap().keys().collect();
    for (name, args) in COMMANDS {
        if *name == "transferred" {
            weights(&dir.path().join("plan.json"), &dir.path().join("a.safetensors"));
        }
        let found = said(dir.path(), args);
        schema::validate(&found, &root["$defs"][*name], &root, name).unwrap_or_else(|e| panic!("{args:?}: {e}"));
        left.retain(|n| n != name);
        // Nothing may be missing, and nothing be there that the schema does not name.
        let one = if found.is_array() { &found[0] } else { &found };
        let definition = if found.is_array() { &root["$defs"][*name]["items"] } else { &root["$defs"][*name] };
        let mut more = one.clone();
        more["a_field_of_no_schema"] = Value::Null;
        assert!(schema::validate(&more, definition, &root, name).is_err(), "{name}");
    }
    // Every command's definition was looked at.
    let spoken = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/json.md")).unwrap();
    let of_commands: Vec<_> = left.into_iter().filter(|n| spoken.contains(&format!("`{n}`"))).collect();
    let with_libtorch = ["bench", "tested", "verdict"];
    assert!(of_commands.iter().all(|n| cfg!(not(feature = "torch")) && with_libtorch.contains(&n.as_str())), "{of_commands:?}");

    let groups = read("groups.schema.json");
    for args in
        [["analyze", MODEL, "--group", "stem.0.weight", "--json"].as_slice(), &["explain", MODEL, "stem.0.weight[0]", "--json"]]
    {
        let found = said(dir.path(), args);
        assert!(!found.as_array().unwrap().is_empty());
        for group in found.as_array().unwrap() {
            schema::validate(group, &groups["$defs"]["group"], &groups, "group").unwrap();
        }
    }
}

/// Writes zeros for the parameters of a plan.
fn weights(plan: &Path, to: &Path) {
    let plan: Value = serde_json::from_slice(&fs::read(plan).unwrap()).unwrap();
    let shape =
        |t: &Value| -> Vec<usize> { t["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect() };
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = plan["tensors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| (t["name"].as_str().unwrap().to_owned(), shape(t), vec![0; 4 * shape(t).iter().product::<usize>()]))
        .collect();
    let views = tensors.iter().map(|(name, shape, data)| {
        (name, safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), data).unwrap())
    });
    safetensors::serialize_to_file(views, None, to).unwrap();
}
