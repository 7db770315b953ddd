//! `paring rules test`: each planted mistake in a rule is found, and named with the call that shows it.
#![cfg(feature = "torch")]

use std::fs;
use std::process::Command;

use tempfile::TempDir;

/// What the command says of a rule file: its exit status, and standard output and error together.
fn tested(yaml: &str) -> (Option<i32>, String) {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("mine.yaml"), yaml).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_paring"));
    command.current_dir(dir.path()).args(["rules", "test", "--rules", "mine.yaml"]);
    let out = command.env("COLUMNS", "100").env("NO_COLOR", "1").output().unwrap();
    let text = [out.stdout, out.stderr].map(|t| String::from_utf8_lossy(&t).into_owned()).concat();
    (out.status.code(), text)
}

/// A mistake: what it is, the entry, and what the message must mention.
type Planted = (&'static str, &'static str, &'static [&'static str]);

const PLANTED: [Planted; 27] = [
    (
        "letters paired wrongly",
        "- op: aten.mm\n  rule: \"self[n, k], mat2[m, k] -> [n, m]\"\n  zero: self | mat2\n",
        &["aten.mm.default", "self: [", "without"],
    ),
    (
        "the halves of glu swapped with pairs",
        "- op: aten.glu\n  when: dim == -1\n  rule: \"self[b..., (c 2)] -> [b..., c]\"\n  zero: self\n",
        &["aten.glu.default"],
    ),
    (
        "a clause that is wrong at zero",
        "- op: aten.exp\n  rule: \"self[...] -> [...]\"\n  zero: self\n",
        &["`zero:` holds", "1.0"],
    ),
    (
        "zero where only one of both is",
        "- op: aten.add.Tensor\n  rule: \"self[...], other[...] -> [...]\"\n  zero: self | other\n",
        &["`zero:` holds", "aten.add.Tensor"],
    ),
    ("not negative", "- op: aten.sin\n  rule: \"self[...] -> [...]\"\n  zero: self\n  nonneg: always\n", &["`nonneg:` holds"]),
    ("not zero", "- op: aten.relu\n  rule: \"self[...] -> [...]\"\n  nonzero: self\n", &["`nonzero:` holds"]),
    ("finite", "- op: aten.log\n  rule: \"self[...] -> [...]\"\n", &["`finite:` holds"]),
    (
        "softmax without its lock",
        "- op: aten.softmax.int\n  rule: \"self[...] -> [...]\"\n  nonneg: always\n",
        &["aten.softmax.int", "should be"],
    ),
    (
        "the largest of what is left, where the others are zero",
        "- op: aten.amax\n  layout: reduce(self, dim, keepdim)\n",
        &["aten.amax", "should be"],
    ),
    (
        "places of a maximum that are read, as if nobody did",
        "- op: aten.max.dim\n  layout: reduce(self, dim, keepdim)\n  statistic:\n    over: ['@dim']\n    repair: [\"out = aten.clamp_min.default(self=out, min=0)\"]\n",
        &["aten.max.dim", "out1", "should be"],
    ),
    (
        "scattered along a dimension that is not locked",
        "- op: aten.index_add\n  when: dim == 0\n  rule: \"self[v, s...], index[i], source[i, s...] -> [v, s...]\"\n  lock: [v]\n  zero: self\n",
        &["aten.index_add"],
    ),
    ("a mean without its statistic", "- op: aten.mean.dim\n  layout: reduce(self, dim, keepdim)\n  zero: self\n", &["should be"]),
    (
        "a repair with a wrong factor",
        "- op: aten.mean.dim\n  layout: reduce(self, dim, keepdim)\n  statistic:\n    over: ['@dim']\n    repair: [\"out = aten.mul.Scalar(self=out, other=total / kept)\"]\n",
        &["should be"],
    ),
    (
        "uniform positions added with a wrong weight",
        "- op: aten.sum.dim_IntList\n  layout: reduce(self, dim, keepdim)\n  statistic:\n    over: ['@dim']\n    uniform:\n      - \"rest = aten.sum.dim_IntList(self=ghost(self), dim=dim, keepdim=keepdim)\"\n      - \"out = aten.add.Tensor(self=out, other=rest, alpha=lost + 1)\"\n",
        &["should be"],
    ),
    (
        "an argument that is not rewritten",
        "- op: aten.layer_norm\n  rule: \"input[b..., c...], weight?=1[c...], bias?[c...] -> [b..., c...]\"\n  sizes: { c: normalized_shape }\n  zero: weight & bias\n",
        &["aten.layer_norm.default"],
    ),
    (
        "an argument that is rewritten wrongly",
        "- op: aten.channel_shuffle\n  rule: \"self[n, (g c), s...] -> [n, (c g), s...]\"\n  sizes: { g: groups }\n  args: { groups: c }\n",
        &["aten.channel_shuffle.default"],
    ),
    (
        "a default that is not kept",
        "- op: aten.scaled_dot_product_attention\n  when: not enable_gqa and dropout_p == 0\n  rule: \"query[b..., q, d], key[b..., k, d], value[b..., k, v] -> [b..., q, v]\"\n  lock: [q, k]\n",
        &["should be"],
    ),
    (
        "a wrong size",
        "- op: aten.avg_pool1d\n  when: not ceil_mode\n  rule: \"self[b..., l] -> [b..., x]\"\n  sizes: { x: \"(l + 2*padding[0] - kernel_size[0]) // (stride[0] if len(stride) > 0 else kernel_size[0])\" }\n  lock: [l]\n",
        &["aten.avg_pool1d.default", "the sizes"],
    ),
    ("cat at another dimension", "- op: aten.cat\n  layout: cat(tensors, 0)\n", &["aten.cat.default"]),
    (
        "a wrong pairing in one of several alternatives",
        "- op: aten.matmul\n  rule:\n    - \"self[k], other[k] -> []\"\n    - \"self[b..., k], other[k] -> [b...]\"\n    - \"self[k], other[b..., n, k] -> [b..., n]\"\n    - \"self[b~..., m, k], other[b~..., k, n] -> [b..., m, n]\"\n  zero: self | other\n",
        &["aten.matmul.default"],
    ),
    (
        "the weight of a transposed convolution the wrong way round",
        "- op: aten.conv_transpose1d\n  rule: \"input[n?, (g i), s...], weight[(g o), i, k...], bias?[(g o)] -> [n?, (g o), t...]\"\n  sizes: { g: groups, t: \"(s - 1)*stride - 2*padding + dilation*(k - 1) + output_padding + 1\" }\n  lock: [s, k, t]\n  args: { groups: g }\n  zero: (input | weight) & bias\n",
        &["aten.conv_transpose1d.default"],
    ),
    (
        "the smaller for the larger",
        "- op: aten.fmax\n  rule: \"self[...], other[...] -> [...]\"\n  value: min(self, other)\n  zero: self & other\n",
        &["aten.fmax.default", "by `value:`"],
    ),
    (
        "a number for one sign only",
        "- op: aten.leaky_relu\n  rule: \"self[...] -> [...]\"\n  value: max(self, 0)\n  zero: self\n",
        &["aten.leaky_relu.default", "stands at"],
    ),
    (
        "a number that one factor changes",
        "- op: aten.linear\n  rule: \"input[b..., i], weight[o, i], bias?[o] -> [b..., o]\"\n  value: bias\n  zero: (input | weight) & bias\n",
        &["aten.linear.default", "stands at"],
    ),
    (
        "a fold where the result is scaled",
        "- op: aten.addmm\n  rule: \"self[m~], mat1[n, k], mat2[k, m] -> [n, m]\"\n  zero: self & (mat1 | mat2)\n  fold: self\n",
        &["aten.addmm.default"],
    ),
    (
        "a fold that is not the same at a border",
        "- op: aten.conv1d.default\n  rule: \"input[n?, (g i), s], weight[(g o), i, k], bias?[(g o)] -> [n?, (g o), t]\"\n  sizes: { g: groups, t: \"(s + 2*padding[0] - dilation[0]*(k - 1) - 1) // stride[0] + 1\" }\n  lock: [s, k, t]\n  args: { groups: g }\n  zero: (input | weight) & bias\n  fold: bias\n",
        &["aten.conv1d.default"],
    ),
    (
        "zero where a bias is added",
        "- op: aten.bilinear\n  rule: \"input1[b..., i], input2[b..., j], weight[o, i, j], bias?[o] -> [b..., o]\"\n  zero: weight | bias\n",
        &["`zero:` holds"],
    ),
];

