//! Every step of writing outputs fails once, and a run is killed before each: all outputs or none, and nothing is left. Inputs change
//! meanwhile. The program is the one that people run; its calls to the system are met where the system takes them.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use super::bench::{Bench, program, safetensors};
use super::scripts;

/// What becomes of a step.
#[derive(Clone, Copy)]
enum Fate<'a> {
    Fails(i64),
    /// The program is killed before it.
    Killed,
    /// Something else is done before it.
    After(&'a dyn Fn()),
    /// The same, and then it fails.
    FailsAfter(i64, &'a dyn Fn()),
}

/// How a run ended: its exit status, if it came to one, what it wrote to the standard error, and its steps.
struct Ended {
    code: Option<i32>,
    text: String,
    steps: Vec<&'static str>,
}

/// What a call to the system does to the disk, if anything; `of` tells whether a descriptor is that of a file in the folder.
fn step(regs: &libc::user_regs_struct, of: impl Fn(u64) -> bool) -> Option<&'static str> {
    let creates = |flags: u64| flags & libc::O_CREAT as u64 != 0;
    Some(match regs.orig_rax as i64 {
        libc::SYS_write | libc::SYS_pwrite64 | libc::SYS_writev if of(regs.rdi) => "write",
        libc::SYS_copy_file_range if of(regs.rdx) => "write",
        libc::SYS_sendfile if of(regs.rdi) => "write",
        libc::SYS_ftruncate if of(regs.rdi) => "truncate",
        libc::SYS_fsync | libc::SYS_fdatasync if of(regs.rdi) => "sync",
        libc::SYS_rename | libc::SYS_renameat | libc::SYS_renameat2 => "rename",
        libc::SYS_link | libc::SYS_linkat => "link",
        libc::SYS_open if creates(regs.rsi) => "create",
        libc::SYS_openat if creates(regs.rdx) => "create",
        libc::SYS_fchmod | libc::SYS_chmod | libc::SYS_fchmodat => "mode",
        libc::SYS_mkdir | libc::SYS_mkdirat => "folder",
        libc::SYS_unlink | libc::SYS_unlinkat | libc::SYS_rmdir => "remove",
        _ => return None,
    })
}

/// Arguments, or names of files.
type Words<'a> = &'a [&'a str];

/// Runs a command and lets one of its steps, by number, meet its fate.
#[allow(clippy::zombie_processes)] // `traced` waits
fn run(bench: &Bench, args: &[&str], fate: Option<(usize, Fate<'_>)>) -> Ended {
    let said = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new(program());
    command.args(args).current_dir(bench.path("")).env("NO_COLOR", "1").env("COLUMNS", "200");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said.reopen().unwrap());
    // SAFETY: nothing but a call to the system is made between fork and exec.
    unsafe { command.pre_exec(|| done(libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0)).map(drop)) };
    let child = command.spawn().unwrap();
    let root = bench.path("").canonicalize().unwrap();
    let (code, steps) = traced(child.id() as libc::pid_t, &root, fate).unwrap();
    Ended { code, text: fs::read_to_string(said.path()).unwrap(), steps }
}

