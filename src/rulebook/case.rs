//! Runs the `tests:` of rules: a graph of one node, through the real propagation.

use std::ops::Range;
use std::sync::Arc;

use egg::Id;

use crate::axis::{PropagateError, Propagation, Step, propagate};
use crate::model::{Arg, DType, Graph, Node, NodeId, Origin, Role, Size, Source, Tensor, Value, ValueId};
use crate::rule::{Binary, Body, Case, Claim, Comparison, Expr, Rule, RuleSet, Schema, Scope, Val, base, eval};

/// What a test found wrong, and where it is stated.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What is wrong.
    pub message: String,
    /// What is at the place.
    pub label: String,
    /// The place in the rule's file.
    pub span: Range<usize>,
    /// What to do.
    pub help: Option<String>,
}

/// Formulas of tests are plain values: a name stands for itself, as a text.
pub(crate) struct Plain;

impl Scope for Plain {
    fn get(&self, name: &str) -> Option<Val> {
        Some(Val::Str(name.to_owned()))
    }

    fn spread(&self, _: &str) -> Option<Vec<Size>> {
        None
    }
}

/// Runs one test of a rule.
///
/// # Errors
/// Everything that is not as expected.
pub fn run_case(rules: &RuleSet, rule: &Arc<Rule>, case: &Case) -> Result<(), Vec<Failure>> {
    let fail = |message: String, label: &str, span: &Range<usize>, help: Option<String>| {
        vec![Failure { message, label: label.to_owned(), span: span.clone(), help }]
    };
    let target = target(rules, rule, case).map_err(|m| fail(m, "this test", &case.span, None))?;
    let graph = graph(rules, rule, case, &target).map_err(|m| fail(m, "this test", &case.span, None))?;
    let mut axes = propagate(&graph, rules, &[]).map_err(|e| {
        let message = match e {
            PropagateError::Unsized { why, .. } => format!("the rule does not fit this call: {why}"),
            e => e.to_string(),
        };
        fail(message, "this test", &case.span, Some("change the rule, or the sizes and arguments in `in:`".into()))
    })?;
    let found = match &axes.steps[0] {
        Step::Bound(bound) | Step::Part(_, bound) => bound.rule.clone(),
        Step::Unknown(why) => return Err(fail(format!("the rule does not fit this call: {why}"), "this test", &case.span, None)),
        Step::Nothing => return Err(fail("the call has no tensors".into(), "this test", &case.span, None)),
    };
    if found.place.span != rule.place.span || !Arc::ptr_eq(&found.place.source, &rule.place.source) {
        let help = Some("entries are tried in the order of the file; restrict the other one with `when:`".to_owned());
        return Err(fail(format!("another entry describes this call: {}", found.place), "not this one", &case.span, help));
    }
    let failures = expectations(&graph, &mut axes, case);
    if failures.is_empty() { Ok(()) } else { Err(failures) }
}

/// The call of a test, as a program of one node.
///
/// # Errors
/// What is wrong with the test.
pub(crate) fn call(rules: &RuleSet, rule: &Rule, case: &Case) -> Result<Graph, String> {
    let target = target(rules, rule, case)?;
    graph(rules, rule, case, &target)
}

/// The overload to call: the one named, or the first that has all given arguments and needs no other.
fn target(rules: &RuleSet, rule: &Rule, case: &Case) -> Result<String, String> {
    if let Some(op) = &case.op {
        let stands = |name: &String| name == op || name == base(op);
        return match rule.ops.iter().any(stands) {
            true if op.matches('.').count() == 2 => Ok(op.clone()),
            true => Ok(format!("{op}.default")),
            false => Err(format!("`{op}` is not an operator of this entry")),
        };
    }
    let given = |name: &str| case.inputs.contains_key(name);
    let fits = |s: &&Schema| {
        case.inputs.keys().all(|name| s.arg(name).is_some()) && s.args.iter().all(|a| a.default.is_some() || given(&a.name))
    };
    let mut known = false;
    for op in &rule.ops {
        let schemas = rules.schemas().meant_by(op);
        if let Some(schema) = schemas.iter().find(|s| fits(s)) {
            return Ok(schema.name.clone());
        }
        known |= !schemas.is_empty();
    }
    match rule.ops.first() {
        Some(op) if known => Err(format!("no overload of `{op}` takes these arguments and no others")),
        Some(op) if op.matches('.').count() == 2 => Ok(op.clone()),
        Some(op) => Ok(format!("{op}.default")),
        None => Err("the entry has no operator".to_owned()),
    }
}

