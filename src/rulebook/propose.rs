//! A first rule for an operator that has none: its arguments as a model calls it, and what fits the shapes seen.

use std::fmt::Write;

use indexmap::{IndexMap, IndexSet};

use super::RulebookError;
use super::listing::in_full;
use crate::model::{Arg, Graph, Node, Size, ValueId};
use crate::rule::{RuleSet, base, closest, dotted, spellings};

/// The text of a rule file to begin with.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// YAML with comments.
    pub text: String,
}

/// Proposes a rule for an operator as a model calls it; without a model, from the operator's schema.
///
/// # Errors
/// An operator that the model does not call, or that no schema describes.
pub fn propose(name: &str, model: Option<(&Graph, &str)>, rules: &RuleSet) -> Result<Proposal, RulebookError> {
    let plain = dotted(name);
    let text = match model {
        Some((graph, file)) => from_model(&plain, graph, file, rules)?,
        None => from_schema(&plain, rules)?,
    };
    Ok(Proposal { text })
}

/// A call as the model has it.
struct Seen<'g> {
    /// Tensor arguments (items of lists as `name[0]`), with their sizes.
    tensors: IndexMap<String, Vec<Size>>,
    /// Arguments that are None here.
    absent: Vec<&'g str>,
    /// Other arguments.
    plain: IndexMap<&'g str, String>,
    outputs: Vec<Vec<Size>>,
}

fn from_model(plain: &str, graph: &Graph, file: &str, rules: &RuleSet) -> Result<String, RulebookError> {
    let named = |op: &str| graph.nodes.iter().filter(|n| n.target == op || base(&n.target) == op).collect::<Vec<&Node>>();
    let nodes = spellings(plain).iter().map(|op| named(op)).find(|found| !found.is_empty()).unwrap_or_default();
    let Some(first) = nodes.first() else { return Err(not_in_model(plain, graph, rules)) };
    let seen: Vec<Seen> = nodes.iter().map(|n| look(graph, n)).collect();
    let targets: IndexSet<&str> = nodes.iter().map(|n| n.target.as_str()).collect();
    let short = |t: &&str| t.strip_suffix(".default").unwrap_or(t).to_owned();
    let ops = targets.iter().map(short).collect::<Vec<_>>();

    let mut out = String::new();
    let many = if nodes.len() == 1 { "node" } else { "nodes" };
    let _ = writeln!(out, "# {}: {} {many} of {file}", ops.join(", "), nodes.len());
    for text in nodes.iter().filter_map(|n| n.source.line()).collect::<IndexSet<_>>().iter().take(3) {
        let _ = writeln!(out, "#   {text}");
    }
    for rule in rules.for_target(&first.target).iter().take(1) {
        let _ = writeln!(out, "# There is a rule already, {}; an entry of yours replaces it.", rule.place);
    }
    out.push_str("# Seen:\n");
    for text in seen.iter().map(Seen::to_string).collect::<IndexSet<_>>().iter().take(4) {
        let _ = writeln!(out, "#   {text}");
    }
    match ops.as_slice() {
        [one] => writeln!(out, "- op: {one}"),
        several => writeln!(out, "- op: [{}]", several.join(", ")),
    }
    .unwrap_or_default();
    body(&mut out, &seen);
    Ok(out)
}

fn not_in_model(plain: &str, graph: &Graph, rules: &RuleSet) -> RulebookError {
    let targets: IndexSet<&str> = graph.nodes.iter().map(|n| base(&n.target)).collect();
    let unknown: IndexSet<&str> = graph
        .nodes
        .iter()
        .filter(|n| rules.for_target(&n.target).is_empty() && n.outputs.iter().any(|v| graph.value(*v).scalar.is_none()))
        .map(|n| base(&n.target))
        .collect();
    let help = match (closest(plain, targets.iter().copied()), unknown.is_empty()) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, false) => format!("its operators without a rule are {}", unknown.into_iter().collect::<Vec<_>>().join(", ")),
        (None, true) => "every operator of the model has a rule (`paring rules list --model` shows them)".to_owned(),
    };
    RulebookError::NotInModel { op: plain.to_owned(), help }
}

