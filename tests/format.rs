//! Archives and masks: a hand-made archive there and back, and every way in which a file can be wrong.

use std::borrow::Cow;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use miette::Diagnostic;
use paring::format::masks::{read_safetensors, write_safetensors};
use paring::format::{Archive, FormatError, Payload, copy, write};
use paring::model::{Arg, DType, Graph, Node, Role, Size, Source, Tensor, Value as Carrier, ValueId};
use serde_json::{Value, json};
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// The parts of an archive, to be spoiled before it is packed.
struct Parts {
    members: Vec<(String, Vec<u8>)>,
    deflate: bool,
}

fn meta(dtype: i64, sizes: &[i64], strides: &[i64]) -> Value {
    let ints = |list: &[i64]| list.iter().map(|n| json!({"as_int": n})).collect::<Value>();
    json!({"dtype": dtype, "sizes": ints(sizes), "requires_grad": false, "device": {"type": "cpu", "index": null},
        "strides": ints(strides), "storage_offset": {"as_int": 0}, "layout": 7})
}

fn entry(file: &str, meta: Value) -> Value {
    json!({"path_name": file, "is_param": true, "use_pickle": false, "tensor_meta": meta})
}

fn tensor(name: &str) -> Value {
    json!({"as_tensor": {"name": name}})
}

fn node(target: &str, inputs: &[(&str, Value)], output: &str) -> Value {
    let inputs: Vec<Value> = inputs.iter().map(|(n, a)| json!({"name": n, "arg": a, "kind": 1})).collect();
    json!({"target": format!("torch.ops.{target}"), "inputs": inputs, "outputs": [tensor(output)], "name": output,
        "metadata": {"stack_trace": "File \"net.py\", line 3, in forward\n    y = self.fc(x)",
            "nn_module_stack": "L__self__,,net.Net;L__self__fc,fc,torch.nn.modules.linear.Linear", "torch_fn": output},
        "is_hop_single_tensor_return": null})
}

/// `relu(x @ w.T)` under no_grad, where `w` [3, 2] is tied to `v`, then `view(s0 * 3)`; a size in it is symbolic.
fn program() -> Value {
    let batch = "Symbol('s0', positive=True, integer=True)";
    let mut x = meta(7, &[4, 2], &[2, 1]);
    x["sizes"][0] = json!({"as_expr": {"expr_str": batch, "hint": {"as_int": 4}}});
    let mut h = meta(7, &[4, 3], &[3, 1]);
    h["sizes"][0] = x["sizes"][0].clone();
    let mut flat = meta(7, &[12], &[1]);
    flat["sizes"][0] = json!({"as_expr": {"expr_str": format!("Mul(Integer(3), {batch})"), "hint": {"as_int": 12}}});
    let inner = json!({
        "inputs": [tensor("a"), tensor("b")], "outputs": [tensor("relu")],
        "nodes": [
            node("aten.linear.default", &[("input", tensor("a")), ("weight", tensor("b"))], "linear"),
            node("aten.relu.default", &[("self", tensor("linear"))], "relu"),
        ],
        "tensor_values": {"a": x, "b": meta(7, &[3, 2], &[2, 1]), "linear": h, "relu": h},
        "sym_int_values": {}, "is_single_tensor_return": false,
    });
    let mut wrapper = node("higher_order.wrap_with_set_grad_enabled", &[("", json!({"as_bool": false}))], "getitem");
    for arg in [json!({"as_graph": {"name": "submod", "graph": inner}}), tensor("x"), tensor("p_w")] {
        wrapper["inputs"].as_array_mut().unwrap().push(json!({"name": "", "arg": arg, "kind": 1}));
    }
    wrapper["name"] = json!("wrap");
    let view = node("aten.view.default", &[("self", tensor("getitem")), ("size", json!({"as_ints": [-1]}))], "view");
    let scale = node("aten.mul.Tensor", &[("self", tensor("view")), ("other", json!({"as_float": 0.1}))], "mul");
    json!({
        "graph_module": {
            "graph": {
                "inputs": [tensor("p_w"), tensor("p_v"), tensor("x")],
                "outputs": [tensor("mul"), {"as_int": 3}],
                "nodes": [wrapper, view, scale],
                "tensor_values": {"p_w": meta(7, &[3, 2], &[2, 1]), "p_v": meta(7, &[3, 2], &[2, 1]), "x": x,
                    "getitem": h, "view": flat, "mul": flat},
                "sym_int_values": {}, "is_single_tensor_return": true,
            },
            "signature": {
                "input_specs": [
                    {"parameter": {"arg": {"name": "p_w"}, "parameter_name": "fc.weight"}},
                    {"parameter": {"arg": {"name": "p_v"}, "parameter_name": "tied"}},
                    {"user_input": {"arg": tensor("x")}},
                ],
                "output_specs": [{"user_output": {"arg": tensor("mul")}}, {"user_output": {"arg": {"as_int": 3}}}],
            },
            "module_call_graph": [{"fqn": "", "signature": {"outputs": [tensor("mul")]}}],
        },
        "schema_version": {"major": 8, "minor": 20},
        "range_constraints": {"s0": {"min_val": 2, "max_val": null, "big": 9223372036854775807i64, "odd": 0.1234567890123456}},
    })
}

