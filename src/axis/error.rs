//! What can go wrong while axes are propagated.

use std::sync::Arc;

use miette::{Diagnostic, NamedSource, SourceSpan};
use thiserror::Error;

use super::egraph::{Mismatch, Reason};
use super::unknown::unknown_size;
use crate::model::{Graph, NodeId, Size, ValueId};
use crate::rule::Rule;

/// A graph that its rules do not describe.
#[derive(Debug, Error, Diagnostic)]
pub enum PropagateError {
    /// A rule derives other sizes than the file records.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Derived(Box<Derived>),
    /// Axes that rules call the same differ in size.
    #[error("axes of {left} and {right} positions should be the same ({reason})")]
    #[diagnostic(code(paring::rule::sizes_differ), help("a rule ties axes that are not the same"))]
    Sizes {
        /// One size.
        left: String,
        /// The other.
        right: String,
        /// Who says so.
        reason: String,
    },
    /// A value is used before it is made.
    #[error("node `{node}` reads `{value}`, which nothing before it makes")]
    #[diagnostic(code(paring::model::order), help("the nodes of the program are not in order of execution; the file is damaged"))]
    Unordered {
        /// The node.
        node: String,
        /// The value.
        value: String,
    },
    /// After a cut a rule no longer fits a node that it described before.
    #[error("no rule describes `{node}` ({op}) after the cut: {why}")]
    #[diagnostic(code(paring::rule::no_longer), help("the rule does not say how an argument of the operator is rewritten"))]
    NoLonger {
        /// The node.
        node: String,
        /// The operator.
        op: String,
        /// What does not fit.
        why: String,
    },
    /// The sizes of a result depend on a number that a program computes in a way that no rule follows.
    #[error("the sizes of the results of `{node}` ({op}) depend on a size that cannot be worked out: {size}{line}")]
    #[diagnostic(
        code(paring::model::unknown_size),
        help(
            "sizes are followed through +, -, *, //, %, negation and torch.div with a rounding mode; compute it by these, write the \
             number, or export the model with torch.export, which tells its sizes"
        )
    )]
    UnknownSize {
        /// The node.
        node: String,
        /// The operator.
        op: String,
        /// The arithmetic.
        size: String,
        /// Its Python line, if known.
        line: String,
    },
    /// The sizes of a result are neither recorded nor derivable.
    #[error("the sizes of the results of `{node}` ({op}) are unknown: {why}")]
    #[diagnostic(code(paring::model::unsized_result), help("write a rule for the operator (docs/writing-rules.md)"))]
    Unsized {
        /// The node.
        node: String,
        /// The operator.
        op: String,
        /// What is missing.
        why: String,
    },
}

/// A rule derives other sizes than the file records.
#[derive(Debug, Error, Diagnostic)]
#[error("the rule for {op} gives `{value}` the sizes {derived}, but the model records {recorded} (node `{node}`{line})")]
#[diagnostic(
    code(paring::rule::wrong_size),
    help("the rule is wrong for these arguments; correct it, or restrict it with `when:`")
)]
pub struct Derived {
    /// The operator.
    pub op: String,
    /// The node.
    pub node: String,
    /// The result.
    pub value: String,
    /// Sizes by the rule.
    pub derived: String,
    /// Sizes in the file.
    pub recorded: String,
    /// Its Python line, if known.
    pub line: String,
    /// The rule's file.
    #[source_code]
    source_code: Arc<NamedSource<String>>,
    /// The rule.
    #[label("this rule")]
    span: SourceSpan,
}

/// `[2, 3, s0]`
pub(super) fn list(sizes: &[Size]) -> String {
    format!("[{}]", sizes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
}

impl PropagateError {
    pub(super) fn derived(graph: &Graph, id: NodeId, rule: &Rule, value: ValueId, derived: &[Size], recorded: &[Size]) -> Self {
        let node = graph.node(id);
        let (source_code, span) = rule.shown();
        PropagateError::Derived(Box::new(Derived {
            op: node.target.clone(),
            node: node.name.clone(),
            value: graph.value(value).name.clone(),
            derived: list(derived),
            recorded: list(recorded),
            line: node.source.frame().map(|f| format!(", {}:{}", f.file, f.line)).unwrap_or_default(),
            source_code,
            span: span.into(),
        }))
    }

    pub(super) fn sizes(graph: &Graph, m: &Mismatch) -> Self {
        let reason = match &m.reason {
            Reason::Rule { node, rule, letter } => {
                format!("`{letter}` of {} at node `{}`", rule.place, graph.node(*node).name)
            }
            other => format!("{other:?}"),
        };
        PropagateError::Sizes { left: m.left.to_string(), right: m.right.to_string(), reason }
    }

    pub(super) fn unordered(graph: &Graph, id: NodeId, value: ValueId) -> Self {
        PropagateError::Unordered { node: graph.node(id).name.clone(), value: graph.value(value).name.clone() }
    }

    pub(super) fn unsized_result(graph: &Graph, shapes: &[Option<Vec<Size>>], id: NodeId, why: &str) -> Self {
        let node = graph.node(id);
        if let Some((size, line)) = unknown_size(graph, shapes, id) {
            let line = line.map_or_else(String::new, |l| format!(" ({l})"));
            return PropagateError::UnknownSize { node: node.name.clone(), op: node.target.clone(), size, line };
        }
        PropagateError::Unsized { node: node.name.clone(), op: node.target.clone(), why: why.to_owned() }
    }
}
