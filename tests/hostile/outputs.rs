//! All outputs or none, and older ones are not lost.

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use paring::format::masks::write_safetensors;
use paring::format::{Pending, persist_all};
use tempfile::TempDir;

fn pending(path: &Path) -> Pending {
    write_safetensors(path, &[("new".to_owned(), vec![1])], |_| Cow::Borrowed(&[1])).unwrap()
}

/// What is in a folder, with its content where it is a file.
fn listing(dir: &Path) -> Vec<(String, Option<Vec<u8>>)> {
    let entry = |e: std::io::Result<fs::DirEntry>| e.map(|e| (e.file_name().into_string().unwrap(), fs::read(e.path()).ok()));
    let mut all: Vec<_> = fs::read_dir(dir).unwrap().map(|e| entry(e).unwrap()).collect();
    all.sort();
    all
}

#[test]
fn a_rename_that_fails_leaves_all_as_it_was() {
    const NAMES: [&str; 4] = ["a", "b", "c", "d"];
    for broken in 0..NAMES.len() {
        // Which of them are there already.
        for old in 0..16 {
            let dir = TempDir::new().unwrap();
            let path = |k: usize| dir.path().join(NAMES[k]);
            let there = |k: usize| old >> k & 1 == 1 && k != broken;
            (0..4).filter(|k| there(*k)).for_each(|k| fs::write(path(k), format!("old {k}")).unwrap());
            let files: Vec<Pending> = (0..4).map(|k| pending(&path(k))).collect();
            // No file can take the name of a folder with something in it.
            fs::create_dir_all(path(broken).join("full")).unwrap();
            persist_all(files).unwrap_err();
            let found = listing(dir.path());
            let expected: Vec<_> = (0..4)
                .filter(|k| there(*k) || *k == broken)
                .map(|k| (NAMES[k].to_owned(), there(k).then(|| format!("old {k}").into_bytes())))
                .collect();
            assert!(found == expected, "{broken} {old:b}: {found:?}");
            assert!(path(broken).join("full").is_dir());
        }
    }
}

#[test]
fn all_get_their_names_and_nothing_else_stays() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("a"), "old").unwrap();
    let new = |name: &str| pending(&dir.path().join(name));
    persist_all(vec![new("a"), new("b"), new("c")]).unwrap();
    let found = listing(dir.path());
    assert_eq!(found.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert!(found.iter().all(|(_, bytes)| *bytes == found[1].1));
}