impl Parts {
    fn new() -> Parts {
        let weight: Vec<u8> = (0..6).flat_map(|i| (i as f32).to_le_bytes()).collect();
        let config = json!({"config": {
            "fc.weight": entry("weight_0", meta(7, &[3, 2], &[2, 1])),
            "tied": entry("weight_0", meta(7, &[3, 2], &[2, 1])),
            "unused": entry("weight_1", meta(5, &[2], &[1])),
        }});
        let members = [
            ("data/weights/weight_0", weight),
            ("data/weights/weight_1", vec![7; 16]),
            ("data/weights/model_weights_config.json", config.to_string().into_bytes()),
            ("data/constants/model_constants_config.json", br#"{"config": {}}"#.to_vec()),
            ("models/model.json", program().to_string().into_bytes()),
            ("data/sample_inputs/model.pt", b"PK\x05\x06 a zip in a zip".to_vec()),
            ("archive_format", b"pt2".to_vec()),
            ("archive_version", b"0".to_vec()),
            ("extra/note.txt", b"kept".to_vec()),
        ];
        let members = members.map(|(name, bytes)| (format!("net/{name}"), bytes)).into();
        Parts { members, deflate: false }
    }

    fn set(mut self, name: &str, bytes: impl Into<Vec<u8>>) -> Parts {
        let name = format!("net/{name}");
        self.members.retain(|(n, _)| *n != name);
        self.members.push((name, bytes.into()));
        self
    }

    fn without(mut self, name: &str) -> Parts {
        self.members.retain(|(n, _)| *n != format!("net/{name}"));
        self
    }

    /// Changes a JSON member.
    fn edit(self, name: &str, change: impl FnOnce(&mut Value)) -> Parts {
        let bytes = &self.members.iter().find(|(n, _)| *n == format!("net/{name}")).unwrap().1;
        let mut json: Value = serde_json::from_slice(bytes).unwrap();
        change(&mut json);
        self.set(name, json.to_string())
    }

    fn model(self, change: impl FnOnce(&mut Value)) -> Parts {
        self.edit("models/model.json", change)
    }

    fn weight(self, name: &str, key: &str, value: Value) -> Parts {
        self.edit("data/weights/model_weights_config.json", |c| c["config"][name]["tensor_meta"][key] = value)
    }

    fn bytes(&self) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let method = if self.deflate { CompressionMethod::Deflated } else { CompressionMethod::Stored };
        for (name, bytes) in &self.members {
            zip.start_file(name, SimpleFileOptions::default().compression_method(method)).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }
}

struct Dir(TempDir);

impl Dir {
    fn new() -> Dir {
        Dir(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn pack(&self, parts: &Parts) -> PathBuf {
        let path = self.path("in.pt2");
        std::fs::write(&path, parts.bytes()).unwrap();
        path
    }
}

fn open(parts: &Parts) -> Result<Graph, FormatError> {
    let dir = Dir::new();
    Archive::open(&dir.pack(parts)).and_then(|a| a.graph(&[]))
}

/// All members of an archive, JSON parsed.
fn contents(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut zip = zip::ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
    let mut all = Vec::new();
    for i in 0..zip.len() {
        let mut file = zip.by_index(i).unwrap();
        assert_eq!(file.data_start().unwrap() % 64, 0, "alignment");
        let mut bytes = Vec::new();
        std::io::copy(&mut file, &mut bytes).unwrap();
        all.push((file.name().unwrap().into_owned(), bytes));
    }
    all.sort();
    all
}

fn member(path: &Path, name: &str) -> Value {
    let all = contents(path);
    serde_json::from_slice(&all.iter().find(|(n, _)| n == name).unwrap().1).unwrap()
}

fn unchanged(archive: &Archive) -> Vec<Payload<'static>> {
    (0..archive.storages()).map(Payload::Stored).collect()
}

#[test]
fn a_graph_is_read() {
    let graph = open(&Parts::new()).unwrap();
    let nodes: Vec<(usize, &str)> = graph.nodes.iter().map(|n| (n.graph, n.target.as_str())).collect();
    let expected = [(1, "aten.linear.default"), (1, "aten.relu.default"), (0, "aten.view.default"), (0, "aten.mul.Tensor")];
    assert_eq!(nodes, expected);
    // Names of the sub-graph stand for outer values.
    assert_eq!(graph.nodes[0].args[1].1, Arg::Tensor(graph.tensors[0].value));
    assert_eq!(graph.nodes[0].args[0].1, Arg::Tensor(graph.inputs[0]));
    assert_eq!(graph.nodes[2].args[0].1, Arg::Tensor(graph.nodes[1].outputs[0]));
    assert_eq!(graph.value(graph.nodes[1].outputs[0]).name, "getitem");
    assert_eq!(graph.first_names()[1], 0);
    assert_eq!(graph.shape(graph.outputs[0])[0].to_string(), "3*s0");
    assert_eq!(graph.shape(graph.outputs[0])[0].hint(), Some(12));
    assert_eq!(graph.nodes[0].source.module, "fc");
    assert_eq!(graph.nodes[0].source.frame().unwrap().text, "y = self.fc(x)");
    assert_eq!(graph.nodes[3].args[1].1, Arg::Float(0.1));
    assert_eq!(graph.outputs.len(), 1);
}

/// What the program writes back is something else in the next call.
#[test]
fn updated_tensors_are_marked() {
    let parts = Parts::new().model(|m| {
        let module = &mut m["graph_module"];
        module["signature"]["input_specs"][1] =
            json!({"buffer": {"arg": {"name": "p_v"}, "buffer_name": "tied", "persistent": true}});
        let mutation = json!({"buffer_mutation": {"arg": {"name": "mul"}, "buffer_name": "tied"}});
        module["signature"]["output_specs"].as_array_mut().unwrap().insert(0, mutation);
        module["graph"]["outputs"].as_array_mut().unwrap().insert(0, tensor("mul"));
    });
    let updated = |parts: &Parts| open(parts).unwrap().tensors.iter().map(|t| t.updated).collect::<Vec<_>>();
    assert_eq!(updated(&Parts::new()), [false, false]);
    assert_eq!(updated(&parts), [false, true]);
}

#[test]
fn an_unchanged_graph_gives_the_same_archive() {
    for deflate in [false, true] {
        let dir = Dir::new();
        let path = dir.pack(&Parts { deflate, ..Parts::new() });
        let archive = Archive::open(&path).unwrap();
        let graph = archive.graph(&[]).unwrap();
        let mut written = 0;
        write(&archive, &graph, &graph, &unchanged(&archive), &dir.path("out.pt2"), &mut |n| written += n)
            .unwrap()
            .persist()
            .unwrap();
        let mut expected = Parts::new().members;
        expected.sort();
        assert_eq!(contents(&dir.path("out.pt2")), expected);
        assert!(written > 1000);
        copy(&archive, &dir.path("copy.pt2")).unwrap().persist().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(dir.path("copy.pt2")).unwrap());
        assert_eq!(std::fs::read_dir(dir.0.path()).unwrap().count(), 3, "no other file remains");
    }
}

/// Cuts the weight from 3 rows to 2 and picks from the result with a new constant, inside the sub-graph.
fn cut(archive: &Archive) -> (Graph, Graph, Vec<Payload<'static>>) {
    let graph = archive.graph(&[]).unwrap();
    let mut small = graph.clone();
    let batch = graph.shape(graph.inputs[0])[0].clone();
    for node in &graph.nodes[..2] {
        small.values[node.outputs[0].index()].shape = Some(vec![batch.clone(), Size::int(2)]);
    }
    for node in &graph.nodes[2..] {
        small.values[node.outputs[0].index()].shape = Some(vec![batch.scale(2)]);
    }
    for tensor in &mut small.tensors {
        tensor.shape = vec![2, 2];
        small.values[tensor.value.index()].shape = Some(vec![Size::int(2), Size::int(2)]);
    }
    small.nodes[2].args[1].1 = Arg::List(vec![Arg::Int(8)]);
    let (index, before) = (ValueId(small.values.len() as u32), ValueId(small.values.len() as u32 + 1));
    let picked = graph.nodes[1].outputs[0];
    let shape = Some(vec![Size::int(2)]);
    small.values.push(Carrier { name: "c_pick".to_owned(), shape: shape.clone(), dtype: DType::I64, scalar: None });
    small.values.push(Carrier { name: "relu_kept".to_owned(), ..small.values[picked.index()].clone() });
    small.nodes[1].outputs = vec![before];
    let args = [("self", Arg::Tensor(before)), ("dim", Arg::Int(1)), ("index", Arg::Tensor(index))];
    let args = args.map(|(name, arg)| (name.to_owned(), arg)).into();
    let (name, target, source) = ("pick".to_owned(), "aten.index_select.default".to_owned(), Source::default());
    let origin = paring::model::Origin::New(Some(0)); // it stands for the linear layer
    small.nodes.insert(2, Node { name, target, args, outputs: vec![picked], listed: false, source, graph: 1, origin });
    small.tensors.push(Tensor {
        name: "pick".to_owned(),
        value: index,
        role: Role::Constant,
        dtype: DType::I64,
        shape: vec![2],
        strides: vec![1],
        offset: 0,
        storage: 2,
        updated: false,
        list: None,
    });
    let weight = vec![1; 16];
    let payloads = vec![
        Payload::Write { len: 16, write: Box::new(move |out| out.write_all(&weight)) },
        Payload::Stored(1),
        Payload::Bytes(Cow::Owned(vec![0; 16])),
    ];
    (graph, small, payloads)
}

#[test]
fn edits_are_written() {
    let dir = Dir::new();
    let path = dir.pack(&Parts::new());
    let archive = Archive::open(&path).unwrap();
    let (graph, small, payloads) = cut(&archive);
    let out = dir.path("out.pt2");
    write(&archive, &graph, &small, &payloads, &out, &mut |_| ()).unwrap().persist().unwrap();

    let model = member(&out, "net/models/model.json");
    let top = &model["graph_module"]["graph"];
    assert_eq!(top["nodes"][1]["inputs"][1], json!({"name": "size", "arg": {"as_ints": [8]}, "kind": 1}));
    assert_eq!(top["nodes"][2], program()["graph_module"]["graph"]["nodes"][2], "an untouched node stays as it is");
    assert_eq!(top["inputs"][2], tensor("c_pick"));
    let spec = json!({"tensor_constant": {"arg": {"name": "c_pick"}, "tensor_constant_name": "pick"}});
    assert_eq!(model["graph_module"]["signature"]["input_specs"][2], spec);
    let wrapper = &top["nodes"][0];
    assert_eq!(wrapper["inputs"][4]["arg"], tensor("c_pick"), "the constant goes into the sub-graph");
    let inner = &wrapper["inputs"][1]["arg"]["as_graph"]["graph"];
    assert_eq!(inner["inputs"][2], tensor("c_pick"));
    assert_eq!((&inner["nodes"][1]["name"], &inner["nodes"][1]["outputs"][0]), (&json!("relu_kept"), &tensor("relu_kept")));
    assert_eq!(inner["nodes"][2]["outputs"][0], tensor("relu"));
    assert_eq!(inner["nodes"][2]["metadata"], inner["nodes"][0]["metadata"], "those of the node it stands for");
    assert_eq!(inner["tensor_values"]["c_pick"], meta(5, &[2], &[1]));
    let sizes = &inner["tensor_values"]["linear"];
    let batch = &program()["graph_module"]["graph"]["tensor_values"]["x"]["sizes"][0];
    assert_eq!(sizes["sizes"], json!([batch, {"as_int": 2}]));
    assert_eq!(sizes["strides"], json!([{"as_int": 2}, {"as_int": 1}]));
    let flat = "Mul(Integer(2), Symbol('s0', positive=True, integer=True))";
    let flat = json!([{"as_expr": {"expr_str": flat, "hint": {"as_int": 8}}}]);
    assert_eq!(top["tensor_values"]["view"]["sizes"], flat);
    assert_eq!(model["range_constraints"], program()["range_constraints"], "numbers survive");

    let config = member(&out, "net/data/weights/model_weights_config.json");
    assert_eq!(config["config"]["tied"], entry("weight_0", meta(7, &[2, 2], &[2, 1])));
    assert_eq!(config["config"]["unused"]["path_name"], "weight_1");
    let constants = member(&out, "net/data/constants/model_constants_config.json");
    assert_eq!(constants["config"]["pick"]["path_name"], "tensor_0");

    let again = Archive::open(&out).unwrap();
    let back = again.graph(&[]).unwrap();
    assert_eq!(back.nodes.len(), 5);
    assert_eq!(again.storage(back.tensors[0].storage).unwrap(), [1; 16].as_slice());
    assert_eq!(back.tensors[2].name, "pick");
    for v in 0..graph.values.len() {
        let id = ValueId(v as u32);
        let found = back.values.iter().find(|x| x.name == small.value(id).name);
        assert!(found.is_some_and(|x| x.shape == small.value(id).shape), "{}", small.value(id).name);
    }
}

#[test]
fn outputs_and_nodes_may_change() {
    let dir = Dir::new();
    let archive = Archive::open(&dir.pack(&Parts::new())).unwrap();
    let graph = archive.graph(&[]).unwrap();
    let mut small = graph.clone();
    let dropped = small.nodes.pop().unwrap();
    let added = ValueId(small.values.len() as u32);
    small.values.push(Carrier { name: "view".to_owned(), ..graph.value(dropped.outputs[0]).clone() });
    let args = vec![("self".to_owned(), dropped.args[0].1.clone())];
    small.nodes.push(Node {
        target: "aten.neg.default".to_owned(),
        args,
        outputs: vec![added],
        origin: paring::model::Origin::New(None),
        ..dropped
    });
    small.outputs = vec![added];
    let out = dir.path("out.pt2");
    write(&archive, &graph, &small, &unchanged(&archive), &out, &mut |_| ()).unwrap().persist().unwrap();
    let model = member(&out, "net/models/model.json");
    let name = "view_1"; // `view` is taken
    assert_eq!(model["graph_module"]["graph"]["outputs"], json!([tensor(name), {"as_int": 3}]));
    assert_eq!(model["graph_module"]["signature"]["output_specs"][0]["user_output"]["arg"], tensor(name));
    assert_eq!(model["graph_module"]["module_call_graph"][0]["signature"]["outputs"][0], tensor(name));
    assert_eq!(model["graph_module"]["graph"]["tensor_values"].get("mul"), None);
    assert!(Archive::open(&out).unwrap().graph(&[]).is_ok());
}

#[test]
fn nothing_stored_is_no_zeros() {
    // PyTorch makes zeros of it, silently.
    let (code, text) = fails(&Parts::new().set("data/weights/weight_0", ""));
    assert_eq!((code.as_str(), text.contains("has 0")), ("paring::pt2::payload_too_short", true), "{text}");
}

/// Opens spoiled parts and gives the code and text of the error.
fn fails(parts: &Parts) -> (String, String) {
    let error = open(parts).expect_err("the archive must be refused");
    (error.code().unwrap().to_string(), error.to_string())
}

#[test]
fn each_fault_has_its_own_error() {
    let new = Parts::new;
    let graph = |change: fn(&mut Value)| new().model(move |m| change(&mut m["graph_module"]["graph"]));
    let cases: Vec<(&str, &str, Parts)> = vec![
        ("missing_member", "data.pkl", new().without("archive_format").set("code/__torch__.py", "")),
        ("older_torch", "older torch", new().set("data/weights/model.pt", "")),
        ("not_pt2", "archive_format", new().without("archive_format")),
        ("not_pt2", "zip9", new().set("archive_format", "zip9")),
        ("archive_version", "\"1\"", new().set("archive_version", "1")),
        ("schema_version", "7.2", new().model(|m| m["schema_version"] = json!({"major": 7, "minor": 2}))),
        ("missing_member", "models/model.json", new().without("models/model.json")),
        ("missing_member", "weights_config", new().without("data/weights/model_weights_config.json")),
        ("missing_member", "weight_1", new().without("data/weights/weight_1")),
        ("several_models", "a, b", new().without("models/model.json").set("models/a.json", "").set("models/b.json", "")),
        ("malformed_json", "line 1", new().set("models/model.json", "{\"graph_module\": nope}")),
        ("malformed_json", "EOF", new().set("models/model.json", "{\"graph_module\": [")),
        ("schema", "field `graph` is missing", new().model(|m| drop(m["graph_module"].as_object_mut().unwrap().remove("graph")))),
        ("schema", "nodes[1].inputs[0]: one variant", graph(|g| g["nodes"][1]["inputs"][0]["arg"] = json!({}))),
        ("schema", "defined twice", graph(|g| g["nodes"][2]["outputs"][0] = tensor("view"))),
        ("schema", "input_specs", graph(|g| drop(g["inputs"].as_array_mut().unwrap().pop()))),
        ("unknown_name", "nodes[2].inputs[0]", graph(|g| g["nodes"][2]["inputs"][0]["arg"] = tensor("later"))),
        ("dtype", "element type 77", graph(|g| g["tensor_values"]["view"]["dtype"] = json!(77))),
        ("dtype", "`fc.weight`", new().weight("fc.weight", "dtype", json!(20))),
        ("bad_layout", "`tied`", new().weight("tied", "strides", json!([{"as_int": 1}]))),
        ("bad_layout", "overflow", new().weight("tied", "storage_offset", json!({"as_int": i64::MAX}))),
        ("bad_layout", "multiple", new().set("data/weights/weight_0", vec![0; 25])),
        ("schema", "negative", new().weight("tied", "storage_offset", json!({"as_int": -1}))),
        ("payload_too_short", "`fc.weight` needs 24 bytes", new().set("data/weights/weight_0", vec![0; 20])),
        ("payload_too_short", "`tied` needs 28 bytes", new().weight("tied", "storage_offset", json!({"as_int": 1}))),
        (
            "pickled",
            "`tied`",
            new().edit("data/weights/model_weights_config.json", |c| c["config"]["tied"]["use_pickle"] = json!(true)),
        ),
        (
            "unknown_tensor",
            "`gone`",
            new().model(|m| m["graph_module"]["signature"]["input_specs"][0]["parameter"]["parameter_name"] = json!("gone")),
        ),
    ];
    for (code, text, parts) in &cases {
        let (found, message) = fails(parts);
        assert_eq!(found, format!("paring::pt2::{code}"), "{message}");
        assert!(message.contains(text), "{message:?} should contain {text:?}");
        assert!(message.contains("in.pt2"), "{message:?} should name the file");
    }
}

#[test]
fn files_that_are_no_archives() {
    let dir = Dir::new();
    let path = dir.path("in.pt2");
    let code = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        Archive::open(&path).err().and_then(|e| e.code().map(|c| c.to_string())).unwrap()
    };
    let whole = Parts::new().bytes();
    assert_eq!(code(b""), "paring::pt2::not_a_zip");
    assert_eq!(code(b"\x80\x02}q\x00. a pickle"), "paring::pt2::not_a_zip");
    assert_eq!(code(&whole[..whole.len() / 4]), "paring::pt2::truncated");
    let mut damaged = whole.clone();
    let directory = damaged.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
    damaged[directory] = b'X';
    assert_eq!(code(&damaged), "paring::pt2::bad_zip");
    let missing = Archive::open(&dir.path("nowhere.pt2")).err().unwrap();
    assert_eq!(missing.code().unwrap().to_string(), "paring::file::unreadable");
    // Cutting anywhere never panics.
    for at in (0..whole.len()).step_by(97) {
        code(&whole[..at]);
    }
}

