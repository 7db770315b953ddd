//! PyTorch's operator schemas: names, defaults and aliases of arguments.
//!
//! The table in `rules/aten.schemas` has a line per overload. Lines are read when they are first asked for.

use std::sync::OnceLock;

use rustc_hash::FxHashMap;

use super::eval::Val;
use super::text::{closing, parts};

/// One overload of an operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    /// `aten.conv2d.default`
    pub name: String,
    /// Its arguments in order.
    pub args: Vec<SchemaArg>,
    /// What it returns.
    pub returns: Vec<SchemaReturn>,
}

/// An argument of an overload.
#[derive(Clone, Debug, PartialEq)]
pub struct SchemaArg {
    /// Its name.
    pub name: String,
    /// Its type without aliases: `Tensor?`, `SymInt[2]`.
    pub ty: String,
    /// The value it has when it is not given; `None` if it must be given.
    pub default: Option<Val>,
    /// The alias set: `a` in `Tensor(a!)`.
    pub alias: Option<String>,
    /// True if the operator writes it: `!`.
    pub writes: bool,
    /// True after the `*`.
    pub kwarg_only: bool,
    /// A tensor that no training changes and no mask names, such as a statistic or a scale: `Buffer` in the place of `Tensor`.
    pub buffer: bool,
}

/// A result of an overload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaReturn {
    /// Its type without aliases.
    pub ty: String,
    /// The alias set.
    pub alias: Option<String>,
    /// True if it is a written argument.
    pub writes: bool,
}

impl SchemaArg {
    /// True for a tensor or a list of tensors, given or optional.
    pub fn is_tensor(&self) -> bool {
        self.ty.starts_with("Tensor")
    }
}

impl Schema {
    /// Whether graphs are among the arguments: what the operator does with its operands is not its own.
    pub fn has_graphs(&self) -> bool {
        self.args.iter().any(|a| a.ty == "graph")
    }

    /// Reads a line of PyTorch's form; `None` if it has another.
    pub fn parse(line: &str) -> Option<Schema> {
        let open = line.find('(')?;
        let (head, rest) = (line[..open].trim(), &line[open..]);
        let close = closing(rest)?;
        let returns = rest[close + 1..].trim().strip_prefix("->")?.trim();
        let returns = match returns.strip_prefix('(') {
            Some(many) => many.strip_suffix(')')?,
            None => returns,
        };
        let mut kwarg_only = false;
        let mut args = Vec::new();
        for part in split(&rest[1..close]) {
            if part == "*" {
                kwarg_only = true;
            } else {
                args.push(SchemaArg::parse(part, kwarg_only)?);
            }
        }
        let returns = split(returns).into_iter().map(SchemaReturn::parse).collect();
        Some(Schema { name: in_full(head), args, returns })
    }

    /// The argument of this name.
    pub fn arg(&self, name: &str) -> Option<&SchemaArg> {
        self.args.iter().find(|a| a.name == name)
    }

    /// The default of an argument.
    pub fn default(&self, name: &str) -> Option<Val> {
        self.arg(name)?.default.clone()
    }

    /// True if its results are one list of tensors.
    pub fn gives_list(&self) -> bool {
        matches!(self.returns.as_slice(), [only] if only.ty.starts_with("Tensor["))
    }

    /// Names of the arguments that are written.
    pub fn written(&self) -> Vec<&str> {
        self.args.iter().filter(|a| a.writes).map(|a| a.name.as_str()).collect()
    }

    /// The argument, not written, whose memory the first result shares.
    pub fn viewed(&self) -> Option<&str> {
        let set = self.returns.first()?.alias.as_deref()?;
        self.args.iter().find(|a| !a.writes && a.alias.as_deref() == Some(set)).map(|a| a.name.as_str())
    }
}

