//! A node with what is known of its operands, as formulas of rules see it.

use crate::model::{Arg, Content, DType, Graph, Node, Size, ValueId};
use crate::rule::{EvalError, Expr, Schema, Schemas, Scope, Val, base, eval};

/// A node with what is known of its operands.
pub struct Call<'a> {
    /// The program.
    pub graph: &'a Graph,
    /// The node.
    pub node: &'a Node,
    /// The operator's schema, if it is a known one.
    pub schema: Option<&'a Schema>,
    /// Derived sizes of all values so far.
    pub shapes: &'a [Option<Vec<Size>>],
}

impl Call<'_> {
    /// Derived sizes of a tensor.
    pub fn shape(&self, value: ValueId) -> Result<&[Size], String> {
        self.shapes[value.index()]
            .as_deref()
            .ok_or_else(|| format!("the sizes of `{}` are not known", self.graph.value(value).name))
    }

    /// The argument as written, or the schema's default.
    pub fn val(&self, name: &str) -> Option<Val> {
        match self.node.arg(name) {
            Some(arg) => Some(self.arg_val(arg)),
            None => self.schema.and_then(|s| s.default(name)).or_else(|| self.elsewhere(name)),
        }
    }

    /// An argument that only other versions of the operator have is none.
    fn elsewhere(&self, name: &str) -> Option<Val> {
        let schema = self.schema.filter(|s| !self.graph.versions.is_empty() && s.arg(name).is_none())?;
        let all = Schemas::builtin().overloads(base(&schema.name));
        all.iter().any(|s| s.arg(name).is_some()).then_some(Val::None)
    }

    fn arg_val(&self, arg: &Arg) -> Val {
        match arg {
            Arg::None | Arg::Opaque(_) => Val::None,
            Arg::Int(n) => Val::Size(Size::int(*n)),
            Arg::Float(x) => Val::Float(*x),
            Arg::Bool(b) => Val::Bool(*b),
            Arg::Str(s) => Val::Str(s.clone()),
            Arg::Scalar(v) => self.graph.value(*v).scalar.clone().map_or(Val::None, Val::Size),
            // What a tensor is known to hold stands for it. Else it is true, and where a formula asks for a list, it is that of its sizes.
            Arg::Tensor(v) if self.graph.contents.contains_key(v) => self.content(*v).unwrap_or(Val::None),
            Arg::Tensor(_) if !self.graph.versions.is_empty() => Val::Str("a tensor".to_owned()),
            Arg::Tensor(v) => self.shape(*v).map_or(Val::Bool(true), |s| Val::List(s.iter().cloned().map(Val::Size).collect())),
            Arg::List(items) => Val::List(items.iter().map(|a| self.arg_val(a)).collect()),
        }
    }

    /// What a tensor holds, if it is known: a number, or a list of numbers.
    fn content(&self, v: ValueId) -> Option<Val> {
        let mut items: Vec<Val> = match self.graph.contents.get(&v)? {
            Content::Sizes(list) => list.iter().cloned().map(Val::Size).collect(),
            Content::Numbers(list) => list.iter().copied().map(Val::Float).collect(),
        };
        if self.shapes[v.index()].as_ref().is_some_and(Vec::is_empty) { items.pop() } else { Some(Val::List(items)) }
    }

    /// The number that a tensor without dimensions is known to hold.
    pub fn number(&self, v: ValueId) -> Option<f64> {
        match self.content(v)? {
            Val::List(_) => None,
            one => Some(one.as_f64().unwrap_or(f64::NAN)),
        }
    }

    /// The tensor passed as this argument.
    pub fn tensor(&self, name: &str) -> Result<ValueId, String> {
        match self.node.arg(name) {
            Some(Arg::Tensor(v)) => Ok(*v),
            _ => Err(format!("argument `{name}` is no tensor")),
        }
    }

    /// The tensors passed as this list argument.
    pub fn tensors(&self, name: &str) -> Result<Vec<ValueId>, String> {
        match self.node.arg(name) {
            Some(arg @ Arg::List(_)) => Ok(arg.tensors()),
            _ => Err(format!("argument `{name}` is no list of tensors")),
        }
    }

    /// The recorded sizes of a result.
    pub fn recorded(&self, output: usize) -> Option<&[Size]> {
        let value = self.node.outputs.get(output)?;
        self.graph.value(*value).shape.as_deref()
    }

    /// A formula over the arguments alone.
    pub fn eval(&self, expr: &Expr) -> Result<Val, String> {
        eval(expr, self).map_err(|e| e.to_string())
    }

    /// Whether the program reads a result.
    pub fn used(&self, output: usize) -> bool {
        let Some(value) = self.node.outputs.get(output) else { return false };
        let reads = |n: &Node| n.args.iter().any(|(_, a)| a.mentions(*value));
        self.graph.outputs.contains(value) || self.graph.nodes.iter().any(reads)
    }

    /// Whether an operand's elements are whole numbers or truth values.
    fn whole(&self, operand: &str) -> Option<Val> {
        let dtype = self.graph.value(self.tensor(operand).ok()?).dtype;
        let complex = matches!(dtype, DType::C32 | DType::C64 | DType::C128);
        Some(Val::Bool(!dtype.is_float() && !complex))
    }

    /// The results' ids; results that the program does not use are missing at the end.
    pub fn outputs(&self) -> impl Iterator<Item = Option<ValueId>> + '_ {
        self.node.outputs.iter().copied().map(Some).chain(std::iter::repeat(None))
    }
}

impl Scope for Call<'_> {
    fn get(&self, name: &str) -> Option<Val> {
        self.val(name)
    }

    fn spread(&self, _: &str) -> Option<Vec<Size>> {
        None
    }

    fn shape(&self, operand: &str) -> Option<Vec<Size>> {
        let value = self.tensor(operand).ok()?;
        Call::shape(self, value).ok().map(<[Size]>::to_vec)
    }

    fn call(&self, function: &str, args: &[Expr]) -> Option<Result<Val, EvalError>> {
        match (function, args) {
            ("used", [Expr::Int(k)]) => Some(Ok(Val::Bool(usize::try_from(*k).is_ok_and(|k| self.used(k))))),
            ("whole", [Expr::Name(x)]) => Some(self.whole(x).ok_or_else(|| EvalError::UnknownName(x.clone()))),
            ("whole", _) => Some(Err(EvalError::Arguments { function: "whole", takes: "the name of one operand" })),
            ("used", _) => Some(Err(EvalError::Arguments { function: "used", takes: "the number of a result" })),
            _ => None,
        }
    }
}

/// A dimension counted from the end if negative.
pub fn dim(at: i64, rank: usize) -> Result<usize, String> {
    let from = if at < 0 { at + rank as i64 } else { at };
    usize::try_from(from).ok().filter(|d| *d < rank.max(1)).ok_or_else(|| format!("dimension {at} of a tensor with {rank}"))
}
