//! The groups of coupled axes of a model: what must shrink together, what couples it, and what stands in the way.

use egg::Id;
use serde::Serialize;

use crate::axis::Propagation;
use crate::groups::{self, Groups, Indices};
use crate::model::Graph;
use crate::report::place::{Obstacle, Place, obstacle, place};
use crate::rule::RuleSet;
use crate::solve::Link;

pub use crate::groups::MemberRole;

/// A dimension of a stored tensor in a group.
#[derive(Clone, Debug, Serialize)]
pub struct Member {
    /// The tensor's name and the dimension: `layer1.0.conv2.weight[0]`.
    pub axis: String,
    /// The tensor's name.
    pub tensor: String,
    /// The dimension.
    pub dim: usize,
    /// What it is to the group.
    pub role: MemberRole,
    /// How the group's axis lies in the dimension, where it is not all of it: `16-31 of 48`, or `a factor of 64`.
    pub part: Option<String>,
    /// Which indices of the dimension each position of the group is; `None` where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub indices: Option<Indices>,
    /// The dimension that tells the outer position, if one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<Within>,
    /// The tensor that it is, under another name: tied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_as: Option<String>,
    /// The axis as the exported module has it, where the file has another name for the tensor: `layer.query.weight[0]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exported: Option<String>,
    /// It only scales what others make, as the gain of a norm does.
    pub gain: bool,
    /// The activation that the weight gives its axis to, or finds it in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
}

/// A value of the program that has a group's axis.
#[derive(Clone, Debug, Serialize)]
pub struct Activation {
    /// Its name.
    pub value: String,
    /// The dimension.
    pub dim: usize,
    /// Which indices of it the group's positions are.
    pub indices: groups::Even,
}

/// Where the outer position of an element is found: its index in dimension `dim`, divided by `run` and modulo the number of outer positions.
#[derive(Clone, Debug, Serialize)]
pub struct Within {
    /// The dimension.
    pub dim: usize,
    /// How many indices of it follow each other in one outer position.
    pub run: usize,
}

/// A number of positions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Count {
    /// Known.
    Known(i64),
    /// Dynamic, in words.
    Dynamic(String),
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Count::Known(n) => write!(f, "{n}"),
            Count::Dynamic(text) => f.write_str(text),
        }
    }
}

/// What the positions of a group are to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Positions of no others lie in them.
    Width,
    /// Positions of others lie in each: heads of attention, groups of a convolution.
    Heads,
}

/// Axes that lose the same positions.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    /// Its number, in the order of the network.
    pub id: usize,
    /// Its first member that makes it, or the first of all: `layer1.0.conv2.weight[0]`.
    pub name: String,
    /// Number of positions (in each outer one); in words where it is dynamic.
    pub size: Count,
    /// Outer positions (heads, groups of a convolution), if each of them may lose others, though equally many; else 1.
    pub outer: usize,
    /// Whether the positions are heads.
    pub kind: Kind,
    /// The group of heads in which its positions lie.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inside: Option<usize>,
    /// Parameters make it, and it may lose positions: pruning can choose among them.
    pub prunable: bool,
    /// Dimensions of parameters and buffers, makers first.
    pub members: Vec<Member>,
    /// Parameters that lie along the axis: those that would go if all positions could.
    pub parameters: u64,
    /// What the removal of one position saves.
    pub worth: groups::Worth,
    /// The operators in which several tensors meet on the axis, and so must agree; at most `MOST_PLACES`.
    pub coupled_by: Vec<Place>,
    /// How many such operators there are.
    pub couplings: usize,
    /// Why it cannot shrink; `None` if it can.
    pub locked: Option<Obstacle>,
}

/// At most so many operators are listed for a group.
pub const MOST_PLACES: usize = 20;

/// A weight that leads from one group to another.
#[derive(Clone, Debug, Serialize)]
pub struct Edge {
    /// The group that it reads.
    pub from: usize,
    /// The group that it makes.
    pub to: usize,
    /// The weight.
    pub tensor: String,
}

/// The groups of a model.
#[derive(Clone, Debug, Serialize)]
pub struct Analysis {
    /// All groups with a parameter, in the order of the network.
    pub groups: Vec<Group>,
    /// The weights between them.
    pub edges: Vec<Edge>,
    /// Parameters of the model; tied ones count once.
    pub parameters: u64,
    /// The axis of each group.
    #[serde(skip)]
    pub classes: Vec<Id>,
}

