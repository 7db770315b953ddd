//! Time grows with the number of nodes, not with its square. `cargo bench --bench growth` measures it.

#[path = "../benches/growth/nets.rs"]
mod nets;

use std::time::{Duration, Instant};

use nets::{KINDS, Net};
use paring::rule::RuleSet;

/// How many times longer a node may take where there are ten times as many.
const MOST: f64 = 3.0;

fn best(net: &Net, rules: &RuleSet, times: usize) -> f64 {
    let run = |_| {
        let start = Instant::now();
        assert!(net.shrink(rules) > 0, "nothing went");
        start.elapsed()
    };
    (0..times).map(run).min().unwrap_or(Duration::MAX).as_secs_f64() / net.nodes() as f64
}

#[test]
fn time_per_node_does_not_grow() {
    let rules = RuleSet::builtin();
    for (name, kind) in KINDS {
        let (few, many): (Net, Net) = (kind(300), kind(3_000));
        // Other programs may disturb a measurement, but not five in a row.
        let factors = (0..5).map(|_| best(&many, &rules, 1) / best(&few, &rules, 5));
        let mut seen = Vec::new();
        let fine = factors.inspect(|f| seen.push(*f)).any(|f| f <= MOST);
        assert!(fine, "{name}: with 3,000 nodes each takes {seen:.1?} times as long as with 300");
    }
}
