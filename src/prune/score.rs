//! How much each unit matters: the importance of a position, summed over everything that is coupled to it.

use super::error::PruneError;
use super::options::By;
use crate::axis::Propagation;
use crate::load::Model;
use crate::model::Role;
use crate::solve::Units;

/// A number for each unit: the least goes first.
pub fn scores(model: &Model, p: &Propagation, units: &Units, by: By, seed: u64) -> Result<Vec<f64>, PruneError> {
    let mut scores = vec![0.0; units.count()];
    if by == By::Random {
        scores.iter_mut().enumerate().for_each(|(n, s)| *s = random(seed, n as u64));
        return Ok(scores);
    }
    let first = model.graph.first_names();
    let mut scaled = vec![false; units.count()];
    let mut scales = vec![0.0; units.count()];
    for (k, t) in model.graph.tensors.iter().enumerate().filter(|(k, t)| t.role == Role::Parameter && first[*k] == *k) {
        let dims: Vec<_> = (0..t.shape.len()).filter_map(|d| Some((d, units.of(&model.graph, p, k, d)?))).collect();
        if dims.is_empty() {
            continue;
        }
        let values = model.elements(t).ok_or_else(|| PruneError::Weight { name: t.name.clone() })?;
        for (d, of) in dims {
            let makes = units.makes(k, d);
            let mut sums = vec![0.0; of.list.len()];
            if by == By::Fpgm {
                if makes {
                    let mut slices = vec![Vec::new(); of.list.len()];
                    of.each(&t.shape, d, |n, at| slices[at].push(values[n] as f32));
                    sums = distances(&slices);
                }
            } else {
                let size = |x: f64| if by == By::L2 { x * x } else { x.abs() };
                of.each(&t.shape, d, |n, at| sums[at] += size(values[n]));
            }
            // A gain, as norms have.
            let gain = by == By::Bn && units.scales(k) && !makes && !units.reads(k, d);
            for (sum, atoms) in sums.iter().zip(&of.list) {
                for atom in *atoms {
                    scores[*atom as usize] += sum;
                    if gain {
                        scales[*atom as usize] += sum;
                        scaled[*atom as usize] = true;
                    }
                }
            }
        }
    }
    if by == By::L2 {
        scores.iter_mut().for_each(|s| *s = s.sqrt());
    }
    // Norms decide where a group has any.
    for group in &units.groups {
        let all = || group.units.iter().flatten().map(|u| *u as usize);
        if all().all(|u| scaled[u]) {
            all().for_each(|u| scores[u] = scales[u]);
        }
    }
    // A weight that is no number does not go first: it is somebody's bug, which pruning must not hide.
    scores.iter_mut().filter(|s| s.is_nan()).for_each(|s| *s = f64::INFINITY);
    Ok(scores)
}

/// For each slice the sum of its distances to the others: what lies in the middle can be replaced by the rest.
fn distances(slices: &[Vec<f32>]) -> Vec<f64> {
    let mut sums = vec![0.0; slices.len()];
    for i in 0..slices.len() {
        for j in 0..i {
            let square: f32 = slices[i].iter().zip(&slices[j]).map(|(a, b)| (a - b) * (a - b)).sum();
            let distance = f64::from(square).sqrt();
            sums[i] += distance;
            sums[j] += distance;
        }
    }
    sums
}

/// A number in [0, 1) that depends on the seed and the place only.
fn random(seed: u64, n: u64) -> f64 {
    let mut x = seed.wrapping_add((n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x ^ (x >> 31)) as f64 / 2f64.powi(64)
}
