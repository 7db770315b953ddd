//! Statements of rules as new nodes: repairs of statistics, and calls that stand in for others.

use std::collections::HashMap;

use super::want::Formula;
use crate::axis::{Bound, Call, DimExpr, LetterId};
use crate::model::{Arg, Size, ValueId};
use crate::plan::change::{NewNode, NewValue, Plan};
use crate::rule::{Expr, Schemas, Scope, Statement, Val, eval};

/// What stands for `ghost(x)` among the results.
pub const GHOST: &str = "ghost()";

/// Builds nodes from statements at one node.
pub struct Builder<'a> {
    /// The rule as applied.
    pub bound: &'a Bound,
    /// The node.
    pub call: &'a Call<'a>,
    /// Sizes of letters after the cut.
    pub new: &'a dyn Fn(LetterId) -> Size,
    /// Further names.
    pub extra: HashMap<String, Val>,
    /// Results of statements so far, and other tensors with a name; `None` of statements that were left out.
    pub results: HashMap<String, Option<ValueId>>,
}

impl Builder<'_> {
    /// Nodes for all statements. The last `out` is the node's first result, the last `out1` its second; what is returned first
    /// is the node's own result under a new name, made when a statement uses it.
    pub fn nodes(
        &mut self,
        statements: &[Statement],
        out: ValueId,
        plan: &mut Plan,
        next: &mut dyn FnMut(&mut Plan, NewValue) -> ValueId,
    ) -> Result<(Option<ValueId>, Vec<NewNode>), String> {
        let active: Vec<&Statement> = statements
            .iter()
            .map(|s| self.applies(s).map(|yes| yes.then_some(s)))
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
            .collect();
        for left_out in statements.iter().filter(|s| !active.iter().any(|a| a.name == s.name)) {
            self.results.insert(left_out.name.clone(), None);
        }
        let own = |name: &str| -> Option<ValueId> {
            let at = if name == "out" { 0 } else { name.strip_prefix("out")?.parse().ok()? };
            self.call.node.outputs.get(at).copied()
        };
        let mut original = None;
        let mut nodes = Vec::new();
        for (k, statement) in active.iter().enumerate() {
            if original.is_none() && !self.results.contains_key("out") && statement.args.iter().any(|(_, e)| names(e, "out")) {
                let name = format!("{}_cut", self.call.graph.value(out).name);
                let id = next(plan, NewValue { name, like: out });
                self.results.insert("out".into(), Some(id));
                original = Some(id);
            }
            let mut args = Vec::new();
            let target = Schemas::builtin().resolved(&statement.op, &self.call.graph.versions);
            let schema = Schemas::builtin().get(&target);
            for (name, e) in &statement.args {
                let needed = schema.and_then(|s| s.arg(name)).is_some_and(|a| a.default.is_none());
                match self.arg(e).map_err(|e| format!("{}: `{name}`: {e}", statement.op))? {
                    Arg::None if !needed => {}
                    arg => args.push((name.clone(), arg)),
                }
            }
            let last = !active[k + 1..].iter().any(|s| s.name == statement.name);
            let output = match own(&statement.name).filter(|_| last) {
                Some(result) => result,
                None => {
                    let name = format!("{}_{}", self.call.graph.value(out).name, statement.name);
                    next(plan, NewValue { name, like: out })
                }
            };
            self.results.insert(statement.name.clone(), Some(output));
            nodes.push(NewNode { target, args, output });
        }
        Ok((original, nodes))
    }

    fn applies(&self, statement: &Statement) -> Result<bool, String> {
        match &statement.condition {
            None => Ok(true),
            Some(Expr::Name(name)) if matches!(self.call.node.arg(name), Some(Arg::Tensor(_))) => Ok(true),
            Some(e) => self.eval(e).map(|v| v.truthy()),
        }
    }

    /// An argument of a statement: a tensor, an argument of the node as it is, or a formula's value.
    pub fn arg(&self, e: &Expr) -> Result<Arg, String> {
        match e {
            Expr::Name(name) => {
                if let Some(result) = self.results.get(name) {
                    return Ok(result.map_or(Arg::None, Arg::Tensor));
                }
                let letter = self.bound.letters.iter().any(|l| l.name == *name);
                match self.call.node.arg(name) {
                    Some(arg) if !letter && !self.extra.contains_key(name) => Ok(arg.clone()),
                    _ => self.number(e),
                }
            }
            Expr::Call(f, _) if f == "ghost" => {
                self.results.get(GHOST).copied().flatten().map(Arg::Tensor).ok_or_else(|| "there is no ghost".to_owned())
            }
            Expr::List(items) if items.iter().any(|e| matches!(e, Expr::Name(n) if self.is_tensor(n))) => {
                Ok(Arg::List(items.iter().map(|e| self.arg(e)).collect::<Result<_, _>>()?))
            }
            e => self.number(e),
        }
    }

    fn is_tensor(&self, name: &str) -> bool {
        self.results.get(name).is_some_and(Option::is_some) || matches!(self.call.node.arg(name), Some(Arg::Tensor(_)))
    }

    fn number(&self, e: &Expr) -> Result<Arg, String> {
        let val = self.eval(e)?;
        val.as_arg().ok_or_else(|| format!("`{e}` is a symbolic size"))
    }

    fn eval(&self, e: &Expr) -> Result<Val, String> {
        let e = self.expand(e)?;
        eval(&e, &Names { formula: Formula { bound: self.bound, call: self.call, size: self.new }, extra: &self.extra })
            .map_err(|e| e.to_string())
    }

    /// Works out `old(letter)` and `dims(letter)`.
    fn expand(&self, e: &Expr) -> Result<Expr, String> {
        let all = |items: &[Expr]| items.iter().map(|e| self.expand(e)).collect::<Result<Vec<_>, _>>();
        let boxed = |e: &Expr| self.expand(e).map(Box::new);
        Ok(match e {
            Expr::Call(f, args) if f == "old" || f == "dims" => {
                let name = match args.as_slice() {
                    [Expr::Name(n) | Expr::Spread(n)] => n,
                    _ => return Err(format!("`{f}` takes one letter")),
                };
                let letters: Vec<LetterId> =
                    (0..self.bound.letters.len() as LetterId).filter(|l| self.bound.letters[*l as usize].name == *name).collect();
                if f == "old" {
                    let size =
                        letters.first().map(|l| self.bound.size(*l)).ok_or_else(|| format!("there is no letter `{name}`"))?;
                    Expr::Int(size.as_int().ok_or("a symbolic size")?)
                } else {
                    let dims = self.bound.operands.first().map(|o| o.dims.as_slice()).unwrap_or(&[]);
                    let holds = |d: &DimExpr| d.letters().iter().any(|l| letters.contains(l));
                    Expr::List((0..dims.len()).filter(|k| holds(&dims[*k])).map(|k| Expr::Int(k as i64)).collect())
                }
            }
            Expr::Call(f, args) => Expr::Call(f.clone(), all(args)?),
            Expr::List(items) => Expr::List(all(items)?),
            Expr::Index(a, b) => Expr::Index(boxed(a)?, boxed(b)?),
            Expr::Unary(op, e) => Expr::Unary(*op, boxed(e)?),
            Expr::Binary(op, a, b) => Expr::Binary(*op, boxed(a)?, boxed(b)?),
            Expr::If(a, b, c) => Expr::If(boxed(a)?, boxed(b)?, boxed(c)?),
            Expr::Compare(e, rest) => {
                let rest = rest.iter().map(|(c, e)| Ok((*c, self.expand(e)?))).collect::<Result<Vec<_>, String>>()?;
                Expr::Compare(boxed(e)?, rest)
            }
            other => other.clone(),
        })
    }
}

struct Names<'a> {
    formula: Formula<'a>,
    extra: &'a HashMap<String, Val>,
}

impl Scope for Names<'_> {
    fn get(&self, name: &str) -> Option<Val> {
        self.extra.get(name).cloned().or_else(|| self.formula.get(name))
    }

    fn shape(&self, operand: &str) -> Option<Vec<Size>> {
        self.formula.shape(operand)
    }

    fn spread(&self, letter: &str) -> Option<Vec<Size>> {
        self.formula.spread(letter)
    }
}

fn names(e: &Expr, wanted: &str) -> bool {
    match e {
        Expr::Name(n) => n == wanted,
        Expr::List(items) | Expr::Call(_, items) => items.iter().any(|e| names(e, wanted)),
        Expr::Index(a, b) | Expr::Binary(_, a, b) => names(a, wanted) || names(b, wanted),
        Expr::Unary(_, e) => names(e, wanted),
        _ => false,
    }
}
