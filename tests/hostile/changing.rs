//! Files that change while they are read, and runs that are ended.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use paring::format::masks::write_safetensors;
use paring::format::{Archive, Payload, write};

use super::bench::{Bench, MASKS, MODEL, find, members, pack, program};

/// The names of the files in a folder.
fn names(dir: &Path) -> Vec<String> {
    let mut all: Vec<String> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    all.sort();
    all
}

#[test]
fn an_input_that_is_written_to_is_an_error() {
    let bench = Bench::new();
    let path = bench.path(MODEL);
    let archive = Archive::open(&path).unwrap();
    archive.unchanged().unwrap();
    // What takes its name leaves the open file as it is.
    fs::copy(&path, bench.path("copy")).unwrap();
    fs::rename(bench.path("copy"), &path).unwrap();
    archive.unchanged().unwrap();
    let archive = Archive::open(&path).unwrap();
    std::thread::sleep(Duration::from_millis(50)); // a tick of the clock of files
    let mut file = File::options().write(true).open(&path).unwrap();
    file.write_all(b"PK\x03\x04").unwrap();
    let error = archive.unchanged().unwrap_err();
    assert!(error.to_string().contains("changed while it was read"), "{error}");
}

/// A run that hangs while it writes: its masks come from a pipe that nobody fills, or its output is slow.
fn held(bench: &Bench, args: &[&str]) -> Child {
    let own = bench.command(args);
    // Who runs the tests in the background has SIGINT ignored, and so have all that they start.
    let mut command = Command::new("env");
    command.arg("--default-signal").arg(own.get_program()).args(own.get_args());
    own.get_current_dir().map(|dir| command.current_dir(dir));
    command.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// A model with a payload so large that writing it takes a while.
fn large(bench: &Bench) {
    let mut all = members();
    let k = find(&all, "sample_inputs/model.pt");
    all[k].set(&vec![7; 200 << 20]);
    bench.put("large.pt2", &pack(&all));
}

/// Waits until a file in the making is there.
fn temporary(bench: &Bench, child: &mut Child) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(60) {
        if names(&bench.path("")).iter().any(|n| n.starts_with(".paring-")) {
            return true;
        }
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    false
}

fn kill(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

#[cfg(unix)]
#[test]
fn a_run_that_is_ended_leaves_nothing() {
    use std::os::unix::process::ExitStatusExt;
    let bench = Bench::new();
    large(&bench);
    let before = names(&bench.path(""));
    for (signal, number) in [("-TERM", 15), ("-INT", 2), ("-HUP", 1)] {
        let mut child = held(&bench, &["speedup", "large.pt2", "--masks", MASKS, "-o", "small.pt2", "-q"]);
        assert!(temporary(&bench, &mut child), "it is done too soon");
        kill(&child, signal);
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), Some(number), "{signal} {status}");
        assert_eq!(names(&bench.path("")), before, "{signal}");
    }
    // One that cannot clean up is cleaned up after, by the next that writes there.
    let mut child = held(&bench, &["speedup", "large.pt2", "--masks", MASKS, "-o", "small.pt2", "-q"]);
    assert!(temporary(&bench, &mut child), "it is done too soon");
    kill(&child, "-KILL");
    child.wait().unwrap();
    assert!(names(&bench.path("")).iter().any(|n| n.starts_with(".paring-")));
    bench.put(".paring-mine", b"not of this program's making");
    bench.succeeds(&["speedup", MODEL, "--masks", MASKS, "--plan", "plan.json", "-q"]);
    let mut expected = before.clone();
    expected.extend([".paring-mine".to_owned(), "plan.json".to_owned()]);
    expected.sort();
    assert_eq!(names(&bench.path("")), expected);
}

#[cfg(unix)]
#[test]
fn a_model_that_changes_is_an_error() {
    use std::os::unix::fs::FileExt;
    let bench = Bench::new();
    let shorter = |file: &File| file.set_len(4096).unwrap();
    let other = |file: &File| file.write_all_at(&[9; 64], 100 << 20).unwrap();
    for change in [&shorter as &dyn Fn(&File), &other] {
        large(&bench);
        let mut child = held(&bench, &["speedup", "large.pt2", "--masks", MASKS, "-o", "small.pt2", "-q"]);
        assert!(temporary(&bench, &mut child), "it is done too soon");
        change(&File::options().write(true).open(bench.path("large.pt2")).unwrap());
        let mut text = String::new();
        child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(1), "{status} {text}");
        // What is read after the change may have another checksum, which is found first.
        let said = text.contains("paring::file::changed") || text.contains("paring::zip::checksum");
        assert!(said && text.contains("help:"), "{text}");
        assert_eq!(names(&bench.path("")), ["large.pt2", MASKS, MODEL]);
    }
}

#[cfg(unix)]
#[test]
fn a_limit_of_file_sizes_is_an_error_of_the_write() {
    let bench = Bench::new();
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -f 100; exec \"$0\" \"$@\""]).arg(program());
    command.current_dir(bench.path("")).args(["speedup", MODEL, "--masks", MASKS, "-o", "small.pt2"]);
    let (code, _, text) = super::common::error(command);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("paring::file::unwritable"), "{text}");
    assert_eq!(names(&bench.path("")), [MASKS, MODEL]);
}

