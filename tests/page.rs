//! `--report`: the data in the page is that of the report, and the page is written with the other files or not at all.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

fn run(dir: &Path, args: &[&str]) -> Output {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let args = args.iter().map(|a| a.replace("@", &format!("{}/", example.display())));
    Command::new(env!("CARGO_BIN_EXE_paring")).current_dir(dir).args(args).env("NO_COLOR", "1").output().unwrap()
}

const SPEEDUP: [&str; 6] = ["speedup", "@pocketnet.pt2", "--masks", "@pocketnet.masks.safetensors", "-o", "small.pt2"];

/// The data of a page.
fn data(page: &Path) -> Value {
    let text = fs::read_to_string(page).unwrap();
    let (_, tail) = text.split_once("<script type=\"application/json\" id=\"data\">").unwrap();
    serde_json::from_str(tail.split_once("</script>").unwrap().0).unwrap()
}

fn json(output: Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_page_of_a_run_has_its_report() {
    let dir = TempDir::new().unwrap();
    let summary = json(run(dir.path(), &[&SPEEDUP[..], &["--json", "--report", "page.html"]].concat()));
    let page = data(&dir.path().join("page.html"));
    for key in ["outcome", "parameters", "macs", "bytes", "layers", "kept", "notes"] {
        assert_eq!(page[key], summary[key], "{key}");
    }
    let sum = |list: &Value| list.as_array().unwrap().iter().map(|c| c["positions"].as_u64().unwrap()).sum::<u64>();
    assert_eq!(sum(&page["conflicts"]), sum(&summary["conflicts"]));
    let chains = page["conflicts"].as_array().unwrap().iter().filter(|c| !c["chain"]["steps"].is_null()).count();
    assert_eq!(chains, page["conflicts"].as_array().unwrap().len());
    // What stays of a group is what the weight that makes it has left; the bits say which.
    let layers = summary["layers"].as_array().unwrap();
    let mut compared = 0;
    for g in page["groups"].as_array().unwrap() {
        let member = &g["members"][0];
        let layer = layers.iter().find(|l| member["tensor"] == format!("{}.weight", l["name"].as_str().unwrap()));
        if let (Some(layer), true) = (layer, member["part"].is_null()) {
            let dim = member["dim"].as_u64().unwrap() as usize;
            assert_eq!(g["left"], layer["after"][dim], "{}", g["name"]);
            compared += 1;
        }
        if let Some(bits) = g["kept"].as_str() {
            let ones: u32 = bits.chars().map(|c| c.to_digit(16).unwrap().count_ones()).sum();
            assert_eq!(u64::from(ones), g["left"].as_u64().unwrap(), "{}", g["name"]);
        }
    }
    assert!(compared > 10, "{compared}");
}

#[test]
fn the_page_of_a_model_has_its_groups() {
    let dir = TempDir::new().unwrap();
    let analysis = json(run(dir.path(), &["analyze", "@pocketnet.pt2", "--json"]));
    let output = run(dir.path(), &["analyze", "@pocketnet.pt2", "--report", "page.html"]);
    assert!(output.status.success() && output.stdout.is_empty());
    let page = data(&dir.path().join("page.html"));
    assert_eq!(page["masks"], false);
    assert_eq!(page["edges"], analysis["edges"]);
    let groups = page["groups"].as_array().unwrap();
    assert_eq!(groups.len(), analysis["groups"].as_array().unwrap().len());
    for g in groups {
        // The page does not say where positions lie.
        let mut own = analysis["groups"][g["id"].as_u64().unwrap() as usize].clone();
        for member in own["members"].as_array_mut().unwrap() {
            ["indices", "activation"].iter().for_each(|key| drop(member.as_object_mut().unwrap().remove(*key)));
        }
        own.as_object().unwrap().iter().for_each(|(key, value)| assert_eq!(&g[key], value));
        let alone = own["members"].as_array().unwrap().len() == 1;
        assert_eq!(g["chain"].is_null(), own["locked"].is_null() || alone, "{}", g["name"]);
    }
    // In the order of the program, whose first weight is the stem's.
    assert_eq!(groups[0]["name"], "stem.0.weight[0]");
}

#[test]
fn a_page_takes_no_other_file_and_comes_with_all_or_none() {
    let dir = TempDir::new().unwrap();
    let fails = |args: &[&str], code: &str| {
        let output = run(dir.path(), args);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && text.contains(code), "{text}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    };
    fails(&[&SPEEDUP[..], &["--report", "./small.pt2"]].concat(), "paring::output::same_file");
    fails(&["analyze", "@pocketnet.pt2", "--report", "@pocketnet.pt2"], "paring::output::same_file");
    fails(&[&SPEEDUP[..], &["--report", "nowhere/page.html"]].concat(), "paring::file::unwritable");
}
