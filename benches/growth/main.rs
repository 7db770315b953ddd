//! Time by number of nodes: criterion shows nodes a second, which should not fall as networks grow.
#![allow(missing_docs)]

mod nets;

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
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

criterion_group!(benches, growth);
criterion_main!(benches);
