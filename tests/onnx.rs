//! ONNX models: what stays byte for byte, what is written, and what is said of broken files.

use std::fs;
use std::path::{Path, PathBuf};

use paring::rule::RuleSet;
use paring::solve::{Mask, Masks};
use paring::{Outputs, Settings};

/// A field of bytes.
fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
    let mut out = varint(u64::from(number) << 3 | 2);
    out.extend(varint(content.len() as u64));
    out.extend(content);
    out
}

/// A field of a number.
fn number(number: u8, n: u64) -> Vec<u8> {
    [varint(u64::from(number) << 3), varint(n)].concat()
}

fn varint(mut n: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
    out
}

fn tensor(name: &str, dims: &[u64], data: &[u8]) -> Vec<u8> {
    let dims: Vec<u8> = dims.iter().flat_map(|n| number(1, *n)).collect();
    [dims, number(2, 1), bytes(8, name.as_bytes()), bytes(9, data)].concat()
}

fn floats(n: usize) -> Vec<u8> {
    (0..n).flat_map(|k| (k as f32 + 1.0).to_le_bytes()).collect()
}

fn value(name: &str, dims: &[u64]) -> Vec<u8> {
    let dims: Vec<u8> = dims.iter().flat_map(|n| bytes(1, &number(1, *n))).collect();
    let kind = bytes(1, &[number(1, 1), bytes(2, &dims)].concat());
    [bytes(1, name.as_bytes()), bytes(2, &kind)].concat()
}

fn node(op: &str, inputs: &[&str], output: &str) -> Vec<u8> {
    let inputs: Vec<u8> = inputs.iter().flat_map(|n| bytes(1, n.as_bytes())).collect();
    // Field 60 is none of ONNX's.
    [inputs, bytes(2, output.as_bytes()), bytes(4, op.as_bytes()), bytes(60, b"kept")].concat()
}

/// Two layers: `relu(x @ one) @ two`.
fn parts() -> Vec<Vec<u8>> {
    vec![
        bytes(1, &node("MatMul", &["x", "one"], "a")),
        bytes(1, &node("Relu", &["a"], "b")),
        bytes(1, &node("MatMul", &["b", "two"], "y")),
        bytes(2, b"net"),
        bytes(5, &tensor("one", &[3, 4], &floats(12))),
        bytes(5, &tensor("two", &[4, 2], &floats(8))),
        bytes(11, &value("x", &[5, 3])),
        bytes(12, &value("y", &[5, 2])),
    ]
}

fn model(parts: &[Vec<u8>]) -> Vec<u8> {
    let opset = number(2, 17);
    [number(1, 8), bytes(2, b"test"), bytes(7, &parts.concat()), bytes(8, &opset), bytes(60, b"after")].concat()
}

/// The first layer without some of its columns.
fn masks(drop: &[usize]) -> Masks<'static> {
    let keep: Vec<u8> = (0..12).map(|k| u8::from(!drop.contains(&(k % 4)))).collect();
    let mut masks = Masks::new();
    if !drop.is_empty() {
        masks.insert("one".to_owned(), Mask { shape: vec![3, 4], keep: keep.into() });
    }
    masks
}

fn shrink(folder: &Path, model: &[u8], drop: &[usize], to: &str) -> Result<Vec<u8>, String> {
    let file = folder.join("model.onnx");
    fs::write(&file, model).unwrap();
    let outputs = Outputs { model: Some(folder.join(to)), ..Outputs::default() };
    let settings = Settings::default();
    let done = paring::speedup(&file, &masks(drop), RuleSet::builtin(), &settings, &outputs, &mut |_| {});
    done.map_err(|e| format!("{:?}", miette::Report::new(e)).replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" "))?;
    Ok(fs::read(folder.join(to)).unwrap())
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_path_buf();
    (folder, path)
}

#[test]
fn what_is_not_touched_stays_byte_for_byte() {
    let (_folder, path) = folder();
    let whole = model(&parts());
    assert_eq!(shrink(&path, &whole, &[], "small.onnx").unwrap(), whole);
    let small = shrink(&path, &whole, &[1, 3], "small.onnx").unwrap();
    let columns = |k: u32| (k as f32 + 1.0).to_le_bytes();
    let one: Vec<u8> = [0, 2, 4, 6, 8, 10].into_iter().flat_map(columns).collect();
    let two: Vec<u8> = [0, 1, 4, 5].into_iter().flat_map(columns).collect();
    let mut expected = parts();
    expected[4] = bytes(5, &tensor("one", &[3, 2], &one));
    expected[5] = bytes(5, &tensor("two", &[2, 2], &two));
    assert_eq!(small, model(&expected));
}

