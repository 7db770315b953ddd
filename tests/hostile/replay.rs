//! What the fuzzers of `fuzz/` begin with, and what they found, tried again.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use tempfile::TempDir;

use super::fuzz::targets::{ALL, Scratch};

/// The files of a folder, which may not be there.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = fs::read_dir(folder).into_iter().flatten().map(|e| e.unwrap().path()).collect();
    all.sort();
    all
}

#[test]
fn what_fuzzers_found_ends_well() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let run = move || {
        let dir = TempDir::new().unwrap();
        let scratch = Scratch::new(dir.path());
        for (name, target) in ALL {
            let mut all = files(&root.join("seeds").join(name));
            assert!(!all.is_empty() || matches!(name, "notation" | "rules"), "{name} has no seeds");
            all.extend(files(&root.join("found").join(name)));
            for file in all {
                let (bytes, start) = (fs::read(&file).unwrap(), Instant::now());
                println!("{}", file.display()); // a panic tells which it was
                target(&bytes, &scratch);
                assert!(start.elapsed().as_secs() < 20, "{} took {:?}", file.display(), start.elapsed());
            }
        }
    };
    std::thread::Builder::new().stack_size(paring::cli::STACK).spawn(run).unwrap().join().unwrap();
}
