//! Evening out: where an axis depends on an outer one, each outer position keeps equally many.

use super::count::Votes;
use crate::solve::positions::{State, Uneven, Why};

/// Keeps more where fewer stay: what most makers keep first, then what comes first.
pub fn even_out(state: &mut State, votes: &Votes) {
    loop {
        let mut changed = false;
        for class in state.positions.contexts.classes() {
            changed |= class_out(state, votes, class);
        }
        if !changed {
            return;
        }
    }
}

fn class_out(state: &mut State, votes: &Votes, class: egg::Id) -> bool {
    let Some(context) = state.positions.contexts.of(state.axes, class) else { return false };
    let Some(list) = state.of(class) else { return false };
    let around = state.of(context.class);
    let n = list.len() / context.outer.max(1);
    let stays = |state: &State, a: usize| around.as_ref().is_none_or(|l| state.keeps(l[a]));
    let count = |state: &State, a: usize| list[a * n..(a + 1) * n].iter().filter(|s| state.keeps(**s)).count();
    let counts: Vec<(usize, usize)> = (0..context.outer).filter(|a| stays(state, *a)).map(|a| (a, count(state, a))).collect();
    let most = counts.iter().map(|(_, stay)| *stay).max().unwrap_or(0);
    if counts.iter().all(|(_, stay)| *stay == most) {
        return false;
    }
    let parts = counts.iter().map(|(a, stay)| (*a as u32, (n - stay) as u32)).collect();
    let why = Why::Uneven(Uneven { size: n as u32, parts });
    let mut changed = false;
    for (a, _) in counts {
        let mut gone: Vec<u32> = list[a * n..(a + 1) * n].iter().copied().filter(|s| !state.keeps(*s)).collect();
        gone.sort_by_key(|s| std::cmp::Reverse(votes.by_set.get(s).map_or(0, |t| t.keep.len())));
        for set in gone {
            if count(state, a) >= most {
                break;
            }
            changed |= state.keep(set, why.clone());
        }
    }
    changed
}
