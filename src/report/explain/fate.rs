//! Why the positions of an axis stayed or went under given masks.

use std::fmt;

use egg::Id;
use indexmap::IndexSet;
use rustc_hash::FxHashMap;
use serde::Serialize;

use super::name::AxisRef;
use crate::axis::{Propagation, Reason};
use crate::model::{Graph, NodeId};
use crate::report::place::place;
use crate::report::words;
use crate::solve::{Blame, Hindrance, Holds, Solution, Uneven, Verdict, Why};

/// Positions with the same fate for the same reasons.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// The positions: `0, 2, 4-9`.
    pub positions: String,
    /// How many they are.
    pub count: usize,
    /// They stay.
    pub kept: bool,
    /// Parameters whose masks drop them.
    pub dropped_by: Vec<String>,
    /// Parameters that keep them: by their mask, or because they have none.
    pub kept_by: Vec<String>,
    /// Why they stay, in words.
    pub why: Vec<String>,
}

/// The fates of all positions of an axis.
#[derive(Clone, Debug, Serialize)]
pub struct Fates {
    /// The axis.
    pub axis: String,
    /// Number of positions.
    pub size: String,
    /// Those with the same fate together; what goes first.
    pub runs: Vec<Run>,
}

/// Of the axis that the solution was asked to explain.
pub fn fates(graph: &Graph, p: &Propagation, solution: &Solution, axis: &AxisRef) -> Option<Fates> {
    let verdicts = solution.verdicts.as_ref()?;
    let mut groups: Vec<(&Verdict, Vec<usize>)> = Vec::new();
    for (at, v) in verdicts.iter().enumerate() {
        match groups.iter_mut().find(|(known, _)| *known == v) {
            Some((_, list)) => list.push(at),
            None => groups.push((v, vec![at])),
        }
    }
    groups.sort_by_key(|(v, _)| v.kept);
    let names =
        |list: &[usize]| list.iter().map(|k| graph.tensors[*k].name.clone()).collect::<IndexSet<_>>().into_iter().collect();
    let size = p.axes.size(axis.id).hint().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let one_for_all = verdicts.len() == 1 && size > 1;
    let runs = groups.into_iter().map(|(v, list)| Run {
        positions: if one_for_all { format!("0-{}", size - 1) } else { ranges(&list) },
        count: if one_for_all { size } else { list.len() },
        kept: v.kept,
        dropped_by: names(&v.drop),
        kept_by: v.keep.iter().map(|k| keeper(graph, solution, *k)).collect::<IndexSet<_>>().into_iter().collect(),
        why: reasons(graph, p, solution, v),
    });
    Some(Fates { axis: axis.name.clone(), size: p.axes.size(axis.id).to_string(), runs: runs.collect() })
}

pub(crate) fn keeper(graph: &Graph, solution: &Solution, k: usize) -> String {
    let name = &graph.tensors[k].name;
    if solution.given[k].is_some() { name.clone() } else { format!("{name} (which has no mask)") }
}

fn reasons(graph: &Graph, p: &Propagation, solution: &Solution, v: &Verdict) -> Vec<String> {
    let voted = |w: &&Why| !matches!(w, Why::Maker(k) if !v.drop.is_empty() || solution.given[*k].is_none());
    let mut found: IndexSet<String> = v.why.iter().filter(voted).map(|w| words(graph, w) + &blame(graph, solution, w)).collect();
    match &v.holds {
        None | Some(Holds::Kept(_) | Holds::Read(_) | Holds::Why(_)) => {}
        Some(holds) => {
            found.insert(held(graph, &p.axes.locked_because(), solution, holds));
        }
    }
    found.into_iter().collect()
}

/// What holds positions that a mask drops, in words. `locks` are the reasons of all locked classes.
pub(crate) fn held(graph: &Graph, locks: &FxHashMap<Id, &Reason>, solution: &Solution, holds: &Holds) -> String {
    let lock = |class| locks.get(class).map_or_else(String::new, |r| words::reason(graph, r));
    match holds {
        Holds::Locked(class) => lock(class),
        Holds::Factor(class) => {
            format!(
                "they go only together with others of which the mask keeps some, as a factor of the axis is locked: {}",
                lock(class)
            )
        }
        Holds::Kept(list) => {
            let names: IndexSet<String> = list.iter().map(|k| keeper(graph, solution, *k)).collect();
            format!("kept by {}", names.into_iter().collect::<Vec<_>>().join(", "))
        }
        Holds::Together(k) => together(&keeper(graph, solution, *k)),
        Holds::Read(list) => {
            let names: IndexSet<String> = list.iter().map(|k| keeper(graph, solution, *k)).collect();
            let kept = if names.is_empty() { String::new() } else { "; kept by ".to_owned() };
            let names = names.into_iter().collect::<Vec<_>>().join(", ");
            format!("the mask is of what is read, which decides only where nothing else reads it{kept}{names}")
        }
        Holds::Why(why) => words(graph, why) + &blame(graph, solution, why),
    }
}

/// Why positions stay that others in their group, or in the others, keep.
pub(crate) fn together(keeper: &str) -> String {
    format!(
        "they go only with a whole group (head), or from every one alike: what the mask says of each must agree, and {keeper} keeps some"
    )
}

