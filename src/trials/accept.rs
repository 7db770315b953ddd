//! Whether libtorch or onnxruntime takes an example, with which types of elements, and the sizes of what it gives.

use super::array::{Array, Kept};
use super::backend::Loaded;
use super::example::{Example, Fit, Ints};
use super::flavour::{Domain, Flavour, fill};
use super::random::Random;
use crate::axis::Propagation;
use crate::model::{DType, Size};
use crate::rule::{Rule, RuleSet, Schema};
use std::rc::Rc;
use std::sync::Arc;

/// An example that the rule describes and that runs.
pub(super) struct Ready {
    pub example: Example,
    pub program: Rc<dyn Loaded>,
    pub p: Box<Propagation>,
}

/// What became of an example.
pub(super) enum Verdict {
    /// It can be used.
    Ready(Box<Ready>),
    /// The rule is not for it.
    Unfit(String),
    /// It is refused: what is said.
    Refused(String),
    /// The rule is for it, but derives other sizes than the result has.
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
    // Where types decide which rule is for a call, those that this one is for are tried.
    let asks = rules.for_target(&target).iter().any(|r| r.asks_for_whole());
    let suits = |types: &Types| !asks || !matches!(example.with(types).fit(rules, rule), Fit::No(_));
    let found = match search(&example, rules.schemas().get(&target), types, &suits, random) {
        Ok(found) => found,
        Err(why) => return Verdict::Refused(why),
    };
    *types = found.types.clone();
    take(rules, rule, example, found)
}

/// The same example with these types, if it runs with them.
pub(super) fn with_types(
    rules: &RuleSet,
    rule: &Arc<Rule>,
    example: &Example,
    types: Types,
    random: &mut Random,
) -> Option<Box<Ready>> {
    let types = if example.by.is_typed() { told(example, types) } else { types };
    // A number with a fraction is none of these types.
    let apart =
        |(dtype, ints): &(DType, Option<Ints>)| matches!(ints, Some(Ints::All(x)) if x.fract() != 0.0 && !dtype.is_float());
    if types.iter().any(apart) {
        return None;
    }
    let (program, results) = attempt(example, None, &types, random).ok()?;
    match take(rules, rule, example.clone(), Found { types, program, results }) {
        Verdict::Ready(ready) => Some(ready),
        _ => None,
    }
}

fn take(rules: &RuleSet, rule: &Arc<Rule>, mut example: Example, found: Found) -> Verdict {
    let program = found.program;
    example = example.with(&found.types);
    if found.results.first().is_some_and(|r| r.shape.contains(&0)) {
        return Verdict::Refused("its result is empty".into());
    }
    let outputs = example.outputs();
    if outputs.len() != found.results.len() {
        let by = example.by.name();
        return Verdict::Wrong(format!("{by} gives {} results, the rule {}", found.results.len(), outputs.len()));
    }
    for (v, result) in outputs.iter().zip(&found.results) {
        let value = &mut example.graph.values[v.index()];
        value.dtype = result.dtype;
        value.shape = Some(result.shape.iter().map(|n| Size::from(*n)).collect());
    }
    let text = example.text();
    match example.fit(rules, rule) {
        Fit::Yes(p) => Verdict::Ready(Box::new(Ready { example, program, p })),
        Fit::Wrong(why) => Verdict::Wrong(format!("with {text}: {why}")),
        Fit::No(why) => Verdict::Unfit(why),
        Fit::Unsized => Verdict::Unfit("its sizes cannot be derived".into()),
    }
}

struct Found {
    types: Types,
    program: Rc<dyn Loaded>,
    results: Vec<Array>,
}

/// Finds types that are taken: floats if it can be, else integers, truth values and complex numbers in some places.
fn search(
    example: &Example,
    schema: Option<&Schema>,
    before: &Types,
    suits: &dyn Fn(&Types) -> bool,
    random: &mut Random,
) -> Result<Found, String> {
    let n = example.graph.tensors.len();
    let tried = match (example.by.is_typed(), schema) {
        (true, Some(schema)) => typed(example, schema),
        _ => untyped(example),
    };
    let loaded = if example.by.is_typed() { None } else { Some(example.by.load(&example.graph, &example.outputs())?) };
    let before = (before.len() == n && n > 0).then(|| match example.by.is_typed() {
        true => told(example, before.clone()),
        false => fixed(example, before.clone()),
    });
    let mut first = None;
    for types in before.into_iter().chain(tried).filter(suits) {
        match attempt(example, loaded.clone(), &types, random) {
            Ok((program, results)) => return Ok(Found { types, program, results }),
            Err(why) => drop(first.get_or_insert(why)),
        }
        if n == 0 {
            break;
        }
    }
    Err(first.unwrap_or_else(|| "it has no tensors".into()))
}