#[test]
fn planted_mistakes_are_found() {
    let (first, second) = PLANTED.split_at(PLANTED.len() / 2);
    std::thread::scope(|scope| {
        for part in [first, second] {
            scope.spawn(move || part.iter().for_each(is_found));
        }
    });
}

fn is_found((what, yaml, wanted): &Planted) {
    let (status, text) = tested(yaml);
    assert_eq!(status, Some(1), "{what} was not found:\n{text}");
    for part in wanted.iter().chain(&["paring::rule::refuted", "mine.yaml:", "this rule is wrong for that call"]) {
        assert!(text.contains(part), "{what}: no `{part}` in\n{text}");
    }
}

#[test]
fn right_rules_pass_and_idle_locks_are_named() {
    let (status, text) = tested("- op: aten.relu\n  rule: \"self[...] -> [...]\"\n  lock: all\n");
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("Could say more") && text.contains("aten.relu (mine.yaml:1): ..."), "{text}");
    let (status, text) = tested("- op: aten.softmax.int\n  rule: \"self[...] -> [...]\"\n  lock: ['@dim']\n");
    assert_eq!(status, Some(0), "{text}");
    assert!(!text.contains("Could say more"), "{text}");
    assert!(text.contains("1 of 1 rules run"), "{text}");
}

#[test]
fn what_cannot_be_run_is_listed_with_the_reason() {
    let (status, text) = tested("- op: shop.gate\n  rule: \"x[n, c] -> [n, c]\"\n");
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("Not run") && text.contains("shop.gate (mine.yaml:1): PyTorch itself has no such operator"), "{text}");
}