/// A program that calls the operator once, on tensors that are free to lose positions.
fn graph(rules: &RuleSet, rule: &Rule, case: &Case, target: &str) -> Result<Graph, String> {
    let schema = rules.schemas().get(target);
    let mut graph = Graph::default();
    let mut args = Vec::new();
    for (name, e) in &case.inputs {
        let value = eval(e, &Plain).map_err(|e| format!("`{name}`: {e}"))?;
        let declared = schema.and_then(|s| s.arg(name));
        let tensor = declared.map_or_else(|| is_operand(rule, name), |a| a.is_tensor());
        let list = declared.is_some_and(|a| a.ty.contains('['));
        let arg = if tensor { tensors(&mut graph, name, &value, list)? } else { plain(&value)? };
        args.push((name.clone(), arg));
    }
    let outputs = results(rule, case)?;
    let outputs: Vec<ValueId> = (0..outputs).map(|k| value(&mut graph, &format!("out{k}"), None)).collect();
    graph.nodes.push(Node {
        name: "node".into(),
        target: target.to_owned(),
        args,
        outputs,
        listed: schema.is_some_and(Schema::gives_list),
        source: Source::default(),
        graph: 0,
        origin: Origin::New(None),
    });
    Ok(graph)
}

/// True if the rule takes a tensor by this name; used where no schema tells.
fn is_operand(rule: &Rule, name: &str) -> bool {
    match &rule.body {
        Body::Patterns(patterns) => patterns.iter().flat_map(|p| &p.operands).any(|o| o.name == name),
        Body::Layout(call) => call.args.first().is_some_and(|e| e.names().first() == Some(&name)),
    }
}

/// How many results the test expects.
fn results(rule: &Rule, case: &Case) -> Result<usize, String> {
    match case.out.as_ref().map(|out| eval(&out.expr, &Plain)) {
        Some(Ok(Val::List(items))) if items.iter().any(|i| i.list().is_some()) => Ok(items.len()),
        Some(Ok(Val::List(_))) => Ok(1),
        Some(Ok(other)) => Err(format!("`out:` is a list of sizes, not {} `{other}`", other.kind())),
        Some(Err(e)) => Err(format!("`out:`: {e}")),
        None => match &rule.body {
            Body::Patterns(patterns) => Ok(patterns.iter().map(|p| p.outputs.len()).max().unwrap_or(1)),
            Body::Layout(_) => Ok(1),
        },
    }
}

fn value(graph: &mut Graph, name: &str, shape: Option<Vec<Size>>) -> ValueId {
    graph.values.push(Value { name: name.to_owned(), shape, dtype: DType::F32, scalar: None });
    ValueId(graph.values.len() as u32 - 1)
}

fn tensors(graph: &mut Graph, name: &str, val: &Val, list: bool) -> Result<Arg, String> {
    match val {
        Val::List(items) if list || items.iter().any(|i| i.list().is_some()) => {
            let mut found = Vec::new();
            for (k, item) in items.iter().enumerate() {
                found.push(tensors(graph, &format!("{name}[{k}]"), item, false)?);
            }
            Ok(Arg::List(found))
        }
        Val::List(_) => {
            let sizes = val.sizes().ok_or_else(|| format!("the sizes of `{name}` are not whole numbers: `{val}`"))?;
            let shape: Option<Vec<usize>> = sizes.iter().map(|s| usize::try_from(s.as_int()?).ok()).collect();
            let shape = shape.ok_or_else(|| format!("the sizes of `{name}` are negative: `{val}`"))?;
            let id = value(graph, name, Some(sizes));
            graph.tensors.push(Tensor {
                name: name.to_owned(),
                value: id,
                role: Role::Buffer,
                dtype: DType::F32,
                strides: vec![0; shape.len()],
                shape,
                offset: 0,
                storage: graph.tensors.len(),
                updated: false,
                list: None,
            });
            Ok(Arg::Tensor(id))
        }
        other => plain(other),
    }
}

fn plain(val: &Val) -> Result<Arg, String> {
    Ok(match val {
        Val::None => Arg::None,
        Val::Bool(b) => Arg::Bool(*b),
        Val::Size(s) => Arg::Int(s.as_int().ok_or("a dynamic size")?),
        Val::Float(x) => Arg::Float(*x),
        Val::Str(s) => Arg::Str(s.clone()),
        Val::List(items) => Arg::List(items.iter().map(plain).collect::<Result<_, _>>()?),
    })
}

