//! TorchScript archives, written by hand: what is read of their code, what is refused and where, and what comes out.

use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::PathBuf;
use std::process::Command;

use paring::axis::derive;
use paring::format::torchscript::Input;
use paring::load::Model;
use paring::model::{Arg, DType, Graph};
use paring::rule::RuleSet;
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

/// A module for the pickle: its class, its tensors with their sizes, its modules.
struct Module<'a> {
    class: &'a str,
    tensors: &'a [(&'a str, &'a [usize])],
    modules: &'a [(&'a str, Module<'a>)],
}

struct Pickle {
    bytes: Vec<u8>,
    storages: Vec<usize>,
}

impl Pickle {
    fn text(&mut self, text: &str) {
        self.bytes.push(b'X');
        self.bytes.extend((text.len() as u32).to_le_bytes());
        self.bytes.extend(text.as_bytes());
    }

    fn int(&mut self, n: usize) {
        self.bytes.push(b'J');
        self.bytes.extend((n as i32).to_le_bytes());
    }

    fn tensor(&mut self, shape: &[usize], storage: &str) {
        self.bytes.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        self.text("storage");
        self.bytes.extend(format!("ctorch\n{storage}\n").bytes());
        self.text(&self.storages.len().to_string());
        self.text("cpu");
        let numel: usize = shape.iter().product();
        self.int(numel);
        self.bytes.extend(b"tQ");
        self.int(0);
        let strides = (0..shape.len()).map(|d| shape[d + 1..].iter().product());
        for list in [shape.to_vec(), strides.collect()] {
            self.bytes.push(b'(');
            list.into_iter().for_each(|n| self.int(n));
            self.bytes.push(b't');
        }
        self.bytes.extend(b"\x89ccollections\nOrderedDict\n)RtR");
        self.storages.push(numel);
    }

    fn module(&mut self, module: &Module) {
        self.bytes.extend(format!("c__torch__\n{}\n)\u{81}", module.class).replace('\u{81}', "").bytes());
        self.bytes.extend(b"\x81}(");
        self.text("training");
        self.bytes.push(0x89);
        for (name, shape) in module.tensors {
            self.text(name);
            self.tensor(shape, "FloatStorage");
        }
        for (name, inner) in module.modules {
            self.text(name);
            self.module(inner);
        }
        self.bytes.extend(b"ub");
    }
}

/// An archive: modules, code, and a constant, the integer 4.
fn archive(root: &Module, code: &str) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut put = |name: &str, bytes: &[u8]| {
        zip.start_file(format!("net/{name}"), SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    };
    let mut data = Pickle { bytes: b"\x80\x02".to_vec(), storages: Vec::new() };
    data.module(root);
    data.bytes.push(b'.');
    for (k, numel) in data.storages.iter().enumerate() {
        let values: Vec<u8> = (0..*numel).flat_map(|n| (n as f32 + 1.0).to_le_bytes()).collect();
        put(&format!("data/{k}"), &values);
    }
    put("data.pkl", &data.bytes);
    put("code/__torch__.py", code.as_bytes());
    put("constants/0", &4i64.to_le_bytes());
    let mut constants = Pickle { bytes: b"\x80\x02(".to_vec(), storages: Vec::new() };
    constants.tensor(&[], "LongStorage");
    constants.bytes.extend(b"t.");
    put("constants.pkl", &constants.bytes);
    put("version", b"3\n");
    zip.finish().unwrap().into_inner()
}

