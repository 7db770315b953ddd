//! One function for each kind of file: whatever the bytes are, it ends well, soon, and every error says what it is and what to do.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use miette::Diagnostic;
use paring::format::checkpoint::Checkpoint;
use paring::format::{Archive, masks, pickle};
use paring::load::Model;
use paring::plan::transfer::{Part, PlanFile, Prefixes, Transfer, TransferError, Transferred, transfer};
use paring::prune::masks_of_yaml;
use paring::rule::{Offsets, Pattern, RuleSet, formatted, parse_call, parse_formula, parse_layout, parse_statement};
use paring::shown::Shown;
use paring::solve::{Mask, Masks, Options, Policy};
use paring::{Error, Outputs, Session, Settings, speedup};
use serde_json::Value;

use super::pack::{Member, pack};

/// Bytes that an error's text may have.
const LONGEST: usize = 1 << 17;
/// Bytes of all payloads that are made for a program.
const PAYLOADS: usize = 1 << 20;

/// A folder for files that are only read by their paths.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(folder: &Path) -> Scratch {
        Scratch(folder.to_path_buf())
    }

    /// One for each process.
    pub fn of_process() -> &'static Scratch {
        static SCRATCH: OnceLock<Scratch> = OnceLock::new();
        SCRATCH.get_or_init(|| {
            let memory = Path::new("/dev/shm");
            let root = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
            let folder = root.join(format!("paring-fuzz-{}", std::process::id()));
            fs::create_dir_all(&folder).expect("a folder to work in");
            Scratch(folder)
        })
    }

    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).expect("room for a file");
        path
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

/// What an error has to say, or those that it is made of.
fn explained(error: &dyn Diagnostic) {
    assert!(error.code().is_some(), "no code: {error}");
    let mut inner: Vec<&dyn Diagnostic> = error.related().into_iter().flatten().collect();
    inner.extend(error.diagnostic_source());
    assert!(error.help().is_some() || !inner.is_empty(), "no help: {error}");
    inner.into_iter().for_each(explained);
}

fn said(error: &dyn Diagnostic) {
    explained(error);
    let text = format!("{:?}", Shown::of(error));
    assert!(text.len() < LONGEST, "{} bytes of an error", text.len());
}

fn is_well<T, E: Diagnostic>(result: Result<T, E>) -> Option<T> {
    result.map_err(|e| said(&e)).ok()
}

fn rules() -> &'static RuleSet {
    static RULES: OnceLock<RuleSet> = OnceLock::new();
    RULES.get_or_init(RuleSet::builtin)
}

/// Patterns, formulas and statements. What can be read is printed so that it is read as the same, where that is not too long then.
pub fn notation(data: &[u8], _: &Scratch) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (place, short) = (Offsets::From(0), data.len() < 1000);
    if let (Ok(pattern), true) = (text.parse::<Pattern>(), short) {
        let printed = pattern.to_string();
        let again = printed.parse::<Pattern>().expect("what is printed can be read").to_string();
        assert_eq!(again, printed);
    }
    if let (Ok(formula), true) = (parse_formula(text, &place), short) {
        let printed = formula.to_string();
        let again = parse_formula(&printed, &place).expect("what is printed can be read").to_string();
        assert_eq!(again, printed);
    }
    drop((parse_layout(text, &place), parse_statement(text, &place), parse_call(text, &place)));
}

/// A file of rules.
pub fn rules_file(data: &[u8], _: &Scratch) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    is_well(RuleSet::from_texts([("rules.yaml", text)]));
    if let Some(even) = is_well(formatted("rules.yaml", text)) {
        assert_eq!(formatted("rules.yaml", &even).ok().as_ref(), Some(&even), "spacing is even at once");
    }
}

/// A file of masks in YAML.
pub fn masks(data: &[u8], _: &Scratch) {
    thread_local! {
        static MODEL: Model = {
            let archive = program_of(include_bytes!("../seeds/program/seq.json")).expect("a seed");
            Model::of_bytes(Path::new("seq.pt2"), archive.into()).expect("a seed")
        };
    }
    if let Ok(text) = std::str::from_utf8(data) {
        MODEL.with(|model| drop(is_well(masks_of_yaml(Path::new("masks.yaml"), text, model, None).map_err(|e| *e))));
    }
}