fn look<'g>(graph: &'g Graph, node: &'g Node) -> Seen<'g> {
    let mut seen = Seen { tensors: IndexMap::new(), absent: Vec::new(), plain: IndexMap::new(), outputs: Vec::new() };
    let shape = |v: &ValueId| graph.shape(*v).to_vec();
    for (name, arg) in &node.args {
        match arg {
            Arg::None => seen.absent.push(name),
            Arg::Tensor(v) => {
                seen.tensors.insert(name.clone(), shape(v));
            }
            Arg::List(items) if items.iter().any(|i| matches!(i, Arg::Tensor(_))) => {
                for (k, item) in items.iter().enumerate() {
                    if let Arg::Tensor(v) = item {
                        seen.tensors.insert(format!("{name}[{k}]"), shape(v));
                    }
                }
            }
            other => seen.plain.extend(literal(other).map(|text| (name.as_str(), text))),
        }
    }
    seen.outputs = node.outputs.iter().filter(|v| graph.value(**v).scalar.is_none()).map(shape).collect();
    seen
}

/// An argument as a formula; `None` if a rule cannot speak of it.
fn literal(arg: &Arg) -> Option<String> {
    Some(match arg {
        Arg::None => "none".to_owned(),
        Arg::Int(n) => n.to_string(),
        Arg::Float(x) => format!("{x:?}"),
        Arg::Bool(b) => b.to_string(),
        Arg::Str(s) => format!("'{s}'"),
        Arg::List(items) => format!("[{}]", items.iter().map(literal).collect::<Option<Vec<_>>>()?.join(", ")),
        Arg::Scalar(_) | Arg::Tensor(_) | Arg::Opaque(_) => return None,
    })
}

fn sizes(shape: &[Size]) -> String {
    format!("[{}]", shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
}

impl std::fmt::Display for Seen<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tensors = self.tensors.iter().map(|(n, s)| format!("{n}{}", sizes(s)));
        let plain = self.plain.iter().map(|(n, v)| format!("{n}={v}"));
        let outputs: Vec<String> = self.outputs.iter().map(|s| sizes(s)).collect();
        write!(f, "{} -> {}", tensors.chain(plain).collect::<Vec<_>>().join(", "), outputs.join(", "))
    }
}

/// `rule:` and what goes with it.
fn body(out: &mut String, seen: &[Seen]) {
    // Operands in the order of the calls; `?` where some call lacks one.
    let names: IndexSet<&String> = seen.iter().flat_map(|s| s.tensors.keys()).collect();
    let marked: Vec<(&String, &str)> =
        names.iter().map(|n| (*n, if seen.iter().all(|s| s.tensors.contains_key(*n)) { "" } else { "?" })).collect();
    if names.is_empty() || seen.iter().any(|s| s.outputs.is_empty()) {
        out.push_str("  # It has no tensors on one side; `_` stands for no result. See docs/writing-rules.md.\n");
        let _ = writeln!(out, "  rule: \"{} -> _\"\n  lock: all", operands(&marked, |_| "...".into()));
    } else if seen.iter().all(elementwise) {
        let outputs = vec!["[...]"; seen[0].outputs.len()].join(", ");
        out.push_str("  # Element-wise: the shapes of all calls are equal or broadcast. Check that each element of the result depends on the\n");
        out.push_str(
            "  # elements in the same place only; if positions of an axis meet (as in a softmax), name the axis in `lock:`.\n",
        );
        let _ = writeln!(out, "  rule: \"{} -> {outputs}\"", operands(&marked, |_| "...".into()));
        facts(out, &marked);
        test(out, &seen[0], &[]);
    } else if let Some(letters) = Letters::find(seen) {
        letters.write(out, seen, &marked);
    } else {
        out.push_str("  # The calls have different numbers of dimensions: write a pattern for each (`rule:` may be a list). Until then all stays.\n");
        let _ = writeln!(out, "  rule: \"{} -> [...]\"\n  lock: all", operands(&marked, |_| "...".into()));
    }
}