/// What makes it so that a position is not proven to add nothing at a node.
pub(crate) fn blame(graph: &Graph, solution: &Solution, why: &Why) -> String {
    let Why::Unproven(node) = why else { return String::new() };
    let found = solution.obstacles.iter().find(|o| o.node == *node && o.why == Hindrance::Unproven).and_then(|o| o.blame);
    let named = |n: NodeId| format!("{} ({})", graph.node(n).name, graph.node(n).target);
    match found {
        Some(Blame::Tensor(k)) => format!(": the buffer {} is not", graph.tensors[k].name),
        Some(Blame::Infinite(k)) => format!(": the buffer {} holds infinity or NaN", graph.tensors[k].name),
        Some(Blame::Node(n)) if n != *node => format!(": {} makes something else of zeros", named(n)),
        Some(Blame::Overflow(n)) if n != *node => format!(": {} may make infinity or NaN", named(n)),
        _ => String::new(),
    }
}

fn words(graph: &Graph, why: &Why) -> String {
    let at = |node: &NodeId| {
        let place = place(graph, *node);
        let line = place.line.map(|l| format!("\n        {l}")).unwrap_or_default();
        format!("{} ({}){line}", place.node, place.op)
    };
    match why {
        Why::Maker(_) => "no mask drops them".into(),
        Why::NoMaker => "no mask says anything of them".into(),
        Why::Last(_) => "a dimension would be left without positions".into(),
        Why::Unproven(node) => format!("they are summed over, and what they add is not proven to be zero, at {}", at(node)),
        Why::Constant { node, .. } => format!("they are summed over and hold a number that no bias can take up, at {}", at(node)),
        Why::Inexpressible(node) => format!("no arguments could say what would be left, at {}", at(node)),
        Why::Tied => "another view of the axis (as other groups or heads) has each in one with positions that stay".into(),
        Why::Uneven(uneven) => unevenly(uneven),
    }
}

/// Which part could lose how many.
fn unevenly(uneven: &Uneven) -> String {
    const MOST: usize = 8;
    let (size, parts) = (uneven.size, &uneven.parts);
    let Some(fewest) = parts.iter().min_by_key(|(_, n)| *n) else { return String::new() };
    let could = match parts.len() {
        1..=MOST => parts.iter().map(|(a, n)| format!("{n} of group {a}")).collect::<Vec<_>>().join(", "),
        n => {
            let most = parts.iter().max_by_key(|(_, n)| *n).unwrap_or(fewest);
            format!("from {} of group {} to {} of group {}; {n} groups", fewest.1, fewest.0, most.1, most.0)
        }
    };
    format!("equally many of the {size} positions of each group (head) must go: {}, the fewest that could ({could})", fewest.1)
}

/// `0, 2, 4-9`
pub(crate) fn ranges(list: &[usize]) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for at in list {
        match runs.last_mut() {
            Some((_, end)) if *end + 1 == *at => *end = *at,
            _ => runs.push((*at, *at)),
        }
    }
    let stride = |w: &[(usize, usize)]| w[0].0 == w[0].1 && w[1].0 == w[1].1 && w[1].0 == w[0].0 + 2;
    if runs.len() > 4 && runs.windows(2).all(stride) {
        let (first, last) = (runs[0].0, runs[runs.len() - 1].0);
        return format!("{first}, {}, …, {last} (every other)", first + 2);
    }
    let text = |(a, b): &(usize, usize)| if a == b { a.to_string() } else { format!("{a}-{b}") };
    runs.iter().map(text).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Fates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} positions", self.axis, self.size)?;
        for run in &self.runs {
            let verb = match (run.kept, run.count) {
                (true, 1) => "stays",
                (true, _) => "stay",
                (false, 1) => "goes",
                (false, _) => "go",
            };
            writeln!(f, "\n  {} {verb}: {}", run.count, run.positions)?;
            for (title, names) in [("dropped by", &run.dropped_by), ("kept by", &run.kept_by)] {
                if !names.is_empty() {
                    writeln!(f, "      {title} {}", names.join(", "))?;
                }
            }
            for why in &run.why {
                writeln!(f, "      {why}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ValueId;

    /// Every reason has a sentence of its own.
    #[test]
    fn reasons_differ() {
        let graph = Graph::default();
        let uneven = |parts: &[(u32, u32)]| Why::Uneven(Uneven { size: 12, parts: parts.into() });
        let many: Vec<(u32, u32)> = (0..12).map(|a| (a, 3 + (a * 7) % 12)).collect();
        let uneven = [uneven(&[(0, 5), (1, 2), (3, 4)]), uneven(&many)];
        let reasons = [Why::Maker(0), Why::NoMaker, Why::Last(ValueId(0)), Why::Tied].into_iter().chain(uneven);
        let said: Vec<String> = reasons.map(|why| words(&graph, &why)).collect();
        insta::assert_snapshot!(said.join("\n"), @r"
        no mask drops them
        no mask says anything of them
        a dimension would be left without positions
        another view of the axis (as other groups or heads) has each in one with positions that stay
        equally many of the 12 positions of each group (head) must go: 2, the fewest that could (5 of group 0, 2 of group 1, 4 of group 3)
        equally many of the 12 positions of each group (head) must go: 3, the fewest that could (from 3 of group 0 to 14 of group 5; 12 groups)
        ");
    }
}