fn done(result: libc::c_long) -> io::Result<libc::c_long> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Follows a process, which begins with a stop, and all its threads until it ends.
fn traced(child: libc::pid_t, root: &Path, fate: Option<(usize, Fate<'_>)>) -> io::Result<(Option<i32>, Vec<&'static str>)> {
    let mut steps = Vec::new();
    // Threads that are inside of a call, with what it is to give where it is not made.
    let mut inside: std::collections::HashMap<libc::pid_t, Option<i64>> = std::collections::HashMap::new();
    let mut begun = false;
    loop {
        let mut status = 0;
        // SAFETY: `status` is there. Only children of this thread are waited for: tests beside this one have their own.
        let thread = done(unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL | libc::__WNOTHREAD) }.into())? as libc::pid_t;
        if !libc::WIFSTOPPED(status) {
            match thread == child {
                true => return Ok((libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)), steps)),
                false => continue,
            }
        }
        if !begun {
            let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_TRACECLONE | libc::PTRACE_O_EXITKILL;
            // SAFETY: it takes no pointer.
            done(unsafe { libc::ptrace(libc::PTRACE_SETOPTIONS, thread, 0, options) })?;
            begun = true;
        }
        let mut signal = libc::WSTOPSIG(status);
        if signal == libc::SIGTRAP | 0x80 {
            signal = 0;
            // SAFETY: zero is a value of each field, and the structure is the one that the call fills.
            let mut regs: libc::user_regs_struct = unsafe { std::mem::zeroed() };
            // SAFETY: as above.
            done(unsafe { libc::ptrace(libc::PTRACE_GETREGS, thread, 0, &raw mut regs) })?;
            let changed = match inside.remove(&thread) {
                Some(Some(error)) => {
                    regs.rax = (-error) as u64;
                    true
                }
                Some(None) => false,
                None => {
                    let place = |fd: u64| fs::read_link(format!("/proc/{child}/fd/{fd}")).is_ok_and(|p| p.starts_with(root));
                    let step = step(&regs, place);
                    steps.extend(step);
                    let met = fate.filter(|(k, _)| step.is_some() && *k + 1 == steps.len()).map(|(_, fate)| fate);
                    match met {
                        Some(Fate::Killed) => {
                            // SAFETY: it takes no pointer; the process is a child that was not waited for.
                            unsafe { libc::kill(child, libc::SIGKILL) };
                            continue;
                        }
                        Some(Fate::Fails(error)) => {
                            regs.orig_rax = u64::MAX; // no call at all
                            inside.insert(thread, Some(error));
                        }
                        Some(Fate::FailsAfter(error, other)) => {
                            other();
                            regs.orig_rax = u64::MAX;
                            inside.insert(thread, Some(error));
                        }
                        Some(Fate::After(other)) => {
                            other();
                            inside.insert(thread, None);
                        }
                        None => drop(inside.insert(thread, None)),
                    }
                    matches!(met, Some(Fate::Fails(_) | Fate::FailsAfter(..)))
                }
            };
            if changed {
                // SAFETY: as above.
                done(unsafe { libc::ptrace(libc::PTRACE_SETREGS, thread, 0, &raw const regs) })?;
            }
        } else if status >> 16 != 0 || matches!(signal, libc::SIGTRAP | libc::SIGSTOP) {
            signal = 0; // a new thread, or the start
        }
        // SAFETY: it takes no pointer. A thread that was killed meanwhile is no fault.
        unsafe { libc::ptrace(libc::PTRACE_SYSCALL, thread, 0, signal) };
    }
}

/// All files below a folder with their content, and folders.
fn tree(dir: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(tree(&path));
        }
        all.push((path.clone(), fs::read(&path).ok()));
    }
    all.sort();
    all
}

/// A state dict in two files, and a plan that cuts one tensor of each.
fn checkpoint(bench: &Bench) {
    bench.put("w1.safetensors", &safetensors("a", &[4, 2], &[1, 2, 3, 4, 5, 6, 7, 8]));
    bench.put("w2.safetensors", &safetensors("b", &[4], &[1, 2, 3, 4]));
    let map = json!({"metadata": {"total_size": 12}, "weight_map": {"a": "w1.safetensors", "b": "w2.safetensors"}});
    bench.put("w.safetensors.index.json", map.to_string().as_bytes());
    let tensor = |name: &str, shape: &[usize]| json!({"name": name, "kind": "parameter", "shape": shape, "same_as": null, "zeroed": false});
    let slice = |name: &str| json!({"edit": "slice", "tensor": name, "dim": 0, "of": 4, "by": null, "keep": [0, 2]});
    let plan = json!({"version": 1, "tensors": [tensor("a", &[4, 2]), tensor("b", &[4])], "edits": [slice("a"), slice("b")]});
    bench.put("plan.json", plan.to_string().as_bytes());
}

/// Steps to try, by number: all, but of many writes in a row the first, some, and the last.
fn tried(steps: &[&'static str]) -> Vec<usize> {
    let is_write = |k: usize| steps.get(k) == Some(&"write");
    let inner = |k: usize| is_write(k) && k > 1 && is_write(k - 1) && is_write(k - 2) && is_write(k + 1);
    (0..steps.len()).filter(|k| !inner(*k) || k % 16 == 0).collect()
}

/// With libtorch a start takes longer than all else here: the other builds are tried then.
fn is_slow() -> bool {
    cfg!(feature = "torch") && std::env::var_os("PARING_TESTED").is_none()
}

/// Whether this system lets a process be followed; where it does not, what these tests show is not shown here.
fn can_follow() -> bool {
    let mut command = Command::new("/bin/true");
    // SAFETY: nothing but a call to the system is made between fork and exec.
    unsafe { command.pre_exec(|| done(libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0)).map(drop)) };
    match command.spawn() {
        Ok(mut child) => child.kill().and_then(|()| child.wait()).is_ok(),
        Err(e) => {
            eprintln!("not run: a process cannot be followed here: {e}");
            false
        }
    }
}

fn is_ours(path: &Path) -> bool {
    path.components().any(|c| c.as_os_str().to_string_lossy().starts_with(".paring-"))
}