#[test]
fn broken_models_are_errors() {
    let (_folder, path) = folder();
    let whole = model(&parts());
    let with = |at: usize, part: Vec<u8>| {
        let mut parts = parts();
        parts[at] = part;
        model(&parts)
    };
    let outside = |location: &str| {
        let entry = [bytes(1, b"location"), bytes(2, location.as_bytes())].concat();
        let dims = [number(1, 3), number(1, 4)].concat();
        with(4, bytes(5, &[dims, number(2, 1), bytes(8, b"one"), bytes(13, &entry), number(14, 1)].concat()))
    };
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (Vec::new(), "it is empty"),
        (whole[..whole.len() - 30].to_vec(), "is damaged at byte"),
        (number(1, 8), "it has no graph"),
        (with(4, bytes(5, &tensor("one", &[3, 5], &floats(12)))), "needs 60 bytes"),
        (with(4, bytes(5, &tensor("one", &[u64::MAX / 4, 9], &floats(12)))), "too large"),
        (with(4, bytes(5, &tensor("two", &[3, 4], &floats(12)))), "is made twice"),
        (with(0, bytes(1, &node("MatMul", &["b", "one"], "a"))), "before it is made"),
        (with(1, bytes(1, &node("Relu", &["a"], "a"))), "is made twice"),
        (with(7, bytes(12, &value("z", &[5, 2]))), "nothing makes its output"),
        (with(7, bytes(12, &value("y", &[5, 7]))), "y"),
        (outside("../../etc/passwd"), "outside of the model's folder"),
        (outside("/etc/passwd"), "outside of the model's folder"),
        (outside("missing.data"), "cannot be read"),
        (with(3, bytes(15, b"")), "sparse initializers"),
    ];
    for (model, said) in cases {
        let error = shrink(&path, &model, &[1], "small.onnx").unwrap_err();
        assert!(error.contains(said), "{said}: {error}");
    }
}

/// The model with other operators for the relu: `node` makes `b` of `a`.
fn with_node(node: Vec<u8>, functions: &[Vec<u8>]) -> Vec<u8> {
    let mut parts = parts();
    parts[1] = bytes(1, &node);
    let opsets = [bytes(8, &number(2, 17)), bytes(8, &[bytes(1, b"own"), number(2, 1)].concat())].concat();
    let functions: Vec<u8> = functions.iter().flat_map(|f| bytes(25, f)).collect();
    [number(1, 8), bytes(7, &parts.concat()), opsets, functions].concat()
}

fn call(op: &str, input: &str, output: &str) -> Vec<u8> {
    [node(op, &[input], output), bytes(7, b"own")].concat()
}

fn function(name: &str, nodes: &[Vec<u8>]) -> Vec<u8> {
    let nodes: Vec<u8> = nodes.iter().flat_map(|n| bytes(7, n)).collect();
    let opsets = [bytes(9, &number(2, 17)), bytes(9, &[bytes(1, b"own"), number(2, 1)].concat())].concat();
    [bytes(1, name.as_bytes()), bytes(4, b"X"), bytes(5, b"Y"), nodes, opsets, bytes(10, b"own"), bytes(60, b"kept")].concat()
}

#[test]
fn functions_are_looked_into_and_kept() {
    let (_folder, path) = folder();
    let inner = function("Inner", &[node("Relu", &["X"], "t"), node("Identity", &["t"], "Y")]);
    let outer = function("Outer", &[call("Inner", "X", "s"), node("Abs", &["s"], "Y")]);
    let whole = with_node(call("Outer", "a", "b"), &[inner, outer]);
    assert_eq!(shrink(&path, &whole, &[], "small.onnx").unwrap(), whole);
    let small = shrink(&path, &whole, &[1, 3], "small.onnx").unwrap();
    assert!(small.len() < whole.len());
    let kept = bytes(1, &call("Outer", "a", "b"));
    assert!(small.windows(kept.len()).any(|w| w == kept), "the call is not as it was");
}

