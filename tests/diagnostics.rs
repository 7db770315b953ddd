//! docs/diagnostics.md: what the program says when something is wrong, put together from the snapshots of the other tests.
//! `PARING_WRITE_DOCS=1 cargo test --test diagnostics` writes it anew.

use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Title of a section, and its diagnostics: what leads to each, and the name of its snapshot.
const SECTIONS: [(&str, &[(&str, &str)]); 10] = [
    (
        "Models",
        &[
            ("A file that is not there", "cli__model_none"),
            ("A file that is no archive", "cli__model_text"),
            ("An empty file", "cli__model_empty"),
            ("A file that ends too early", "cli__model_truncated"),
            ("Weights without a program", "cli__model_is_weights"),
            ("A weight that is missing", "cli__model_missing_member"),
            ("A weight that is too short", "cli__model_short_payload"),
            ("A model without weights", "cli__model_no_data"),
            ("A program in a newer format", "cli__model_schema_version"),
            ("A program that is no JSON", "cli__model_malformed_json"),
        ],
    ),
    (
        "Pruning",
        &[
            ("A ratio that is none", "prune__prune_ratio"),
            ("Names that nothing has", "prune__prune_exclude"),
            ("A budget that cannot be met", "prune__prune_budget"),
            ("Two ratios for coupled layers", "prune__prune_conflict"),
            ("A file of ratios that is none", "prune__prune_ratios"),
            ("A file of scores that is none", "prune__prune_scores"),
            ("Scores that do not fit", "prune__prune_score"),
            ("A model of which nothing can go", "prune__prune_nothing"),
        ],
    ),
    (
        "State dicts",
        &[
            ("A plan for other weights", "apply__apply_missing"),
            ("Weights of another size", "apply__apply_shape"),
            ("A file that is no plan", "apply__apply_bad_plan"),
            ("An index that is none", "apply__apply_bad_index"),
        ],
    ),
    (
        "TorchScript",
        &[
            ("A trace without the sizes of its inputs", "torchscript__no_sizes"),
            ("More sizes than inputs", "torchscript__too_many_sizes"),
            ("A scripted model with a condition", "torchscript__refused_if"),
            ("With a loop", "torchscript__refused_for"),
            ("Code that is damaged", "torchscript__refused_syntax"),
            ("A name that nothing defines", "torchscript__refused_undefined"),
            ("Arguments that no overload of an operator takes", "torchscript__refused_overload"),
            ("A size that nothing tells", "torchscript__refused_arithmetic"),
            ("A layer as one operator, in a form that is not taken apart", "torchscript__refused_fused"),
            ("A `.pt2` archive is asked for", "torchscript__to_pt2"),
        ],
    ),
    (
        "libtorch",
        &[
            ("A device that is not there", "torch__torch_device"),
            ("Inputs that are not there", "torch__torch_inputs_names"),
            ("Masks of another model", "torch__torch_masks_of_another"),
        ],
    ),
    (
        "Masks",
        &[
            ("Masks of coupled layers that disagree, with `--on-conflict error`", "cli__conflict_error"),
            ("A mask for no parameter", "cli__masks_unknown"),
            ("A mask of another shape", "cli__masks_shape"),
            ("A file that is no safetensors file", "cli__masks_text"),
            ("An empty file", "cli__masks_empty"),
            ("A program in the place of masks", "cli__masks_are_a_program"),
            ("Arrays of NumPy", "cli__masks_are_arrays"),
            ("A mask that is no number", "cli__masks_nan"),
            ("A name of an ONNX model's module that may mean several tensors", "onnx__masks_doubtful"),
            ("Two masks for one tensor of an ONNX model", "onnx__masks_twice"),
            ("Mistakes in a YAML file", "mask_files__mask_files"),
            ("`--masks model` for a model that masks nothing", "cli__masks_none_active"),
            ("A name to freeze that nothing has", "cli__freeze"),
        ],
    ),
    (
        "Operators without a rule",
        &[
            ("The report says what stayed, and how to get a rule", "rules_cli__speedup_without"),
            ("With `--on-unknown error`", "rules_cli__speedup_insists"),
        ],
    ),
    (
        "Rules",
        &[
            ("Two mistakes in a file", "cli__rules"),
            ("An argument that the operator does not have", "cli__rules_argument"),
            ("A folder that is not there", "cli__rules_missing"),
            ("All mistakes at once: `paring rules check`", "rules_cli__check"),
            ("Tests of rules that fail", "rules_cli__check_tests"),
            ("Rules that a model does not go with: `paring rules check --model`", "rules_cli__check_model"),
            ("ONNX's rules are to be run, and there is no onnxruntime", "rules_onnx__no_onnxruntime"),
            ("An operator without a rule to show", "rules_cli__show_unknown"),
            ("A rule to propose where there is one", "rules_cli__new_errors"),
        ],
    ),
    (
        "Axes",
        &[
            ("A name of no axis", "why__no_axis"),
            ("A dimension that is not there", "why__no_dimension"),
            ("Two axes that are not the same", "why__not_the_same"),
            ("No group of that name", "why__no_group"),
            ("No group of that number", "why__no_group_number"),
            ("Why an axis cannot shrink", "why__stuck_output"),
            ("Why one stays that an operator without a rule touches", "why__stuck_unknown"),
        ],
    ),
    (
        "Outputs",
        &[
            ("The model itself", "cli__output_is_model"),
            ("The masks themselves", "cli__output_is_masks"),
            ("One file for two outputs", "cli__output_twice"),
            ("A folder", "cli__output_is_folder"),
        ],
    ),
];

#[test]
fn the_page_shows_what_the_program_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut page = String::from(
        "# What Paring says when something is wrong\n\nPut together from the snapshots of the tests (tests/diagnostics.rs). Every message has a code, says what is \
         wrong and where,\nand what to do. `--errors json` writes them as JSON for editors.\n",
    );
    for (title, diagnostics) in SECTIONS {
        let _ = write!(page, "\n## {title}\n");
        for (cause, name) in diagnostics {
            let snapshot = fs::read_to_string(root.join(format!("tests/snapshots/{name}.snap"))).unwrap();
            let text = snapshot.splitn(3, "---\n").nth(2).unwrap().trim_end();
            assert!(!text.is_empty(), "{name}");
            let _ = write!(page, "\n{cause}:\n\n```\n{text}\n```\n");
        }
    }
    let path = root.join("docs/diagnostics.md");
    if std::env::var_os("PARING_WRITE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap() == page,
        "docs/diagnostics.md is old: PARING_WRITE_DOCS=1 cargo test --test diagnostics"
    );
}
