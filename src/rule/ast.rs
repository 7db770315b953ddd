//! What a rule says, as data. The text forms are described in `docs/writing-rules.md`.

use std::ops::Range;
use std::sync::Arc;

use indexmap::IndexMap;
use miette::NamedSource;

/// One entry of a rule file.
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

/// `input[n, (g i)], weight[(g o), i] -> [n, (g o)]`. Equality of patterns and their parts leaves out where they stand.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// Left of the arrow.
    pub operands: Vec<Operand>,
    /// Right of the arrow: a list of dimensions for every output.
    pub outputs: Vec<Vec<Dim>>,
    /// Where the text stands in the rule's file.
    pub span: Range<usize>,
}

/// One tensor argument of a pattern.
#[derive(Clone, Debug)]
pub struct Operand {
    /// The argument's name in the operator's schema.
    pub name: String,
    /// `params[0][...]`: which item of a list.
    pub index: Option<usize>,
    /// `params[4::2][...]`: every so many items, from `index` on, as many as there are.
    pub step: Option<usize>,
    /// `bias?[c]` or `weight?=1[c]`: may be missing, and the number that then stands in its place.
    pub missing: Option<f64>,
    /// `self![...]`: the operator reads no values of it (only dtype, device or sizes).
    pub unread: bool,
    /// The dimensions of its tensor.
    pub dims: Vec<Dim>,
    /// Where it stands in the rule's file.
    pub span: Range<usize>,
}

impl Operand {
    /// What clauses call it: `x`, `params[0]`, `params[4::2]`.
    pub fn label(&self) -> String {
        match (self.index, self.step) {
            (Some(from), Some(step)) => format!("{}[{from}::{step}]", self.name),
            (Some(index), None) => format!("{}[{index}]", self.name),
            _ => self.name.clone(),
        }
    }
}

/// One dimension of a tensor in a pattern.
#[derive(Clone, Debug, PartialEq)]
pub enum Dim {
    /// A letter.
    Letter(Letter),
    /// `(a b)`: all pairs, row-major.
    Product(Vec<Dim>),
    /// `a + b`: the positions of a, then those of b. Inside a product it needs parentheses: `((a + b) c)`.
    Sum(Vec<Dim>),
    /// A number: an axis of that many positions that stay.
    Number(u64),
}

/// A letter of a pattern.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Its name; `...` for the nameless ellipsis.
    pub name: String,
    /// `s...`: any number of dimensions, one letter each.
    pub ellipsis: bool,
    /// `b~` or `b~...`: may be 1, or (ellipsis) have fewer dimensions, where other operands have more. Also set for the
    /// nameless ellipsis, which always broadcasts.
    pub broadcast: bool,
    /// `n?`: the dimension may be missing from all tensors.
    pub optional: bool,
    /// Where it stands in the rule's file.
    pub span: Range<usize>,
}

/// A set of axes in `lock:` and `statistic: over:`.
#[derive(Clone, Debug, PartialEq)]
pub enum Pick {
    /// A letter (all of an ellipsis).
    Letter(String),
    /// `@dim`: the dimensions of the first operand that this argument names; all, where it is missing or None.
    Dims(String),
    /// `all`: every axis of every operand and output.
    All,
}

/// A call of a layout function.
#[derive(Clone, Debug)]
pub struct LayoutCall {
    /// Its name.
    pub name: String,
    /// Arguments: names of operands and formulas over the operator's arguments.
    pub args: Vec<Expr>,
    /// Where it stands in the rule's file.
    pub span: Range<usize>,
}

/// Clauses on values at removed positions, each an expression over operands (see the guide).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// The output is zero there.
    pub zero: Option<Expr>,
    /// The output is neither infinite nor NaN there. Default: where all operands are finite.
    pub finite: Option<Expr>,
    /// The output is not negative there.
    pub nonneg: Option<Expr>,
    /// The output is not zero there.
    pub nonzero: Option<Expr>,
    /// What a loop starts with and what a run ends with: a fact of the first that is `assumed` has to hold for the second.
    pub sustain: Option<Vec<String>>,
    /// Facts that a removed position of a result must have, or it stays. The clauses then speak of all results.
    pub require: Option<Vec<String>>,
    /// A removed position of a summed letter contributes nothing where this is zero. Default: where any operand is.
    pub summed: Option<Expr>,
    /// The number that the output is there, where the operands that it names are numbers.
    pub value: Option<Expr>,
    /// Where this holds, the result is drawn at random: equal operands do not give equal results.
    pub random: Option<Expr>,
    /// Where this holds, the call does what is meant for training alone.
    pub training: Option<Expr>,
}

impl Facts {
    /// The four facts, by name.
    pub fn all(&self) -> [(&'static str, &Option<Expr>); 4] {
        [("zero", &self.zero), ("finite", &self.finite), ("nonneg", &self.nonneg), ("nonzero", &self.nonzero)]
    }
}

/// `statistic:`
#[derive(Clone, Debug, PartialEq)]
pub struct Statistic {
    /// The axes that are averaged over.
    pub over: Vec<Pick>,
    /// Calls that compute the exact result from the cut tensors; the last assigns `out`.
    pub repair: Vec<Statement>,
    /// The same where what went is not zero but equal at all positions; `ghost(x)` is one position of that.
    pub uniform: Vec<Statement>,
}

/// `{ of: s, when: k == 1 }`: the letter of a result is an operand's, position by position, where the condition holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Through {
    /// The operand's letter.
    pub of: String,
    /// Where it is; of ellipses, asked of each dimension.
    pub when: Expr,
}

