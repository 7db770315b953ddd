//! Groups as data.

use egg::Id;
use rustc_hash::FxHashMap;
use serde::Serialize;

use super::index::{Even, Indices};
use crate::axis::Propagation;
use crate::model::{Graph, NodeId, Role, Size, ValueId};
use crate::solve::{Link, UnitGroup, Units};

/// What a dimension of a stored tensor is to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
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
#[derive(Clone, Debug)]
pub struct Member {
    /// The tensor.
    pub tensor: usize,
    /// The dimension.
    pub dim: usize,
    /// What it is to the group.
    pub role: MemberRole,
    /// The group's axis is all of the dimension, begins at a place of it, or is a factor.
    pub part: Part,
    /// Which indices of the dimension the group's positions are. Where another dimension tells the outer position (`within`): those
    /// of the positions in one.
    pub indices: Option<Indices>,
    /// The dimension in which the outer position is found.
    pub within: Option<Link<usize>>,
    /// The tensor whose memory it is, under another name.
    pub same_as: Option<usize>,
    /// It only scales what others make, as the gain of a norm does.
    pub gain: bool,
    /// The activation that the weight gives its axis to, or finds it in.
    pub flow: Option<Flow>,
}

/// How an axis lies in a dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It is the dimension.
    Whole,
    /// It begins there.
    From(usize),
    /// It is a factor.
    Factor,
}

/// An axis with all that has it.
#[derive(Clone, Debug)]
pub struct Group {
    /// The axis.
    pub class: Id,
    /// Its number of positions in each outer one.
    pub size: Size,
    /// Outer positions (heads, groups of a convolution), if each may lose others; else 1. Position a * size + i is the i-th of the a-th.
    pub outer: usize,
    /// The dimensions, makers first.
    pub members: Vec<Member>,
    /// Parameters that lie along the axis.
    pub parameters: u64,
    /// The nodes in which several activations share it.
    pub nodes: Vec<NodeId>,
    /// Its number among the [`Units`], if parameters make it and it may lose positions.
    pub unit: Option<usize>,
    /// What a position is worth.
    pub worth: Worth,
}

/// A weight between two groups.
#[derive(Clone, Copy, Debug)]
pub struct Between {
    /// The group that it reads.
    pub from: usize,
    /// The group that it makes.
    pub to: usize,
    /// The weight.
    pub tensor: usize,
}

/// The groups of a program.
pub struct Groups {
    /// All with a parameter, in the order of the network.
    pub list: Vec<Group>,
    /// The weights between them.
    pub between: Vec<Between>,
    /// What could be removed.
    pub units: Units,
    /// By number of a unit group its group here.
    pub(super) of_unit: Vec<Option<usize>>,
}

/// An activation that has a group's axis.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// The value.
    pub value: ValueId,
    /// The dimension.
    pub dim: usize,
    /// Which indices of it the group's positions are.
    pub even: Even,
}

/// What the removal of one position saves while all others stay; of unequal positions, on the average.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Worth {
    /// Parameters; tied ones count once.
    pub parameters: u64,
    /// Multiply-accumulates of a forward pass on the traced example.
    pub macs: u64,
}

impl Groups {
    /// The group of a unit group.
    pub fn of_unit(&self, unit: usize) -> Option<&Group> {
        self.list.get((*self.of_unit.get(unit)?)?)
    }

    /// What a group could lose.
    pub fn unit(&self, group: &Group) -> Option<&UnitGroup> {
        self.units.groups.get(group.unit?)
    }

    /// The group in whose positions those of another lie: the heads that it has a part in.
    pub fn inside(&self, group: &Group) -> Option<usize> {
        let unit = self.unit(group)?;
        unit.heads.first().and_then(|h| *self.of_unit.get(*h)?)
    }

    /// A group's name: its first member.
    pub fn name(&self, graph: &Graph, group: &Group) -> String {
        group.members.first().map(|m| group.member_name(graph, m)).unwrap_or_default()
    }

    /// Whether a name means a group: its number, an axis such as `conv.weight[0]`, or a name or pattern of a parameter or module that makes it.
    pub fn means(&self, graph: &Graph, pattern: &str, id: usize) -> bool {
        let group = &self.list[id];
        let makes =
            |m: &Member| m.role == MemberRole::Makes && graph.names(m.tensor).any(|(n, _)| crate::glob::means(pattern, n));
        pattern.parse() == Ok(id) || self.is_axis(graph, pattern, id) || group.members.iter().any(makes)
    }

