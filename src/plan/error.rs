//! Plans that cannot be made.

use miette::Diagnostic;
use thiserror::Error;

/// What stops a plan.
#[derive(Debug, Error, Diagnostic)]
pub enum PlanError {
    /// An argument holds a symbolic size that would have to change.
    #[error("argument `{arg}` of node `{node}` ({op}) is computed from symbolic sizes and would have to change")]
    #[diagnostic(
        code(paring::plan::symbolic_argument),
        help("export with that dimension static, or freeze the layers that the argument depends on with --freeze")
    )]
    Symbolic {
        /// The node.
        node: String,
        /// The operator.
        op: String,
        /// The argument.
        arg: String,
    },
    /// A rule's formula or repair cannot be worked out at a node.
    #[error("the rule at {place} cannot be worked out at node `{node}`: {why}")]
    #[diagnostic(code(paring::plan::rule), help("correct the rule's `args`, `default`, `becomes` or `repair`"))]
    Rule {
        /// The rule's file and line.
        place: String,
        /// The node.
        node: String,
        /// What is wrong.
        why: String,
    },
}
