//! An entry of a rule file.

use std::ops::Range;
use std::sync::Arc;

use indexmap::IndexMap;
use miette::NamedSource;

use super::case::Case;
use super::clause::{Facts, FoldInto, Normed, Pick, Statistic, Through};
use super::formula::{Binary, Expr, LayoutCall, Statement, Unary};
use super::pattern::Pattern;

/// A **rule**: what an operator does to the axes of its tensors, and to values where positions go. It is what an **entry** of a rule
/// file says, an item of its list that begins with `op:`, with all that the entry uses of **definitions** put in.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The operators it is for: `aten.conv2d` (all overloads) or `aten.conv2d.default`.
    pub ops: Vec<String>,
    /// A condition on the arguments; the rule applies only where it holds.
    pub when: Option<Expr>,
    /// How the axes of inputs and outputs correspond.
    pub body: Body,
    /// Letter → formula of its size.
    pub sizes: IndexMap<String, Expr>,
    /// Axes that may lose no position.
    pub lock: Vec<Pick>,
    /// Letters that only the output has and that may lose positions (zeros made by the operator).
    pub free: Vec<String>,
    /// Letter of a result → the operand's letter that it is under a condition.
    pub through: IndexMap<String, Through>,
    /// Argument → the value that it must have, as a formula over the sizes.
    pub args: IndexMap<String, Expr>,
    /// Argument → what the operator takes if the argument is missing or None, over the sizes before the cut.
    pub default: IndexMap<String, Expr>,
    /// What is known of the output's values where an axis is removed.
    pub facts: Facts,
    /// The axes whose number of positions matters for the values, and the repair.
    pub statistic: Option<Statistic>,
    /// Where numbers at removed positions of a summed axis can be added.
    pub fold: Option<FoldInto>,
    /// The operand that is divided by its norm, and the one that gives the result another.
    pub norm: Option<Normed>,
    /// Multiply-accumulates for each element of the first output, where the default (see the guide) does not hold.
    pub macs: Option<Expr>,
    /// The number that the operator gives, where it gives one and no tensor.
    pub number: Option<Expr>,
    /// The call to use where the arguments cannot express the sizes after the cut.
    pub becomes: Option<Statement>,
    /// Operands that are written in place. `None`: as the schema says.
    pub writes: Option<Vec<String>>,
    /// The operand whose memory the outputs share. `None`: as the schema says.
    pub views: Option<String>,
    /// The operands that make the output's axes, where the default (see the guide) does not hold.
    pub makes: Option<Vec<String>>,
    /// The operand that is a kernel, even where data have a part in it.
    pub kernel: Option<String>,
    /// Calls and what must come of them.
    pub tests: Vec<Case>,
    /// Calls other than those of `tests` may be drawn from the notation to try the rule.
    pub drawn: bool,
    /// Where the entry stands.
    pub place: Place,
}

impl Rule {
    /// A text and the place in it that show the patterns or the layout: the rule's file, or, where a definition gives them, what that
    /// comes to.
    pub fn shown(&self) -> (Arc<NamedSource<String>>, Range<usize>) {
        if !self.place.defined {
            return (self.place.source.clone(), self.place.span.clone());
        }
        let text = match &self.body {
            Body::Patterns(patterns) => patterns.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
            Body::Layout(call) => call.to_string(),
        };
        let span = 0..text.len();
        (Arc::new(NamedSource::new(format!("{}, with its definitions", self.place), text)), span)
    }

    /// Whether the number one stands for this operand where it is missing.
    pub fn is_one(&self, operand: &str) -> bool {
        let Body::Patterns(patterns) = &self.body else { return false };
        patterns.iter().flat_map(|p| &p.operands).any(|o| o.name == operand && o.missing == Some(1.0))
    }

    /// Whether the rule is only for calls of which the program does not read this result: `when: not used(1)`.
    pub fn leaves_out(&self, result: usize) -> bool {
        fn says(e: &Expr, result: i64) -> bool {
            match e {
                Expr::Binary(Binary::And, a, b) => says(a, result) || says(b, result),
                Expr::Unary(Unary::Not, e) => {
                    matches!(&**e, Expr::Call(f, args) if f == "used" && args[..] == [Expr::Int(result)])
                }
                _ => false,
            }
        }
        self.when.as_ref().is_some_and(|e| says(e, result as i64))
    }

    /// Whether a condition of the rule asks if the program reads this result.
    pub fn asks_for(&self, result: usize) -> bool {
        fn asks(e: &Expr, result: i64) -> bool {
            match e {
                Expr::Binary(_, a, b) => asks(a, result) || asks(b, result),
                Expr::Unary(_, e) => asks(e, result),
                Expr::Call(f, args) => f == "used" && args[..] == [Expr::Int(result)],
                _ => false,
            }
        }
        self.when.iter().chain(self.through.values().map(|t| &t.when)).any(|e| asks(e, result as i64))
    }

    /// Whether the condition of the rule asks if an operand holds whole numbers.
    pub fn asks_for_whole(&self) -> bool {
        fn asks(e: &Expr) -> bool {
            match e {
                Expr::Binary(_, a, b) => asks(a) || asks(b),
                Expr::Unary(_, e) => asks(e),
                Expr::Call(f, _) => f == "whole",
                _ => false,
            }
        }
        self.when.as_ref().is_some_and(asks)
    }

    /// Whether the result is zero where either of two operands is: a product.
    pub fn is_product(&self) -> bool {
        let name = |e: &Expr| matches!(e, Expr::Name(_));
        matches!(&self.facts.zero, Some(Expr::Binary(Binary::Or, a, b)) if name(a) && name(b))
    }

    /// The operand whose elements the result's are, in some other order or number: it is zero, not negative and not zero where
    /// that is. What picks them, such as an index, is another operand.
    pub fn picks(&self) -> Option<&str> {
        let facts = [&self.facts.zero, &self.facts.nonneg, &self.facts.nonzero];
        let [Some(Expr::Name(a)), Some(Expr::Name(b)), Some(Expr::Name(c))] = facts else { return None };
        (a == b && b == c && a != "all" && a != "any" && a != "always" && a != "never").then_some(a)
    }
}

/// The two ways to state an operator's axes.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Alternatives, of which the first that fits the ranks is taken: `rule:`.
    Patterns(Vec<Pattern>),
    /// A layout function with its arguments: `layout: cat(tensors, dim)`.
    Layout(LayoutCall),
}

/// Where a rule stands.
#[derive(Clone, Debug)]
pub struct Place {
    /// File name and text.
    pub source: Arc<NamedSource<String>>,
    /// The entry's `rule:` or `layout:` text in it (bytes).
    pub span: Range<usize>,
    /// Line number, from 1.
    pub line: usize,
    /// Whether a definition gives the pattern or layout: `span` is then where the entry uses it.
    pub defined: bool,
}

eq_without_span! {
    Rule: ops, when, body, sizes, lock, free, through, args, default, facts, statistic, fold, norm, macs, number, becomes, writes, views, makes, kernel, tests, drawn;
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.source.name(), self.line)
    }
}