    /// Whether a name is that of an axis in a group: `conv.weight[0]`, or as a group is called.
    pub fn is_axis(&self, graph: &Graph, name: &str, id: usize) -> bool {
        let group = &self.list[id];
        let exported = |m: &Member| graph.exported(m.tensor, m.dim).is_some_and(|n| n == name);
        group.members.iter().any(|m| axis_name(graph, m) == name || group.member_name(graph, m) == name || exported(m))
    }

    /// The parameters of all groups that the program uses, tied ones once.
    pub fn parameters(graph: &Graph) -> u64 {
        let first = graph.first_names();
        let own = graph.tensors.iter().enumerate().filter(|(k, t)| t.role == Role::Parameter && first[*k] == *k);
        own.map(|(_, t)| t.numel() as u64).sum()
    }
}

/// `conv.weight[0]`.
pub fn axis_name(graph: &Graph, member: &Member) -> String {
    format!("{}[{}]", graph.tensors[member.tensor].name, member.dim)
}

impl Group {
    pub(super) fn new(class: Id, size: Size) -> Group {
        let worth = Worth::default();
        Group { class, size, outer: 1, members: Vec::new(), parameters: 0, nodes: Vec::new(), unit: None, worth }
    }

    /// How the axis lies in a member's dimension, in words: `16-31 of 48`, or `a factor of 64, from 0 in steps of 8`; nothing where it is all of it.
    pub fn part(&self, graph: &Graph, member: &Member) -> Option<String> {
        let whole = graph.tensors[member.tensor].shape[member.dim];
        match (member.part, self.size.as_int()) {
            (Part::Whole, _) => None,
            (Part::From(from), Some(n)) => {
                let places = match &member.indices {
                    Some(Indices::Even(Even { step: 1, run: 1, times, every, .. })) => (*times, *every),
                    _ => (1, 0),
                };
                let range = |t: usize| (from + t * places.1, from as i64 + (t * places.1) as i64 + n - 1);
                let ranges = (0..places.0.min(4)).map(range).map(|(a, b)| format!("{a}-{b}"));
                let more = if places.0 > 4 { ", …" } else { "" };
                Some(format!("{}{more} of {whole}", ranges.collect::<Vec<_>>().join(", ")))
            }
            // Where it begins and how far its positions are apart tells it from the other factors.
            _ => Some(match member.indices.as_ref().and_then(Indices::steps) {
                Some((start, step)) => format!("a factor of {whole}, from {start} in steps of {step}"),
                None => format!("a factor of {whole}"),
            }),
        }
    }

    fn member_name(&self, graph: &Graph, member: &Member) -> String {
        let axis = axis_name(graph, member);
        self.part(graph, member).map_or(axis.clone(), |part| format!("{axis} ({part})"))
    }

    /// Number of positions, of all outer ones together; `None` where it is dynamic.
    pub fn positions(&self) -> Option<usize> {
        self.size.as_int().and_then(|n| usize::try_from(n).ok()).map(|n| n * self.outer)
    }

    /// Which indices the positions are, where steps do not say it: each outer position has its own, or the axis is picked from.
    pub(super) fn locate(&mut self, graph: &Graph, p: &Propagation, units: &Units, unit: &UnitGroup) {
        let ragged = self.outer > 1;
        let mut place: FxHashMap<u32, usize> = FxHashMap::default();
        for member in self.members.iter_mut().filter(|m| ragged || m.indices.is_none()) {
            member.indices = None;
            let Some(of) = units.of(graph, p, member.tensor, member.dim) else { continue };
            if place.is_empty() {
                for (a, (own, at)) in unit.units.iter().zip(&unit.places).enumerate() {
                    place.extend(own.iter().zip(at).map(|(u, i)| (*u, a * unit.width + *i as usize)));
                }
            }
            member.within = of.within().filter(|_| ragged);
            let size = graph.tensors[member.tensor].shape[member.dim];
            let mut lists: Vec<Vec<u32>> = vec![Vec::new(); unit.width * self.outer];
            for (n, atoms) in of.list.iter().enumerate() {
                for position in atoms.iter().filter_map(|u| place.get(u)) {
                    lists[*position].push((n % size) as u32);
                }
            }
            if member.within.is_some() {
                // The same in each outer position.
                lists =
                    lists.chunks(unit.width).max_by_key(|l| l.iter().filter(|i| !i.is_empty()).count()).unwrap_or(&[]).to_vec();
            }
            member.indices = Indices::of(lists);
        }
    }
}
