//! From masks to what stays: votes, dead inputs, proof.
//!
//! `positions` are what can stay or go, `votes` say what should, the `proof` shows what may, and the `outcome` tells what was
//! decided. `settle` runs votes and proof in turn.

mod computed;
mod data;
mod options;
mod outcome;
mod positions;
mod proof;
mod settle;
mod trial;
mod votes;

use std::cell::RefCell;

use rustc_hash::FxHashMap;
use tracing::{info, info_span};

pub use data::Data;
pub use options::{Options, Policy};
pub use outcome::{Hindrance, Holding, Holds, Obstacle, Solution, Stay, Verdict};
pub use positions::{Link, Uneven, Why};
pub use proof::{
    Blame, FINITE, Folding, Ghost, Known, NONNEG, NONZERO, Uniform, ValueFacts, ZERO, parts_value, progression, ranks,
};
pub use trial::{Trial, trial};
pub(crate) use votes::closest_names;
pub use votes::{Aliased, Conflict, DimUnits, Given, Mask, Masks, Renamed, Roles, SolveError, UnitGroup, Units, closest, rows};

use outcome::{stays, verdicts};
use positions::{Contexts, Positions, State};
use proof::{Exact, Sources};
use settle::{Settled, cost, settle};
use votes::{Found, Votes, dead, given, move_rows, unmasked};

use crate::axis::Propagation;
use crate::model::{Graph, Role};
use crate::rule::RuleSet;

/// Decides what stays.
///
/// # Errors
/// Masks for unknown parameters or of other shapes; a disagreement under [`Policy::Error`].
pub fn solve<'a>(
    graph: &Graph,
    rules: &RuleSet,
    p: &Propagation,
    masks: &'a Masks<'a>,
    options: &Options,
    data: &dyn Data,
) -> Result<Solution<'a>, SolveError> {
    let voting = info_span!("votes").entered();
    let reading = info_span!("masks").entered();
    let Found { mut given, computed, renamed, aliased } = given(graph, masks)?;
    drop(reading);
    let unmasked = unmasked(graph, p);
    let positions = Positions::new(&p.axes, Contexts::find(graph, p), Some(&p.listed));
    let roles = Roles::new(graph, p);
    let ignored = computed::reach(graph, rules, p, &roles, computed, &mut given);
    let asked = move_rows(graph, p, &mut given);
    // Where the given masks alone count, the proof says whether what one of them drops may go.
    let policy = if options.lossless { Policy::Prune } else { options.policy };
    let mut votes = Votes::new(graph, p, &positions, &roles, &mut given, options);
    let dead = dead(graph, p, &positions, &roles, &given);
    let mut state = State::new(&p.axes, &positions);
    votes.count(&mut state, &dead, policy);
    let conflicts = votes.conflicts(graph, &state);
    if options.policy == Policy::Error && !conflicts.is_empty() {
        return Err(SolveError::conflict(&conflicts));
    }
    let seen: RefCell<FxHashMap<usize, Known>> = RefCell::default();
    let known = |k: usize| {
        let look = || {
            let t = &graph.tensors[k];
            // What is written to is something else in the next call.
            let fixed = t.role != Role::Parameter && !p.aliases.written(t.value);
            let removed = match t.role {
                Role::Parameter if unmasked[k] => FINITE | NONZERO,
                Role::Parameter => ZERO | FINITE | NONNEG,
                _ if fixed && data.infinite(k) => 0,
                _ => FINITE,
            };
            Known { removed, all: if fixed { data.flags(k) } else { 0 } }
        };
        *seen.borrow_mut().entry(k).or_insert_with(look)
    };
    let masked =
        |k: usize, dim: usize, link| given[k].as_ref().filter(|_| unmasked[k])?.masked(&graph.tensors[k].shape, dim, link);
    let exact = options.lossless.then(|| Exact::new(graph, p, &given, data, options.bias_maps));
    let lifted = options.policy == Policy::Restore && !options.lossless;
    let zero = |k: usize| {
        let wholly = |given: &Given| !given.mask.keep.is_empty() && given.mask.keep.iter().all(|keep| *keep == 0);
        !lifted && !unmasked[k] && given[k].as_ref().is_some_and(wholly) && !p.aliases.written(graph.tensors[k].value)
    };
    drop(voting);
    let sources = Sources { known: &known, zero: &zero, masked: &masked };
    let settled = settle(graph, rules, p, &mut state, &votes, &sources, exact.as_ref());
    drop(exact);
    let Settled { uniform, folds, absent, last, mut obstacles, costs, rounds, kept, .. } = settled;
    if options.lossless {
        cost(graph, p, &state, &costs, &mut obstacles);
    }
    info!(positions = positions.atom_count(), rounds);
    let _stage = info_span!("outcome").entered();
    let conflicts = votes.conflicts(graph, &state);
    let contexts = positions.contexts.clone();
    let stays = stays(graph, p, &state, &votes, (&roles, &given, policy), &asked);
    let verdicts = options.explain.map(|id| verdicts(p, &state, &votes, policy, id));
    Ok(Solution {
        given,
        kept,
        contexts,
        uniform,
        folds,
        absent,
        verdicts,
        makes: roles.makes,
        unmasked,
        ignored,
        renamed,
        aliased,
        conflicts,
        obstacles,
        last,
        stays,
        rounds,
        lossless: options.lossless,
        whys: state.into_whys(),
    })
}
