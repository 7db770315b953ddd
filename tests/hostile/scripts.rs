//! Code and pickles that hold the same thing many times, and grow without end where it is taken apart.

use super::bench::{Bench, Member, pack};

fn text(text: &str) -> Vec<u8> {
    [&b"X"[..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()
}

/// A module without tensors, with these entries of its state.
fn pickle(entries: &[u8]) -> Vec<u8> {
    [&b"\x80\x02c__torch__\nNet\n)\x81}("[..], &text("training"), b"\x89", entries, b"ub."].concat()
}

fn archive(data: &[u8], code: &str, traced: Option<&[u8]>) -> Vec<u8> {
    let mut members = vec![
        Member::new("net/data.pkl", data),
        Member::new("net/code/__torch__.py", code.as_bytes()),
        Member::new("net/constants.pkl", b"\x80\x02)."),
    ];
    members.extend(traced.map(|bytes| Member::new("net/traced_inputs.pkl", bytes)));
    pack(&members)
}

fn net(methods: &str) -> String {
    format!("class Net(Module):\n  __parameters__ = []\n  __buffers__ = []\n  training : bool\n{methods}")
}

fn forward(body: &str) -> String {
    net(&format!("  def forward(self: __torch__.Net,\n    x: Tensor) -> Tensor:\n{body}"))
}

/// Tuples that hold the one before twice, the first of which is `leaf`.
fn doubled(leaf: &[u8]) -> Vec<u8> {
    let mut out = leaf.to_vec();
    (0..40u8).for_each(|n| out.extend([b'q', n, b'h', n, 0x86]));
    out
}

#[test]
fn what_is_shared_is_not_copied_without_end() {
    let bench = Bench::new();
    let simple = forward("    return torch.relu(x)\n");
    // A tuple in an attribute; modules; the inputs of a trace.
    bench.put("tuples.pt", &archive(&pickle(&[text("t"), doubled(b"K\x01")].concat()), &simple, None));
    let module = |inner: &[u8]| [&b"c__torch__\nNet\n)\x81}("[..], inner, b"ub"].concat();
    let mut modules = module(&[]);
    for n in 0..40u8 {
        let twice = [text("a"), vec![b'h', n], text("b"), vec![b'h', n]].concat();
        modules.extend([&[b'q', n][..], b"0", &module(&twice)].concat());
    }
    bench.put("modules.pt", &archive(&pickle(&[text("m"), modules].concat()), &simple, None));
    let traced = [&b"\x80\x02}"[..], &text("forward"), &doubled(b"N"), b"s."].concat();
    bench.put("traced.pt", &archive(&pickle(&[]), &simple, Some(&traced)));
    for name in ["tuples.pt", "modules.pt", "traced.pt"] {
        let said = bench.fails(&["analyze", name, "--input", "1x4"], "paring::pt2::schema");
        assert!(said.contains("as often as they are held"), "{name}: {said}");
    }
}

#[test]
fn code_has_a_budget() {
    let bench = Bench::new();
    let lists = "    q = [x]\n".to_owned() + &"    q = [q, q]\n".repeat(40) + "    return torch.cat(q)\n";
    let mut calls = "  def forward(self: __torch__.Net,\n    x: Tensor) -> Tensor:\n    return (self).f0(x, )\n".to_owned();
    for n in 0..60 {
        let next = n + 1;
        calls += &format!(
            "  def f{n}(self: __torch__.Net,\n    x: Tensor) -> Tensor:\n    a = (self).f{next}(x, )\n    return (self).f{next}(a, )\n"
        );
    }
    calls += "  def f60(self: __torch__.Net,\n    x: Tensor) -> Tensor:\n    return torch.relu(x)\n";
    let cases = [
        ("lists", forward(&lists), "more operations than any program"),
        ("calls", net(&calls), "more operations than any program"),
        ("split", forward("    return (torch.split(x, 1))[1000000000]\n"), "more operations than any program"),
        ("sum", forward(&format!("    n = 1{}\n    return torch.relu(x)\n", " + 1".repeat(1_000_000))), "a shorter statement"),
        ("path", forward(&format!("    n = self{}\n    return torch.relu(x)\n", ".a".repeat(1_000_000))), "a shorter statement"),
    ];
    for (name, code, expected) in cases {
        let file = format!("{name}.pt");
        bench.put(&file, &archive(&pickle(&[]), &code, None));
        let said = bench.fails(&["analyze", &file, "--input", "4x4"], "paring::torchscript::");
        assert!(said.split_whitespace().collect::<Vec<_>>().join(" ").contains(expected), "{name}: {said}");
        assert!(said.len() < 20_000, "{name}");
    }
}

#[test]
fn long_axes_are_not_listed() {
    let bench = Bench::new();
    let bodies = [
        "torch.relu(x)",
        "torch.flip(x, [0])",
        "torch.roll(x, [3], [0])",
        "torch.roll(x, [3], [1])",
        "torch.slice(x, 0, 0, 9223372036854775807, 2)",
        "torch.slice(x, 0, 5, 9000)",
        "torch.slice(x, 0, 1)",
        "torch.cat([x, x])",
        "torch.cat([torch.slice(x, 0, 7), torch.relu(x)])",
        "torch.relu(torch.flatten(x))",
        "torch.roll(torch.view(x, [-1]), [3], [0])",
        "torch.view(torch.flip(torch.view(x, [-1]), [0]), [-1, 2])",
        "torch.reshape(x, [2, -1])",
        "torch.sum(torch.transpose(x, 0, 1), [1])",
        "torch.repeat(x, [5, 1])",
        "torch.constant_pad_nd(x, [0, 0, 1, 1])",
        "torch.select(x, 0, 12345)",
        "(torch.split(x, 1))[3]",
        "(torch.split(x, 100000000))[0]",
        "(torch.chunk(x, 3))[1]",
        "(torch.chunk(x, 1000000))[3]",
        "(torch.tensor_split(x, 3))[1]",
        "(torch.tensor_split(x, 1000000))[3]",
        "(torch.unbind(x))[3]",
    ];
    for (k, body) in bodies.iter().enumerate() {
        let file = format!("long{k}.pt");
        bench.put(&file, &archive(&pickle(&[]), &forward(&format!("    return {body}\n")), None));
        for input in ["1000000000x4", "4611686018427387904x1"] {
            for args in [
                &["analyze", &file, "--input", input][..],
                &["speedup", &file, "--masks", "zeros", "--input", input, "--plan", "out"],
            ] {
                let out = bench.command(args).output().unwrap();
                let text = String::from_utf8_lossy(&out.stderr);
                assert!(!super::common::faulty(out.status.code(), &text), "{body} {args:?}: {:?} {text}", out.status);
                if input.starts_with('1') {
                    assert!(out.status.success(), "{body} {args:?}: {text}");
                }
            }
        }
    }
}

/// A parameter `w` of zeros.
fn parameter(shape: &[i32]) -> Vec<u8> {
    let int = |n: i32| [&b"J"[..], &n.to_le_bytes()].concat();
    let list = |all: Vec<i32>| [&b"("[..], &all.into_iter().flat_map(int).collect::<Vec<u8>>(), b"t"].concat();
    let strides = (0..shape.len()).map(|d| shape[d + 1..].iter().product()).collect();
    let storage =
        [text("storage"), b"ctorch\nFloatStorage\n".to_vec(), text("0"), text("cpu"), int(shape.iter().product())].concat();
    let tensor =
        [&b"ctorch._utils\n_rebuild_tensor_v2\n(("[..], &storage, b"tQK\0", &list(shape.to_vec()), &list(strides)].concat();
    [&text("w")[..], &tensor, b"\x89ccollections\nOrderedDict\n)RtR"].concat()
}

/// A program of one layer, whose output is `h` after this, and masks for it.
fn layer(bench: &Bench, file: &str, body: &str) {
    let code = format!(
        "class Net(Module):\n  __parameters__ = [\"w\", ]\n  __buffers__ = []\n  training : bool\n  w : Tensor\n  def forward(self: __torch__.Net,\n    \
         x: Tensor) -> Tensor:\n    h = torch.relu(torch.linear(x, self.w))\n    return {body}\n"
    );
    let bytes = archive(&pickle(&parameter(&[4, 4])), &code, None);
    bench.put(file, &super::bench::with_member(&bytes, "net/data/0", &[0; 64]));
    bench.put("half.safetensors", &super::bench::safetensors("w", &[4, 4], &[1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0]));
}

/// A program that is small, and the arguments that make it smaller by half.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub fn small(bench: &Bench) -> [&'static str; 6] {
    layer(bench, "layer.pt", "torch.sum(h, [1])");
    ["speedup", "layer.pt", "--masks", "half.safetensors", "--input", "8x4"]
}

#[test]
fn long_axes_of_weights_stay() {
    let bench = Bench::new();
    for (k, (body, goes)) in [
        ("torch.sum(h, [1])", true),
        ("torch.relu(torch.sum(torch.view(h, [-1]), [0]))", false),
        ("torch.sum(torch.roll(torch.view(h, [-1]), [3], [0]))", false),
        ("torch.sum(torch.relu(torch.flatten(torch.transpose(h, 0, 1))), [0])", false),
        ("torch.sum(torch.cat([torch.view(h, [-1]), torch.view(x, [-1])]), [0])", false),
    ]
    .into_iter()
    .enumerate()
    {
        let file = format!("weights{k}.pt");
        layer(&bench, &file, body);
        let args = ["speedup", &file, "--masks", "half.safetensors", "--input", "1000000000x4", "--plan", "plan.json", "--json"];
        let json: serde_json::Value = serde_json::from_str(&bench.succeeds(&args)).unwrap();
        let stays = json["stays"].as_array().unwrap();
        assert_eq!(stays.is_empty(), goes, "{body}: {json}");
        assert!(
            goes || ["too many positions", "is locked"].iter().any(|why| json["stays"].to_string().contains(why)),
            "{body}: {stays:?}"
        );
    }
}
