//! The groups of coupled axes of a model: what must shrink together, what couples it, and what stands in the way.

use std::rc::Rc;

use egg::Id;
use indexmap::IndexMap;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::Serialize;

use crate::axis::{Axes, Axis, Propagation};
use crate::model::{Graph, NodeId, Role};
use crate::report::place::{Obstacle, Place, obstacle, place};
use crate::solve::Roles;

/// What a dimension of a stored tensor is to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberRole {
    /// The tensor is a weight that makes the axis: output channels.
    Makes,
    /// It scales or shifts along the axis, or only holds it: the bias, a norm's weight, a buffer.
    Follows,
    /// It is a weight that is summed over the axis: input channels.
    Reads,
}

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
}

/// Axes that lose the same positions.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    /// Its number, in the order of the network.
    pub id: usize,
    /// Its first member that makes it, or the first of all: `layer1.0.conv2.weight[0]`.
    pub name: String,
    /// Number of positions; as text where it is dynamic.
    pub size: String,
    /// Dimensions of parameters and buffers, makers first.
    pub members: Vec<Member>,
    /// Parameters that lie along the axis: those that would go if all positions could.
    pub parameters: u64,
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
    pub fn new(graph: &Graph, p: &Propagation) -> Analysis {
        let roles = Roles::new(graph, p);
        let first = graph.first_names();
        let mut parts = Elements::new(&p.axes);
        let mut found: IndexMap<Id, Group> = IndexMap::new();
        let mut edges: Vec<(Id, Id, String)> = Vec::new();
        for (k, t) in graph.tensors.iter().enumerate() {
            let twin = first[k] != k;
            let (mut made, mut read) = (Vec::new(), Vec::new());
            for (d, id) in p.dims[t.value.index()].iter().flatten().enumerate() {
                let elements = parts.of(*id);
                for (class, start) in elements.iter().copied() {
                    let size = p.axes.size(class);
                    if size.is(1) {
                        continue;
                    }
                    let role = match (roles.makes[k][d], roles.reads[k][d] && !roles.joins[k][d]) {
                        (true, _) => MemberRole::Makes,
                        (_, true) => MemberRole::Reads,
                        _ => MemberRole::Follows,
                    };
                    match role {
                        MemberRole::Makes => made.push(class),
                        MemberRole::Reads => read.push(class),
                        MemberRole::Follows => {}
                    }
                    let group = found.entry(class).or_insert_with(|| Group {
                        id: 0,
                        name: String::new(),
                        size: size.to_string(),
                        members: Vec::new(),
                        parameters: 0,
                        coupled_by: Vec::new(),
                        couplings: 0,
                        locked: None,
                    });
                    if t.role == Role::Parameter && !twin {
                        group.parameters += along(&p.axes, t.numel() as u64, *id, class);
                    }
                    let part = (elements.len() > 1).then(|| match (start, size.as_int()) {
                        (Some(from), Some(n)) => format!("{from}-{} of {}", from + n - 1, t.shape[d]),
                        _ => format!("a factor of {}", t.shape[d]),
                    });
                    group.members.push(Member { axis: format!("{}[{d}]", t.name), tensor: t.name.clone(), dim: d, role, part });
                }
            }
            let pairs = read.iter().flat_map(|r| made.iter().map(move |m| (*r, *m)));
            edges.extend(pairs.map(|(r, m)| (r, m, t.name.clone())));
        }
        found.retain(|_, g| g.parameters > 0);
        let reasons = p.axes.locked_because();
        let places = couplings(graph, p, &roles, &mut parts);
        for (id, (class, group)) in found.iter_mut().enumerate() {
            group.id = id;
            group.members.sort_by_key(|m| m.role);
            let name = |m: &Member| m.part.as_ref().map_or(m.axis.clone(), |part| format!("{} ({part})", m.axis));
            group.name = group.members.first().map(name).unwrap_or_default();
            group.locked = reasons.get(class).map(|r| obstacle(graph, r));
            if let Some(nodes) = places.get(class) {
                group.couplings = nodes.len();
                group.coupled_by = nodes.iter().take(MOST_PLACES).map(|n| place(graph, *n)).collect();
            }
        }
        let number = |class: &Id| found.get_index_of(class);
        let edges =
            edges.into_iter().filter_map(|(a, b, tensor)| Some(Edge { from: number(&a)?, to: number(&b)?, tensor })).collect();
        let own = graph.tensors.iter().enumerate().filter(|(k, t)| t.role == Role::Parameter && first[*k] == *k);
        let parameters = own.map(|(_, t)| t.numel() as u64).sum();
        let classes = found.keys().copied().collect();
        Analysis { classes, groups: found.into_values().collect(), edges, parameters }
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
            self.groups.iter().filter(|g| g.id.to_string() == name || g.members.iter().any(|m| m.axis == name)).collect();
        if !exact.is_empty() {
            return exact;
        }
        let inside = |m: &Member| m.tensor == name || m.tensor.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
        let made = |g: &&Group| g.members.iter().any(|m| m.role == MemberRole::Makes && inside(m));
        let found: Vec<&Group> = self.groups.iter().filter(made).collect();
        if found.is_empty() { self.groups.iter().filter(|g| g.members.iter().any(inside)).collect() } else { found }
    }
}