/// These types, but for tensors whose numbers are told.
fn fixed(example: &Example, list: Types) -> Types {
    let given = |k: usize| example.ints.get(k).cloned().flatten();
    let one = |(k, t)| match given(k) {
        None => t,
        Some(ints @ Ints::All(_)) => (DType::F64, Some(ints)),
        Some(ints) => (DType::I64, Some(ints)),
    };
    list.into_iter().enumerate().map(one).collect()
}

/// The same where types are part of a program.
fn told(example: &Example, list: Types) -> Types {
    let one = |(k, t): (usize, (DType, Option<Ints>))| match example.ints.get(k).cloned().flatten() {
        None => (t.0, t.1.filter(|ints| matches!(ints, Ints::Below(_)))),
        Some(ints @ Ints::All(_)) => (t.0, Some(ints)),
        Some(ints) => (example.graph.tensors[k].dtype, Some(ints)),
    };
    list.into_iter().enumerate().map(one).collect()
}

const FLOAT: (DType, Option<Ints>) = (DType::F64, None);

fn untyped(example: &Example) -> Vec<Types> {
    let n = example.graph.tensors.len();
    let int = |bound| (DType::I64, Some(Ints::Below(bound)));
    let mut tried: Vec<Types> = vec![vec![FLOAT; n]];
    let others = [int(3), int(2), int(1), (DType::Bool, None), (DType::C128, None)];
    for other in &others {
        for k in (0..n).rev().take(4) {
            let mut list = vec![FLOAT; n];
            list[k] = other.clone();
            tried.push(list);
        }
    }
    tried.push(vec![(DType::F32, None); n]);
    for other in &others {
        tried.push(vec![other.clone(); n]);
        let mut list = vec![other.clone(); n];
        list.iter_mut().take(1).for_each(|t| *t = FLOAT);
        tried.push(list);
    }
    tried.into_iter().map(|types| fixed(example, types)).collect()
}

/// Types by the type variables of a schema: what has one variable has one type.
fn typed(example: &Example, schema: &Schema) -> Vec<Types> {
    let variables: Vec<Option<&str>> = example.graph.tensors.iter().map(|t| variable(schema, &t.name)).collect();
    let mut names: Vec<&str> = variables.iter().flatten().copied().collect();
    names.sort_unstable();
    names.dedup();
    let named = |name: &str| example.by.type_named(name);
    names.retain(|name| named(name).is_none());
    let types = |of: &dyn Fn(&str) -> (DType, Option<Ints>)| -> Types {
        let one = |(k, name): (usize, &Option<&str>)| match (example.ints.get(k).cloned().flatten(), *name) {
            (Some(ints @ Ints::List(_)), _) => (example.graph.tensors[k].dtype, Some(ints)),
            (given, Some(name)) => match named(name) {
                Some(dtype @ (DType::I64 | DType::I32)) if given.is_none() => (dtype, Some(Ints::Below(2))),
                Some(dtype) => (dtype, given),
                None => (of(name).0, given.or(of(name).1)),
            },
            (given, None) => (FLOAT.0, given),
        };
        variables.iter().enumerate().map(one).collect()
    };
    let int = |dtype, bound| (dtype, Some(Ints::Below(bound)));
    let others =
        [int(DType::I64, 3), int(DType::I64, 1), (DType::Bool, None), int(DType::U8, 4), int(DType::I8, 4), int(DType::I32, 3)];
    let mut tried = vec![types(&|_| FLOAT), types(&|_| (DType::F32, None))];
    for base in [DType::F64, DType::F32] {
        for name in &names {
            for other in &others {
                tried.push(types(&|n| if n == *name { other.clone() } else { (base, None) }));
            }
        }
    }
    tried.extend(others.iter().map(|other| types(&|_| other.clone())));
    tried
}

/// The type variable of a tensor, which is named as its argument, maybe with a place in a list.
fn variable<'s>(schema: &'s Schema, tensor: &str) -> Option<&'s str> {
    let arg = schema.arg(tensor.split('[').next().unwrap_or(tensor))?;
    arg.ty.split_once('<')?.1.split_once('>').map(|(name, _)| name)
}

type Ran = (Rc<dyn Loaded>, Vec<Array>);

fn attempt(example: &Example, loaded: Option<Rc<dyn Loaded>>, types: &Types, random: &mut Random) -> Result<Ran, String> {
    let mut graph = example.graph.clone();
    for (t, (dtype, _)) in graph.tensors.iter_mut().zip(types) {
        t.dtype = *dtype;
        graph.values[t.value.index()].dtype = *dtype;
    }
    let program = match loaded {
        Some(loaded) => loaded,
        None => example.by.load(&graph, &example.outputs())?,
    };
    let arrays: Vec<Array> = graph
        .tensors
        .iter()
        .zip(types)
        .map(|(t, (dtype, ints))| {
            let kept = Kept { dims: vec![None; t.shape.len()] };
            fill(&t.shape, *dtype, ints.as_ref(), &kept, (Flavour::Any, Domain::Unit), random)
        })
        .collect();
    let results = program.run(&arrays)?;
    Ok((program, results))
}