impl SchemaArg {
    /// `Tensor(a!) self`, `SymInt[2] stride=1`
    fn parse(text: &str, kwarg_only: bool) -> Option<SchemaArg> {
        let (declared, default) = match text.split_once('=') {
            Some((declared, default)) => (declared.trim(), Some(default.trim())),
            None => (text.trim(), None),
        };
        let (ty, name) = declared.rsplit_once(' ')?;
        let (ty, alias, writes) = aliases(ty);
        let buffer = ty.starts_with("Buffer");
        let ty = if buffer { ty.replacen("Buffer", "Tensor", 1) } else { ty };
        let default = default.map(|d| spread(value(d), &ty));
        Some(SchemaArg { name: name.to_owned(), ty, default, alias, writes, kwarg_only, buffer })
    }
}

impl SchemaReturn {
    fn parse(text: &str) -> SchemaReturn {
        // A result may have a name, which follows the type and its aliases.
        let end = text.rfind(')').map_or(0, |n| n + 1);
        let end = text[end..].find(' ').map_or(text.len(), |n| end + n);
        let (ty, alias, writes) = aliases(&text[..end]);
        SchemaReturn { ty, alias, writes }
    }
}

/// `aten::add_.Tensor` as `aten.add_.Tensor`, `aten::relu` as `aten.relu.default`.
fn in_full(name: &str) -> String {
    let (namespace, rest) = name.split_once("::").unwrap_or(("", name));
    let overload = if rest.contains('.') { "" } else { ".default" };
    format!("{namespace}.{rest}{overload}")
}

/// A type without its aliases, the alias set, and whether it is written.
fn aliases(ty: &str) -> (String, Option<String>, bool) {
    let Some((before, rest)) = ty.split_once('(') else { return (ty.trim().to_owned(), None, false) };
    let (inside, after) = rest.split_once(')').unwrap_or((rest, ""));
    let set = inside.split("->").next().unwrap_or("").trim().trim_end_matches('!').trim();
    (format!("{}{}", before.trim(), after.trim()), Some(set.to_owned()), inside.contains('!'))
}

/// The parts between commas that stand in no brackets or quotes.
fn split(text: &str) -> Vec<&str> {
    parts(text).into_iter().map(|part| &text[part]).filter(|part| !part.is_empty()).collect()
}

/// A default as it is printed.
fn value(text: &str) -> Val {
    match text {
        "None" => return Val::None,
        "True" => return Val::Bool(true),
        "False" => return Val::Bool(false),
        _ => {}
    }
    if let Some(items) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        return Val::List(split(items).into_iter().map(value).collect());
    }
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|t| t.strip_suffix(quote)) {
            return Val::Str(inner.to_owned());
        }
    }
    if let Ok(n) = text.parse::<i64>() {
        return Val::int(n);
    }
    match text.parse::<f64>() {
        Ok(x) => Val::Float(x),
        Err(_) => Val::Str(text.to_owned()),
    }
}

/// A scalar default of `SymInt[2]` stands for two of it.
fn spread(default: Val, ty: &str) -> Val {
    let len = ty.split_once('[').and_then(|(_, rest)| rest.split_once(']')).and_then(|(n, _)| n.parse::<usize>().ok());
    match (len, default) {
        (Some(len), v @ (Val::Size(_) | Val::Float(_) | Val::Bool(_))) if len <= 16 => Val::List(vec![v; len]),
        (_, v) => v,
    }
}

/// A line of the table, read when it is first asked for.
struct Line {
    text: &'static str,
    schema: OnceLock<Option<Schema>>,
}

/// All known schemas.
pub struct Schemas {
    lines: Vec<Line>,
    /// Name of the table (`aten::conv2d`, `aten::add.Tensor`) → its line.
    by_name: FxHashMap<&'static str, u32>,
    /// Name without overload → its lines.
    by_base: FxHashMap<&'static str, Vec<u32>>,
}

impl std::fmt::Debug for Schemas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Schemas({})", self.lines.len())
    }
}