/// An archive around the JSON of a program and its configs, in one object. Its data are zeros.
fn program_of(json: &[u8]) -> Option<Vec<u8>> {
    let json: Value = serde_json::from_slice(json).ok()?;
    let text = |key: &str| serde_json::to_vec(json.get(key)?).ok();
    let mut members = vec![
        Member::new("m/archive_format", b"pt2"),
        Member::new("m/archive_version", b"0"),
        Member::new("m/byteorder", b"little"),
        Member::new("m/models/model.json", &text("model")?),
        Member::new("m/data/weights/model_weights_config.json", &text("weights")?),
        Member::new("m/data/constants/model_constants_config.json", &text("constants")?),
    ];
    let mut left = PAYLOADS;
    for (key, folder) in [("weights", "weights"), ("constants", "constants")] {
        for entry in json[key]["config"].as_object().into_iter().flatten().map(|(_, e)| e) {
            let sizes = entry["tensor_meta"]["sizes"].as_array().into_iter().flatten();
            let numel = sizes.filter_map(|n| usize::try_from(n["as_int"].as_u64()?).ok()).fold(8, usize::saturating_mul);
            let size = numel.min(left);
            left -= size;
            if let Some(name) = entry["path_name"].as_str().filter(|n| n.len() < 1000) {
                members.push(Member::new(&format!("m/data/{folder}/{name}"), &vec![0; size]));
            }
        }
    }
    Some(pack(&members))
}

/// A program, through all of a run.
pub fn program(data: &[u8], scratch: &Scratch) {
    let Some(archive) = program_of(data) else { return };
    let hash = crc32fast::hash(data) as usize;
    let Some(model) = is_well(Model::of_bytes(Path::new("model.pt2"), archive.clone().into())) else { return };
    let path = scratch.put("model.pt2", &archive);
    let mut masks = Masks::new();
    for t in model.graph.tensors.iter().filter(|t| !t.shape.is_empty() && t.numel() < PAYLOADS) {
        // Every second or third row goes, of all or of some.
        let (step, row) = (2 + hash % 2, t.numel() / t.shape[0].max(1));
        let keep: Vec<u8> = (0..t.numel()).map(|n| u8::from((n / row.max(1)) % step != 0)).collect();
        if !(hash >> 1).is_multiple_of(3) || t.name.len().is_multiple_of(2) {
            masks.insert(t.name.clone(), Mask { shape: t.shape.clone(), keep: keep.into() });
        }
    }
    let policy = [Policy::Keep, Policy::Restore, Policy::Prune][(hash >> 4) % 3];
    let options = Options { policy, unmasked_abstain: hash & 64 != 0, lossless: hash & 128 != 0, ..Options::default() };
    let settings = Settings { options, ..Settings::default() };
    let outputs = Outputs {
        model: Some(scratch.path("small.pt2")),
        unified_masks: Some(scratch.path("unified.safetensors")),
        plan: Some(scratch.path("plan.json")),
        report: Some(scratch.path("report.html")),
    };
    match speedup(&path, &masks, rules().clone(), &settings, &outputs, &mut |_| {}) {
        Ok(_) => drop(Session::open(&scratch.path("small.pt2"), &[], rules().clone(), &[]).expect("what is written can be read")),
        Err(e @ Error::Check(_)) => panic!("{:?}", Shown::of(&e)),
        Err(e) => said(&e),
    }
}

/// An archive of any format: whatever it holds is read.
fn archive(bytes: &[u8], name: &str) {
    let Some(archive) = is_well(Archive::of_bytes(Path::new(name), bytes.to_vec().into())) else { return };
    let graph = is_well(archive.graph(&[])).or_else(|| is_well(archive.graph(&["2x4".parse().expect("sizes")])));
    (0..archive.storages().min(64)).for_each(|n| drop(is_well(archive.storage(n))));
    let Some(graph) = graph else { return };
    if is_well(archive.is_sized(&graph)) == Some(true) {
        is_well(paring::axis::propagate(&graph, rules(), &[]));
    } else {
        let mut graph = graph;
        if is_well(paring::axis::derive(&mut graph, rules())).is_some() {
            is_well(paring::axis::propagate(&graph, rules(), &[]));
        }
    }
}

/// The bytes of an archive.
pub fn zip(data: &[u8], _: &Scratch) {
    archive(data, "model.pt2");
}

/// An archive of TorchScript with one member of its own.
fn scripted(member: &str, data: &[u8]) {
    static BASE: OnceLock<Vec<Member>> = OnceLock::new();
    let base = BASE.get_or_init(|| {
        let file = |name: &str, bytes: &[u8]| Member::new(&format!("archive/{name}"), bytes);
        vec![
            file("data.pkl", include_bytes!("../seeds/pickle/data.pkl")),
            file("code/__torch__.py", include_bytes!("../seeds/code/net.py")),
            file("code/__torch__/torch/nn/modules/linear/___torch_mangle_6.py", include_bytes!("../seeds/base/linear6.py")),
            file("code/__torch__/torch/nn/modules/linear/___torch_mangle_7.py", include_bytes!("../seeds/base/linear7.py")),
            file("constants.pkl", b"\x80\x02)."),
            file("traced_inputs.pkl", include_bytes!("../seeds/base/traced_inputs.pkl")),
            file("traced_inputs/0", b""),
            file("version", b"3\n"),
            file("byteorder", b"little"),
            file("data/0", &[0; 192]),
            file("data/1", &[0; 48]),
            file("data/2", &[0; 288]),
            file("data/3", &[0; 24]),
        ]
    });
    let mut members = base.clone();
    members.iter_mut().filter(|m| m.name.ends_with(member)).for_each(|m| m.set(data));
    archive(&pack(&members), "model.pt");
}