fn operands(marked: &[(&String, &str)], dims: impl Fn(&str) -> String) -> String {
    marked.iter().map(|(name, mark)| format!("{name}{mark}[{}]", dims(name))).collect::<Vec<_>>().join(", ")
}

fn elementwise(s: &Seen) -> bool {
    let Some(out) = s.outputs.first() else { return false };
    let fits =
        |shape: &Vec<Size>| shape.len() <= out.len() && shape.iter().rev().zip(out.iter().rev()).all(|(a, b)| a == b || a.is(1));
    let covered = (0..out.len()).all(|back| s.tensors.values().any(|t| t.iter().rev().nth(back) == out.iter().rev().nth(back)));
    s.outputs.iter().all(|o| o == out) && s.tensors.values().all(fits) && covered
}

fn facts(out: &mut String, marked: &[(&String, &str)]) {
    let all = marked.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>();
    out.push_str("  # Is the result 0 where an operand is? `|`: one is enough, `&`: all have to be. Without the line channels go only where\n");
    out.push_str("  # nothing downstream adds them up.\n");
    let _ = writeln!(out, "  # zero: {}", all.join(" | "));
}

fn test(out: &mut String, seen: &Seen, same: &[String]) {
    // A test states sizes of tensors that are no items of lists.
    let shape = |s: &Vec<Size>| s.iter().map(|n| n.hint().map(|n| n.to_string())).collect::<Option<Vec<_>>>();
    if seen.tensors.keys().any(|name| name.contains('[')) {
        return;
    }
    let Some(tensors) =
        seen.tensors.iter().map(|(n, s)| Some(format!("{n}: [{}]", shape(s)?.join(", ")))).collect::<Option<Vec<_>>>()
    else {
        return;
    };
    let Some(outputs) = seen.outputs.iter().map(|s| Some(format!("[{}]", shape(s)?.join(", ")))).collect::<Option<Vec<_>>>()
    else {
        return;
    };
    let plain = seen.plain.iter().map(|(n, v)| format!("{n}: {v}"));
    let result = if outputs.len() == 1 { outputs[0].clone() } else { format!("[{}]", outputs.join(", ")) };
    let _ = writeln!(
        out,
        "  tests:\n    - in: {{ {} }}\n      out: {result}",
        tensors.into_iter().chain(plain).collect::<Vec<_>>().join(", ")
    );
    if !same.is_empty() {
        let _ = writeln!(out, "      same: [{}]", same.join(", "));
    }
}

/// A letter for every dimension, by equal sizes.
struct Letters {
    tensors: IndexMap<String, Vec<String>>,
    outputs: Vec<Vec<String>>,
    /// Letters that only a result has, with the size seen.
    made: IndexMap<String, String>,
}