#[test]
fn a_failed_write_leaves_nothing() {
    let dir = Dir::new();
    let archive = Archive::open(&dir.pack(&Parts::new())).unwrap();
    let (graph, mut small, mut payloads) = cut(&archive);
    let out = dir.path("out.pt2");
    let fails = |small: &Graph, payloads: &[Payload<'_>], to: &Path| {
        let error = write(&archive, &graph, small, payloads, to, &mut |_| ()).unwrap_err();
        error.code().unwrap().to_string()
    };
    let nowhere = dir.path("no/such/dir.pt2");
    assert_eq!(fails(&small, &payloads, &nowhere), "paring::file::unwritable");
    payloads[0] = Payload::Write { len: 16, write: Box::new(|out| out.write_all(&[0; 8])) };
    assert_eq!(fails(&small, &payloads, &out), "paring::pt2::bad_edit");
    payloads[0] = Payload::Write { len: 16, write: Box::new(|_| Err(std::io::Error::other("disk on fire"))) };
    assert_eq!(fails(&small, &payloads, &out), "paring::file::unwritable");
    payloads[0] = Payload::Bytes(Cow::Owned(vec![0; 12]));
    assert_eq!(fails(&small, &payloads, &out), "paring::pt2::bad_edit");
    payloads[0] = Payload::Stored(0);
    small.nodes.remove(0); // its output is still used
    assert_eq!(fails(&small, &payloads, &out), "paring::pt2::bad_edit");
    assert_eq!(std::fs::read_dir(dir.0.path()).unwrap().count(), 1, "only the input remains");
}

