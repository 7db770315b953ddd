//! Masks whose names differ from the model's by a prefix, and masks of other models.

use std::path::Path;

use miette::Diagnostic;
use paring::{MaskFile, Masks, Model, Outputs, RuleSet, Session, Settings};

const MODEL: &str = "examples/pocketnet.pt2";
const MASKS: &str = "examples/pocketnet.masks.safetensors";

fn session() -> Session {
    Session::open(Path::new(MODEL), &[], RuleSet::builtin(), &[]).unwrap()
}

#[test]
fn a_prefix_that_all_masks_have_is_left_out() {
    let session = session();
    let file = MaskFile::open(Path::new(MASKS)).unwrap();
    let masks = file.masks(Path::new(MODEL)).unwrap();
    let direct = session.cut(&masks, &Settings::default()).unwrap();
    assert!(direct.summary.parameters.after < direct.summary.parameters.before);
    for (prefix, said) in [("module.", "DataParallel"), ("_orig_mod.", "torch.compile"), ("net.inner.", "left out")] {
        let other: Masks = masks.iter().map(|(name, mask)| (format!("{prefix}{name}"), mask.clone())).collect();
        let cut = session.cut(&other, &Settings::default()).unwrap();
        assert_eq!(cut.plan_json(), direct.plan_json(), "{prefix}");
        let note = cut.summary.notes.iter().find(|n| n.subject.contains(prefix)).unwrap();
        assert!(note.text.contains(said), "{}", note.text);
    }
    assert!(direct.summary.notes.iter().all(|n| !n.text.contains("left out")));
}

#[test]
fn a_prefix_that_some_masks_have_is_a_wrong_name() {
    let session = session();
    let file = MaskFile::open(Path::new(MASKS)).unwrap();
    let mut masks = file.masks(Path::new(MODEL)).unwrap();
    let (name, mask) = masks.shift_remove_index(0).unwrap();
    masks.insert(format!("module.{name}"), mask);
    let error = session.cut(&masks, &Settings::default()).err().unwrap();
    assert_eq!(error.code().unwrap().to_string(), "paring::masks::unknown_parameter");
}

#[test]
fn masks_of_another_model_are_said_to_be_that() {
    let session = session();
    let mask = paring::Mask { shape: vec![4], keep: vec![1; 4].into() };
    let masks: Masks = ["encoder.0.weight", "encoder.1.weight"].into_iter().map(|n| (n.to_owned(), mask.clone())).collect();
    let error = session.cut(&masks, &Settings::default()).err().unwrap();
    assert_eq!(error.code().unwrap().to_string(), "paring::masks::other_model");
    let help = error.help().unwrap().to_string();
    assert!(help.contains("`encoder.0.weight`") && help.contains("`stem.0.weight`"), "{help}");
}

#[test]
fn biases_as_they_were_made_are_no_masks() {
    let session = session();
    let bias = session.graph().tensors.iter().find(|t| t.shape.len() == 1 && t.name.ends_with(".bias")).unwrap();
    let mask = paring::Mask { shape: bias.shape.clone(), keep: vec![0; bias.shape[0]].into() };
    let masks = Masks::from_iter([(bias.name.clone(), mask)]);
    // Nothing else drops these channels: they stay, with a bias of zeros.
    let path = std::env::temp_dir().join(format!("paring_fresh_bias_{}.pt2", std::process::id()));
    let outputs = Outputs { model: Some(path.clone()), ..Outputs::default() };
    session.shrink(&masks, &Settings::default(), &outputs, &mut |_| {}).unwrap();
    let model = Model::open(&path).unwrap();
    let zero = |name: &str| {
        let t = model.graph.tensors.iter().find(|t| t.name == name).unwrap();
        model.elements(t).unwrap().iter().all(|x| *x == 0.0)
    };
    assert!(zero(&bias.name));
    assert_eq!(model.zeros().unwrap().keys().collect::<Vec<_>>(), Vec::<&String>::new());
    std::fs::remove_file(&path).unwrap();
}
