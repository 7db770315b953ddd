//! Pickles are read without executing anything, whatever is in them.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use paring::format::checkpoint::Checkpoint;
use paring::format::pickle::{Pickle, PickleError, TensorRef, is_legacy, read};
use paring::model::DType;
use proptest::prelude::*;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

fn file(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pickle").join(name)).unwrap()
}

fn tensor<'a>(from: &'a Pickle, path: &[&str]) -> &'a TensorRef {
    let found = path.iter().fold(from, |at, key| at.get(key).unwrap_or_else(|| panic!("no {key} in {at:?}")));
    match found {
        Pickle::Tensor(tensor) => tensor,
        other => panic!("{path:?} is {}", other.kind()),
    }
}

#[test]
fn all_protocols_say_the_same() {
    let known = read(&file("protocol2.pkl")).unwrap();
    assert_eq!(known.get("ints").map(Pickle::kind), Some("a tuple"));
    insta::assert_debug_snapshot!("protocols", known);
    for n in 0..6 {
        let found = read(&file(&format!("protocol{n}.pkl"))).unwrap();
        for (key, value) in known.as_dict().unwrap() {
            assert_eq!(found.get(key.as_str().unwrap()), Some(value), "protocol {n}");
        }
    }
}

#[test]
fn what_torch_saves() {
    let root = read(&file("state_dict.pkl")).unwrap();
    let weight = tensor(&root, &["m", "weight"]);
    assert_eq!(
        (weight.dtype, &weight.shape[..], &weight.strides[..], weight.parameter),
        (DType::F32, &[2, 3][..], &[3, 1][..], false)
    );
    assert_eq!(root.get("m").unwrap().get("bias"), Some(&Pickle::None));
    let p = tensor(&root, &["p"]);
    assert!(p.parameter && p.requires_grad && p.dtype == DType::BF16);
    assert_eq!(root.get("s"), Some(&Pickle::Tuple([Pickle::Int(1), Pickle::Int(2)].into())));
    assert_eq!(tensor(&root, &["d", "bias"]).shape, [2]);
    assert_eq!(tensor(&root, &["f8"]).dtype, DType::F8);
    let u = tensor(&root, &["u"]);
    assert_eq!((u.dtype, u.offset, &u.shape[..]), (DType::U16, 1, &[2][..]));
    assert_eq!(root.get("ty").map(Pickle::kind), Some("torch.float32"));
    assert_eq!(root.get("dev").map(Pickle::kind), Some("torch.device"));
    assert_eq!(root.get("b"), Some(&Pickle::Bytes([0, 255].into())));
    assert_eq!(root.get("big").map(Pickle::kind), Some("builtins.int"));
    assert_eq!((root.get("neg"), root.get("big64")), (Some(&Pickle::Int(-5)), Some(&Pickle::Int(i64::MAX))));
    assert_eq!(root.get("set"), Some(&Pickle::List([Pickle::Int(1)].into())));
    assert_eq!(tensor(&root, &["t"]).strides, [1, 3]);
}

#[test]
fn objects_are_named_and_not_made() {
    let Pickle::Object(root) = read(&file("torchscript.pkl")).unwrap() else { panic!() };
    assert!(root.class.starts_with("__torch__"), "{}", root.class);
    let Some(Pickle::Object(linear)) = root.attribute("l") else { panic!("{root:?}") };
    assert!(linear.class.ends_with("linear.Linear"), "{}", linear.class);
    assert_eq!(tensor(linear.state.as_ref().unwrap(), &["weight"]).shape, [2, 2]);
    assert_eq!(root.attribute("ints"), Some(&Pickle::List([Pickle::Int(1), Pickle::Int(2)].into())));
    let Some(Pickle::List(tensors)) = root.attribute("t") else { panic!("{root:?}") };
    assert!(matches!(&tensors[..], [Pickle::Tensor(_)]));
    // The classic: os.system("…").
    let Pickle::Object(call) = read(b"cos\nsystem\n(S'exit 1'\ntR.").unwrap() else { panic!() };
    assert_eq!((&*call.class, &call.args[..]), ("os.system", &[Pickle::Str("exit 1".into())][..]));
}