#[test]
fn packed_members_that_are_copied_are_looked_at() {
    use std::io::Cursor;
    use zip::write::SimpleFileOptions;
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for m in members() {
        let packed = m.name.ends_with("weight_3") || m.name.ends_with("sample_inputs/model.pt");
        let method = if packed { zip::CompressionMethod::Deflated } else { zip::CompressionMethod::Stored };
        zip.start_file(&*m.name, SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(&m.bytes).unwrap();
    }
    let good = zip.finish().unwrap().into_inner();
    let bench = Bench::new();
    bench.put("packed.pt2", &good);
    bench.succeeds(&["speedup", "packed.pt2", "--masks", MASKS, "-o", "small.pt2"]);
    let sum = |end: &str| members().into_iter().find(|m| m.name.ends_with(end)).map(|m| m.crc.to_le_bytes()).unwrap();
    for end in ["weights/weight_3", "sample_inputs/model.pt"] {
        // Another checksum, wherever it stands.
        let mut bad = good.clone();
        let sum = sum(end);
        let places: Vec<usize> = (0..bad.len() - 4).filter(|at| bad[*at..at + 4] == sum).collect();
        assert!(places.len() > 1);
        places.iter().for_each(|at| bad[*at] ^= 1);
        let archive = Archive::of_bytes(Path::new("net.pt2"), bad.into()).unwrap();
        let graph = archive.graph(&[]).unwrap();
        let copied: Vec<Payload> = (0..archive.storages()).map(Payload::Stored).collect();
        let error = write(&archive, &graph, &graph, &copied, &bench.path("out.pt2"), &mut |_| {}).unwrap_err();
        assert!(error.to_string().contains(end), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn modes_stay_and_links_are_followed() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let bench = Bench::new();
    let put = |name: &str| {
        let file = write_safetensors(&bench.path(name), &[("a".to_owned(), vec![1])], |_| vec![1].into());
        file.and_then(paring::format::Pending::persist)
    };
    bench.put("old", b"old");
    fs::set_permissions(bench.path("old"), fs::Permissions::from_mode(0o640)).unwrap();
    put("old").unwrap();
    assert_eq!(fs::metadata(bench.path("old")).unwrap().permissions().mode() & 0o777, 0o640);
    // A link to a file in another folder, and one to nothing.
    fs::create_dir(bench.path("elsewhere")).unwrap();
    bench.put("elsewhere/file", b"old");
    symlink("elsewhere/file", bench.path("link")).unwrap();
    put("link").unwrap();
    assert!(bench.path("link").symlink_metadata().unwrap().is_symlink());
    assert_ne!(fs::read(bench.path("elsewhere/file")).unwrap(), b"old");
    symlink("nowhere", bench.path("dangling")).unwrap();
    assert!(put("dangling").is_err());
    assert!(!bench.path("nowhere").exists());
}

/// All or nothing, whenever a run is killed, and however many write to one place.
#[cfg(unix)]
#[test]
fn outputs_are_whole_whenever_a_run_is_killed() {
    let bench = Bench::new();
    let args = ["speedup", MODEL, "--masks", MASKS, "-o", "small.pt2", "--unified-masks", "unified", "--plan", "plan.json", "-q"];
    bench.succeeds(&args);
    let outputs = ["small.pt2", "unified", "plan.json"];
    let whole = outputs.map(|name| fs::read(bench.path(name)).unwrap());
    for round in 0..25 {
        outputs.iter().for_each(|name| bench.put(name, b"old"));
        let mut child = held(&bench, &args);
        std::thread::sleep(Duration::from_millis(round * 23 % 400));
        let _ = child.kill();
        child.wait().unwrap();
        for (name, whole) in outputs.iter().zip(&whole) {
            let found = fs::read(bench.path(name)).unwrap();
            assert!(found == b"old" || found == *whole, "{name} has {} bytes after round {round}", found.len());
        }
    }
    // What they left goes with the next; nobody's older file is among it.
    bench.succeeds(&args);
    let left: Vec<String> = names(&bench.path("")).into_iter().filter(|n| n.starts_with(".paring-")).collect();
    assert!(left.iter().all(|n| fs::read(bench.path(n).join("old")).is_ok_and(|old| old == b"old")), "{left:?}");
    // Four at once: each writes the same, and all of it.
    let mut children: Vec<Child> = (0..4).map(|_| held(&bench, &args)).collect();
    assert!(children.iter_mut().all(|child| child.wait().unwrap().success()));
    for (name, whole) in outputs.iter().zip(&whole) {
        assert!(fs::read(bench.path(name)).unwrap() == *whole, "{name}");
    }
}

/// A disk of half a megabyte, where the system lends one.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_that_leaves_nothing() {
    let bench = Bench::new();
    fs::create_dir(bench.path("disk")).unwrap();
    let disk = bench.path("disk");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=512k", "none"]).arg(&disk).status();
    if !mounted.is_ok_and(|status| status.success()) {
        return; // only root may
    }
    bench.put("disk/small.pt2", b"old");
    let ended =
        bench.command(&["speedup", MODEL, "--masks", "zeros", "-o", "disk/small.pt2", "--plan", "disk/plan.json"]).output();
    let (found, old) = (names(&disk), fs::read(bench.path("disk/small.pt2")).unwrap());
    assert!(Command::new("umount").arg(&disk).status().unwrap().success());
    let ended = ended.unwrap();
    assert_eq!(ended.status.code(), Some(1), "{}", String::from_utf8_lossy(&ended.stderr));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("paring::file::unwritable"));
    assert_eq!((found, old), (vec!["small.pt2".to_owned()], b"old".to_vec()));
}
