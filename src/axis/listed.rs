//! Of which axes positions are listed one by one.
//!
//! Only what a parameter has a say in can go: an axis that no parameter has to do with, be it through cats, merges and picks, stays as it
//! is, and may be as long as it likes. Of the others the lists take memory, so that what they come to has a bound; where it is
//! passed, the longest axes are locked.

use egg::Id;
use rustc_hash::{FxHashMap, FxHashSet};

use super::egraph::{Axes, Axis, Reason};

/// Bytes that all lists may take.
const ROOM: usize = 1 << 27;
/// Bytes for each position of an axis, and of a value's dimension.
const LISTED: usize = 4;

/// The classes whose positions are listed. `dims` are the axes of all values, `parameters` those of the parameters. Axes are locked where the
/// lists would be too long.
pub(super) fn listed<'a>(
    axes: &mut Axes,
    dims: impl Iterator<Item = &'a Vec<Id>>,
    parameters: impl Iterator<Item = &'a Vec<Id>>,
) -> FxHashSet<Id> {
    let mut found = FxHashSet::default();
    let beside = neighbours(axes);
    let mut todo: Vec<Id> = parameters.flatten().map(|id| axes.class(*id)).collect();
    while let Some(class) = todo.pop() {
        if found.insert(class) {
            todo.extend(beside.get(&class).into_iter().flatten());
        }
    }
    let mut uses: FxHashMap<Id, usize> = FxHashMap::default();
    dims.flatten().for_each(|id| *uses.entry(axes.class(*id)).or_default() += 1);
    let cost = |axes: &Axes, class: &Id| {
        let size = axes.size(*class).hint().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        size.saturating_mul(LISTED + uses.get(class).copied().unwrap_or(0))
    };
    let locked: FxHashSet<Id> = axes.locked_because().into_keys().collect();
    let mut costs: Vec<(usize, Id)> = found.iter().filter(|c| !locked.contains(c)).map(|c| (cost(axes, c), *c)).collect();
    costs.sort_unstable();
    let mut sum = costs.iter().fold(0usize, |sum, (n, _)| sum.saturating_add(*n));
    while sum > ROOM
        && let Some((_, class)) = costs.pop()
    {
        axes.lock(class, Reason::Long);
        sum = costs.iter().fold(0, |sum, (n, _)| sum.saturating_add(*n));
    }
    found
}

/// The classes that a class is described by, and those that it describes.
fn neighbours(axes: &Axes) -> FxHashMap<Id, Vec<Id>> {
    let mut beside: FxHashMap<Id, Vec<Id>> = FxHashMap::default();
    for class in axes.classes() {
        for d in axes.descriptions(class) {
            let parts: &[Id] = match d {
                Axis::Cat(parts) | Axis::Merge(parts) => parts,
                Axis::Pick(of, _) => of,
                Axis::Leaf(_) => continue,
            };
            for part in parts.iter().map(|part| axes.class(*part)) {
                beside.entry(class).or_default().push(part);
                beside.entry(part).or_default().push(class);
            }
        }
    }
    beside
}