#[test]
fn every_step_of_writing_fails_once() {
    if is_slow() || !can_follow() {
        return;
    }
    let bench = Bench::new();
    checkpoint(&bench);
    let four = ["small.pt", "unified", "new.json", "report.html"];
    let small = scripts::small(&bench);
    let speedup =
        [&small[..], &["-q", "-o", four[0], "--unified-masks", four[1], "--plan", four[2], "--report", four[3]]].concat();
    let apply = ["apply", "plan.json", "--weights", "w.safetensors.index.json", "-q", "-o", "cut"];
    let cut = ["cut/w1.safetensors", "cut/w2.safetensors", "cut/w.safetensors.index.json"];
    let odd = "- op: shop.gate\n  rule: \"x[n,c]->[n,c]\"\n";
    // Commands, their outputs, which of these are there before, and what is in them.
    let cases: [(Words, Words, Words, &str); 4] = [
        (&speedup, &four, &four[1..3], "old"),
        (&apply, &cut, &[], ""),
        (&apply, &cut, &cut, "old"),
        (&["rules", "fmt", "odd.yaml"], &["odd.yaml"], &["odd.yaml"], odd),
    ];
    for (args, outputs, there, old) in cases {
        let prepare = || {
            outputs.iter().for_each(|name| drop(fs::remove_file(bench.path(name))));
            let folder = bench.path(outputs[0]).parent().unwrap().to_path_buf();
            match there.is_empty() {
                true => drop(fs::remove_dir(folder)),
                false => fs::create_dir_all(folder).unwrap(),
            }
            there.iter().for_each(|name| bench.put(name, old.as_bytes()));
            tree(&bench.path(""))
        };
        let before = prepare();
        let whole = run(&bench, args, None);
        assert_eq!(whole.code, Some(0), "{args:?} {}", whole.text);
        let after = tree(&bench.path(""));
        assert!(outputs.iter().all(|name| bench.path(name).is_file()), "{args:?}");
        let count = |kind: &str| whole.steps.iter().filter(|s| **s == kind).count();
        assert!(["create", "write", "rename"].iter().all(|kind| count(kind) >= outputs.len()), "{:?}", whole.steps);
        for k in tried(&whole.steps) {
            let kind = whole.steps[k];
            // A disk that is full, or broken.
            let error = if kind == "write" { libc::ENOSPC } else { libc::EIO };
            assert!(prepare() == before);
            let ended = run(&bench, args, Some((k, Fate::Fails(error.into()))));
            let place = format!("{args:?}, step {k} ({kind}) of {}: {:?} {}", whole.steps.len(), ended.code, ended.text);
            let mut found = tree(&bench.path(""));
            if kind == "remove" {
                // What cannot be removed stays under a name that tells what it is.
                found.retain(|(path, _)| !is_ours(path));
                tidy(&bench);
            }
            match ended.code {
                // There is another way where a file cannot have two names, and an older one that cannot be removed is no fault.
                Some(0) => assert!(found == after && matches!(kind, "link" | "remove"), "{place}"),
                Some(1) => {
                    assert!(ended.text.contains("paring::file::unwritable") && ended.text.contains("help:"), "{place}");
                    assert!(found == before, "{place}");
                }
                _ => unreachable!("{place}"),
            }
        }
        for (k, kind) in whole.steps.iter().enumerate().filter(|(_, kind)| !there.is_empty() && **kind != "write") {
            prepare();
            assert_eq!(run(&bench, args, Some((k, Fate::Killed))).code, None, "{args:?} {k}");
            // Each file is whole, the old one or the new one.
            let of = |all: &[(PathBuf, Option<Vec<u8>>)], path: &Path| {
                all.iter().find(|(p, _)| p == path).and_then(|(_, b)| b.clone())
            };
            for name in outputs {
                let (path, now) = (bench.path(name), fs::read(bench.path(name)).ok());
                let whole = now == of(&before, &path) || now == of(&after, &path);
                assert!(whole, "{args:?}, killed before step {k} ({kind}): {name}");
            }
        }
        // What was left goes with the next run, but for what has no other name.
        let mut left: Vec<_> = tree(&bench.path(""));
        left.retain(|(path, _)| is_ours(path));
        assert!(there.is_empty() || !left.is_empty());
        bench.succeeds(args);
        for (path, bytes) in tree(&bench.path("")).into_iter().filter(|(path, _)| is_ours(path)) {
            let last = bytes.is_none() || path.ends_with("old") && path.metadata().unwrap().nlink() == 1;
            assert!(last, "{args:?}: {}", path.display());
        }
        tidy(&bench);
    }
}

