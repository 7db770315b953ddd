//! `paring analyze --json`: the groups as data.

#[path = "common/schema.rs"]
mod schema;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn groups() -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paring"));
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")).args(["analyze", "pocketnet.pt2", "--json"]);
    serde_json::from_slice(&command.output().unwrap().stdout).unwrap()
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

fn int(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

/// The indices of a position.
fn at(indices: &Value, j: usize) -> Vec<usize> {
    if let Some(lists) = indices["lists"].as_array() {
        return list(&lists[j]).iter().map(int).collect();
    }
    let of = |key: &str| int(&indices[key]);
    (0..of("times")).flat_map(|t| (0..of("run")).map(move |k| of("start") + j * of("step") + k + t * of("every"))).collect()
}

#[test]
fn groups_fit_their_schema() {
    let found = groups();
    let text = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/groups.schema.json")).unwrap();
    let schema: Value = serde_json::from_slice(&text).unwrap();
    schema::validate(&found, &schema, &schema, "groups").unwrap();
    for key in ["groups", "edges", "parameters"] {
        let mut less = found.clone();
        less.as_object_mut().unwrap().remove(key);
        assert!(schema::validate(&less, &schema, &schema, "groups").is_err());
    }
    let mut other = found.clone();
    other["groups"][0]["size"] = Value::Null;
    assert!(schema::validate(&other, &schema, &schema, "groups").is_err());
}

/// What the groups of a factor, a part of a cat and a fused query, key and value say of their places.
#[test]
fn indices_of_parts_and_factors() {
    let found = groups();
    let of = |axis: &str| -> Vec<(&Value, &Value)> {
        let members = list(&found["groups"]).iter().filter(|g| g["prunable"] == true);
        let members = members.flat_map(|g| list(&g["members"]).iter().map(move |m| (g, m)));
        members.filter(|(_, m)| m["axis"] == axis).collect()
    };
    // Each index of a cat lies in one of its parts.
    let mut seen: Vec<usize> = Vec::new();
    for (group, member) in of("thin.0.weight[0]") {
        seen.extend((0..int(&group["size"])).flat_map(|j| at(&member["indices"], j)));
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..18).collect::<Vec<_>>());
    // Heads, positions of queries and keys, and those of values: each index lies in a head, and in one of the others.
    let qkv = of("attention.qkv.weight[0]");
    assert_eq!(qkv.len(), 3);
    for kind in ["heads", "width"] {
        let mut seen: Vec<usize> = Vec::new();
        for (group, member) in qkv.iter().filter(|(g, _)| g["kind"] == kind) {
            let positions = int(&group["size"]) * int(&group["outer"]);
            seen.extend((0..positions).flat_map(|j| at(&member["indices"], j)));
        }
        seen.sort_unstable();
        let want: Vec<usize> = if kind == "heads" { (0..96).collect() } else { (0..288).collect() };
        assert!(want.iter().all(|i| seen.contains(i)), "{kind}: {seen:?}");
    }
    let inner: Vec<_> = qkv.iter().filter(|(g, _)| g["kind"] == "width").collect();
    assert!(inner.iter().all(|(g, _)| g["outer"] == 4 && g["inside"].is_u64()));
}

/// Removing one position saves what the group says.
#[test]
fn a_position_is_worth_what_its_removal_saves() {
    let dir = tempfile::TempDir::new().unwrap();
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/pocketnet.pt2");
    let found = groups();
    for group in list(&found["groups"]).iter().filter(|g| g["prunable"] == true && g["outer"] == 1) {
        let size = int(&group["size"]);
        let ratios = dir.path().join("ratios.yaml");
        fs::write(&ratios, format!("{}: {}\n", group["id"], 1.0 / size as f64)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_paring"));
        command.args(["prune", "-o"]).arg(dir.path().join("s.pt2")).arg(&model).arg("--json").arg("--ratios").arg(&ratios);
        let out = command.output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let report: Value = serde_json::from_slice(&out.stdout).unwrap();
        for key in ["parameters", "macs"] {
            let saved = int(&report[key]["before"]) - int(&report[key]["after"]);
            let worth = int(&group["worth"][key]);
            let near = saved.abs_diff(worth) as f64 <= 0.02 * worth as f64 + 2.0;
            assert!(near, "{}: {key}: {saved} instead of {worth}", group["name"]);
        }
    }
}