/// `fold:`: the operand that is added to the output after the sum, for each position of the axis that the weight makes.
#[derive(Clone, Debug, PartialEq)]
pub struct FoldInto {
    /// The operand.
    pub into: String,
    /// Whether every output sums over all of the weight, as without padding.
    pub when: Option<Expr>,
    /// Where not: a letter that slides, and its position for those of the others.
    pub window: Option<(String, Expr)>,
}

/// `norm:`: the operator divides an operand by its Euclidean norm over some letters and multiplies by another operand that lacks
/// them. What goes of the former is taken up by the latter, and is never made zero.
#[derive(Clone, Debug, PartialEq)]
pub struct Normed {
    /// The operand that is divided by its norm.
    pub of: String,
    /// The letters of that norm.
    pub over: Vec<Pick>,
    /// The operand that it is multiplied by.
    pub scale: String,
}

/// `name = aten.mul.Scalar(self=out, other=kept / total) if condition`
#[derive(Clone, Debug)]
pub struct Statement {
    /// What the result is called; `out` in a `becomes:` that gives no name.
    pub name: String,
    /// The operator, with its overload.
    pub op: String,
    /// Arguments by schema name.
    pub args: Vec<(String, Expr)>,
    /// Skip the statement where this does not hold.
    pub condition: Option<Expr>,
    /// Where it stands in the rule's file.
    pub span: Range<usize>,
}

/// An item of `tests:`: a call of the operator, and which sizes and axes its results have.
#[derive(Clone, Debug)]
pub struct Case {
    /// The overload to call, where the entry is for several.
    pub op: Option<String>,
    /// Argument → its value; for a tensor its sizes, for a list of tensors a list of sizes.
    pub inputs: IndexMap<String, Expr>,
    /// What tensors hold, for `rules test`: integers below a number, listed integers, or (a number with a fraction) this number.
    pub values: IndexMap<String, Expr>,
    /// Sizes of the result, or of each result.
    pub out: Option<Claim>,
    /// Axes that are the same: `x[1] == out[1]`, `out[0] == a[0] + b[0]` (one after the other), `out[0] == x[0] * x[1]` (all pairs).
    pub same: Vec<Claim>,
    /// Axes that are not the same.
    pub apart: Vec<Claim>,
    /// Axes all of whose positions stay.
    pub locked: Vec<Claim>,
    /// Axes that may lose positions.
    pub free: Vec<Claim>,
    /// Where it stands in the rule's file.
    pub span: Range<usize>,
}

/// Something that a test expects.
#[derive(Clone, Debug)]
pub struct Claim {
    /// What is expected.
    pub expr: Expr,
    /// Where it stands in the rule's file.
    pub span: Range<usize>,
}

/// A formula.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// `none`
    None,
    /// `true`, `false`
    Bool(bool),
    /// `3`
    Int(i64),
    /// `0.5`
    Float(f64),
    /// `'valid'`
    Str(String),
    /// A letter, an argument or an operand.
    Name(String),
    /// `[n, g, -1]`; an ellipsis letter, written `s...`, stands for all its sizes.
    List(Vec<Expr>),
    /// `s...` inside a list or as a function's argument.
    Spread(String),
    /// `padding[0]`
    Index(Box<Expr>, Box<Expr>),
    /// `params[4::2]`: in a clause, all these items of a list of operands.
    Items(String, usize, usize),
    /// `max(a, b)`
    Call(String, Vec<Expr>),
    /// `-x`, `not x`
    Unary(Unary, Box<Expr>),
    /// `a + b`, `a & b`
    Binary(Binary, Box<Expr>, Box<Expr>),
    /// `min <= 0 <= max`: the first operand, then comparisons in a row.
    Compare(Box<Expr>, Vec<(Comparison, Expr)>),
    /// `a if c else b`
    If(Box<Expr>, Box<Expr>, Box<Expr>),
}

/// Operators with one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Unary {
    Neg,
    Not,
}

/// Operators with two operands; `&` is `and`, `|` is `or`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Mod,
    Pow,
    And,
    Or,
}

/// Comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
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
}

/// Equality without the places: what is printed and parsed again stands elsewhere.
macro_rules! eq_without_span {
    ($($type:ty: $($field:ident),+;)+) => {
        $(impl PartialEq for $type {
            fn eq(&self, other: &$type) -> bool {
                $(self.$field == other.$field)&&+
            }
        })+
    };
}

eq_without_span! {
    Pattern: operands, outputs;
    Operand: name, index, step, missing, unread, dims;
    Letter: name, ellipsis, broadcast, optional;
    LayoutCall: name, args;
    Statement: name, op, args, condition;
    Claim: expr;
    Case: op, inputs, values, out, same, apart, locked, free;
    Rule: ops, when, body, sizes, lock, free, through, args, default, facts, statistic, fold, norm, macs, number, becomes, writes, views, makes, kernel, tests, drawn;
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.source.name(), self.line)
    }
}
