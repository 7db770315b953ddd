//! Whether libtorch takes an example, with which types of elements, and the sizes of what it gives.

use super::array::{Array, Kept};
use super::example::{Example, Fit, Ints};
use super::flavour::{Domain, Flavour, fill};
use super::program::Program;
use super::random::Random;
use crate::axis::Propagation;
use crate::model::{DType, Size};
use crate::rule::{Rule, RuleSet};
use std::sync::Arc;

/// An example that the rule describes and libtorch runs.
pub(super) struct Ready {
    pub example: Example,
    pub program: Program,
    pub p: Box<Propagation>,
}

/// What became of an example.
pub(super) enum Verdict {
    /// It can be used.
    Ready(Box<Ready>),
    /// The rule is not for it.
    Unfit(String),
    /// libtorch refuses it: what it says.
    Refused(String),
    /// The rule is for it, but derives sizes that libtorch does not give.
    Wrong(String),
}

/// The element types of an example's tensors.
pub(super) type Types = Vec<(DType, Option<Ints>)>;

/// Tries an example. `types` are those that served the example before, and are set to what serves this one.
pub(super) fn accept(rules: &RuleSet, rule: &Arc<Rule>, mut example: Example, types: &mut Types, random: &mut Random) -> Verdict {
    let target = example.graph.node(example.node()).target.clone();
    if let Fit::No(why) = example.fit(rules, rule)
        && !rules.for_target(&target).iter().any(|r| r.leaves_out(1))
    {
        return Verdict::Unfit(why);
    }
    example.results(rules, rule, rules.schemas().get(&target));
    example.read(rules, rule, random.chance(0.5));
    if let Fit::No(why) = example.fit(rules, rule) {
        return Verdict::Unfit(why);
    }
    let program = match Program::load(&example.graph, example.outputs()) {
        Ok(program) => program,
        Err(why) => return Verdict::Refused(why),
    };
    let found = match search(&example, &program, types, random) {
        Ok(found) => found,
        Err(why) => return Verdict::Refused(why),
    };
    *types = found.types.clone();
    take(rules, rule, example, program, found)
}

/// The same example with these types, if it runs with them.
pub(super) fn with_types(
    rules: &RuleSet,
    rule: &Arc<Rule>,
    example: &Example,
    types: Types,
    random: &mut Random,
) -> Option<Box<Ready>> {
    let program = Program::load(&example.graph, example.outputs()).ok()?;
    let results = attempt(example, &program, &types, random).ok()?;
    match take(rules, rule, example.clone(), program, Found { types, results }) {
        Verdict::Ready(ready) => Some(ready),
        _ => None,
    }
}

fn take(rules: &RuleSet, rule: &Arc<Rule>, mut example: Example, program: Program, found: Found) -> Verdict {
    for (k, (dtype, ints)) in found.types.into_iter().enumerate() {
        let value = example.graph.tensors[k].value;
        example.graph.tensors[k].dtype = dtype;
        example.graph.values[value.index()].dtype = dtype;
        example.ints[k] = ints;
    }
    if found.results.first().is_some_and(|r| r.shape.contains(&0)) {
        return Verdict::Refused("its result is empty".into());
    }
    let outputs = example.outputs();
    if outputs.len() != found.results.len() {
        return Verdict::Wrong(format!("libtorch gives {} results, the rule {}", found.results.len(), outputs.len()));
    }
    for (v, result) in outputs.iter().zip(&found.results) {
        let value = &mut example.graph.values[v.index()];
        value.dtype = result.dtype;
        value.shape = Some(result.shape.iter().map(|n| Size::from(*n)).collect());
    }
    match example.fit(rules, rule) {
        Fit::Yes(p) => Verdict::Ready(Box::new(Ready { example, program, p })),
        Fit::Wrong(why) => Verdict::Wrong(why),
        Fit::No(why) => Verdict::Unfit(why),
        Fit::Unsized => Verdict::Unfit("its sizes cannot be derived".into()),
    }
}

struct Found {
    types: Types,
    results: Vec<Array>,
}

/// Finds types that libtorch takes: floats if it can be, else integers, truth values and complex numbers in some places.
fn search(example: &Example, program: &Program, before: &Types, random: &mut Random) -> Result<Found, String> {
    let n = example.graph.tensors.len();
    let given = |k: usize| example.ints.get(k).cloned().flatten();
    let float = (DType::F64, None);
    let int = |bound| (DType::I64, Some(Ints::Below(bound)));
    let fixed = |list: Types| -> Types {
        let one = |(k, t)| match given(k) {
            None => t,
            Some(ints @ Ints::All(_)) => (DType::F64, Some(ints)),
            Some(ints) => (DType::I64, Some(ints)),
        };
        list.into_iter().enumerate().map(one).collect()
    };
    let mut tried: Vec<Types> = Vec::new();
    if before.len() == n && n > 0 {
        tried.push(before.clone());
    }
    tried.push(vec![float.clone(); n]);
    let others = [int(3), int(2), int(1), (DType::Bool, None), (DType::C128, None)];
    for other in &others {
        for k in (0..n).rev().take(4) {
            let mut list = vec![float.clone(); n];
            list[k] = other.clone();
            tried.push(list);
        }
    }
    tried.push(vec![(DType::F32, None); n]);
    for other in &others {
        tried.push(vec![other.clone(); n]);
        let mut list = vec![other.clone(); n];
        list.iter_mut().take(1).for_each(|t| *t = float.clone());
        tried.push(list);
    }
    let mut first = None;
    for types in tried {
        let types = fixed(types);
        match attempt(example, program, &types, random) {
            Ok(results) => return Ok(Found { types, results }),
            Err(why) => drop(first.get_or_insert(why)),
        }
        if n == 0 {
            break;
        }
    }
    Err(first.unwrap_or_else(|| "it has no tensors".into()))
}

fn attempt(example: &Example, program: &Program, types: &Types, random: &mut Random) -> Result<Vec<Array>, String> {
    let arrays: Vec<Array> = example
        .graph
        .tensors
        .iter()
        .zip(types)
        .map(|(t, (dtype, ints))| {
            let kept = Kept { dims: vec![None; t.shape.len()] };
            fill(&t.shape, *dtype, ints.as_ref(), &kept, (Flavour::Any, Domain::Unit), random)
        })
        .collect();
    program.run(&arrays)
}