#[test]
fn fields_that_are_unknown_stay_in_what_changes() {
    let (_folder, path) = folder();
    let mut parts = parts();
    parts[4] = bytes(5, &[tensor("one", &[3, 4], &floats(12)), bytes(60, b"mine")].concat());
    parts.push(bytes(13, &[value("a", &[5, 4]), bytes(60, b"yours")].concat()));
    parts.push(bytes(60, b"all"));
    let small = shrink(&path, &model(&parts), &[1, 3], "small.onnx").unwrap();
    let columns = |k: u32| (k as f32 + 1.0).to_le_bytes();
    let one: Vec<u8> = [0, 2, 4, 6, 8, 10].into_iter().flat_map(columns).collect();
    let two: Vec<u8> = [0, 1, 4, 5].into_iter().flat_map(columns).collect();
    parts[4] = bytes(5, &[tensor("one", &[3, 2], &one), bytes(60, b"mine")].concat());
    parts[5] = bytes(5, &tensor("two", &[2, 2], &two));
    parts[8] = bytes(13, &[value("a", &[5, 2]), bytes(60, b"yours")].concat());
    assert_eq!(small, model(&parts));
}

/// Graphs in graphs: If in If.
fn nested(depth: usize) -> Vec<u8> {
    let mut inside = [node("If", &["a"], "b"), Vec::new()].concat();
    for _ in 0..depth {
        let graph = [bytes(1, &inside), bytes(12, &bytes(1, b"b"))].concat();
        let attribute = [bytes(1, b"then_branch"), bytes(6, &graph), number(20, 5)].concat();
        inside = [node("If", &["a"], "b"), bytes(5, &attribute)].concat();
    }
    inside
}

#[test]
fn bombs_are_errors_at_once() {
    let (_folder, path) = folder();
    let twice = |k: usize| {
        let next = format!("f{}", k + 1);
        function(&format!("f{k}"), &[call(&next, "X", "t"), call(&next, "t", "Y")])
    };
    let doubling: Vec<Vec<u8>> = (0..30).map(twice).chain([function("f30", &[])]).collect();
    let itself = function("f0", &[call("f0", "X", "Y")]);
    let with = |at: usize, part: Vec<u8>| {
        let mut parts = parts();
        parts[at] = part;
        model(&parts)
    };
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("graphs in graphs", with_node(nested(5_000), &[]), "nested too deeply"),
        ("functions that double", with_node(call("f0", "a", "b"), &doubling), "functions that unfold to more than"),
        ("a function that calls itself", with_node(call("f0", "a", "b"), &[itself]), "f0"),
        (
            "a tensor of 10^12 elements",
            with(4, bytes(5, &tensor("one", &[1_000_000, 1_000_000], &floats(12)))),
            "needs 4000000000000 bytes",
        ),
        ("no elements of many", with(4, bytes(5, &tensor("one", &[0, 1 << 40, 1 << 40], &[]))), "1099511627776"),
        ("a text of 2^60 bytes", [number(1, 8), varint(7 << 3 | 2), varint(1 << 60), b"graph".to_vec()].concat(), "is damaged"),
        ("a program for another file", b"\x7fELF and so on".to_vec(), "paring::"),
        ("JSON", b"{\"graph\": []}".to_vec(), "paring::"),
    ];
    for (what, model, said) in cases {
        let start = std::time::Instant::now();
        let error = shrink(&path, &model, &[1], "small.onnx").expect_err(what);
        assert!(error.contains(said) && error.contains("help:") && error.contains("paring::"), "{what}: {error}");
        assert!(start.elapsed().as_secs() < 20, "{what} takes {:?}", start.elapsed()); // two, where the program is optimised
        assert!(!path.join("small.onnx").exists());
    }
}

#[cfg(unix)]
#[test]
fn links_do_not_lead_out_of_the_folder() {
    let (_outer, outer) = folder();
    let (_folder, path) = folder();
    fs::write(outer.join("secret"), floats(12)).unwrap();
    std::os::unix::fs::symlink(outer.join("secret"), path.join("weights")).unwrap();
    let entry = [bytes(1, b"location"), bytes(2, b"weights")].concat();
    let dims = [number(1, 3), number(1, 4)].concat();
    let mut parts = parts();
    parts[4] = bytes(5, &[dims, number(2, 1), bytes(8, b"one"), bytes(13, &entry), number(14, 1)].concat());
    let error = shrink(&path, &model(&parts), &[1], "small.onnx").unwrap_err();
    assert!(error.contains("leads out of the model's folder"), "{error}");
}

