//! A standard output or error that is closed or full, and outputs in the place of inputs.

use std::fs;

use super::bench::{Bench, MASKS, MODEL, program};

#[cfg(target_os = "linux")]
#[test]
fn a_full_output_is_an_error_and_files_are_complete() {
    use std::fs::File;
    use std::process::Stdio;
    let bench = Bench::new();
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    fs::create_dir(bench.path("rules")).unwrap();
    bench.put("rules/odd.yaml", b"- op: shop.gate\n  rule: x[n,c]->[n,c]\n");
    let commands: [&[&str]; 10] = [
        &["speedup", MODEL, "--masks", MASKS, "-o", "small.pt2"],
        &["speedup", MODEL, "--masks", MASKS, "--plan", "plan.json", "--json"],
        &["analyze", MODEL],
        &["rules", "list"],
        &["rules", "check", "rules"],
        &["rules", "show", "relu"],
        &["rules", "fmt", "rules"],
        &["rules", "new", "silu", "--model", MODEL],
        &["completions", "bash"],
        &["man"],
    ];
    for args in commands {
        let out = bench.command(args).stdout(full()).stderr(Stdio::piped()).output().unwrap();
        let text = String::from_utf8(out.stderr).unwrap();
        assert_eq!(out.status.code(), Some(1), "{args:?} {text}");
        assert!(text.contains("paring::stdout::unwritable") && text.contains("help:"), "{args:?} {text}");
    }
    // What was asked for is there all the same.
    for name in ["small.pt2", "plan.json"] {
        assert!(bench.path(name).is_file(), "{name}");
    }
    assert_eq!(fs::read_to_string(bench.path("rules/odd.yaml")).unwrap(), "- op: shop.gate\n  rule: x[n, c] -> [n, c]\n");
    bench.succeeds(&["analyze", "small.pt2"]);
    // Whether anybody hears of an error, or of a note, decides nothing.
    let silent = bench.command(&["analyze", "none.pt2"]).stderr(full()).output().unwrap();
    assert_eq!(silent.status.code(), Some(1));
    let mut quiet = bench.command(&["speedup", MODEL, "--masks", MASKS, "-o", "again.pt2", "-q"]);
    assert_eq!(quiet.stdout(full()).stderr(full()).output().unwrap().status.code(), Some(0));
    // Closed ones are as good as none that reads.
    for closed in ["exec \"$0\" \"$@\" >&-", "exec \"$0\" \"$@\" 2>&-", "exec \"$0\" \"$@\" >&- 2>&- <&-", "\"$0\" \"$@\" | true"]
    {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", closed]).arg(program()).args(["speedup", MODEL, "--masks", MASKS, "-o", "closed.pt2"]);
        let out = command.current_dir(bench.path("")).output().unwrap();
        assert_eq!(out.status.code(), Some(0), "{closed} {}", String::from_utf8_lossy(&out.stderr));
        assert!(bench.path("closed.pt2").is_file(), "{closed}");
        fs::remove_file(bench.path("closed.pt2")).unwrap();
    }
}

#[test]
fn outputs_take_the_place_of_no_input() {
    let bench = Bench::new();
    fs::create_dir_all(bench.path("rules/deep")).unwrap();
    bench.put("rules/gate.yaml", b"- op: shop.gate\n  rule: \"x[n, c] -> [n, c]\"\n");
    let rules = ["speedup", MODEL, "--masks", MASKS, "--rules", "rules"];
    for output in ["rules/gate.yaml", "rules/new.yaml", "rules/deep/plan.json", "rules/../rules/plan.json", MODEL, MASKS] {
        for kind in ["-o", "--plan", "--report", "--unified-masks"] {
            let text = bench.fails(&[&rules[..], &[kind, output]].concat(), "paring::output::same_file");
            assert!(text.contains("that are read") || text.contains("that is read"), "{text}");
        }
    }
    for args in [
        &["prune", MODEL, "--ratio", "0.5", "--rules", "rules", "-o", "rules/a.pt2"][..],
        &["masks", MODEL, "--ratio", "0.5", "--rules", "rules", "-o", "rules/a"],
        &["analyze", MODEL, "--rules", "rules", "--report", "rules/a.html"],
    ] {
        bench.fails(args, "paring::output::same_file");
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(MODEL, bench.path("link")).unwrap();
        bench.fails(&["speedup", MODEL, "--masks", MASKS, "-o", "link"], "paring::output::same_file");
    }
    // A folder of the name of a word for masks is no input.
    fs::create_dir(bench.path("zeros")).unwrap();
    bench.succeeds(&["speedup", MODEL, "--masks", "zeros", "--plan", "zeros/plan.json"]);
}