impl Letters {
    /// `None` where the calls differ in their numbers of dimensions.
    fn find(seen: &[Seen]) -> Option<Letters> {
        let names: IndexSet<&String> = seen.iter().flat_map(|s| s.tensors.keys()).collect();
        let rank = |s: &Seen, n: &String| s.tensors.get(n).map(Vec::len);
        let ranks: Option<Vec<(&String, usize)>> = names
            .iter()
            .map(|n| {
                let found: IndexSet<usize> = seen.iter().filter_map(|s| rank(s, n)).collect();
                (found.len() == 1).then(|| (*n, found[0]))
            })
            .collect();
        let outputs: Vec<usize> = seen[0].outputs.iter().map(Vec::len).collect();
        if seen.iter().any(|s| s.outputs.iter().map(Vec::len).collect::<Vec<_>>() != outputs) {
            return None;
        }
        let mut known: Known = IndexMap::new();
        let mut letters = Letters { tensors: IndexMap::new(), outputs: Vec::new(), made: IndexMap::new() };
        for (k, (name, rank)) in ranks?.into_iter().enumerate() {
            let mut dims: Vec<String> = Vec::new();
            for d in 0..rank {
                let sizes: Vec<Option<Size>> = seen.iter().map(|s| s.tensors.get(name).map(|t| t[d].clone())).collect();
                let old = if k == 0 { None } else { matching(&known, &sizes, &dims) };
                let letter = old.unwrap_or_else(|| fresh(&known, if k == 0 { first_names(rank)[d] } else { "k" }));
                known.entry(letter.clone()).or_insert(sizes);
                dims.push(letter);
            }
            letters.tensors.insert(name.clone(), dims);
        }
        let leading = letters.tensors.first().map(|(_, dims)| dims.clone()).unwrap_or_default();
        for (o, rank) in outputs.into_iter().enumerate() {
            let mut dims: Vec<String> = Vec::new();
            for d in 0..rank {
                let sizes: Vec<Option<Size>> = seen.iter().map(|s| Some(s.outputs[o][d].clone())).collect();
                let place = leading.get(d).filter(|l| known[*l] == sizes && !dims.contains(l)).cloned();
                if place.is_none() && sizes.iter().flatten().all(|s| s.is(1)) {
                    dims.push("1".to_owned());
                    continue;
                }
                let letter = place.or_else(|| matching(&known, &sizes, &dims)).unwrap_or_else(|| {
                    let letter = fresh(&known, "o");
                    letters.made.insert(letter.clone(), sizes[0].as_ref().map(ToString::to_string).unwrap_or_default());
                    letter
                });
                known.entry(letter.clone()).or_insert(sizes);
                dims.push(letter);
            }
            letters.outputs.push(dims);
        }
        Some(letters)
    }

    fn write(&self, out: &mut String, seen: &[Seen], marked: &[(&String, &str)]) {
        let outputs: Vec<String> = self.outputs.iter().map(|dims| format!("[{}]", dims.join(", "))).collect();
        out.push_str("  # Guessed from equal sizes: dimensions with one letter are the same axis, position by position. Check each, and that a\n");
        out.push_str(
            "  # position of the result depends on the same position of the operands only; letters in `lock:` stay whole.\n",
        );
        let dims = |name: &str| self.tensors.get(name).map(|d| d.join(", ")).unwrap_or_default();
        let _ = writeln!(out, "  rule: \"{} -> {}\"", operands(marked, dims), outputs.join(", "));
        if !self.made.is_empty() {
            let sizes: Vec<String> = self.made.iter().map(|(l, n)| format!("{l}: {n}")).collect();
            let _ = writeln!(
                out,
                "  sizes: {{ {} }}   # as seen; write how they follow from arguments and letters",
                sizes.join(", ")
            );
        }
        let kept: IndexSet<&String> = self.outputs.iter().flatten().collect();
        let gone = self.tensors.values().flatten().filter(|l| !kept.contains(l)).chain(self.made.keys()).collect::<IndexSet<_>>();
        if !gone.is_empty() {
            let _ = writeln!(out, "  lock: [{}]", gone.iter().map(|l| l.as_str()).collect::<Vec<_>>().join(", "));
        }
        facts(out, marked);
        test(out, &seen[0], &self.ties(&seen[0]));
    }

    /// `x[1] == gate[0] == out[1]` for the letters that the first result has in common with operands.
    fn ties(&self, call: &Seen) -> Vec<String> {
        let Some(result) = self.outputs.first() else { return Vec::new() };
        let place = if self.outputs.len() > 1 { "out[0]" } else { "out" };
        let mut ties = Vec::new();
        for (d, letter) in result.iter().enumerate() {
            let site = |(n, dims): (&String, &Vec<String>)| Some(format!("{n}[{}]", dims.iter().position(|l| l == letter)?));
            let having = self.tensors.iter().filter(|(n, _)| call.tensors.contains_key(*n)).filter_map(site);
            let sites: Vec<String> = having.chain([format!("{place}[{d}]")]).collect();
            if sites.len() > 1 {
                ties.push(format!("'{}'", sites.join(" == ")));
            }
        }
        ties
    }
}