#[test]
fn formats_are_not_mixed() {
    let (_folder, path) = folder();
    let error = shrink(&path, &model(&parts()), &[1], "small.pt2").unwrap_err();
    assert!(error.contains("paring::onnx::other_format"), "{error}");
}

fn entry(key: &str, text: &str) -> Vec<u8> {
    [bytes(1, key.as_bytes()), bytes(2, text.as_bytes())].concat()
}

/// Two linear layers, of which the file has transposed matrices: nodes with what is noted of them.
fn layers(names: [&str; 2], nodes: [Vec<u8>; 3], noted: Vec<u8>) -> Vec<u8> {
    let [one, relu, two] = nodes;
    let (first, second) = (tensor(names[0], &[3, 4], &floats(12)), tensor(names[1], &[4, 2], &floats(8)));
    let own = [bytes(1, &one), bytes(1, &relu), bytes(1, &two), bytes(5, &first), bytes(5, &second)];
    let ends = [bytes(11, &value("x", &[5, 3])), bytes(12, &value("y", &[5, 2])), noted];
    model(&[own.to_vec(), ends.to_vec()].concat())
}

/// Drops rows of a matrix of four rows.
fn rows(name: &str, columns: usize, drop: &[usize]) -> (String, Mask<'static>) {
    let keep: Vec<u8> = (0..4 * columns).map(|k| u8::from(!drop.contains(&(k / columns)))).collect();
    (name.to_owned(), Mask { shape: vec![4, columns], keep: keep.into() })
}