#[test]
fn masks_go_both_ways() {
    let dir = Dir::new();
    let path = dir.path("masks.safetensors");
    let list = [("b".to_owned(), vec![2, 2]), ("a".to_owned(), vec![]), ("none".to_owned(), vec![0, 3])];
    let data: [&[u8]; 3] = [&[1, 0, 0, 1], &[1], &[]];
    write_safetensors(&path, &list, |i| data[i].into()).unwrap().persist().unwrap();
    let masks = read_safetensors(&path).unwrap();
    for ((name, shape), bytes) in list.iter().zip(data) {
        assert_eq!((&masks[name].shape, &*masks[name].keep().unwrap()), (shape, bytes));
    }
    let error = write_safetensors(&path, &list, |_| Cow::Borrowed(&[1, 1])).unwrap_err();
    assert!(error.to_string().contains("`b` has 2 bytes instead of 4"));
    assert!(read_safetensors(&path).is_ok(), "the old file is still there");
}

#[test]
fn masks_of_every_type_are_read() {
    let dir = Dir::new();
    let path = dir.path("masks.safetensors");
    let keeps = |dtype: &str, data: &[u8], count: usize| {
        let header = json!({"m": {"dtype": dtype, "shape": [count], "data_offsets": [0, data.len()]}}).to_string();
        let file = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat();
        std::fs::write(&path, file).unwrap();
        read_safetensors(&path)?.swap_remove("m").unwrap().keep().map(|k| k.iter().map(|b| *b != 0).collect::<Vec<_>>())
    };
    let floats = [0.0f32, -0.0, 1.0, f32::NEG_INFINITY].map(f32::to_le_bytes).concat();
    assert_eq!(keeps("F32", &floats, 4).unwrap(), [false, false, true, true]);
    let doubles = [-0.0f64, 1e-300].map(f64::to_le_bytes).concat();
    assert_eq!(keeps("F64", &doubles, 2).unwrap(), [false, true]);
    assert_eq!(keeps("BF16", &[0, 0x80, 0x80, 0x3f], 2).unwrap(), [false, true]);
    assert_eq!(keeps("F16", &[0, 0x80, 1, 0], 2).unwrap(), [false, true]);
    assert_eq!(keeps("I64", &[[0; 8], 256i64.to_le_bytes()].concat(), 2).unwrap(), [false, true]);
    assert_eq!(keeps("I32", &i32::MIN.to_le_bytes(), 1).unwrap(), [true]);
    assert_eq!(keeps("BOOL", &[0, 1, 2], 3).unwrap(), [false, true, true]);
    let doubles = [1.0f64, -f64::NAN].map(f64::to_le_bytes).concat();
    let undefined: [(&str, &[u8]); 4] =
        [("F16", &[0, 0x7e]), ("BF16", &[0xc0, 0xff]), ("F32", &[1, 0, 0x80, 0x7f]), ("F64", &doubles)];
    for (dtype, data) in undefined {
        let error = keeps(dtype, data, if dtype == "F64" { 2 } else { 1 }).unwrap_err();
        assert_eq!(error.code().unwrap().to_string(), "paring::masks::nan", "{dtype}");
    }
    let error = keeps("C64", &[0; 8], 1).unwrap_err();
    assert_eq!(error.code().unwrap().to_string(), "paring::masks::dtype");
    std::fs::write(&path, b"no masks").unwrap();
    assert_eq!(read_safetensors(&path).unwrap_err().code().unwrap().to_string(), "paring::masks::not_safetensors");
}
