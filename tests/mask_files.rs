//! Mask files in YAML: what they say, and what is wrong with them.

use std::path::Path;

use miette::{GraphicalReportHandler, GraphicalTheme};
use paring::load::Model;
use paring::prune::masks_of_yaml;
use paring::{RuleSet, Session};

#[test]
fn yaml() {
    let model = Model::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/pocketnet.pt2")).unwrap();
    let tensor = model.graph.tensors.iter().find(|t| t.shape.len() == 4 && t.shape[0] >= 4).unwrap();
    let (layer, n) = (tensor.name.strip_suffix(".weight").unwrap(), tensor.shape[0]);
    let read = |text: &str| masks_of_yaml(Path::new("masks.yaml"), text, &model, None);
    let dropped = |text: &str| -> Vec<usize> {
        let masks = read(text).unwrap();
        let keep = &masks[&tensor.name].keep;
        let inner = keep.len() / n;
        (0..n).filter(|c| keep[c * inner..(c + 1) * inner].iter().all(|k| *k == 0)).collect()
    };
    assert_eq!(dropped(&format!("{layer}: {{drop: [0, 2-3]}}")), [0, 2, 3]);
    assert_eq!(dropped(&format!("{layer}.weight: {{keep: [1]}}")), (0..n).filter(|c| *c != 1).collect::<Vec<_>>());
    assert_eq!(dropped("\"**\": {ratio: 0.5}").len(), (n as f64 * 0.5).round() as usize);
    let render = |text: String| {
        let mut out = String::new();
        let error = read(&text).expect_err(&text);
        GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).render_report(&mut out, &*error).unwrap();
        out
    };
    let wrong = [
        "no_such_layer: {drop: [0]}".to_owned(),
        format!("{layer}: {{drop: [0, 99999]}}"),
        format!("{layer}: {{drop: [x]}}"),
        format!("{layer}: {{drop: [0], keep: [1]}}"),
        format!("{layer}: {{ratio: 2}}"),
        format!("{layer}: {{drop: [0]}}\n\"**\": {{ratio: 0.5}}"),
        format!("{layer}: {{frop: [0]}}"),
        "- a".to_owned(),
        "a: [".to_owned(),
    ];
    insta::assert_snapshot!("mask_files", wrong.map(render).join("\n"));
}

/// A ratio is of groups: what is coupled is ranked as one.
#[test]
fn ratios_name_groups() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/pocketnet.pt2");
    let session = Session::open(&path, &[], RuleSet::builtin(), &[]).unwrap();
    let axes = Some((session.axes(), session.rules()));
    let read = |text: &str| masks_of_yaml(Path::new("masks.yaml"), text, session.model(), axes);
    let masks = read("stem.0: {ratio: 0.5}\n\"block1.b.*\": {ratio: 0.5}").unwrap();
    let gone = |name: &str| -> Vec<usize> {
        let mask = &masks[name];
        let inner = mask.keep.len() / mask.shape[0];
        (0..mask.shape[0]).filter(|c| mask.keep[c * inner..(c + 1) * inner].iter().all(|k| *k == 0)).collect()
    };
    assert_eq!(gone("stem.0.weight").len(), 12);
    assert_eq!(gone("stem.0.weight"), gone("block1.b.0.weight"));
    assert_eq!(gone("stem.0.weight"), gone("block2.narrow.0.weight"));
    let error = read("stem.0: {ratio: 0.5}\n\"block1.b.*\": {ratio: 0.25}").unwrap_err().to_string();
    assert!(error.contains("stem.0.weight[0]") && error.contains("0.5 and 0.25"), "{error}");
}
