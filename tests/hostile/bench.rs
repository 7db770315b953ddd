//! A folder in which the program runs, with the example in it, and zips of any members.

use std::fs;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;
use zip::ZipArchive;

use super::common;

pub const MODEL: &str = "pocketnet.pt2";
pub const MASKS: &str = "pocketnet.masks.safetensors";

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

    /// Runs in 300 MB besides the stack that the program asks for at its start, and in 20 s of processor time: a debug build on a
    /// busy machine. With libtorch, of which much more is mapped than used, only the time is limited.
    pub fn command(&self, args: &[&str]) -> Command {
        let memory = if cfg!(feature = "torch") { "unlimited" } else { "614400" };
        let limited = format!("ulimit -v {memory}; ulimit -t 20; exec \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &limited, env!("CARGO_BIN_EXE_paring")]);
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

/// A member with a checksum that may be wrong.
#[derive(Clone)]
pub struct Member {
    pub name: String,
    pub bytes: Vec<u8>,
    pub crc: u32,
}

impl Member {
    pub fn new(name: &str, bytes: &[u8]) -> Member {
        Member { name: name.to_owned(), bytes: bytes.to_vec(), crc: crc32fast::hash(bytes) }
    }

    pub fn set(&mut self, bytes: &[u8]) {
        *self = Member::new(&self.name, bytes);
    }
}

/// The members of the example.
pub fn members() -> Vec<Member> {
    let bytes = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(MODEL)).unwrap();
    let mut zip = ZipArchive::new(Cursor::new(bytes)).unwrap();
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

/// A zip of stored members, whatever they are called.
pub fn pack(members: &[Member]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for m in members {
        let header = out.len() as u32;
        let size = (m.bytes.len() as u32).to_le_bytes();
        let common = [&[20, 0, 0, 8, 0, 0, 0, 0, 0x21, 0][..], &m.crc.to_le_bytes(), &size, &size].concat();
        let name = (m.name.len() as u16).to_le_bytes();
        out.extend([&b"PK\x03\x04"[..], &common, &name, &[0; 2], m.name.as_bytes(), &m.bytes].concat());
        directory
            .extend([&b"PK\x01\x02\x14\x00"[..], &common, &name, &[0; 12], &header.to_le_bytes(), m.name.as_bytes()].concat());
    }
    let (start, size) = ((out.len() as u32).to_le_bytes(), (directory.len() as u32).to_le_bytes());
    let count = (members.len() as u16).to_le_bytes();
    out.extend(directory);
    out.extend([&b"PK\x05\x06"[..], &[0; 4], &count, &count, &size, &start, &[0; 2]].concat());
    out
}

/// A safetensors file of bytes.
pub fn safetensors(name: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let header = json!({name: {"dtype": "U8", "shape": shape, "data_offsets": [0, data.len()]}}).to_string();
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}