#[test]
fn what_is_wrong() {
    let nested: Vec<u8> = [vec![b']'; 2000], vec![b'a'; 1999], vec![b'.']].concat();
    // Each list holds the one before twice, which was memoised: 2^60 elements, if they were copied.
    let mut shared = b"]q\x00".to_vec();
    (0..60u8).for_each(|n| shared.extend([b']', b'q', n + 1, b'(', b'h', n, b'h', n, b'e']));
    shared.push(b'.');
    assert!(matches!(read(&shared), Ok(Pickle::List(_))));
    // A chain whose depth no single path of the reading shows: each is built before the one around it is.
    let mut ladder = b"(]q\x00".to_vec();
    (0u32..900).for_each(|n| {
        ladder.extend(b"]r");
        ladder.extend((n + 1).to_le_bytes());
        ladder.push(b'j');
        ladder.extend(n.to_le_bytes());
        ladder.push(b'a');
    });
    ladder.extend(b"t.");
    let malformed = |text: &[u8]| matches!(read(text), Err(PickleError::Malformed { .. }));
    type Case<'a> = (&'a str, &'a [u8], fn(&PickleError) -> bool);
    let cases: [Case<'_>; 9] = [
        ("empty", b"", |e| matches!(e, PickleError::Truncated { at: 0 })),
        ("cut off", b"\x80\x02X\x05\x00\x00\x00ab", |e| matches!(e, PickleError::Truncated { at: 2 })),
        ("a list in itself", b"]q\x00h\x00a.", |e| *e == PickleError::Cycle),
        ("a dict in itself", b"}q\x00NN(h\x00tbs.", |e| matches!(e, PickleError::Malformed { .. })),
        ("deep", &nested, |e| matches!(e, PickleError::TooDeep { .. })),
        ("a ladder", &ladder, |e| matches!(e, PickleError::TooDeep { .. })),
        ("an old file", &file("legacy.pt"), |e| *e == PickleError::Legacy),
        ("protocol 9", b"\x80\x09N.", |e| e.to_string().contains("protocol 9")),
        ("a length beyond all", b"\x8e\xff\xff\xff\xff\xff\xff\xff\xff.", |e| matches!(e, PickleError::Truncated { .. })),
    ];
    for (name, bytes, expected) in cases {
        let error = read(bytes).expect_err(name);
        assert!(expected(&error), "{name}: {error:?}");
    }
    assert!(is_legacy(&file("legacy.pt")));
    for text in [&b"."[..], b"a.", b"(.", b"t.", b"0.", b"h\x07.", b"NN\x86R.", b"Nb.", b"NQ.", b"(Nd.", b"\xee."] {
        assert!(malformed(text), "{text:?}");
    }
    // Ten thousand calls that would each copy a list of ten thousand.
    let mut bomb = b"ccollections\nOrderedDict\nq\x00(".to_vec();
    bomb.extend([b'('; 10_000].iter().flat_map(|_| *b"NN\x86"));
    bomb.extend(b"lq\x01\x85q\x02");
    bomb.extend([0; 10_000].iter().flat_map(|_: &u8| *b"h\x00h\x02R"));
    bomb.push(b'.');
    assert!(read(&bomb).unwrap_err().to_string().contains("far more"), "{:?}", read(&bomb).unwrap_err());
}

/// A file of `torch.save` with one tensor of two by three.
fn saved(pickle: &[u8], storage: &[u8]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in [("m/data.pkl", pickle), ("m/data/0", storage)] {
        zip.start_file(name, SimpleFileOptions::default().compression_method(CompressionMethod::Stored)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// `{"w": ` a tensor of these sizes and strides `}`.
fn state_dict(offset: u8, shape: [u8; 2], strides: [u8; 2]) -> Vec<u8> {
    let mut out = b"\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x06tQ".to_vec();
    out.extend([b'K', offset, b'K', shape[0], b'K', shape[1], 0x86, b'K', strides[0], b'K', strides[1], 0x86, 0x89]);
    out.extend(b"ccollections\nOrderedDict\n)RtRs.");
    out
}

#[test]
fn state_dicts_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w.pth");
    let storage: Vec<u8> = (0..6u8).flat_map(|n| f32::from(n).to_le_bytes()).collect();
    let read = |pickle: &[u8]| {
        fs::write(&path, saved(pickle, &storage)).unwrap();
        let file = Checkpoint::open(&path).map_err(|e| e.to_string())?;
        let tensor = file.shards[0].tensors["w"].clone();
        let bytes = file.shards[0].bytes(&tensor).map_err(|e| e.to_string())?;
        Ok::<Vec<f32>, String>(bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect())
    };
    assert_eq!(read(&state_dict(0, [2, 3], [3, 1])).unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(read(&state_dict(0, [3, 2], [1, 3])).unwrap(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    assert_eq!(read(&state_dict(2, [2, 2], [1, 1])).unwrap(), [2.0, 3.0, 3.0, 4.0]);
    for (offset, shape, strides) in [(1, [2, 3], [3, 1]), (0, [2, 200], [200, 1]), (0, [200, 200], [0, 0])] {
        let why = read(&state_dict(offset, shape, strides)).unwrap_err();
        assert!(why.contains("a tensor of sizes"), "{why}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Whatever is wrong with a state dict, there are tensors or an error.
    #[test]
    fn damaged_state_dicts(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = state_dict(0, [2, 3], [3, 1]);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.pth");
        fs::write(&path, saved(&bytes, &[0; 24])).unwrap();
        if let Ok(file) = Checkpoint::open(&path) {
            for tensor in file.shards[0].tensors.values() {
                prop_assert!(file.shards[0].bytes(tensor).is_ok_and(|b| b.len() == tensor.len()));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever the bytes are, there is a value or an error.
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }

    /// As are the instructions of a pickle in any order.
    #[test]
    fn any_instructions(codes in prop::collection::vec(prop::sample::select(b"()]}Ntlduasb0122aehqNK.RQ\x81\x85\x86\x87\x88\x93\x94\x90\x91c\n\x00\x01".to_vec()), 0..80)) {
        let _ = read(&codes);
    }

    /// As are pickles with a few wrong bytes.
    #[test]
    fn damaged(which in 0..3usize, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4), end in any::<prop::sample::Index>()) {
        let mut bytes = file(["state_dict.pkl", "torchscript.pkl", "protocol0.pkl"][which]);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = read(&bytes);
        bytes.truncate(end.index(bytes.len()));
        let _ = read(&bytes);
    }
}
