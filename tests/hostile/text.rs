//! A stranger's text on the terminal: long lines, and what a terminal would obey.

use super::bench::{Bench, MASKS, MODEL, Member, find, members, pack, safetensors};

/// What no output may hold.
fn harmless(text: &str) {
    let bad = |c: &char| (c.is_control() && !matches!(c, '\n')) || ('\u{202a}'..='\u{202e}').contains(c);
    assert_eq!(text.chars().find(bad), None, "{text:?}");
}

#[test]
fn labels_far_to_the_right_are_shown() {
    let bench = Bench::new();
    let far = " ".repeat(70_000);
    bench.put("far.yaml", format!("block1.a.0: {{drop: [0,{far}99999]}}").as_bytes());
    let text = bench.fails(&["speedup", MODEL, "--masks", "far.yaml", "-o", "out"], "far.yaml:1:70023");
    assert!(text.len() < 2000 && text.contains("99999]}"), "{text}");
    // Two labels, far apart in one line.
    let two = format!("block1.a.0: {{drop: [0]}}, {far}  block1.a.0.weight: {{drop: [1]}}");
    bench.put("two.yaml", format!("{{{two}}}").as_bytes());
    let text = bench.fails(&["speedup", MODEL, "--masks", "two.yaml", "-o", "out"], "and here");
    assert!(text.len() < 3000 && text.contains("two entries"), "{text}");
    // Texts of megabytes in one line, and names.
    let index = format!("{{\"weight_map\": {{{}", "\"a\": \"b\", ".repeat(200_000));
    bench.put("index.json", index.as_bytes());
    let plan = format!("{{\"version\": 1, {}", "\"a\": \"b\", ".repeat(200_000));
    bench.put("plan.json", plan.as_bytes());
    bench.put("name.yaml", format!("? {}\n: {{drop: [0]}}", "x".repeat(2_000_000)).as_bytes());
    bench.put("rules.yaml", format!("- op: aten.relu\n  rule: \"self[{}\"\n", "a, ".repeat(30_000)).as_bytes());
    for (args, code) in [
        (&["apply", "plan.json", "--weights", MASKS, "-o", "out"][..], "paring::transfer::bad_plan"),
        (&["speedup", MODEL, "--masks", "name.yaml", "-o", "out"], "paring::masks::yaml"),
        (&["rules", "check", "rules.yaml"], "paring::rule::"),
    ] {
        let text = bench.fails(args, code);
        assert!(text.len() < 20_000, "{args:?}: {} bytes", text.len());
        let json = bench.command(&[args, &["--errors", "json"]].concat()).output().unwrap().stderr;
        assert!(json.len() < 20_000 && json.starts_with(b"{"), "{args:?}: {} bytes", json.len());
    }
    bench.put("plan.json", br#"{"version": 1, "tensors": [], "edits": []}"#);
    let text = bench.fails(&["apply", "plan.json", "--weights", "index.json", "-o", "out"], "paring::weights::bad_index");
    assert!(text.len() < 20_000, "{} bytes", text.len());
}

#[test]
fn names_do_not_command_the_terminal() {
    let bench = Bench::new();
    let evil = "\u{1b}[2J\u{1b}]0;owned\u{7}\r\u{9b}31m\u{202e}evil";
    // A mask, a file, a layer of YAML, a member of an archive.
    bench.put("evil.safetensors", &safetensors(evil, &[48], &[0; 48]));
    harmless(&bench.fails(&["speedup", MODEL, "--masks", "evil.safetensors", "-o", "out"], "paring::"));
    harmless(&bench.fails(&["speedup", evil, "--masks", MASKS, "-o", "out"], "paring::file::unreadable"));
    let quoted = serde_json::to_string(evil).unwrap();
    bench.put("evil.yaml", format!("{quoted}: {{drop: [0]}}").as_bytes());
    harmless(&bench.fails(&["speedup", MODEL, "--masks", "evil.yaml", "-o", "out"], "paring::masks::yaml"));
    bench.put("raw.yaml", "a: [\u{9b}31m\u{202e}".as_bytes());
    harmless(&bench.fails(&["speedup", MODEL, "--masks", "raw.yaml", "-o", "out"], "paring::masks::yaml"));
    // A shard of a checkpoint, a class in a pickle, an operator and a key in rules.
    bench.put("plan.json", br#"{"version": 1, "tensors": [], "edits": []}"#);
    bench.put("index.json", format!("{{\"weight_map\": {{\"w\": {quoted}}}}}").as_bytes());
    harmless(&bench.fails(&["apply", "plan.json", "--weights", "index.json", "-o", "out"], "paring::"));
    let class = [b"\x80\x02}X\x01\x00\x00\x00ac", evil.as_bytes(), b"\nNet\n)\x81s."].concat();
    bench.put("class.pth", &pack(&[Member::new("m/data.pkl", &class)]));
    harmless(&bench.fails(&["speedup", MODEL, "--masks", "class.pth", "-o", "out"], "paring::"));
    let module = [b"\x80\x02c__torch__\n", evil.as_bytes(), b"\n)\x81}b."].concat();
    bench.put("class.pt", &pack(&[Member::new("m/data.pkl", &module), Member::new("m/code/__torch__.py", b"")]));
    harmless(&bench.fails(&["analyze", "class.pt"], "paring::"));
    bench.put("rules.yaml", format!("- op: {quoted}\n  {quoted}: 1\n").as_bytes());
    harmless(&bench.fails(&["rules", "check", "rules.yaml"], "paring::rule::"));
    // Names of parameters, in reports and as JSON.
    let renamed = |from: &str, to: &str| {
        let mut all = members();
        for end in ["models/model.json", "weights_config.json"] {
            let k = find(&all, end);
            let escaped = serde_json::to_string(to).unwrap();
            let text = String::from_utf8(all[k].bytes.clone()).unwrap().replace(from, escaped.trim_matches('"'));
            all[k].set(text.as_bytes());
        }
        pack(&all)
    };
    bench.put("evil.pt2", &renamed("block1.a.0.weight", &format!("{evil}.weight")));
    for args in [&["analyze", "evil.pt2"][..], &["analyze", "evil.pt2", "--csv"], &["analyze", "evil.pt2", "--dot"]] {
        harmless(&bench.succeeds(args));
    }
    let json = bench.succeeds(&["analyze", "evil.pt2", "--json"]);
    harmless(&json);
    assert!(serde_json::from_str::<serde_json::Value>(&json).unwrap().to_string().contains("evil"));
    // What a spreadsheet would compute.
    for formula in ["=HYPERLINK(1)", "+1", "-1", "@SUM(1)"] {
        bench.put("sheet.pt2", &renamed("block1.a.0.weight", &format!("{formula}.weight")));
        let csv = bench.succeeds(&["analyze", "sheet.pt2", "--csv"]);
        assert!(csv.contains(&format!(",'{formula}")) && !csv.contains(&format!(",{formula}")), "{csv}");
    }
}
