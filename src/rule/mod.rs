//! Rules: what operators do to the axes of their tensors.
//!
//! The way of a rule: a YAML file is read with places (`tree`, `place`), the definitions that an entry uses are put in (`define`),
//! its keys are read (`reader`, `load`, `mapped`, `case`) and their texts parsed (`notation`, `formula`) into the data of `ast`. `file`
//! does that for all entries of a file and checks them (`check`) against the operators' schemas (`schema`); `entry` reads those that are
//! built in (`builtin`) when they are needed; a [`RuleSet`] holds them by operator. Whoever uses a rule evaluates its formulas with
//! [`eval()`]. `docs/writing-rules.md` describes the text.

mod ast;
mod builtin;
mod case;
mod check;
mod define;
mod entry;
mod error;
mod eval;
mod file;
mod fmt;
mod formula;
mod load;
mod mapped;
mod modules;
mod name;
mod notation;
mod place;
mod print;
mod reader;
mod schema;
mod set;
mod sites;
mod spelling;
mod syntax;
mod text;
mod tree;

pub use ast::{
    Binary, Body, Case, Claim, Comparison, Dim, Expr, Facts, FoldInto, LayoutCall, Letter, Normed, Operand, Pattern, Pick, Place,
    Rule, Statement, Statistic, Through, Unary,
};
pub use builtin::{Operators, entries};
pub use check::layout_meaning;
pub(crate) use error::closest;
pub use error::{RuleError, RuleErrors};
pub use eval::{EvalError, FUNCTIONS, Scope, Val, eval};
pub use fmt::formatted;
pub use formula::{parse_call, parse_formula, parse_layout, parse_statement};
pub use modules::{ModuleSizes, Repaired};
pub(crate) use name::{base, dotted, qualified, spellings};
pub use notation::parse_pattern;
pub use place::Offsets;
pub(crate) use place::{Scalars, too_much};
pub use schema::{Schema, SchemaArg, SchemaReturn, Schemas};
pub use set::{RuleSet, yaml_files};
pub use spelling::Spelling;
pub use syntax::SyntaxError;
