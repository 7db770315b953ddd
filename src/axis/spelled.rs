//! Nodes that spell an operator out, as core forms do, read as that operator.

use rustc_hash::{FxHashMap, FxHashSet};

use super::alias::Aliases;
use crate::model::{Arg, Graph, Node, NodeId, Origin, Size, ValueId};
use crate::rule::{Expr, RuleSet, Scope, Spelling, Statement, Val, eval};

/// A node that ends a spelling, the spelling, and the operator's arguments.
type Found<'a> = (NodeId, &'a Spelling, Vec<(String, Arg)>);

/// Gives each node that ends what a rule file calls the spelling of an operator that operator and its arguments. What nothing reads then is
/// left where it is.
///
/// A program with conditions or loops stays as it is, and so does what something writes into.
pub fn read_spellings(graph: &mut Graph, rules: &RuleSet) {
    let targets: FxHashSet<&str> = graph.nodes.iter().map(|n| n.target.as_str()).collect();
    let spellings: Vec<&Spelling> =
        rules.spellings().filter(|s| s.statements.iter().all(|s| targets.contains(s.op.as_str()))).collect();
    if spellings.is_empty() || graph.nodes.iter().any(|n| n.origin == Origin::Implied) {
        return;
    }
    let ends = |node: &Node| spellings.iter().any(|s| s.statements.last().is_some_and(|last| last.op == node.target));
    let aliases = Aliases::unfitted(graph, rules);
    let makers: FxHashMap<ValueId, NodeId> =
        graph.node_ids().flat_map(|id| graph.node(id).outputs.iter().map(move |v| (*v, id))).collect();
    let found: Vec<Found> = graph
        .node_ids()
        .filter(|id| ends(graph.node(*id)))
        .filter_map(|id| {
            spellings.iter().copied().find_map(|spelling| {
                let mut reading = Reading {
                    graph,
                    rules,
                    makers: &makers,
                    aliases: &aliases,
                    spelling,
                    known: FxHashMap::default(),
                    lists: FxHashMap::default(),
                };
                reading.read(id).map(|args| (id, spelling, args))
            })
        })
        .collect();
    for (id, spelling, args) in found {
        let node = &mut graph.nodes[id.index()];
        node.target.clone_from(&spelling.means.op);
        node.args = args;
    }
}

/// A spelling held against nodes.
struct Reading<'a> {
    graph: &'a Graph,
    rules: &'a RuleSet,
    makers: &'a FxHashMap<ValueId, NodeId>,
    aliases: &'a Aliases,
    spelling: &'a Spelling,
    /// What stands for each name.
    known: FxHashMap<&'a str, Arg>,
    /// What stands for each `name...`.
    lists: FxHashMap<&'a str, Vec<Arg>>,
}

impl<'a> Reading<'a> {
    /// The arguments of the operator, if this node ends its spelling.
    fn read(&mut self, end: NodeId) -> Option<Vec<(String, Arg)>> {
        let last = self.spelling.statements.last()?;
        let holds = self.is(last, end) && self.spelling.when.as_ref().is_none_or(|e| eval(e, self).is_ok_and(|v| v.truthy()));
        if !holds {
            return None;
        }
        self.spelling.means.args.iter().map(|(name, e)| Some((name.clone(), self.arg(e)?))).collect()
    }

    /// True if a node is what a statement says.
    fn is(&mut self, statement: &'a Statement, id: NodeId) -> bool {
        let node = self.graph.node(id);
        let [out] = node.outputs[..] else { return false };
        if node.target != statement.op || self.aliases.written(out) {
            return false;
        }
        let schema = self.rules.schemas().get(&node.target);
        // Types and devices may be any; what else is not named has its default.
        let plain = |(name, arg): &(String, Arg)| match arg {
            Arg::None | Arg::Opaque(_) => true,
            Arg::Bool(false) => schema.and_then(|s| s.default(name)).is_none_or(|d| matches!(d, Val::None | Val::Bool(false))),
            _ => false,
        };
        let named = |name: &str| statement.args.iter().any(|(n, _)| n == name);
        node.args.iter().all(|given| named(&given.0) || plain(given))
            && statement.args.iter().all(|(name, e)| node.arg(name).is_some_and(|arg| self.fits(e, arg)))
    }

    /// True if an argument is what a formula says; names that are new mean what stands there from now on.
    fn fits(&mut self, e: &'a Expr, arg: &Arg) -> bool {
        match (e, arg) {
            (Expr::Name(name), arg) => {
                if let Some(known) = self.known.get(name.as_str()) {
                    return self.same(known, arg);
                }
                if let Some(statement) = self.spelling.statements.iter().find(|s| s.name == *name) {
                    let Arg::Tensor(v) = arg else { return false };
                    let made = self.makers.get(v).copied();
                    if !made.is_some_and(|id| self.is(statement, id)) {
                        return false;
                    }
                }
                self.known.insert(name, arg.clone());
                true
            }
            (Expr::List(items), Arg::List(args)) => self.items(items, args),
            (e, arg) => match (eval(e, self), self.val(arg)) {
                (Ok(a), Some(b)) => a == b,
                _ => false,
            },
        }
    }

    /// The same for the items of a list, where one `name...` takes what the others leave.
    fn items(&mut self, items: &'a [Expr], args: &[Arg]) -> bool {
        let Some(at) = items.iter().position(|e| matches!(e, Expr::Spread(_))) else {
            return items.len() == args.len() && items.iter().zip(args).all(|(e, arg)| self.fits(e, arg));
        };
        let Some(more) = (args.len() + 1).checked_sub(items.len()) else { return false };
        let Expr::Spread(name) = &items[at] else { return false };
        let list = args[at..at + more].to_vec();
        let first = self.lists.get(name.as_str()).cloned();
        let same = match first {
            Some(known) => known.len() == list.len() && known.iter().zip(&list).all(|(a, b)| self.same(a, b)),
            None => {
                self.lists.insert(name, list);
                true
            }
        };
        same && items[..at].iter().zip(args).all(|(e, arg)| self.fits(e, arg))
            && items[at + 1..].iter().zip(&args[at + more..]).all(|(e, arg)| self.fits(e, arg))
    }

    fn same(&self, a: &Arg, b: &Arg) -> bool {
        a == b || matches!((self.val(a), self.val(b)), (Some(a), Some(b)) if a == b)
    }

    /// A number.
    fn val(&self, arg: &Arg) -> Option<Val> {
        match arg {
            Arg::Int(n) => Some(Val::int(*n)),
            Arg::Float(x) => Some(Val::Float(*x)),
            Arg::Scalar(v) => self.graph.value(*v).scalar.clone().map(Val::Size),
            _ => None,
        }
    }

    /// An argument of the operator.
    fn arg(&self, e: &Expr) -> Option<Arg> {
        match e {
            Expr::Name(name) => self.known.get(name.as_str()).cloned(),
            Expr::List(items) => items.iter().map(|e| self.arg(e)).collect::<Option<_>>().map(Arg::List),
            e => eval(e, self).ok()?.as_int().map(Arg::Int),
        }
    }
}

impl Scope for Reading<'_> {
    fn get(&self, name: &str) -> Option<Val> {
        self.val(self.known.get(name)?)
    }

    fn spread(&self, letter: &str) -> Option<Vec<Size>> {
        let size = |arg: &Arg| if let Some(Val::Size(size)) = self.val(arg) { Some(size) } else { None };
        self.lists.get(letter)?.iter().map(size).collect()
    }
}