const LINEAR: &str = "class Linear(Module):
  __parameters__ = [\"weight\", \"bias\", ]
  __buffers__ = []
  weight : Tensor
  bias : Tensor
  training : bool
  def forward(self: __torch__.Linear,
    x: Tensor) -> Tensor:
    bias = self.bias
    weight = self.weight
    return torch.linear(x, weight, bias)
  def forward1(self: __torch__.Linear, x: Tensor) -> Tensor:
    weight = self.weight
    return torch.linear(x, weight)
";

/// Two layers of 8 and 3, the first with 4 inputs, and `forward` with this body.
fn net(body: &str) -> Vec<u8> {
    let code = format!(
        "class Net(Module):\n  __parameters__ = []\n  __buffers__ = []\n  training : bool\n  def forward(self: __torch__.Net,\n    x: Tensor) -> Tensor:\n{body}{LINEAR}"
    );
    let inner = [
        ("a", Module { class: "Linear", tensors: &[("weight", &[8, 4]), ("bias", &[8])], modules: &[] }),
        ("b", Module { class: "Linear", tensors: &[("weight", &[3, 8]), ("bias", &[3])], modules: &[] }),
    ];
    archive(&Module { class: "Net", tensors: &[], modules: &inner }, &code)
}

struct Folder(TempDir);

impl Folder {
    fn with(bytes: &[u8]) -> Folder {
        let folder = Folder(TempDir::new().unwrap());
        fs::write(folder.path("net.pt"), bytes).unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, args: &[&str]) -> (bool, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_paring"));
        let done = command.current_dir(self.0.path()).args(args).env("NO_COLOR", "1").env("COLUMNS", "100").output().unwrap();
        let text = [done.stdout, done.stderr].concat();
        (done.status.success(), String::from_utf8(text).unwrap())
    }
}

/// The program, with all sizes.
fn read(bytes: &[u8], inputs: &[&str]) -> Graph {
    let folder = Folder::with(bytes);
    let inputs: Vec<Input> = inputs.iter().map(|i| i.parse().unwrap()).collect();
    let mut model = Model::with_inputs(&folder.path("net.pt"), &inputs).unwrap();
    derive(&mut model.graph, &RuleSet::builtin()).unwrap();
    model.graph
}

/// A line for each node: its results with their sizes or numbers, its operator, its arguments.
fn listing(graph: &Graph) -> String {
    fn arg(graph: &Graph, a: &Arg) -> String {
        match a {
            Arg::Tensor(v) | Arg::Scalar(v) => graph.value(*v).name.clone(),
            Arg::List(items) => format!("[{}]", items.iter().map(|a| arg(graph, a)).collect::<Vec<_>>().join(", ")),
            Arg::Int(n) => n.to_string(),
            Arg::Opaque(json) => json.clone(),
            other => format!("{other:?}"),
        }
    }
    let mut text = String::new();
    for node in &graph.nodes {
        let results: Vec<String> = node
            .outputs
            .iter()
            .map(|v| graph.value(*v))
            .map(|v| match (&v.shape, &v.scalar) {
                (Some(s), _) => {
                    let sizes: Vec<String> = s.iter().map(ToString::to_string).collect();
                    format!("{}[{}] {:?}", v.name, sizes.join(", "), v.dtype)
                }
                (None, Some(n)) => format!("{} = {n}", v.name),
                _ => v.name.clone(),
            })
            .collect();
        let args: Vec<String> = node.args.iter().map(|(n, a)| format!("{n}={}", arg(graph, a))).collect();
        text += &format!("{} <- {}({}) in {:?}\n", results.join(", "), node.target, args.join(", "), node.source.module);
    }
    text
}

#[test]
fn methods_are_inlined_and_sizes_worked_out() {
    let graph = read(
        &net("    b = self.b
    a = self.a
    h = torch.relu((a).forward(x, ))
    n = ops.prim.NumToTensor(torch.size(h, 0))
    c = ops.prim.NumToTensor(torch.size(h, -1))
    _0 = [int(n), int(torch.floor_divide(c, CONSTANTS.c0)), 4]
    y = torch.view(h, _0)
    l, r, = torch.chunk(torch.transpose(y, 1, 2), 2, 1)
    z = torch.cat([l, torch.mul(r, CONSTANTS.c0)], 1)
    z0 = torch.reshape(torch.to(z, 7), annotate(List[int], [-1, int(c)]))
    w = torch.add((a).forward1(x, ), torch.pow(c, -0.5))
    return (b).forward(torch.add(z0, w), )
"),
        &["2x4"],
    );
    assert_eq!(graph.inputs.len(), 1);
    insta::assert_snapshot!(listing(&graph));
    let names: Vec<_> = graph.tensors.iter().map(|t| (t.name.as_str(), t.role)).collect();
    insta::assert_debug_snapshot!(names);
}

#[test]
fn inputs_say_their_sizes() {
    let sizes = |text: &str| text.parse::<Input>();
    assert_eq!(sizes("1x3x8").unwrap(), Input { shape: vec![1, 3, 8], dtype: None });
    assert_eq!(sizes("2x5:int64").unwrap(), Input { shape: vec![2, 5], dtype: Some(DType::I64) });
    assert_eq!(sizes("scalar:bool").unwrap(), Input { shape: vec![], dtype: Some(DType::Bool) });
    for wrong in ["", "3x", "ax2", "-1x2", "2x2:int65", "1:2:3"] {
        assert!(sizes(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn sizes_are_followed_through_arithmetic() {
    // `n *= 3` changes what `n` is; a division that rounds to zero is none that rounds down.
    let body = "    n = ops.prim.NumToTensor(torch.size(x, 0))
    m = ops.prim.NumToTensor(torch.size(x, 1))
    n0 = torch.mul_(n, m)
    a = torch.div(torch.sub(n, 13), CONSTANTS.c0, rounding_mode=\"trunc\")
    b = torch.div(torch.sub(n, 13), CONSTANTS.c0, rounding_mode=\"floor\")
    c = torch.remainder(n0, 3)
    return torch.ones([int(n), int(torch.neg(a)), int(torch.neg(b)), int(c)], dtype=6)
";
    let body = body.replace("CONSTANTS.c0", "2");
    let graph = read(&net(&body), &["2x4"]);
    let shape: Vec<Option<i64>> = graph.shape(graph.outputs[0]).iter().map(|s| s.as_int()).collect();
    assert_eq!(shape, [8, 2, 3, 2].map(Some));
}

#[test]
fn what_cannot_be_followed_is_refused_with_its_line() {
    let cases = [
        ("if", "    if bool(torch.any(x)):\n      y = torch.relu(x)\n    else:\n      y = x\n    return y\n"),
        ("for", "    y = x\n    for i in range(3):\n      y = torch.relu(y)\n    return y\n"),
        ("either", "    y = torch.relu(x) if True else x\n    return y\n"),
        ("syntax", "    y = torch.relu(x\n    return y\n"),
        ("overload", "    y = torch.relu(x, 3)\n    return y\n"),
        ("unknown", "    a = self.c\n    return torch.relu(x)\n"),
        ("undefined", "    return torch.relu(z)\n"),
        ("list", "    return torch.cat(torch.chunk(x, 2), 1)\n"),
        (
            "arithmetic",
            "    n = ops.prim.NumToTensor(torch.size(x, 1))\n    h = int(torch.sqrt(n))\n    a = self.a\n    return (a).forward(torch.view(x, [2, h, 2]), )\n",
        ),
        ("fused", "    y, z = torch._native_multi_head_attention(x, x, torch.relu(x), 4, 2, x, x, x, x)\n    return y\n"),
    ];
    for (name, body) in cases {
        let folder = Folder::with(&net(body));
        let (good, text) = folder.run(&["analyze", "net.pt", "--input", "2x4"]);
        assert!(!good, "{name}: {text}");
        insta::assert_snapshot!(format!("refused_{name}"), text);
    }
}

#[test]
fn sizes_of_inputs_must_be_known() {
    let folder = Folder::with(&net("    return torch.relu(x)\n"));
    let (good, text) = folder.run(&["analyze", "net.pt"]);
    assert!(!good);
    insta::assert_snapshot!("no_sizes", text);
    let (good, text) = folder.run(&["analyze", "net.pt", "--input", "2x4", "--input", "2"]);
    assert!(!good);
    insta::assert_snapshot!("too_many_sizes", text);
}

/// Masks that drop the odd channels of the first layer, as a safetensors file.
fn masks() -> Vec<u8> {
    let keep: Vec<u8> = (0..8).map(|n| u8::from(n % 2 == 0)).collect();
    let header = r#"{"a.weight":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"a.bias":{"dtype":"U8","shape":[8],"data_offsets":[8,16]}}"#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.extend(keep.iter().chain(&keep));
    bytes
}

/// The code of an archive.
fn code(bytes: &[u8]) -> String {
    let mut zip = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut text = String::new();
    let names: Vec<String> = zip.file_names().map(|n| n.unwrap().into_owned()).filter(|n| n.ends_with(".py")).collect();
    for name in names {
        zip.by_name(&name).unwrap().read_to_string(&mut text).unwrap();
    }
    text
}

#[test]
fn a_small_archive_keeps_names_classes_and_computed_sizes() {
    // `c` becomes 4 by itself in the view, is written out where the trace had fixed a number, and stays 8 in the power.
    let folder = Folder::with(&net("    b = self.b
    a = self.a
    h = torch.relu((a).forward(x, ))
    n = ops.prim.NumToTensor(torch.size(h, 0))
    c = ops.prim.NumToTensor(torch.size(h, 1))
    y = torch.view(torch.unsqueeze(h, 1), [int(n), int(c)])
    z = torch.mul(y, torch.pow(c, -0.5))
    return {\"out\": (b).forward(torch.view(z, [int(n), 8]), ), \"none\": None}
"));
    fs::write(folder.path("masks.safetensors"), masks()).unwrap();
    let args = ["speedup", "net.pt", "--input", "2x4", "--masks", "masks.safetensors", "-q", "-o"];
    let (good, text) = folder.run(&[&args[..], &["small.pt"]].concat());
    assert!(good, "{text}");
    let small = fs::read(folder.path("small.pt")).unwrap();
    insta::assert_snapshot!("small_code", code(&small));
    // What was written is read again.
    let graph = read(&small, &["5x4"]);
    let shapes: Vec<_> = graph.tensors.iter().map(|t| (t.name.as_str(), t.shape.clone())).collect();
    assert_eq!(shapes[..2], [("a.weight", vec![4, 4]), ("a.bias", vec![4])]);
    assert_eq!(shapes[2..4], [("b.weight", vec![3, 4]), ("b.bias", vec![3])]);
    let (good, text) = folder.run(&[&args[..], &["small.pt2"]].concat());
    assert!(!good);
    insta::assert_snapshot!("to_pt2", text);
}

#[test]
fn what_nothing_uses_is_left_out_unless_it_writes() {
    let mut graph = read(
        &net("    y = torch.neg(x)
    z = torch.sigmoid(y)
    w = torch.cat([z, z], 1)
    v = torch.relu_(y)
    return y
"),
        &["2x4"],
    );
    paring::axis::drop_unused(&mut graph, &RuleSet::builtin());
    let left: Vec<_> = graph.nodes.iter().map(|n| n.target.as_str()).collect();
    assert_eq!(left, ["aten.neg.default", "aten.relu_.default"]);
}

#[test]
fn what_acts_as_in_training_gets_a_note() {
    let report = |train: &str| {
        let body = format!(
            "    b = self.b\n    a = self.a\n    h = torch.dropout((a).forward(x, ), 0.5, {train})\n    z = torch.dropout(h, 0., True)\n    return (b).forward(torch.feature_dropout(z, 0.1, {train}), )\n"
        );
        let folder = Folder::with(&net(&body));
        fs::write(folder.path("masks.safetensors"), masks()).unwrap();
        let (good, text) = folder.run(&["speedup", "net.pt", "--input", "2x4", "--masks", "masks.safetensors", "-o", "small.pt"]);
        assert!(good, "{text}");
        text.split_once("\nNotes\n").map(|(_, notes)| notes.to_owned()).unwrap_or_default()
    };
    assert_eq!(report("False"), "");
    insta::assert_snapshot!("training", report("True"));
}
