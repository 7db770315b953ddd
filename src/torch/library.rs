//! Which libtorch the program found: another version than the one it was built for may compute anything.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::TorchError;

/// The version that `tch` is made for.
const WANTED: &str = "2.13";

/// Whether the libtorch in this process is the version that the program was built for. Where its version is written nowhere, it
/// is taken to be.
///
/// # Errors
/// The one that is there, if it is another.
pub(super) fn check() -> Result<(), TorchError> {
    let Some(folder) = folder() else { return Ok(()) };
    match version(&folder) {
        Some(found) if !is_wanted(&found) => Err(TorchError::Version { found, wanted: WANTED.to_owned(), path: folder }),
        _ => Ok(()),
    }
}

/// Where the library was loaded from, by the system's list of mapped files.
fn folder() -> Option<PathBuf> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let path = maps.lines().filter_map(|l| Some(&l[l.find('/')?..])).find(|p| p.contains("/libtorch_cpu."))?;
    Some(Path::new(path).parent()?.to_owned())
}

/// The version of a library folder: a wheel has it in `torch/version.py`, libtorch's own archive in `build-version`.
fn version(lib: &Path) -> Option<String> {
    let root = lib.parent()?;
    if let Ok(text) = fs::read_to_string(root.join("version.py")) {
        let line = text.lines().find_map(|l| l.strip_prefix("__version__"))?;
        return Some(line.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned());
    }
    Some(fs::read_to_string(root.join("build-version")).ok()?.trim().to_owned())
}

fn is_wanted(version: &str) -> bool {
    version.strip_prefix(WANTED).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_where_packages_write_them() {
        let wheel = "from typing import Optional\n\n__all__ = ['__version__']\n__version__ = '2.14.1+cu130'\ndebug = False\n";
        for (file, text, found) in
            [("version.py", wheel, Some("2.14.1+cu130")), ("build-version", "2.13.0+cpu\n", Some("2.13.0+cpu")), ("x", "", None)]
        {
            let dir = tempfile::TempDir::new().unwrap();
            fs::write(dir.path().join(file), text).unwrap();
            assert_eq!(version(&dir.path().join("lib")).as_deref(), found);
        }
    }

    #[test]
    fn another_version_is_no_match() {
        for (version, same) in
            [("2.13.0", true), ("2.13.1+cu130", true), ("2.13", true), ("2.130.0", false), ("2.14.0", false), ("12.13", false)]
        {
            assert_eq!(is_wanted(version), same, "{version}");
        }
    }

    #[test]
    fn the_library_of_this_process_is_found() {
        assert!(folder().is_some());
        assert!(check().is_ok());
    }
}
