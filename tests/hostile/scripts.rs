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
        "torch.slice(x, 0, 0, 9223372036854775807, 2)",
        "(torch.split(x, 1))[3]",
        "(torch.chunk(x, 1000000))[3]",
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
            }
        }
    }
}