/// The share of a tensor's elements that lie along a class that is all of a dimension, or a part of it.
fn along(axes: &Axes, numel: u64, dim: Id, class: Id) -> u64 {
    let (Some(whole), Some(part)) = (axes.size(dim).as_int(), axes.size(class).as_int()) else { return 0 };
    let cat = axes.cat_parts(dim).is_some_and(|parts| parts.iter().any(|p| axes.class(*p) == class));
    if cat && whole > 0 { numel * part as u64 / whole as u64 } else { numel }
}

/// The classes that a class is made of and that are made of nothing themselves.
pub(crate) struct Elements<'a> {
    axes: &'a Axes,
    known: FxHashMap<Id, Rc<[Element]>>,
}

/// A class, and where it begins in another that is a cat of it and others.
type Element = (Id, Option<i64>);

impl<'a> Elements<'a> {
    pub(crate) fn new(axes: &'a Axes) -> Elements<'a> {
        Elements { axes, known: FxHashMap::default() }
    }

    /// In order, each once.
    pub(crate) fn of(&mut self, id: Id) -> Rc<[Element]> {
        let class = self.axes.class(id);
        if let Some(known) = self.known.get(&class) {
            return known.clone();
        }
        let (mut found, mut todo, mut seen) = (Vec::new(), vec![(class, Some(0))], FxHashSet::default());
        while let Some((class, start)) = todo.pop() {
            if !seen.insert(class) {
                continue;
            }
            let parts = self.axes.descriptions(class).into_iter().find_map(|d| match d {
                Axis::Cat(parts) => Some(self.one_after_another(parts, start)),
                Axis::Merge(parts) => Some(parts.iter().map(|p| (self.axes.class(*p), None)).collect()),
                Axis::Pick([of], _) if self.axes.class(*of) != class => Some(vec![(self.axes.class(*of), None)]),
                _ => None,
            });
            match parts {
                Some(parts) => todo.extend(parts.into_iter().rev()),
                None => found.push((class, start)),
            }
        }
        let found: Rc<[Element]> = found.into();
        self.known.insert(class, found.clone());
        found
    }

    fn one_after_another(&self, parts: &[Id], start: Option<i64>) -> Vec<Element> {
        let mut at = start;
        let next = |p: &Id| {
            let here = at;
            at = at.zip(self.axes.size(*p).as_int()).map(|(at, n)| at + n);
            (self.axes.class(*p), here)
        };
        parts.iter().map(next).collect()
    }
}

/// By class, the nodes in which several activations share it.
fn couplings(graph: &Graph, p: &Propagation, roles: &Roles, parts: &mut Elements) -> FxHashMap<Id, Vec<NodeId>> {
    let mut found: FxHashMap<Id, Vec<NodeId>> = FxHashMap::default();
    for bound in p.bounds() {
        let active: Vec<_> = bound.tensors().filter(|(_, v)| !roles.constant[v.index()]).map(|(o, _)| o).collect();
        if active.len() < 2 || graph.node(bound.node).outputs.is_empty() {
            continue;
        }
        let shared = (0..bound.ids.len()).filter(|l| active.iter().filter(|o| o.holds(*l as u32)).count() > 1);
        for (class, _) in shared.flat_map(|l| parts.of(bound.ids[l]).to_vec()) {
            let nodes = found.entry(class).or_default();
            if nodes.last() != Some(&bound.node) {
                nodes.push(bound.node);
            }
        }
    }
    found
}