/// A pickle: alone, as that of a module, and as one of masks.
pub fn pickle(data: &[u8], scratch: &Scratch) {
    let _ = pickle::read(data);
    scripted("/data.pkl", data);
    let saved = pack(&[Member::new("m/data.pkl", data), Member::new("m/data/0", &[1; 64])]);
    masks_at(&scratch.put("masks.pth", &saved));
}

/// TorchScript code.
pub fn code(data: &[u8], _: &Scratch) {
    scripted("code/__torch__.py", data);
}

fn masks_at(path: &Path) {
    match is_well(masks::read(path)) {
        Some(masks::Stored::Safetensors(files)) => files.values().for_each(|m| drop(is_well(m.keep()))),
        Some(masks::Stored::Saved(saved)) => saved.masks.values().for_each(|m| drop(is_well(m.keep()))),
        None => {}
    }
}

/// Tensors of safetensors: masks, and weights of which only some are cut.
pub fn safetensors(data: &[u8], scratch: &Scratch) {
    let path = scratch.put("data.safetensors", data);
    masks_at(&path);
    if let Some(file) = is_well(Checkpoint::open(&path)) {
        assert!(file.tensors().all(|(_, t)| t.shape.iter().product::<usize>() <= data.len() * 8));
    }
    let plan = scratch.put("plan.json", include_bytes!("../seeds/plan/seq.json"));
    cut(&plan, &path, scratch);
}

fn cut(plan: &Path, weights: &Path, scratch: &Scratch) {
    let Some(plan) = is_well(PlanFile::open(plan)) else { return };
    is_well(apply(&plan, weights, &scratch.path("small.safetensors"), None));
}

/// A plan that weights are cut by.
pub fn plan(data: &[u8], scratch: &Scratch) {
    let plan = scratch.put("plan.json", data);
    let weights = scratch.put("weights.safetensors", include_bytes!("../seeds/safetensors/seq.safetensors"));
    cut(&plan, &weights, scratch);
}

/// Symbolic sizes: every one in a program is this.
pub fn symbols(data: &[u8], _: &Scratch) {
    if let Some(bytes) = std::str::from_utf8(data).ok().and_then(sized) {
        archive(&bytes, "model.pt2");
    }
}

/// A program whose symbolic sizes are these lines.
pub fn sized(text: &str) -> Option<Vec<u8>> {
    static BASE: OnceLock<Value> = OnceLock::new();
    let base = BASE.get_or_init(|| serde_json::from_slice(include_bytes!("../seeds/program/dyn.json")).expect("a seed is JSON"));
    let mut json = base.clone();
    let mut lines = text.lines().cycle();
    write(&mut json["model"], &mut || lines.next().unwrap_or_default().to_owned());
    program_of(json.to_string().as_bytes())
}

/// Puts texts in the place of expressions.
fn write(json: &mut Value, text: &mut dyn FnMut() -> String) {
    match json {
        Value::Array(list) => list.iter_mut().for_each(|v| write(v, text)),
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(old) if key == "expr_str" => *old = text(),
                    _ => write(value, text),
                }
            }
        }
        _ => {}
    }
}

fn apply(plan: &PlanFile, weights: &Path, output: &Path, part: Option<Part>) -> Result<Transferred, TransferError> {
    let prefixes = Prefixes::default();
    transfer(&Transfer { plan, weights, masks: None, prefixes: &prefixes, output, part }, &mut |_| {})
}

/// An index of shards.
pub fn index(data: &[u8], scratch: &Scratch) {
    let index = scratch.put("model.safetensors.index.json", data);
    scratch.put("weights.safetensors", include_bytes!("../seeds/safetensors/seq.safetensors"));
    let plan = scratch.put("plan.json", include_bytes!("../seeds/plan/seq.json"));
    if let Some(plan) = is_well(PlanFile::open(&plan)) {
        let folder = scratch.path("out");
        let _ = fs::create_dir_all(&folder);
        is_well(apply(&plan, &index, &folder, None));
        is_well(apply(&plan, &index, &folder, "1/2".parse().ok()));
    }
}

/// What is done with an input.
pub type Target = fn(&[u8], &Scratch);

/// A target by its name, and the folder of what was found for it.
pub const ALL: [(&str, Target); 11] = [
    ("notation", notation),
    ("rules", rules_file),
    ("masks", masks),
    ("program", program),
    ("zip", zip),
    ("pickle", pickle),
    ("code", code),
    ("safetensors", safetensors),
    ("plan", plan),
    ("symbols", symbols),
    ("index", index),
];
