//! Sizes that a file claims for its tensors, against the bytes that are behind them.
//!
//! Views may repeat what is stored and may overlap; what works with tensors takes memory for each of their elements. So what they
//! all come to is bounded by what the file holds, and everything after relies on it.

use rustc_hash::FxHashSet;

/// Bytes that views may come to for each byte that is stored.
const VIEWS: u64 = 8;
/// And these, for small tensors that are expanded.
const FREE: u64 = 16 << 20;
/// The longest axis of a tensor that has no data.
const LONGEST: usize = 1 << 24;
/// The most elements of a tensor whose data are elsewhere.
const MOST: usize = 1 << 31;

/// How a tensor lies in its storage.
pub(super) struct Layout<'a> {
    pub(super) storage: usize,
    pub(super) offset: usize,
    pub(super) shape: &'a [usize],
    pub(super) strides: &'a [usize],
    /// Bytes of an element.
    pub(super) width: usize,
    /// Its data are not in the file.
    pub(super) bare: bool,
}

/// What is wrong with the first tensor that claims too much, by its place in the list; `stored` are the bytes of all storages.
pub(super) fn excess<'a>(tensors: impl IntoIterator<Item = Layout<'a>>, stored: u64) -> Option<(usize, String)> {
    let limit = stored.saturating_mul(VIEWS).saturating_add(FREE);
    let (mut claimed, mut seen) = (0u64, FxHashSet::default());
    for (k, t) in tensors.into_iter().enumerate() {
        let numel = t.shape.iter().try_fold(1usize, |a, n| a.checked_mul(*n)).unwrap_or(usize::MAX);
        if t.bare || numel == 0 {
            if t.shape.iter().any(|n| *n > LONGEST) || numel > MOST {
                return Some((k, format!("it has sizes {:?} and no data", t.shape)));
            }
        } else if seen.insert((t.storage, t.offset, t.shape, t.strides)) {
            claimed = claimed.saturating_add((numel as u64).saturating_mul(t.width as u64));
            if claimed > limit {
                return Some((
                    k,
                    format!("with sizes {:?} the tensors come to {claimed} bytes, where {stored} are stored", t.shape),
                ));
            }
        }
    }
    None
}
