//! YAML and the notation of rules: no text takes long.

use std::fmt::Write;
use std::time::Instant;

use paring::rule::{Pattern, SyntaxError};

use super::bench::{Bench, MODEL};

#[test]
fn sums_in_sums_are_read_once() {
    let nested = |n: usize| format!("x[{}a{}] -> [n]", "(".repeat(n), " + b)".repeat(n));
    let before = Instant::now();
    nested(30).parse::<Pattern>().unwrap();
    assert!(before.elapsed().as_secs() < 2, "{:?}", before.elapsed());
    let error: SyntaxError = nested(40).parse::<Pattern>().unwrap_err();
    assert!(error.message.contains("deep"), "{error:?}");
    // What it means is the same as before.
    let same = |a: &str, b: &str| assert_eq!(a.parse::<Pattern>().unwrap().to_string(), b);
    same("x[((a + b) + c)] -> [a]", &"x[(a + b) + c] -> [a]".parse::<Pattern>().unwrap().to_string());
    let long = format!("x[{}a] -> [a]", "a, ".repeat(1_000_000));
    assert!(long.parse::<Pattern>().unwrap_err().message.contains("more than"));
    let operands = format!("{}x[a] -> [a]", "x[a], ".repeat(1_000_000));
    assert!(operands.parse::<Pattern>().unwrap_err().message.contains("more than"));
    let results = format!("x[a] -> {}[a]", "[a], ".repeat(1_000_000));
    assert!(results.parse::<Pattern>().unwrap_err().message.contains("more than"));
}

#[test]
fn yaml_takes_no_time() {
    let bench = Bench::new();
    let masks = |name: &str, text: &str, code: &str| {
        bench.put(name, text.as_bytes());
        bench.fails(&["speedup", MODEL, "--masks", name, "--plan", "out"], code);
    };
    masks("deep.yaml", &format!("a: {}", "[".repeat(100_000)), "paring::masks::yaml");
    masks("maps.yaml", &"{a: ".repeat(100_000), "paring::masks::yaml");
    bench.put("rules.yaml", format!("- op: {}", "[".repeat(100_000)).as_bytes());
    bench.fails(&["rules", "check", "rules.yaml"], "paring::rule::yaml");
    // Long lists in one line, of which nothing is found where it stands.
    for item in ["0", "0x0", "00"] {
        let mut list = String::from("block1.a.0: {drop: [0");
        (0..200_000).for_each(|_| write!(list, ", {item}").unwrap());
        masks("list.yaml", &(list + ", 99999]}"), "paring::masks::yaml");
    }
    // More items than any file needs.
    masks("long.yaml", &format!("block1.a.0: {{drop: [{}0]}}", "0, ".repeat(3_000_000)), "paring::masks::yaml");
    masks("lines.yaml", &format!("block1.a.0:\n  drop:\n{}", "  - 0\n".repeat(3_000_000)), "paring::masks::yaml");
    bench.put("rules.yaml", "- op: a\n".repeat(2_000_000).as_bytes());
    bench.fails(&["rules", "check", "rules.yaml"], "paring::rule::yaml");
}