impl Analysis {
    /// Finds the groups of a program.
    pub fn new(graph: &Graph, p: &Propagation, rules: &RuleSet) -> Analysis {
        Analysis::of(graph, p, &Groups::find(graph, p, rules))
    }

    /// The groups in words.
    pub fn of(graph: &Graph, p: &Propagation, found: &Groups) -> Analysis {
        let reasons = p.axes.locked_because();
        let groups = found.list.iter().enumerate().map(|(id, g)| Group {
            id,
            name: found.name(graph, g),
            size: g.size.as_int().map_or_else(|| Count::Dynamic(g.size.to_string()), Count::Known),
            outer: g.outer,
            kind: if found.unit(g).is_some_and(|u| u.outer) { Kind::Heads } else { Kind::Width },
            inside: found.inside(g),
            prunable: g.unit.is_some(),
            members: g.members.iter().map(|m| member(graph, g, m)).collect(),
            parameters: g.parameters,
            worth: g.worth,
            coupled_by: g.nodes.iter().take(MOST_PLACES).map(|n| place(graph, *n)).collect(),
            couplings: g.nodes.len(),
            locked: reasons.get(&g.class).map(|r| obstacle(graph, r)),
        });
        let edge = |b: &groups::Between| Edge { from: b.from, to: b.to, tensor: graph.tensors[b.tensor].name.clone() };
        Analysis {
            groups: groups.collect(),
            edges: found.between.iter().map(edge).collect(),
            parameters: Groups::parameters(graph),
            classes: found.list.iter().map(|g| g.class).collect(),
        }
    }

    /// The same without the indices of members, for those who do not look at them.
    pub fn without_indices(mut self) -> Analysis {
        self.groups.iter_mut().flat_map(|g| &mut g.members).for_each(|m| (m.indices, m.activation) = (None, None));
        self
    }

    /// The groups with the most parameters first; of equals, in the order of the network.
    pub fn by_parameters(&self) -> Vec<&Group> {
        let mut groups: Vec<&Group> = self.groups.iter().collect();
        groups.sort_by_key(|g| std::cmp::Reverse(g.parameters));
        groups
    }

    /// The names of all members.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().flat_map(|g| &g.members).map(|m| m.axis.as_str())
    }

    /// The groups that a name means: a group's number, an axis such as `conv.weight[0]`; of a tensor or a module those that it
    /// makes, if it makes any.
    pub fn named(&self, name: &str) -> Vec<&Group> {
        let exact: Vec<&Group> =
            self.groups.iter().filter(|g| g.id.to_string() == name || g.members.iter().any(|m| m.is_called(name))).collect();
        if !exact.is_empty() {
            return exact;
        }
        let within = |text: &str| text.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', '[']));
        let inside = |m: &Member| m.tensor == name || within(&m.tensor) || m.exported.as_deref().is_some_and(within);
        let made = |g: &&Group| g.members.iter().any(|m| m.role == MemberRole::Makes && inside(m));
        let found: Vec<&Group> = self.groups.iter().filter(made).collect();
        if found.is_empty() { self.groups.iter().filter(|g| g.members.iter().any(inside)).collect() } else { found }
    }
}

impl Member {
    fn is_called(&self, axis: &str) -> bool {
        self.axis == axis || self.exported.as_deref() == Some(axis)
    }
}

fn member(graph: &Graph, group: &groups::Group, m: &groups::Member) -> Member {
    let name = |k: usize| graph.tensors[k].name.clone();
    let within = m.within.map(|Link { at, div, .. }| Within { dim: at, run: div });
    Member {
        axis: groups::axis_name(graph, m),
        tensor: name(m.tensor),
        dim: m.dim,
        role: m.role,
        part: group.part(graph, m),
        indices: m.indices.clone(),
        within,
        same_as: m.same_as.map(name),
        exported: graph.exported(m.tensor, m.dim),
        gain: m.gain,
        activation: m.flow.map(|f| Activation { value: graph.value(f.value).name.clone(), dim: f.dim, indices: f.even }),
    }
}