impl Schemas {
    /// The table that is built into the program.
    pub fn builtin() -> &'static Schemas {
        static TABLE: OnceLock<Schemas> = OnceLock::new();
        TABLE.get_or_init(|| super::builtin::schemas().into_iter().fold(Schemas::index(""), Schemas::and))
    }

    /// The schemas of a table, a line each; `#` begins a comment.
    pub fn index(text: &'static str) -> Schemas {
        Schemas { lines: Vec::new(), by_name: FxHashMap::default(), by_base: FxHashMap::default() }.and(text)
    }

    /// These and those of another table.
    fn and(self, text: &'static str) -> Schemas {
        let mut table = self;
        for text in text.lines() {
            let Some((name, _)) = text.split_once('(').filter(|_| !text.starts_with('#')) else { continue };
            let number = table.lines.len() as u32;
            table.lines.push(Line { text, schema: OnceLock::new() });
            table.by_name.insert(name, number);
            table.by_base.entry(name.split_once('.').map_or(name, |(base, _)| base)).or_default().push(number);
        }
        table
    }

    /// Number of schemas.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The schema of `aten.conv2d.default`.
    pub fn get(&self, target: &str) -> Option<&Schema> {
        let (namespace, rest) = target.split_once('.').filter(|(_, rest)| rest.contains('.'))?;
        let name = format!("{namespace}::{}", rest.strip_suffix(".default").unwrap_or(rest));
        self.line(*self.by_name.get(name.as_str())?)
    }

    /// The schemas of all overloads of `aten.conv2d`, in the order of the table.
    pub fn overloads(&self, base: &str) -> Vec<&Schema> {
        let numbers = base.split_once('.').and_then(|(ns, name)| self.by_base.get(format!("{ns}::{name}").as_str()));
        numbers.into_iter().flatten().filter_map(|n| self.line(*n)).collect()
    }

    /// The schema of `onnx.Conv` that a version of its set of operators means: the last one that came with it or before.
    pub fn in_force(&self, base: &str, version: i64) -> Option<&Schema> {
        let since = |s: &&Schema| s.name.rsplit_once('.').and_then(|(_, v)| v.parse::<i64>().ok()).filter(|v| *v <= version);
        self.overloads(base).into_iter().filter(|s| since(s).is_some()).max_by_key(since)
    }

    /// The name of the operator that a statement means: of `onnx.Mul` the version that is in force.
    pub fn resolved(&self, op: &str, versions: &[(String, i64)]) -> String {
        let of = |(set, _): &&(String, i64)| op.split('.').next() == Some(set);
        let version = versions.iter().find(of).filter(|_| op.matches('.').count() == 1);
        version.and_then(|(_, v)| self.in_force(op, *v)).map_or_else(|| op.to_owned(), |s| s.name.clone())
    }

    /// Whether the overloads of an operator are versions of it.
    pub fn is_versioned(&self, base: &str) -> bool {
        let all = self.overloads(base);
        !all.is_empty() && all.iter().all(|s| s.name.rsplit_once('.').is_some_and(|(_, v)| v.parse::<i64>().is_ok()))
    }

    /// Whether the table has operators of a namespace, and so all of them.
    pub fn lists(&self, namespace: &str) -> bool {
        self.by_base.keys().any(|name| name.split_once("::").is_some_and(|(own, _)| own == namespace))
    }

    /// The schemas that a rule's `op` stands for: one overload, or all of an operator.
    pub fn meant_by(&self, op: &str) -> Vec<&Schema> {
        match op.matches('.').count() {
            1 => self.overloads(op),
            _ => self.get(op).into_iter().collect(),
        }
    }

    /// All names without overload: `aten.conv2d`.
    pub fn operators(&self) -> impl Iterator<Item = String> + '_ {
        self.by_base.keys().map(|name| name.replacen("::", ".", 1))
    }

    fn line(&self, number: u32) -> Option<&Schema> {
        let line = self.lines.get(number as usize)?;
        line.schema.get_or_init(|| Schema::parse(line.text)).as_ref()
    }
}
