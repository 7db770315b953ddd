//! Letters and arguments in formulas.

use super::state::Fit;
use crate::model::{Arg, Size};
use crate::rule::{EvalError, Expr, Scope, Val};

/// Letters and arguments, for formulas of sizes.
pub(super) struct Letters<'a, 'b> {
    /// The letters so far.
    pub fit: &'a Fit<'b>,
    /// Of ellipses, which dimension is meant.
    pub item: Option<usize>,
}

impl Scope for Letters<'_, '_> {
    fn get(&self, name: &str) -> Option<Val> {
        let fit = self.fit;
        let item = |i: usize| fit.index.get(&(name.to_owned(), i)).copied();
        let letter = if fit.lengths.contains_key(name) { self.item.and_then(item) } else { item(0) };
        if let Some(l) = letter {
            return fit.known[l as usize].then(|| Val::Size(fit.letters[l as usize].size.clone()));
        }
        let spanned = |i: usize| -> Option<Val> {
            match fit.call.val(name)? {
                Val::List(list) => list.get(i).or(if list.len() == 1 { list.first() } else { None }).cloned(),
                other => Some(other),
            }
        };
        let is_tensor = matches!(fit.call.node.arg(name), Some(Arg::Tensor(_)));
        match self.item {
            Some(i) if !fit.lengths.is_empty() && !is_tensor => match fit.call.val(name)? {
                Val::List(list) if list.is_empty() => Some(Val::List(list)),
                _ => spanned(i),
            },
            _ => fit.call.val(name),
        }
    }

    fn shape(&self, operand: &str) -> Option<Vec<Size>> {
        Scope::shape(self.fit.call, operand)
    }

    fn call(&self, function: &str, args: &[Expr]) -> Option<Result<Val, EvalError>> {
        Scope::call(self.fit.call, function, args)
    }

    fn spread(&self, letter: &str) -> Option<Vec<Size>> {
        let n = *self.fit.lengths.get(letter)?;
        (0..n).map(|i| self.fit.index.get(&(letter.to_owned(), i)).map(|l| self.fit.letters[*l as usize].size.clone())).collect()
    }
}
