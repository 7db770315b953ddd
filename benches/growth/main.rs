//! Time by number of nodes: criterion shows nodes a second, which should not fall as networks grow.
//!
//! `cargo bench --bench growth stages` shows each stage by itself.
//!
//! With `PARING_GROWTH=10000,50000` a table says instead how many milliseconds each stage takes for so many nodes.
#![allow(missing_docs)]

mod nets;

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use paring::rule::RuleSet;

fn growth(c: &mut Criterion) {
    let rules = RuleSet::builtin();
    for (name, kind) in nets::KINDS {
        let mut group = c.benchmark_group(name);
        group.sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
        for nodes in [100, 1_000, 10_000] {
            let net = kind(nodes);
            group.throughput(Throughput::Elements(net.nodes() as u64));
            group.bench_function(BenchmarkId::from_parameter(nodes), |b| b.iter(|| net.shrink(&rules)));
        }
    }
}

/// Each stage by itself, of a net of every kind with 1,000 nodes.
fn stages(c: &mut Criterion) {
    let rules = RuleSet::builtin();
    for (name, kind) in nets::KINDS {
        let net = kind(1_000);
        let mut group = c.benchmark_group(format!("stages: {name}"));
        group.sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
        for wanted in ["propagate", "solve", "plan", "edit", "check"] {
            let once = || {
                let (mut last, mut spent) = (Instant::now(), Duration::ZERO);
                net.stages(&rules, &mut |stage| {
                    let now = Instant::now();
                    if stage == wanted {
                        spent = now - last;
                    }
                    last = now;
                });
                spent
            };
            group.bench_function(wanted, |b| b.iter_custom(|times| (0..times).map(|_| once()).sum()));
        }
    }
}

criterion_group!(benches, growth, stages);

/// The best of three runs for each kind and each number of nodes.
fn table(numbers: &str) {
    let rules = RuleSet::builtin();
    let numbers: Vec<usize> = numbers.split(',').filter_map(|n| n.trim().parse().ok()).collect();
    for (name, kind) in nets::KINDS {
        for net in numbers.iter().map(|n| kind(*n)) {
            let once = || {
                let (mut last, mut times) = (Instant::now(), Vec::new());
                net.stages(&rules, &mut |stage| {
                    times.push((stage, last.elapsed()));
                    last = Instant::now();
                });
                times
            };
            let all = |times: &Vec<(&str, Duration)>| times.iter().map(|(_, t)| *t).sum::<Duration>();
            let Some(best) = (0..3).map(|_| once()).min_by_key(all) else { continue };
            let stages: Vec<String> = best.iter().map(|(s, t)| format!("{s} {}", t.as_millis())).collect();
            println!("{name:<26}{:>7} nodes{:>7} ms: {}", net.nodes(), all(&best).as_millis(), stages.join(", "));
        }
    }
}

fn main() {
    match std::env::var("PARING_GROWTH") {
        Ok(numbers) => {
            let run = std::thread::Builder::new().stack_size(paring::cli::STACK).spawn(move || table(&numbers));
            run.expect("there is memory").join().expect("nothing panics");
        }
        Err(_) => {
            benches();
            Criterion::default().configure_from_args().final_summary();
        }
    }
}
