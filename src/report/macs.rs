//! Multiply-accumulate operations of a program, from its rules.

use crate::axis::{Bound, LetterId, Propagation};

/// Multiply-accumulates of one forward pass (symbolic sizes as in the traced example): for every contraction, the elements
/// of the result times the positions that are summed over. A letter that only a large operand has (the space that a
/// convolution's window runs over) is none of them.
pub fn macs(p: &Propagation) -> u64 {
    p.bounds().map(of_node).fold(0, u64::saturating_add)
}

fn of_node(bound: &Bound) -> u64 {
    let summed = bound.summed();
    let holders = |l: LetterId| bound.tensors().filter(|(o, _)| o.holds(l)).count();
    if bound.tensors().count() < 2 || !summed.iter().any(|l| holders(*l) > 1) {
        return 0;
    }
    // The weight: of the operands that share a summed letter with others the one with the fewest letters of the result.
    let len = |l: LetterId| bound.letters[l as usize].len() as u64;
    let weight = bound
        .tensors()
        .filter(|(o, _)| summed.iter().any(|l| o.holds(*l) && holders(*l) > 1))
        .min_by_key(|(o, _)| o.dims.iter().flat_map(|d| d.letters()).filter(|l| !summed.contains(l)).count());
    let Some((weight, _)) = weight else { return 0 };
    let over: u64 = summed.iter().filter(|l| weight.holds(**l)).map(|l| len(*l)).product();
    let out: u64 = bound.outputs.first().map_or(1, |o| o.dims.iter().map(|d| d.len(&bound.letters) as u64).product());
    out.saturating_mul(over)
}
