//! A folder in which the program runs, with the example in it, and zips of any members.

use std::fs;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

use paring::cli::STACK;
use serde_json::json;
use tempfile::TempDir;
use zip::ZipArchive;

use super::common;
pub use super::fuzz::{Member, pack};

pub const MODEL: &str = "pocketnet.pt2";
pub const MASKS: &str = "pocketnet.masks.safetensors";

/// The program: that of this build, or another one that was built before, such as a release.
pub fn program() -> PathBuf {
    std::env::var_os("PARING_TESTED").map_or_else(|| env!("CARGO_BIN_EXE_paring").into(), PathBuf::from)
}

pub struct Bench {
    dir: TempDir,
}

impl Bench {
    pub fn new() -> Bench {
        let bench = Bench { dir: TempDir::new().unwrap() };
        for name in [MODEL, MASKS] {
            bench.put(name, &fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)).unwrap());
        }
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// Runs in 300 MB besides the stack that the program asks for at its start, and in two seconds of processor time, which is the same on
    /// a busy machine; a build for tests has 20. With libtorch, of which much more is mapped than used, only the time is limited.
    pub fn command(&self, args: &[&str]) -> Command {
        let released = std::env::var_os("PARING_TESTED").is_some() || !cfg!(debug_assertions);
        let seconds = if released { 2 } else { 20 };
        let memory =
            if cfg!(feature = "torch") && !released { "unlimited".to_owned() } else { ((300 << 10) + (STACK >> 10)).to_string() };
        let limited = format!("ulimit -v {memory}; ulimit -t {seconds}; exec \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &limited]).arg(program());
        command.current_dir(self.dir.path()).args(args).env("COLUMNS", "100");
        command
    }

    /// Runs into an error with this code and gives its text.
    pub fn fails(&self, args: &[&str], error: &str) -> String {
        let (code, _, text) = common::error(self.command(args));
        assert_eq!(code, Some(1), "{args:?}\n{}", &text[..text.len().min(2000)]);
        assert!(text.contains(error), "{args:?}\n{text}");
        assert!(!self.path("out").exists(), "{args:?}");
        text
    }

    pub fn succeeds(&self, args: &[&str]) -> String {
        let out = self.command(args).env("NO_COLOR", "1").output().unwrap();
        assert_eq!(out.status.code(), Some(0), "{args:?}\n{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }
}

/// The members of the example.
pub fn members() -> Vec<Member> {
    of(&fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(MODEL)).unwrap())
}

fn of(archive: &[u8]) -> Vec<Member> {
    let mut zip = ZipArchive::new(Cursor::new(archive)).unwrap();
    let count = zip.len();
    let read = |i| {
        let mut member = zip.by_index(i).unwrap();
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).unwrap();
        Member::new(&member.name().unwrap(), &bytes)
    };
    (0..count).map(read).collect()
}

pub fn find(members: &[Member], end: &str) -> usize {
    members.iter().position(|m| m.name.ends_with(end)).unwrap()
}

/// An archive with one member more.
pub fn with_member(archive: &[u8], name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut all = of(archive);
    all.push(Member::new(name, bytes));
    pack(&all)
}

/// A safetensors file of bytes.
pub fn safetensors(name: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let header = json!({name: {"dtype": "U8", "shape": shape, "data_offsets": [0, data.len()]}}).to_string();
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}
