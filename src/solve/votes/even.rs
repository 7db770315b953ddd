//! Evening out: where an axis depends on an outer one, each outer position keeps equally many.

use super::count::Votes;
use crate::solve::positions::{State, Why};

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
    let most = (0..context.outer).filter(|a| stays(state, *a)).map(|a| count(state, a)).max().unwrap_or(0);
    let mut changed = false;
    for a in (0..context.outer).filter(|a| stays(state, *a)).collect::<Vec<_>>() {
        let mut gone: Vec<u32> = list[a * n..(a + 1) * n].iter().copied().filter(|s| !state.keeps(*s)).collect();
        gone.sort_by_key(|s| std::cmp::Reverse(votes.by_set.get(s).map_or(0, |t| t.keep.len())));
        for set in gone {
            if count(state, a) >= most {
                break;
            }
            changed |= state.keep(set, Why::Uneven);
        }
    }
    changed
}
