//! What a rule's own text tells of the arguments that it is for.

use std::collections::HashMap;

use crate::model::Arg;
use crate::rule::{Binary, Expr, Rule};

/// Values worth trying.
#[derive(Default)]
pub(super) struct Hints {
    /// Argument → values that the rule's formulas compare it with.
    pub values: HashMap<String, Vec<Arg>>,
    /// Argument → lengths that they compare its length with.
    pub lengths: HashMap<String, Vec<usize>>,
    /// Number of dimensions that they ask of an operand.
    pub ranks: HashMap<String, Vec<usize>>,
    /// Operands that they want whole numbers in, or not.
    pub whole: Vec<String>,
}

impl Hints {
    /// Of a rule.
    pub fn new(rule: &Rule) -> Hints {
        let mut hints = Hints::default();
        let f = &rule.facts;
        let facts = [&f.zero, &f.finite, &f.nonneg, &f.nonzero, &f.random, &f.value];
        let all = rule.when.iter().chain(rule.sizes.values()).chain(rule.args.values());
        for e in all.chain(facts.into_iter().flatten()) {
            hints.read(e);
        }
        hints
    }

    fn read(&mut self, e: &Expr) {
        match e {
            Expr::Compare(first, rest) => {
                let mut left: &Expr = first;
                for (_, right) in rest {
                    self.pair(left, right);
                    self.pair(right, left);
                    left = right;
                }
                self.read(first);
                rest.iter().for_each(|(_, e)| self.read(e));
            }
            Expr::Name(name) => self.add(name, &[Arg::Bool(true), Arg::Bool(false)]),
            Expr::Unary(_, e) => self.read(e),
            Expr::Call(f, args) if f == "whole" => {
                self.whole.extend(args.iter().filter_map(|e| if let Expr::Name(name) = e { Some(name.clone()) } else { None }));
            }
            Expr::Binary(Binary::And | Binary::Or, a, b) => {
                self.read(a);
                self.read(b);
            }
            Expr::If(a, c, b) => [a, c, b].into_iter().for_each(|e| self.read(e)),
            _ => {}
        }
    }

    fn pair(&mut self, name: &Expr, with: &Expr) {
        match (name, with) {
            (Expr::Name(name), with) => {
                let value = match with {
                    Expr::Int(n) => vec![Arg::Int(*n), Arg::Int(*n + 1), Arg::Int(*n - 1)],
                    Expr::Unary(_, e) if matches!(**e, Expr::Int(_)) => match **e {
                        Expr::Int(n) => vec![Arg::Int(-n)],
                        _ => vec![],
                    },
                    Expr::Float(x) => vec![Arg::Float(*x)],
                    Expr::Bool(b) => vec![Arg::Bool(*b)],
                    Expr::Str(s) => vec![Arg::Str(s.clone())],
                    Expr::None => vec![Arg::None],
                    _ => vec![],
                };
                self.add(name, &value);
            }
            (Expr::Call(f, args), Expr::Int(n)) => {
                if let ([Expr::Name(name)], Ok(n)) = (args.as_slice(), usize::try_from(*n)) {
                    let list = if f == "rank" { &mut self.ranks } else { &mut self.lengths };
                    list.entry(name.clone()).or_default().push(n);
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, name: &str, values: &[Arg]) {
        let list = self.values.entry(name.to_owned()).or_default();
        list.extend(values.iter().filter(|v| !list.contains(v)).cloned().collect::<Vec<_>>());
    }
}
