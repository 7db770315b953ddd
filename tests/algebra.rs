//! The laws of the axis algebra keep meaning: axes are built with explicit lists of positions, only axes with equal lists are
//! tied, and whatever the laws then call equal must have equal lists.

use paring::axis::{Axes, Reason};
use paring::model::Size;
use proptest::prelude::*;

/// A position: what tells it apart from all others.
type Token = u64;

/// One step in building axes; numbers choose among what is there.
#[derive(Clone, Debug)]
enum Step {
    Leaf(usize),
    Cat(Vec<usize>),
    Merge(usize, usize),
    /// Cut an axis at these places (taken modulo its size).
    Cut(usize, Vec<usize>),
    /// Read a merge as its digits.
    Split(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (1usize..6).prop_map(Step::Leaf),
        3 => prop::collection::vec(0usize..64, 2..4).prop_map(Step::Cat),
        2 => (0usize..64, 0usize..64).prop_map(|(a, b)| Step::Merge(a, b)),
        4 => (0usize..64, prop::collection::vec(0usize..64, 1..3)).prop_map(|(a, at)| Step::Cut(a, at)),
        2 => (0usize..64).prop_map(Step::Split),
    ]
}

struct World {
    axes: Axes,
    ids: Vec<egg::Id>,
    lists: Vec<Vec<Token>>,
    /// For merges: the axes that they were made of.
    digits: Vec<Option<(usize, usize)>>,
    tokens: Token,
}

fn pair(a: Token, b: Token) -> Token {
    (a ^ b.rotate_left(23)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31) ^ b.wrapping_mul(0xd6e8_feb8_6659_fd93)
}

impl World {
    fn new() -> World {
        World { axes: Axes::new(), ids: vec![], lists: vec![], digits: vec![], tokens: 1 }
    }

    fn push(&mut self, id: egg::Id, list: Vec<Token>) {
        self.ids.push(id);
        self.lists.push(list);
        self.digits.push(None);
    }

    fn reason() -> Reason {
        Reason::Input("test".into())
    }

    fn apply(&mut self, step: &Step) {
        let n = self.ids.len();
        match step {
            Step::Leaf(size) => {
                let list = (0..*size as Token).map(|k| (self.tokens + k).wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
                self.tokens += *size as Token;
                let id = self.axes.leaf(Size::from(*size));
                self.push(id, list);
            }
            _ if n == 0 => {}
            Step::Cat(which) => {
                let which: Vec<usize> = which.iter().map(|k| k % n).collect();
                let list: Vec<Token> = which.iter().flat_map(|k| self.lists[*k].clone()).collect();
                if list.len() <= 64 {
                    let parts: Vec<egg::Id> = which.iter().map(|k| self.ids[*k]).collect();
                    let id = self.axes.cat(&parts);
                    self.push(id, list);
                }
            }
            Step::Merge(a, b) => {
                let (a, b) = (a % n, b % n);
                let list: Vec<Token> = self.lists[a].iter().flat_map(|x| self.lists[b].iter().map(|y| pair(*x, *y))).collect();
                if list.len() <= 64 && self.lists[a].len() > 1 && self.lists[b].len() > 1 {
                    let id = self.axes.merge(&[self.ids[a], self.ids[b]]);
                    self.push(id, list);
                    self.digits[n] = Some((a, b));
                }
            }
            Step::Cut(whole, at) => {
                let whole = whole % n;
                let list = self.lists[whole].clone();
                let mut at: Vec<usize> = at.iter().map(|k| k % list.len().max(1)).filter(|k| *k > 0).collect();
                at.sort_unstable();
                at.dedup();
                if at.is_empty() {
                    return;
                }
                let ends: Vec<usize> = at.iter().copied().chain([list.len()]).collect();
                let starts: Vec<usize> = [0].into_iter().chain(at).collect();
                let sizes: Vec<Size> = starts.iter().zip(&ends).map(|(s, e)| Size::from(e - s)).collect();
                let pieces = self.axes.cut(self.ids[whole], &sizes, Some(Self::reason()));
                for ((piece, s), e) in pieces.into_iter().zip(starts).zip(ends) {
                    self.push(piece, list[s..e].to_vec());
                }
            }
            Step::Split(which) => {
                let Some((a, b)) = self.digits[which % n] else { return };
                let sizes = [self.lists[a].len(), self.lists[b].len()].map(Size::from);
                let digits = self.axes.split(self.ids[which % n], &sizes, Some(Self::reason()));
                for (digit, from) in digits.into_iter().zip([a, b]) {
                    self.push(digit, self.lists[from].clone());
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn laws_keep_meaning(steps in prop::collection::vec(step(), 4..40), ties in prop::collection::vec((0usize..256, 0usize..256), 0..40)) {
        let mut world = World::new();
        steps.iter().for_each(|s| world.apply(s));
        let n = world.ids.len();
        // Tie axes that are the same, in an order that proptest chooses.
        for (a, b) in ties.into_iter().filter(|_| n > 0).map(|(a, b)| (a % n, b % n)) {
            if world.lists[a] == world.lists[b] {
                world.axes.tie(world.ids[a], world.ids[b], World::reason());
            }
        }
        world.axes.saturate();
        prop_assert!(world.axes.mismatches.is_empty());
        for a in 0..n {
            for b in 0..a {
                if world.axes.class(world.ids[a]) == world.axes.class(world.ids[b]) {
                    prop_assert_eq!(&world.lists[a], &world.lists[b], "axes {} and {}", a, b);
                }
            }
        }
    }

    #[test]
    fn sizes_compute(a in -40i64..40, b in -40i64..40, c in 1i64..20) {
        let s = Size::symbol("s0", Some(7));
        let x = s.scale(a).add(&Size::int(b));
        prop_assert_eq!(x.hint(), Some(7 * a + b));
        prop_assert_eq!(x.mul(&Size::int(c)).div_exact(&Size::int(c)), Some(x.clone()));
        prop_assert_eq!(x.add(&x.scale(-1)), Size::int(0));
        prop_assert_eq!(Size::int(a).floor_div(&Size::int(c)).as_int(), Some(a.div_euclid(c)));
    }
}
