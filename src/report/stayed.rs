//! What stayed although a mask drops it, and why.

use egg::Id;
use indexmap::{IndexMap, IndexSet};
use rustc_hash::FxHashSet;
use serde::Serialize;

use super::explain::{self, blame, ranges};
use super::note::{Note, note};
use super::words::{module, modules, spaced, stay};
use crate::axis::Propagation;
use crate::model::Graph;
use crate::solve::{Hindrance, Holds, Obstacle, Solution, Stay, Why};

/// Positions that stay for one reason, of one or several parameters.
#[derive(Clone, Debug, Serialize)]
pub struct Kept {
    /// Where, and why in words.
    #[serde(flatten)]
    pub note: Note,
    /// How many positions.
    pub positions: usize,
    /// How many parameters that keeps, where it is known.
    pub parameters: Option<u64>,
    /// The kind of reason.
    pub reason: Cause,
    /// The parameters whose masks drop them; empty where the reason is a node's.
    pub tensors: Vec<String>,
}

/// Positions of a parameter's axis that its mask drops and that stay, for one reason.
#[derive(Clone, Debug, Serialize)]
pub struct Stays {
    /// The axis: `conv.weight[0]`.
    pub axis: String,
    /// The positions: `0, 2, 4-9`.
    pub positions: String,
    /// How many they are.
    pub count: usize,
    /// The kind of reason.
    pub reason: Cause,
    /// Parameters that keep them, by their mask or as they have none.
    pub kept_by: Vec<String>,
    /// Why, in words.
    pub why: String,
}

/// The kinds of reasons why positions stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The axis, or this part of it, is locked.
    Locked,
    /// A factor of the axis is locked.
    Factor,
    /// Others that make the axis keep them.
    Kept,
    /// They go only together with others, which are kept.
    Together,
    /// The mask is of what is read, which decides only where nothing else reads it.
    Read,
    /// What they add to a sum is not proven to be zero.
    Unproven,
    /// What they add to a sum is a number that no bias can take up.
    Constant,
    /// What they add to a sum is a number that differs at the border.
    Border,
    /// An operator's arguments could not say what would be left.
    Inexpressible,
    /// A dimension would be left without positions.
    Last,
    /// Another view of the axis has each in one with positions that stay.
    Tied,
    /// Of each group (head) equally many must go.
    Uneven,
    /// No mask says that they go.
    Undecided,
}

impl Cause {
    fn of(holds: &Holds) -> Cause {
        match holds {
            Holds::Locked(_) => Cause::Locked,
            Holds::Factor(_) => Cause::Factor,
            Holds::Kept(_) => Cause::Kept,
            Holds::Together(_) => Cause::Together,
            Holds::Read(_) => Cause::Read,
            Holds::Why(Why::Unproven(_)) => Cause::Unproven,
            Holds::Why(Why::Constant { .. }) => Cause::Constant,
            Holds::Why(Why::Inexpressible(_)) => Cause::Inexpressible,
            Holds::Why(Why::Last(_)) => Cause::Last,
            Holds::Why(Why::Tied) => Cause::Tied,
            Holds::Why(Why::Uneven(_)) => Cause::Uneven,
            Holds::Why(Why::Maker(_) | Why::NoMaker) => Cause::Undecided,
        }
    }
}

/// For each axis of a parameter that did not go as a whole: how many positions stay, and why.
pub fn stays(graph: &Graph, p: &Propagation, solution: &Solution, went: &FxHashSet<usize>) -> Vec<Stays> {
    let locks = p.axes.locked_because();
    let keepers = |holds: &Holds| match holds {
        Holds::Kept(list) | Holds::Read(list) => names(graph, list),
        Holds::Together(k) => names(graph, &[*k]),
        _ => Vec::new(),
    };
    let stays = |stay: &Stay| Stays {
        axis: format!("{}[{}]", graph.tensors[stay.tensor].name, stay.dim),
        positions: ranges(&stay.positions),
        count: stay.positions.len(),
        reason: Cause::of(&stay.holds),
        kept_by: keepers(&stay.holds),
        why: explain::held(graph, &locks, solution, &stay.holds),
    };
    solution.stays.iter().filter(|s| !went.contains(&s.tensor)).map(stays).collect()
}

fn names(graph: &Graph, list: &[usize]) -> Vec<String> {
    list.iter().map(|k| &graph.tensors[*k].name).collect::<IndexSet<_>>().into_iter().cloned().collect()
}

