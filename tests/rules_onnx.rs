//! `paring rules test --onnx`: planted mistakes in rules of ONNX's operators are found. Needs a Python with onnxruntime: that of
//! `PARING_CONFORMANCE_VENV`, without which nothing is run.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

fn python() -> Option<PathBuf> {
    let venv = std::env::var_os("PARING_CONFORMANCE_VENV").map(PathBuf::from);
    venv.map(|v| v.join("bin/python")).filter(|p| p.is_file())
}

/// What the command says of a rule file: its exit status, and standard output and error together.
fn tested(python: &PathBuf, yaml: &str) -> (Option<i32>, String) {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("mine.yaml"), yaml).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_paring"));
    command.current_dir(dir.path()).args(["rules", "test", "--onnx", "--rules", "mine.yaml", "--python"]).arg(python);
    let out = command.env("COLUMNS", "100").env("NO_COLOR", "1").output().unwrap();
    let text = [out.stdout, out.stderr].map(|t| String::from_utf8_lossy(&t).into_owned()).concat();
    (out.status.code(), text)
}

/// What is wrong, the entry, and what the message mentions.
const PLANTED: [(&str, &str, &str); 10] = [
    ("zero where one of both is", "- op: onnx.Add\n  rule: \"A[...], B[...] -> [...]\"\n  zero: A | B\n", "`zero:` holds"),
    ("zero at one", "- op: onnx.Exp\n  rule: \"input[...] -> [...]\"\n  zero: input\n", "`zero:` holds"),
    ("infinite at zero", "- op: onnx.Log\n  rule: \"input[...] -> [...]\"\n", "`finite:` holds"),
    (
        "a value for one sign",
        "- op: onnx.LeakyRelu\n  rule: \"X[...] -> [...]\"\n  value: max(X, 0)\n  zero: X\n",
        "onnx.LeakyRelu.",
    ),
    ("letters paired wrongly", "- op: onnx.MatMul\n  rule: \"A[n, k], B[m, k] -> [n, m]\"\n  zero: A | B\n", "onnx.MatMul."),
    (
        "a wrong size",
        "- op: onnx.GlobalAveragePool\n  rule: \"X[n, c, h, w] -> [n, c, h, 1]\"\n  lock: [w]\n",
        "onnx.GlobalAveragePool.1",
    ),
    ("a sum over what is not locked", "- op: onnx.Softmax\n  rule: \"input[...] -> [...]\"\n  nonneg: always\n", "should be"),
    (
        "a mean without its repair",
        "- op: onnx.ReduceMean.18\n  when: axes != none\n  layout: reduce(data, axes, keepdims)\n  zero: data\n",
        "should be",
    ),
    (
        "a repair with a wrong factor",
        "- op: onnx.ReduceMean.18\n  when: axes != none\n  layout: reduce(data, axes, keepdims)\n  statistic:\n    over: ['@axes']\n    repair: [\"out = onnx.Mul(A=out, B=total / kept)\"]\n",
        "should be",
    ),
    (
        "a fold where the result is scaled",
        "- op: onnx.Gemm\n  when: not transA and not transB\n  rule: \"A[n, k], B[k, m], C?[m~] -> [n, m]\"\n  zero: (A | B) & C\n  fold: C\n",
        "onnx.Gemm.",
    ),
];

#[test]
fn planted_mistakes_are_found() {
    let Some(python) = python() else { return };
    for (what, yaml, said) in PLANTED {
        let (status, text) = tested(&python, yaml);
        assert_eq!(status, Some(1), "{what} was not found:\n{text}");
        for part in [said, "paring::rule::refuted", "mine.yaml:", "this rule is wrong for that call"] {
            assert!(text.contains(part), "{what}: no `{part}` in\n{text}");
        }
    }
}

#[test]
fn right_rules_pass_and_idle_locks_are_named() {
    let Some(python) = python() else { return };
    let (status, text) = tested(&python, "- op: onnx.Relu\n  rule: \"X[...] -> [...]\"\n  lock: all\n");
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("Could say more") && text.contains("1 of 1 rules run"), "{text}");
    let (status, text) = tested(&python, "- op: onnx.Softmax.13\n  rule: \"input[...] -> [...]\"\n  lock: ['@axis']\n");
    assert_eq!(status, Some(0), "{text}");
    assert!(!text.contains("Could say more"), "{text}");
}

#[test]
fn without_onnxruntime_it_says_so() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paring"));
    command.args(["rules", "test", "--onnx", "--python", "/no/such/python"]).env("COLUMNS", "80").env("NO_COLOR", "1");
    let out = command.output().unwrap();
    assert_eq!(out.status.code(), Some(1));
    insta::assert_snapshot!("no_onnxruntime", String::from_utf8_lossy(&out.stderr));
}
