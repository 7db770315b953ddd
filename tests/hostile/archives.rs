//! Zips that two readers understand differently, and data that are not what was written.

use paring::format::{Archive, Payload, write};
use std::path::Path;

use super::bench::{Bench, MASKS, MODEL, Member, find, members, pack};

#[test]
fn one_name_is_one_member() {
    let bench = Bench::new();
    let all = members();
    let weight = &all[find(&all, "weights/weight_3")];
    let zeros = vec![0; weight.bytes.len()];
    let other = |name: String| pack(&[all.clone(), vec![Member::new(&name, &zeros)]].concat());
    let twice = weight.name.clone();
    let detour = weight.name.replace("/weight_3", "/./weight_3");
    let up = weight.name.replace("/weight_3", "/x/../weight_3");
    let empty = weight.name.replace("/weight_3", "//weight_3");
    let windows = weight.name.replace('/', "\\");
    for name in [twice, detour, up, empty, windows] {
        bench.put("twice.pt2", &other(name.clone()));
        let text = bench.fails(&["speedup", "twice.pt2", "--masks", MASKS, "-o", "out"], "paring::zip::ambiguous");
        assert!(text.contains("weight_3"), "{name}: {text}");
    }
    // The other readers of archives.
    let pair = |name: &str| pack(&[Member::new(name, b"N."), Member::new("m/data/0", b""), Member::new(name, b"K.")]);
    bench.put("masks.pth", &pair("m/data.pkl"));
    bench.fails(&["speedup", MODEL, "--masks", "masks.pth", "-o", "out"], "paring::zip::ambiguous");
    bench.put("script.pt", &pair("m/code/a.py"));
    bench.fails(&["analyze", "script.pt"], "paring::zip::ambiguous");
}

#[test]
fn damaged_data_are_not_written_under_a_new_checksum() {
    let bench = Bench::new();
    let whole = members();
    let damaged = |k: usize| {
        let mut all = whole.clone();
        *all[k].bytes.last_mut().unwrap() ^= 1;
        pack(&all)
    };
    let open = |bytes: Vec<u8>| Archive::of_bytes(Path::new("net.pt2"), bytes.into());
    for (k, member) in whole.iter().enumerate() {
        let archive = match open(damaged(k)) {
            Ok(archive) => archive,
            Err(e) => {
                assert!(e.to_string().contains("checksum"), "{}: {e}", member.name);
                continue;
            }
        };
        // Whatever is read is right, and whatever is copied.
        let graph = archive.graph(&[]).unwrap();
        let copied: Vec<Payload> = (0..archive.storages()).map(Payload::Stored).collect();
        let error = write(&archive, &graph, &graph, &copied, &bench.path("out.pt2"), &mut |_| {}).unwrap_err();
        assert!(error.to_string().contains(&format!("the checksum of {}", member.name)), "{error}");
        assert!(!member.name.contains("weights/weight_") || (0..archive.storages()).any(|n| archive.storage(n).is_err()));
    }
    // One that the run gathers from.
    bench.put("damaged.pt2", &damaged(find(&whole, "weights/weight_3")));
    bench.fails(&["speedup", "damaged.pt2", "--masks", MASKS, "-o", "out"], "paring::zip::checksum");
}
