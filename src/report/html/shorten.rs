//! Chains that a page can hold.

use super::super::explain::{Chain, Evidence, Step};

/// Of a longer chain the first and the last steps are shown, so many each.
const ENDS: usize = 12;

/// Leaves out the middle of a long chain, and of those below it.
pub fn shorten(mut chain: Chain) -> Chain {
    let n = chain.steps.len();
    if n > 2 * ENDS + 1 {
        let tail = chain.steps.split_off(n - ENDS);
        let middle = chain.steps.split_off(ENDS);
        if let (Some(first), Some(last)) = (middle.first(), middle.last()) {
            let text = format!("by {} more steps; `paring explain` shows all", middle.len());
            let evidence = vec![Evidence { text, place: None, rule: None, marked: None, because: None }];
            chain.steps.push(Step { from: first.from.clone(), to: last.to.clone(), evidence });
        }
        chain.steps.extend(tail);
    }
    for e in chain.steps.iter_mut().flat_map(|s| &mut s.evidence) {
        e.because = e.because.take().map(|c| Box::new(shorten(*c)));
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_a_long_chain_is_one_step() {
        let step = |k: usize| Step { from: format!("a{k}"), to: format!("a{}", k + 1), evidence: vec![] };
        let chain = |n| Chain {
            from: "a0".into(),
            to: format!("a{n}"),
            size: "8".into(),
            steps: (0..n).map(step).collect(),
            locked: None,
            part_of: None,
        };
        assert_eq!(shorten(chain(25)).steps.len(), 25);
        let long = shorten(chain(100));
        assert_eq!(long.steps.len(), 25);
        let middle = &long.steps[12];
        assert_eq!((middle.from.as_str(), middle.to.as_str()), ("a12", "a88"));
        assert_eq!(middle.evidence[0].text, "by 76 more steps; `paring explain` shows all");
        assert!(long.steps.windows(2).all(|w| w[0].to == w[1].from));
    }
}