fn sizes_text(sizes: &[Size]) -> String {
    format!("[{}]", sizes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
}

fn expectations(graph: &Graph, axes: &mut Propagation, case: &Case) -> Vec<Failure> {
    let mut failures = Vec::new();
    let mut fail = |claim: &Claim, message: String, label: String| {
        failures.push(Failure { message, label, span: claim.span.clone(), help: None });
    };
    let outputs = &graph.node(NodeId(0)).outputs;
    if let Some(out) = &case.out {
        let shape = |v: &ValueId| axes.shapes[v.index()].as_deref().map(sizes_text).unwrap_or_default();
        let found: Vec<String> = outputs.iter().map(shape).collect();
        let wanted = eval(&out.expr, &Plain).map(|v| v.to_string()).unwrap_or_default();
        let together = format!("[{}]", found.join(", "));
        let given = if found.len() == 1 && !wanted.starts_with("[[") { found[0].clone() } else { together };
        if given != wanted {
            fail(out, format!("the rule gives the sizes {given}"), format!("expected {wanted}"));
        }
    }
    for (claims, same) in [(&case.same, true), (&case.apart, false)] {
        for claim in claims {
            match equal(graph, axes, &claim.expr) {
                Err(e) => fail(claim, e, "cannot be checked".into()),
                Ok(found) if found == same => {}
                Ok(true) => fail(claim, format!("by the rule `{}` holds", claim.expr), "expected to be apart".into()),
                Ok(false) => fail(claim, format!("by the rule `{}` does not hold", claim.expr), "expected to be the same".into()),
            }
        }
    }
    for (claims, locked) in [(&case.locked, true), (&case.free, false)] {
        for claim in claims {
            match axis(graph, axes, &claim.expr) {
                Err(e) => fail(claim, e, "cannot be checked".into()),
                Ok(id) => {
                    let found = axes.axes.locked_because().contains_key(&axes.axes.class(id));
                    let text = if found { "stays whole" } else { "may lose positions" };
                    if found != locked {
                        fail(claim, format!("by the rule `{}` {text}", claim.expr), "expected otherwise".into());
                    }
                }
            }
        }
    }
    failures
}

/// Whether `a == b == …` holds.
fn equal(graph: &Graph, axes: &mut Propagation, e: &Expr) -> Result<bool, String> {
    let Expr::Compare(first, rest) = e else { return Err(format!("`{e}` is no equation of axes, as in `x[1] == out[1]`")) };
    let first = axis(graph, axes, first)?;
    let mut all = true;
    for (op, other) in rest {
        if *op != Comparison::Eq {
            return Err("axes are compared with `==` only".to_owned());
        }
        let other = axis(graph, axes, other)?;
        all &= axes.axes.class(first) == axes.axes.class(other);
    }
    Ok(all)
}

/// The axis that `x[1]`, `tensors[0][1]`, `a[0] + b[0]` or `x[0] * x[1]` means.
fn axis(graph: &Graph, axes: &mut Propagation, e: &Expr) -> Result<Id, String> {
    match e {
        Expr::Binary(op @ (Binary::Add | Binary::Mul), ..) => {
            let mut parts = Vec::new();
            terms(e, *op, &mut parts);
            let ids: Vec<Id> = parts.into_iter().map(|p| axis(graph, axes, p)).collect::<Result<_, _>>()?;
            Ok(if *op == Binary::Add { axes.axes.cat(&ids) } else { axes.axes.merge(&ids) })
        }
        Expr::Index(of, dim) => {
            let value = tensor(graph, of)?;
            let dims = axes.dims[value.index()].as_deref().unwrap_or_default();
            let number = eval(dim, &Plain).ok().and_then(|v| v.as_int()).ok_or_else(|| format!("`{dim}` is no dimension"))?;
            let at = if number < 0 { number + dims.len() as i64 } else { number };
            let at = usize::try_from(at).ok().filter(|d| *d < dims.len());
            at.map(|d| dims[d]).ok_or_else(|| format!("`{of}` has {} dimensions; there is no `{e}`", dims.len()))
        }
        e => Err(format!("`{e}` is no axis, as `x[1]` is")),
    }
}

fn terms<'e>(e: &'e Expr, op: Binary, out: &mut Vec<&'e Expr>) {
    match e {
        Expr::Binary(o, a, b) if *o == op => {
            terms(a, op, out);
            terms(b, op, out);
        }
        e => out.push(e),
    }
}

fn tensor(graph: &Graph, e: &Expr) -> Result<ValueId, String> {
    let node = graph.node(NodeId(0));
    let (name, item) = match e {
        Expr::Name(name) => (name, None),
        Expr::Index(of, k) => match (of.as_ref(), eval(k, &Plain)) {
            (Expr::Name(name), Ok(k)) => (name, k.as_int().and_then(|k| usize::try_from(k).ok())),
            _ => return Err(format!("`{e}` is no tensor")),
        },
        _ => return Err(format!("`{e}` is no tensor")),
    };
    let found = match (name.as_str(), item, node.arg(name)) {
        (_, None, Some(Arg::Tensor(v))) => Some(*v),
        (_, Some(k), Some(arg @ Arg::List(_))) => arg.tensors().get(k).copied(),
        ("out", k, None) if k.is_some() || node.outputs.len() == 1 => node.outputs.get(k.unwrap_or(0)).copied(),
        ("out", None, None) => return Err("there are several results: write `out[0][1]` for dimension 1 of the first".into()),
        _ => None,
    };
    found.ok_or_else(|| format!("`{e}` is no tensor of this call"))
}
