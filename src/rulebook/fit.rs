//! Whether the user's rules are for what a model calls, and fit it.

use std::ops::Range;
use std::sync::Arc;

use crate::axis::{Propagation, Step};
use crate::model::{Graph, Node};
use crate::rule::{Body, Rule, RuleError, RuleSet, base};
use crate::solve::closest;

/// What of the user's rules a program shows to be wrong: operators that it does not call, operands that no call has, calls that no entry
/// fits. `axes` are those of the program under these rules.
pub fn fits(graph: &Graph, rules: &RuleSet, axes: &Propagation) -> Vec<RuleError> {
    rules.rules().filter(|r| rules.is_own(r)).flat_map(|rule| of_rule(graph, rules, axes, rule)).collect()
}

fn of_rule(graph: &Graph, rules: &RuleSet, axes: &Propagation, rule: &Arc<Rule>) -> Vec<RuleError> {
    let serves = |node: &Node| rules.for_target(&node.target).iter().any(|r| Arc::ptr_eq(r, rule));
    let calls: Vec<(&Node, &Step)> = graph.nodes.iter().zip(&axes.steps).filter(|(node, _)| serves(node)).collect();
    if calls.is_empty() {
        return vec![unused(graph, rules, rule)];
    }
    let mut errors = Vec::new();
    if let Body::Patterns(patterns) = &rule.body {
        for operand in patterns.iter().flat_map(|p| &p.operands).filter(|o| o.missing.is_none()) {
            let has = |node: &Node| rules.schemas().get(&node.target).is_some() || node.arg(&operand.name).is_some();
            if calls.iter().any(|(node, _)| has(node)) {
                continue;
            }
            let node = calls[0].0;
            let names: Vec<&str> = node.args.iter().map(|(name, _)| name.as_str()).collect();
            let near = closest(&operand.name, names.iter().copied()).first().map(|n| format!("did you mean `{n}`? "));
            let help = format!("{}the arguments of {} are {}", near.unwrap_or_default(), node.name, names.join(", "));
            let message = format!("no call of {} has an argument `{}`", node.target, operand.name);
            errors.push(error(rule, "operand", operand.span.clone(), message, "not in the model", help));
        }
    }
    let unfit = calls.iter().find_map(|(node, step)| if let Step::Unknown(why) = step { Some((node, why)) } else { None });
    if let (true, Some((node, why))) = (errors.is_empty(), unfit) {
        let line = node.source.line().map(|l| format!(" ({l})")).unwrap_or_default();
        let message = format!("node {} of the model calls {}, and no entry fits: {why}", node.name, node.target);
        let help =
            format!("what it touches stays whole{line}; `paring rules new {} --model MODEL` proposes a rule", base(&node.target));
        errors.push(error(rule, "fit", rule.place.span.clone(), message, "this entry is one for it", help));
    }
    errors
}

/// An entry for what the program does not call.
fn unused(graph: &Graph, rules: &RuleSet, rule: &Rule) -> RuleError {
    let text = rule.place.source.inner();
    let named = rule.ops.iter().find_map(|op| Some((text.get(..rule.place.span.start)?.rfind(op.as_str())?, op)));
    let span = named.map_or(rule.place.span.clone(), |(at, op)| at..at + op.len());
    let op = named.map_or_else(|| rule.ops.join(", "), |(_, op)| op.clone());
    let mut targets: Vec<&str> = graph.nodes.iter().map(|n| base(&n.target)).filter(|t| rules.for_target(t).is_empty()).collect();
    targets.dedup();
    let help = match closest(&op, targets.iter().copied()).first() {
        Some(near) => format!("did you mean `{near}`, which the model calls and no rule describes?"),
        None => "`paring rules list --model MODEL` lists what it calls, and which entries are used".to_owned(),
    };
    error(rule, "unused", span, format!("the model does not call {op}"), "no node has this name", help)
}

fn error(rule: &Rule, kind: &'static str, span: Range<usize>, message: String, label: &str, help: String) -> RuleError {
    let labels = vec![(span, label.to_owned())];
    RuleError { kind, message, labels, help: Some(help), source_file: Some(rule.place.source.clone()) }
}
