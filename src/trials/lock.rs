//! Locks that are idle: where cutting would do no harm.

use std::sync::Arc;

use super::accept::{Ready, Verdict, accept};
use super::prove::{Outcome, prove};
use super::random::Random;
use crate::model::Size;
use crate::rule::{Pick, Rule, RuleSet};

/// Trials of each lock.
const TRIALS: usize = 24;
/// So many of them must have removed something.
const ENOUGH: usize = 8;

/// The letters, or `@dim`, whose lock seems to be idle: all trials without it agree.
pub(super) fn idle(rules: &RuleSet, rule: &Arc<Rule>, ready: &[Ready], random: &mut Random) -> Vec<String> {
    let mut found = Vec::new();
    for (name, open) in without(rule, ready) {
        let Some(rules) = rules.with(rule, open) else { continue };
        let Some(rule) = ready.first().and_then(|r| {
            let target = &r.example.graph.node(r.example.node()).target;
            rules.for_target(target).iter().find(|other| super::example::is(other, rule)).cloned()
        }) else {
            continue;
        };
        if idle_one(&rules, &rule, &name, ready, random) {
            found.push(name);
        }
    }
    found
}

fn idle_one(rules: &RuleSet, rule: &Arc<Rule>, name: &str, ready: &[Ready], random: &mut Random) -> bool {
    let mut agreed = 0;
    for k in 0..TRIALS {
        let Some(before) = ready.get(k % ready.len().max(1)) else { return false };
        let mut example = before.example.clone();
        let types = example.graph.tensors.iter().zip(&example.ints).map(|(t, i)| (t.dtype, i.clone())).collect();
        example.graph.values.iter_mut().filter(|v| v.name.starts_with("out")).for_each(|v| v.shape = None::<Vec<Size>>);
        let mut types: super::accept::Types = types;
        let Verdict::Ready(open) = accept(rules, rule, example, &mut types, random) else { return false };
        let Some(bound) = open.example.bound(&open.p).filter(|b| !b.outputs.is_empty()) else { return false };
        let locked_before = before.example.bound(&before.p).map(|b| b.locked.clone()).unwrap_or_default();
        let letters: Vec<u32> = locked_before
            .into_iter()
            .filter(|l| !bound.locked.contains(l) && !bound.letters[*l as usize].size.is(1))
            .filter(|l| name.starts_with('@') || bound.letters[*l as usize].name == name)
            .collect();
        match prove(rules, &open, &letters, random) {
            Outcome::Differs(_) => return false,
            Outcome::Agrees { removed: true } => agreed += 1,
            Outcome::Agrees { removed: false } => {}
        }
    }
    agreed >= ENOUGH
}

/// The rule without one of its locks, for each of them.
fn without(rule: &Rule, ready: &[Ready]) -> Vec<(String, Rule)> {
    let mut list = Vec::new();
    let with = |lock: Vec<Pick>| Rule { lock, ..rule.clone() };
    for (k, pick) in rule.lock.iter().enumerate() {
        let others = || rule.lock.iter().enumerate().filter(|(j, _)| *j != k).map(|(_, p)| p.clone()).collect::<Vec<_>>();
        match pick {
            Pick::Letter(name) => list.push((name.clone(), with(others()))),
            Pick::Dims(arg) => list.push((format!("@{arg}"), with(others()))),
            Pick::All => {
                let bounds = ready.iter().filter_map(|r| r.example.bound(&r.p));
                let mut names: Vec<String> =
                    bounds.flat_map(|b| b.letters.iter().filter(|l| !l.made).map(|l| l.name.clone())).collect();
                names.sort();
                names.dedup();
                for name in &names {
                    let rest = names.iter().filter(|n| *n != name).map(|n| Pick::Letter(n.clone())).chain(others()).collect();
                    list.push((name.clone(), with(rest)));
                }
            }
        }
    }
    list
}