/// Letter → its size in each call.
type Known = IndexMap<String, Vec<Option<Size>>>;

/// The one letter that has these sizes in all calls and is not in this tensor yet.
fn matching(known: &Known, sizes: &[Option<Size>], taken: &[String]) -> Option<String> {
    let one = |s: &Option<Size>| s.as_ref().is_some_and(|s| s.is(1));
    let same = |(a, b): (&Option<Size>, &Option<Size>)| a.is_none() || b.is_none() || a == b;
    let fits: Vec<&String> = known
        .iter()
        .filter(|(l, s)| !taken.contains(l) && !sizes.iter().all(one) && s.iter().zip(sizes).all(same))
        .map(|(l, _)| l)
        .collect();
    if let [one] = fits.as_slice() { Some((*one).clone()) } else { None }
}

/// A letter that is not taken: `k`, `k2`, …
fn fresh(known: &Known, like: &str) -> String {
    let numbered = (2..).map(|n| format!("{like}{n}"));
    std::iter::once(like.to_owned()).chain(numbered).find(|l| !known.contains_key(l)).unwrap_or_default()
}

/// Usual letters for the dimensions of a first operand.
fn first_names(rank: usize) -> Vec<&'static str> {
    match rank {
        0 => vec![],
        1 => vec!["c"],
        2 => vec!["n", "c"],
        3 => vec!["n", "c", "t"],
        4 => vec!["n", "c", "h", "w"],
        5 => vec!["n", "c", "d", "h", "w"],
        _ => std::iter::repeat_n("a", rank).collect(),
    }
}

fn from_schema(plain: &str, rules: &RuleSet) -> Result<String, RulebookError> {
    let full = in_full(plain);
    let found = rules.schemas().meant_by(&full);
    let Some(schema) = found.first() else {
        let names: Vec<String> = rules.schemas().operators().collect();
        let help = match closest(&full, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "for an operator that is not PyTorch's, pass a model that calls it: `--model MODEL.pt2`".to_owned(),
        };
        return Err(RulebookError::Unknown { op: plain.to_owned(), help });
    };
    let mut out = format!("# {full}\n");
    for rule in rules.for_target(&schema.name).iter().take(1) {
        let _ = writeln!(out, "# There is a rule already, {}; an entry of yours replaces it.", rule.place);
    }
    for arg in &schema.args {
        let default = arg.default.as_ref().map(|d| format!(" = {d}")).unwrap_or_default();
        let _ = writeln!(out, "#   {} {}{default}", arg.ty, arg.name);
    }
    let _ = writeln!(out, "- op: {full}");
    out.push_str(
        "  # With `--model MODEL.pt2` the proposal follows the shapes seen there. Until the rule says more, all axes stay.\n",
    );
    let tensors = schema.args.iter().filter(|a| a.is_tensor() && !a.writes);
    let operand = |a: &crate::rule::SchemaArg| match (a.ty.contains('['), a.ty.ends_with('?')) {
        (true, _) => format!("{}[0][...]", a.name),
        (false, true) => format!("{}?[...]", a.name),
        (false, false) => format!("{}[...]", a.name),
    };
    let operands: Vec<String> = tensors.map(operand).collect();
    let results: Vec<&str> = schema.returns.iter().filter(|r| r.ty.starts_with("Tensor")).map(|_| "[...]").collect();
    let results = if results.is_empty() { "_".to_owned() } else { results.join(", ") };
    let _ = writeln!(out, "  rule: \"{} -> {results}\"\n  lock: all", operands.join(", "));
    Ok(out)
}