fn cut(folder: &Path, model: &[u8], masks: Masks) -> Result<(Vec<u8>, paring::report::Summary), String> {
    shown(folder, model, masks).map_err(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The same; errors as the command shows them.
fn shown(folder: &Path, model: &[u8], masks: Masks) -> Result<(Vec<u8>, paring::report::Summary), String> {
    let file = folder.join("model.onnx");
    fs::write(&file, model).unwrap();
    let outputs = Outputs { model: Some(folder.join("small.onnx")), ..Outputs::default() };
    let done = paring::speedup(&file, &masks, RuleSet::builtin(), &Settings::default(), &outputs, &mut |_| {});
    let summary = done.map_err(|e| format!("{:?}", miette::Report::new(e)))?;
    Ok((fs::read(folder.join("small.onnx")).unwrap(), summary))
}

/// What the exporters of PyTorch note: the parameters and the call behind each node, or the module in the node's name.
fn exported() -> [(&'static str, &'static str, Vec<u8>); 3] {
    let named =
        |op: &str, inputs: &[&str], output: &str, name: &str| [node(op, inputs, output), bytes(3, name.as_bytes())].concat();
    let signature = "# inputs\np_fc_weight: PARAMETER target='fc.weight'\np_out_weight: PARAMETER target='out.weight'\np_gone: PARAMETER target='gone'\n";
    let noted = bytes(16, &entry("pkg.torch.export.ExportedProgram.graph_signature", signature));
    let call = |input: &str, weight: &str| {
        let text = format!(
            "%linear : [num_users=1] = call_function[target=torch.ops.aten.linear.default](args = (%{input}, %{weight}), kwargs = {{}})"
        );
        bytes(9, &entry("pkg.torch.onnx.fx_node", &text))
    };
    let listed = [
        [node("MatMul", &["x", "val_0"], "a"), call("x", "p_fc_weight")].concat(),
        node("Relu", &["a"], "b"),
        [node("MatMul", &["b", "val_1"], "y"), call("b", "p_out_weight")].concat(),
    ];
    let scoped = |first: &str, second: &str| {
        [
            named("MatMul", &["x", "onnx::MatMul_7"], "a", first),
            node("Relu", &["a"], "b"),
            named("MatMul", &["b", "onnx::MatMul_8"], "y", second),
        ]
    };
    let made_up = ["onnx::MatMul_7", "onnx::MatMul_8"];
    [
        ("val_0", "fc.weight", layers(["val_0", "val_1"], listed, noted)),
        ("onnx::MatMul_7", "fc.weight", layers(made_up, scoped("/fc/MatMul", "/out/MatMul"), vec![])),
        ("onnx::MatMul_7", "layer.0.fc.weight", layers(made_up, scoped("/layer/layer.0/fc/MatMul", "/out/MatMul"), vec![])),
    ]
}

#[test]
fn masks_go_by_the_names_of_the_exported_module() {
    let (_folder, path) = folder();
    for (own, name, model) in exported() {
        let columns: Vec<u8> = (0..12).map(|k| u8::from(![1, 3].contains(&(k % 4)))).collect();
        let direct = Masks::from_iter([(own.to_owned(), Mask { shape: vec![3, 4], keep: columns.into() })]);
        let (expected, _) = cut(&path, &model, direct).unwrap();
        assert!(expected.len() < model.len());
        for given in [name.to_owned(), format!("module.{name}")] {
            let (small, summary) = cut(&path, &model, Masks::from_iter([rows(&given, 3, &[1, 3])])).unwrap();
            assert_eq!(small, expected, "{given}");
            let note = summary.notes.iter().find(|n| n.subject.contains("exported module")).unwrap();
            assert!(note.text.contains(&format!("`{own}` transposed")), "{}", note.text);
            assert!(summary.layers.iter().any(|l| name.starts_with(&l.name) && !l.name.is_empty()), "{:?}", summary.layers);
        }
    }
}

#[test]
fn explain_and_analyze_know_names_of_the_exported_module() {
    let (_folder, path) = folder();
    let file = path.join("model.onnx");
    for (own, name, model) in exported() {
        fs::write(&file, model).unwrap();
        let session = paring::Session::open(&file, &[], RuleSet::builtin(), &[]).unwrap();
        let (graph, axes) = (session.graph(), session.axes());
        let axis = |name: &str| paring::report::axis(graph, axes, name).unwrap().name;
        assert_eq!(axis(&format!("{name}[0]")), format!("{own}[1]"));
        assert_eq!(axis(&format!("{name}[1]")), format!("{own}[0]"));
        assert_eq!(axis(name), format!("{own}[1]"));
        assert_eq!(axis(name.strip_suffix(".weight").unwrap()), format!("{own}[1]"));
        let analysis = paring::report::Analysis::new(graph, axes, session.rules());
        let groups = analysis.named(name);
        assert!(groups.len() == 1 && groups[0].members[0].exported.as_deref() == Some(&format!("{name}[0]")), "{groups:?}");
    }
}

#[test]
fn names_that_may_mean_several_tensors_are_errors() {
    let (_folder, path) = folder();
    let [(own, name, model), ..] = exported();
    // The name and the file's own, for one tensor.
    let columns = Mask { shape: vec![3, 4], keep: vec![1; 12].into() };
    let twice = Masks::from_iter([(own.to_owned(), columns.clone()), rows(name, 3, &[1])]);
    let error = shown(&path, &model, twice).unwrap_err();
    insta::assert_snapshot!("masks_twice", error);
    // What the module has and the file lacks is ignored, and said.
    let (_, summary) = cut(&path, &model, Masks::from_iter([rows(name, 3, &[1]), rows("gone", 1, &[1])])).unwrap();
    assert!(summary.notes.iter().any(|n| n.subject.contains("ignored") && n.text.contains("`gone`")), "{:?}", summary.notes);
    // Two matrices in one module.
    let named = |op: &str, inputs: &[&str], output: &str| [node(op, inputs, output), bytes(3, b"/fc/MatMul")].concat();
    let nodes = [
        named("MatMul", &["x", "onnx::MatMul_7"], "a"),
        node("Relu", &["a"], "b"),
        named("MatMul", &["b", "onnx::MatMul_8"], "y"),
    ];
    let model = layers(["onnx::MatMul_7", "onnx::MatMul_8"], nodes, vec![]);
    let error = shown(&path, &model, Masks::from_iter([rows("fc.weight", 3, &[1])])).unwrap_err();
    insta::assert_snapshot!("masks_doubtful", error);
}

/// A tensor of whole numbers.
fn numbers(name: &str, dims: &[u64], list: &[i64]) -> Vec<u8> {
    let dims: Vec<u8> = dims.iter().flat_map(|n| number(1, *n)).collect();
    let data: Vec<u8> = list.iter().flat_map(|n| n.to_le_bytes()).collect();
    [dims, number(2, 7), bytes(8, name.as_bytes()), bytes(9, &data)].concat()
}

/// Sizes of parts that a tensor holds are written for every part.
#[test]
fn sizes_of_parts_are_a_list() {
    let (_folder, path) = folder();
    let axis = bytes(5, &[bytes(1, b"axis"), number(3, 1), number(20, 2)].concat());
    let parts = [
        bytes(1, &node("MatMul", &["x", "one"], "a")),
        bytes(1, &[node("Split", &["a", "sizes"], "b"), bytes(2, b"c"), axis].concat()),
        bytes(1, &node("MatMul", &["b", "two"], "y")),
        bytes(1, &node("MatMul", &["c", "three"], "z")),
        bytes(5, &tensor("one", &[3, 5], &floats(15))),
        bytes(5, &tensor("two", &[3, 2], &floats(6))),
        bytes(5, &tensor("three", &[2, 2], &floats(4))),
        bytes(5, &numbers("sizes", &[2], &[3, 2])),
        bytes(11, &value("x", &[5, 3])),
        bytes(12, &value("y", &[5, 2])),
        bytes(12, &value("z", &[5, 2])),
    ];
    let keep: Vec<u8> = (0..15).map(|k| u8::from(![0, 3].contains(&(k % 5)))).collect();
    let masks = Masks::from_iter([("one".to_owned(), Mask { shape: vec![3, 5], keep: keep.into() })]);
    let (small, _) = cut(&path, &model(&parts), masks).unwrap();
    let left: Vec<u8> = [2i64, 1].into_iter().flat_map(i64::to_le_bytes).collect();
    assert!(small.windows(left.len()).any(|w| w == left));
    let dims: Vec<u8> = number(1, 2);
    assert!(small.windows(dims.len()).any(|w| w == dims));
}

#[test]
fn an_index_of_several_dimensions_lists_what_stays() {
    let (_folder, path) = folder();
    let axis = bytes(5, &[bytes(1, b"axis"), number(3, 1), number(20, 2)].concat());
    let parts = [
        bytes(1, &node("MatMul", &["x", "one"], "a")),
        bytes(1, &[node("Gather", &["a", "places"], "b"), axis].concat()),
        bytes(1, &node("Reshape", &["b", "sizes"], "c")),
        bytes(1, &node("MatMul", &["c", "two"], "y")),
        bytes(5, &tensor("one", &[3, 4], &floats(12))),
        bytes(5, &tensor("two", &[4, 2], &floats(8))),
        bytes(5, &numbers("places", &[1, 4, 1], &[3, 2, 1, 0])),
        bytes(5, &numbers("sizes", &[2], &[5, -1])),
        bytes(11, &value("x", &[5, 3])),
        bytes(12, &value("y", &[5, 2])),
    ];
    let small = shrink(&path, &model(&parts), &[1, 3], "small.onnx").unwrap();
    // Of the positions 3, 2, 1, 0 stay 2 and 0, which are 1 and 0 then.
    let left: Vec<u8> = [1i64, 0].into_iter().flat_map(i64::to_le_bytes).collect();
    assert!(small.windows(left.len()).any(|w| w == left));
    let dims = bytes(1, &[1, 2, 1]);
    assert!(small.windows(dims.len()).any(|w| w == dims));
}

/// Names, sizes and elements of masks.
type ByHand = Vec<(String, Vec<usize>, Vec<u8>)>;

/// Masks by hand, what is frozen, and what `prune` is told, go by all names of a matrix.
#[test]
fn names_of_the_exported_module_are_known_everywhere() {
    let (_folder, path) = folder();
    let file = path.join("model.onnx");
    let open = |freeze: &[String]| paring::Session::open(&file, &[], RuleSet::builtin(), freeze).unwrap();
    for (own, name, model) in exported() {
        fs::write(&file, &model).unwrap();
        let layer = name.strip_suffix(".weight").unwrap().to_owned();
        let by_hand = |entry: &str| {
            fs::write(path.join("masks.yaml"), entry).unwrap();
            let file_of_masks = paring::MaskFile::open(&path.join("masks.yaml")).unwrap();
            let masks = file_of_masks.masks(&file).map_err(|e| e.to_string())?;
            Ok(masks.into_iter().map(|(name, m)| (name, m.shape, m.keep.into_owned())).collect::<Vec<_>>())
        };
        let keep = |gone: fn(usize, usize) -> bool| (0..12).map(|k| u8::from(!gone(k / 4, k % 4))).collect::<Vec<u8>>();
        let columns = Ok(vec![(own.to_owned(), vec![3, 4], keep(|_, column| column == 1 || column == 3))]);
        for entry in [&layer, name, &format!("{}*", &layer[..layer.len() - 1])] {
            assert_eq!(by_hand(&format!("\"{entry}\": {{ drop: [1, 3] }}")), columns, "{entry}");
        }
        let inputs = Ok(vec![(own.to_owned(), vec![3, 4], keep(|row, _| row == 2))]);
        assert_eq!(by_hand(&format!("{layer}: {{ drop: [2], dim: 1 }}")), inputs);
        assert_eq!(by_hand(&format!("\"{own}\": {{ drop: [2] }}")), inputs);
        // The smallest columns are the first; of the whole group, too.
        let first = Ok(vec![(own.to_owned(), vec![3, 4], keep(|_, column| column < 2))]);
        assert_eq!(by_hand(&format!("{layer}: {{ ratio: 0.5 }}")).map(|m| m[0].clone()), first.map(|m: Vec<_>| m[0].clone()));
        let twice: Result<ByHand, String> = by_hand(&format!("{layer}: {{ drop: [1] }}\n\"{own}\": {{ drop: [1], dim: 1 }}"));
        assert!(twice.unwrap_err().contains(&format!("two entries speak of `{own}`")));

        let masks = Masks::from_iter([rows(name, 3, &[1, 3])]);
        let removed = |freeze: &[String]| {
            let session = open(freeze);
            let parameters = session.cut(&masks, &Settings::default()).unwrap().summary.parameters;
            parameters.before - parameters.after
        };
        assert!(removed(&[]) > 0);
        for frozen in [&layer, name, own] {
            assert_eq!(removed(&[frozen.to_owned()]), 0, "{frozen}");
        }

        let session = open(&[]);
        let pruned = |options: paring::prune::Options| {
            let found = paring::prune::prune(session.model(), session.axes(), session.rules(), &options);
            found.map(|p| p.removed).map_err(|e| e.to_string())
        };
        let all = paring::prune::Options::default;
        let axis = format!("{name}[0]");
        assert_eq!(pruned(all()), Ok(2));
        for pattern in [&layer, name, &axis] {
            assert_eq!(pruned(paring::prune::Options { include: vec![pattern.to_owned()], ..all() }), Ok(2), "{pattern}");
            assert!(pruned(paring::prune::Options { exclude: vec![pattern.to_owned()], ..all() }).is_err(), "{pattern}");
            assert_eq!(pruned(paring::prune::Options { ratios: vec![(pattern.to_owned(), 0.25)], ..all() }), Ok(1), "{pattern}");
        }
        // Scores as PyTorch has them: a number a row, or for each element.
        let scored = |shape: Vec<usize>, values: Vec<f64>| {
            let scores = paring::prune::Scores { by_name: [(name.to_owned(), (shape, values))].into_iter().collect() };
            let options = paring::prune::Options { scores: Some(scores), ..all() };
            let chosen = paring::prune::prune(session.model(), session.axes(), session.rules(), &options).unwrap();
            chosen.masks[own].keep.to_vec()
        };
        let expected = keep(|_, column| column == 0 || column == 2);
        assert_eq!(scored(vec![4], vec![1.0, 4.0, 2.0, 3.0]), expected);
        assert_eq!(
            scored(vec![4, 3], vec![1.0, 1.0, 1.0, 4.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 5.0]),
            keep(|_, c| c == 0 || c == 2)
        );
    }
}

#[test]
fn names_by_hand_that_may_mean_several_are_errors() {
    let (_folder, path) = folder();
    let named = |op: &str, inputs: &[&str], output: &str| [node(op, inputs, output), bytes(3, b"/fc/MatMul")].concat();
    let nodes = [
        named("MatMul", &["x", "onnx::MatMul_7"], "a"),
        node("Relu", &["a"], "b"),
        named("MatMul", &["b", "onnx::MatMul_8"], "y"),
    ];
    fs::write(path.join("model.onnx"), layers(["onnx::MatMul_7", "onnx::MatMul_8"], nodes, vec![])).unwrap();
    let by_hand = |entry: &str| {
        fs::write(path.join("masks.yaml"), entry).unwrap();
        let file = paring::MaskFile::open(&path.join("masks.yaml")).unwrap();
        file.masks(&path.join("model.onnx")).map(|m| m.len()).map_err(|e| e.to_string())
    };
    for entry in ["fc: { drop: [1] }", "f*: { drop: [1] }"] {
        let said = by_hand(entry).unwrap_err();
        assert!(said.contains("may be any of `onnx::MatMul_7`, `onnx::MatMul_8`"), "{said}");
    }
    assert_eq!(by_hand("\"onnx::MatMul_7\": { drop: [1], dim: 1 }"), Ok(1));
    let [(_, _, listed), ..] = exported();
    fs::write(path.join("model.onnx"), listed).unwrap();
    let said = by_hand("gone: { drop: [1] }").unwrap_err();
    assert!(said.contains("nothing of its own for `gone`"), "{said}");
}

fn attribute(name: &str, list: &[i64]) -> Vec<u8> {
    let list: Vec<u8> = list.iter().flat_map(|n| number(8, *n as u64)).collect();
    bytes(5, &[bytes(1, name.as_bytes()), list, number(20, 7)].concat())
}

/// A mean over an axis that is named twice counts it once; one of whole numbers would need a part of a whole number, and its axis stays.
#[test]
fn means_over_axes_that_lose_positions() {
    let (_folder, path) = folder();
    let to = |n: u64| bytes(5, &[bytes(1, b"to"), number(3, n), number(20, 2)].concat());
    let parts = |kind: u64, axes: &[i64]| {
        [
            bytes(1, &node("MatMul", &["x", "one"], "a")),
            bytes(1, &[node("Cast", &["a"], "b"), to(kind)].concat()),
            bytes(1, &[node("ReduceMean", &["b"], "c"), attribute("axes", axes)].concat()),
            bytes(1, &[node("Cast", &["c"], "y"), to(1)].concat()),
            bytes(5, &tensor("one", &[3, 4], &floats(12))),
            bytes(11, &value("x", &[5, 3])),
            bytes(12, &value("y", &[5, 1])),
        ]
    };
    let small = shrink(&path, &model(&parts(1, &[1, 1])), &[1, 3], "small.onnx").unwrap();
    let has = |part: [u8; 4]| small.windows(4).any(|w| w == part);
    assert!(has(0.5f32.to_le_bytes()) && !has(0.25f32.to_le_bytes()), "two of four columns are half of them");
    let whole = model(&parts(7, &[1]));
    let small = shrink(&path, &whole, &[1, 3], "small.onnx").unwrap();
    assert_eq!(small.len(), whole.len());
}

/// Why the axes of what graphs in an operator read stay, and that no rule can change it.
#[test]
fn operators_with_graphs_say_why_axes_stay() {
    let (_folder, path) = folder();
    let mut parts = parts();
    parts[1] = bytes(1, &nested(1));
    parts.push(bytes(13, &value("b", &[5, 4])));
    let (_, summary) = cut(&path, &model(&parts), masks(&[1, 3])).unwrap();
    let said = "onnx.If.16 has graphs of its own, which stay as they are, with all that they read";
    assert!(summary.unknown.iter().any(|n| n.text.contains(said)), "{:?}", summary.unknown);
    assert!(summary.kept.iter().any(|k| k.note.text.contains(said)), "{:?}", summary.kept);
    let table = paring::table(&summary);
    assert!(table.contains(said) && !table.contains("proposes a rule"), "{table}");
}

/// Where what is masked is not zero but one number in all columns, a norm over them is repaired.
#[test]
fn norms_over_equal_numbers_are_repaired() {
    let (_folder, path) = folder();
    let parts = [
        bytes(1, &node("MatMul", &["x", "one"], "a")),
        bytes(1, &node("Add", &["a", "shift"], "b")),
        bytes(1, &node("Mul", &["half", "b"], "c")),
        bytes(1, &node("LayerNormalization", &["c", "scale", "bias"], "d")),
        bytes(1, &node("MatMul", &["d", "two"], "y")),
        bytes(5, &tensor("one", &[3, 4], &floats(12))),
        bytes(5, &tensor("two", &[4, 2], &floats(8))),
        bytes(5, &tensor("shift", &[1], &floats(1))),
        bytes(5, &tensor("half", &[], &floats(1))),
        bytes(5, &tensor("scale", &[4], &floats(4))),
        bytes(5, &tensor("bias", &[4], &floats(4))),
        bytes(11, &value("x", &[5, 3])),
        bytes(12, &value("y", &[5, 2])),
    ];
    let (_, summary) = cut(&path, &model(&parts), masks(&[1, 3])).unwrap();
    assert_eq!(summary.parameters.after, 15, "{:?}", summary.kept);
}