/// The same by reason, with what stands in the way at nodes.
pub fn kept(graph: &Graph, p: &Propagation, solution: &Solution) -> Vec<Kept> {
    let mut all: Vec<Kept> = solution.obstacles.iter().map(|o| at_a_node(graph, solution, o)).collect();
    for value in &solution.last {
        let text = "masks drop all positions of a dimension; one stays, as none may be empty";
        let tensor = graph.tensors.iter().find(|t| t.value == *value);
        let subject = tensor.map_or_else(|| graph.value(*value).name.clone(), |t| t.name.clone());
        let tensors = tensor.map(|t| t.name.clone()).into_iter().collect();
        let note = Note { subject, text: text.into(), line: None };
        all.push(Kept { note, positions: 1, parameters: None, reason: Cause::Last, tensors });
    }
    all.extend(held(graph, p, solution));
    all
}

fn at_a_node(graph: &Graph, solution: &Solution, o: &Obstacle) -> Kept {
    let (reason, why) = match o.why {
        Hindrance::Unproven => (Cause::Unproven, "summed over here, and what they add is not proven to be zero"),
        Hindrance::Constant => (Cause::Constant, "summed over here, and what they add is a number that no bias can take up"),
        Hindrance::Border => (
            Cause::Border,
            "summed over here, and what they add is a number that differs at the border (--bias-maps takes it up)",
        ),
        Hindrance::Inexpressible => (Cause::Inexpressible, "the operator's arguments could not say what would be left"),
    };
    let blame = match o.why {
        Hindrance::Unproven => blame(graph, solution, &Why::Unproven(o.node)),
        _ => String::new(),
    };
    let cost = if o.parameters > 0 { format!(" ({} parameters)", spaced(o.parameters)) } else { String::new() };
    let note = note(graph, o.node, format!("{}{cost}: {why}{blame}", stay(o.positions)));
    Kept { note, positions: o.positions, parameters: Some(o.parameters), reason, tensors: Vec::new() }
}

/// The others by what holds them; of one axis each position once.
fn held(graph: &Graph, p: &Propagation, solution: &Solution) -> Vec<Kept> {
    type Held<'a> = (FxHashSet<(Id, usize)>, IndexSet<&'a String>);
    let mut held: IndexMap<&Holds, Held> = IndexMap::new();
    let read = Holds::Read(Vec::new());
    for stay in &solution.stays {
        let covered = matches!(
            stay.holds,
            Holds::Kept(_) | Holds::Why(Why::Unproven(_) | Why::Constant { .. } | Why::Inexpressible(_) | Why::Last(_))
        );
        let t = &graph.tensors[stay.tensor];
        let Some(id) = p.dims[t.value.index()].as_ref().and_then(|ids| ids.get(stay.dim)).filter(|_| !covered) else { continue };
        // Who keeps what is only read is told by the axis (`stays`).
        let holds = if matches!(stay.holds, Holds::Read(_)) { &read } else { &stay.holds };
        let entry = held.entry(holds).or_default();
        entry.0.extend(stay.positions.iter().map(|at| (p.axes.class(*id), *at)));
        entry.1.insert(&t.name);
    }
    // Numbers are told of a few axes; of many, the one sentence.
    const MOST_UNEVEN: usize = 3;
    let uneven = |holds: &&&Holds| matches!(holds, Holds::Why(Why::Uneven(_)));
    let many = held.keys().filter(uneven).count() > MOST_UNEVEN;
    let locks = p.axes.locked_because();
    let mut texts: IndexMap<(String, Cause), Held> = IndexMap::new();
    for (holds, (positions, names)) in held {
        // What a layer's own mask does is the same for all layers.
        let own = |k: &usize| names.iter().all(|name| module(name) == module(&graph.tensors[*k].name));
        let why = match holds {
            Holds::Why(Why::Uneven(_)) if many => {
                "equally many of each group (head) must go, as many as of the one of which the fewest could; \
                 `paring explain MODEL AXIS --masks FILE` tells how many of each"
                    .to_owned()
            }
            Holds::Together(k) if own(k) => explain::together("its own mask"),
            _ => explain::held(graph, &locks, solution, holds),
        };
        let entry = texts.entry((why, Cause::of(holds))).or_default();
        entry.0.extend(positions);
        entry.1.extend(names);
    }
    let told = |((why, reason), (positions, names)): ((String, Cause), Held)| {
        let text = format!("{}: {why}", stay(positions.len()));
        let tensors: Vec<String> = names.iter().map(|n| (*n).clone()).collect();
        let note = Note { subject: modules(names), text, line: None };
        Kept { note, positions: positions.len(), parameters: None, reason, tensors }
    };
    texts.into_iter().map(told).collect()
}
