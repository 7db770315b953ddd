//! How many dimensions each ellipsis stands for.

use super::state::{ANY, Fit, ellipsis, operand_broadcasts, ranks};
use crate::rule::{Expr, Letter, Val};

impl Fit<'_> {
    pub(super) fn find_lengths(&mut self) -> Result<(), String> {
        for (arg, formula) in &self.rule.args {
            if let Expr::List(items) = formula
                && let [Expr::Spread(letter)] = items.as_slice()
                && let Some(Val::List(list)) = self.call.val(arg)
            {
                self.lengths.insert(letter.clone(), list.len());
            }
        }
        let tensors = self.tensors();
        for _ in 0..=tensors.len() {
            for (operand, value) in &tensors {
                let rank = self.shape(*value)?.len();
                let fixed = operand.dims.iter().filter(|d| !self.is_ellipsis(d) && self.present(d)).count();
                let spans: Vec<&Letter> = operand.dims.iter().filter_map(ellipsis).collect();
                let unknown: Vec<&&Letter> = spans.iter().filter(|l| !self.lengths.contains_key(&l.name)).collect();
                let known: usize = spans.iter().filter_map(|l| self.lengths.get(&l.name)).sum();
                let broadcasts = |l: &Letter| l.broadcast || operand_broadcasts(operand) || l.name == ANY;
                if let [one] = spans.as_slice()
                    && broadcasts(one)
                {
                    let len = rank.checked_sub(fixed).ok_or_else(|| ranks(operand, rank))?;
                    let most = self.lengths.entry(one.name.clone()).or_insert(len);
                    *most = len.max(*most);
                } else if let [one] = unknown.as_slice() {
                    let len = rank.checked_sub(fixed + known).ok_or_else(|| ranks(operand, rank))?;
                    self.lengths.insert(one.name.clone(), len);
                } else if unknown.is_empty() && fixed + known != rank {
                    return Err(ranks(operand, rank));
                }
            }
        }
        Ok(())
    }

    /// An ellipsis that only results have is as long as those in its formula, or as the list that it evaluates to.
    pub(super) fn lengths_of_results(&mut self) {
        for (k, dims) in self.pattern.outputs.iter().enumerate() {
            for l in dims.iter().filter_map(ellipsis) {
                if self.lengths.contains_key(&l.name) {
                    continue;
                }
                let formula = self.rule.sizes.get(&l.name);
                let named = formula.and_then(|f| names(f).iter().find_map(|n| self.lengths.get(n).copied()));
                let listed = || match formula.map(|f| self.call.eval(f)) {
                    Some(Ok(Val::List(list))) => Some(list.len()),
                    _ => None,
                };
                // Of numbers alone the result is a number.
                let none = || (l.name == ANY && self.tensors().is_empty()).then_some(0);
                let recorded = || self.call.recorded(k).and_then(|s| (s.len() + 1).checked_sub(dims.len()));
                if let Some(n) = named.or_else(listed).or_else(recorded).or_else(none) {
                    self.lengths.insert(l.name.clone(), n);
                }
            }
        }
    }

    /// Ellipses of one formula go along dimension by dimension.
    pub(super) fn equal_lengths(&self) -> Result<(), String> {
        for (letter, formula) in self.rule.sizes.iter().filter(|(l, _)| self.lengths.contains_key(*l)) {
            let names = along(formula);
            let lengths = names.iter().chain([letter]).filter_map(|n| Some((n, self.lengths.get(n)?))).collect::<Vec<_>>();
            if let Some([(a, n), (b, m)]) = lengths.windows(2).find(|w| w[0].1 != w[1].1) {
                return Err(format!("`{a}...` stands for {n} dimensions and `{b}...` for {m}"));
            }
        }
        Ok(())
    }
}

/// All names in a formula.
fn names(e: &Expr) -> Vec<String> {
    let all = |list: &[Expr]| list.iter().flat_map(names).collect::<Vec<_>>();
    match e {
        Expr::Name(n) | Expr::Spread(n) => vec![n.clone()],
        Expr::List(items) | Expr::Call(_, items) => all(items),
        Expr::Index(a, b) | Expr::Binary(_, a, b) => [names(a), names(b)].concat(),
        Expr::Unary(_, e) => names(e),
        Expr::Compare(e, rest) => rest.iter().fold(names(e), |n, (_, e)| [n, names(e)].concat()),
        Expr::If(a, b, c) => [names(a), names(b), names(c)].concat(),
        _ => Vec::new(),
    }
}

/// The names that a formula takes one by one, not all at once as `s...`.
fn along(e: &Expr) -> Vec<String> {
    match e {
        Expr::Name(n) => vec![n.clone()],
        Expr::Binary(_, a, b) => [along(a), along(b)].concat(),
        Expr::Unary(_, e) => along(e),
        Expr::If(a, _, b) => [along(a), along(b)].concat(),
        _ => Vec::new(),
    }
}