/// What is read is as it was when outputs get their names, or there are none; what is read at once counts as it was then.
#[test]
fn inputs_that_change_meanwhile() {
    if is_slow() || !can_follow() {
        return;
    }
    let bench = Bench::new();
    checkpoint(&bench);
    scripts::small(&bench);
    bench.put("by_hand.yaml", b"w: {drop: [1]}");
    bench.put("gate.yaml", b"- op: shop.gate\n  rule: \"x[n, c] -> [n, c]\"\n");
    bench.put("scores.safetensors", &safetensors("w", &[4, 4], &[1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4]));
    bench.put("unified", &safetensors("a", &[4, 2], &[1; 8]));
    let tensor = json!({"name": "a", "kind": "parameter", "shape": [4, 2], "same_as": null, "zeroed": true});
    bench.put("zeroed.json", json!({"version": 1, "tensors": [tensor], "edits": []}).to_string().as_bytes());
    let input = ["--input", "8x4"];
    let of = |args: &[&'static str]| [args, &input, &["-q"]].concat();
    let by_masks = of(&["speedup", "layer.pt", "--masks", "half.safetensors", "-o", "out.pt"]);
    let by_hand = of(&["speedup", "layer.pt", "--masks", "by_hand.yaml", "--rules", "gate.yaml", "-o", "out.pt"]);
    let prune = of(&["prune", "layer.pt", "--scores", "scores.safetensors", "--ratio", "0.5", "-o", "out.pt"]);
    let masks = of(&["masks", "layer.pt", "--ratio", "0.5", "-o", "out.pt"]);
    let analyze = [&["analyze", "layer.pt", "--report", "out.pt"][..], &input].concat();
    let apply =
        ["apply", "zeroed.json", "--weights", "w1.safetensors", "--unified-masks", "unified", "-q", "-o", "out.safetensors"]
            .to_vec();
    let cases: [(Words, Words, Words); 6] = [
        (&by_masks, &["layer.pt", "half.safetensors"], &[]),
        (&by_hand, &["layer.pt"], &["by_hand.yaml", "gate.yaml"]),
        (&prune, &["layer.pt"], &["scores.safetensors"]),
        (&masks, &["layer.pt"], &[]),
        (&analyze, &["layer.pt"], &[]),
        (&apply, &["w1.safetensors", "unified"], &["zeroed.json"]),
    ];
    let before = tree(&bench.path(""));
    for (args, watched, read) in cases {
        let whole = run(&bench, args, None);
        assert_eq!(whole.code, Some(0), "{args:?} {}", whole.text);
        let out = if args[0] == "apply" { "out.safetensors" } else { "out.pt" };
        let output = fs::read(bench.path(out)).unwrap();
        fs::remove_file(bench.path(out)).unwrap();
        let first = whole.steps.iter().position(|s| *s == "write").unwrap();
        for name in watched.iter().chain(read) {
            let (path, old) = (bench.path(name), fs::read(bench.path(name)).unwrap());
            let longer = || fs::write(&path, [&old[..], b" "].concat()).unwrap();
            let ended = run(&bench, args, Some((first, Fate::After(&longer))));
            fs::write(&path, &old).unwrap();
            // A write of what a shorter file has no longer fails with a bad address. It is the file that is named.
            if watched.contains(name) && ["speedup", "prune", "apply"].contains(&args[0]) {
                let ended = run(&bench, args, Some((first, Fate::FailsAfter(libc::EFAULT.into(), &longer))));
                fs::write(&path, &old).unwrap();
                let said = ended.text.contains("paring::file::changed") && ended.text.contains(name);
                assert!(said, "{args:?} {name} {}", ended.text);
            }
            match watched.contains(name) {
                true => {
                    assert_eq!(ended.code, Some(1), "{args:?} {name} {}", ended.text);
                    let said = ended.text.contains("paring::file::changed") && ended.text.contains(name);
                    assert!(said && ended.text.contains("help:"), "{args:?} {name} {}", ended.text);
                }
                false => {
                    assert_eq!(ended.code, Some(0), "{args:?} {name} {}", ended.text);
                    assert!(fs::read(bench.path(out)).unwrap() == output, "{args:?} {name}");
                    fs::remove_file(bench.path(out)).unwrap();
                }
            }
            assert!(tree(&bench.path("")) == before, "{args:?} {name}");
        }
    }
}

/// Removes what runs left.
fn tidy(bench: &Bench) {
    for folder in [bench.path(""), bench.path("cut")] {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(".paring-") {
                let _ = fs::remove_file(entry.path());
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}
