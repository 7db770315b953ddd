//! Fitting a pattern to a node.

use smallvec::SmallVec;

use super::scope::Letters;
use super::sizes::same;
use super::state::Fit;
use crate::axis::node::{BoundOperand, BoundOutput, Call, Given, LetterId, Sketch};
use crate::rule::{Dim, Pattern, Rule, eval};

/// Fits one pattern of a rule to a node.
///
/// # Errors
/// A sentence that says what does not fit.
pub fn fit(pattern: &Pattern, rule: &Rule, call: &Call) -> Result<Sketch, String> {
    let optional = pattern.operands.iter().any(|o| o.dims.iter().any(|d| matches!(d, Dim::Letter(l) if l.optional)));
    match Fit::new(pattern, rule, call, true).and_then(Fit::run) {
        Err(_) if optional => Fit::new(pattern, rule, call, false)?.run(),
        result => result,
    }
}

impl Fit<'_> {
    fn run(mut self) -> Result<Sketch, String> {
        self.find_lengths()?;
        let mut operands = Vec::new();
        for (operand, given) in self.given.clone() {
            let Some(given) = given else { continue };
            let dims = match given {
                Given::Tensor(v) => {
                    let rank = self.shape(v)?.len();
                    self.dims(&operand.dims, Some(rank)).map_err(|e| format!("`{operand}` has {e}"))?
                }
                Given::Number(_) => Vec::new(),
            };
            operands
                .push((operand, BoundOperand { arg: operand.label(), given, read: !operand.unread, dims, at: SmallVec::new() }));
        }
        self.sizes_of_letters(&operands)?;
        let inputs = self.letters.len();
        self.lengths_of_results();
        self.equal_lengths()?;
        let mut outputs = Vec::new();
        let used = self.call.node.outputs.len();
        for (dims, value) in self.pattern.outputs.iter().zip(self.call.outputs()).take(used.max(1)) {
            outputs.push(BoundOutput { value, dims: self.dims(dims, None)?, at: SmallVec::new() });
        }
        for l in inputs..self.letters.len() {
            self.letters[l].made = true;
            self.letters[l].free = self.rule.free.contains(&self.letters[l].name);
        }
        self.derive(&operands)?;
        self.recorded(&outputs);
        if let Some(l) = self.known.iter().position(|k| !k) {
            return Err(format!("the size of `{}` cannot be derived", self.letters[l].name));
        }
        let mut operands: Vec<BoundOperand> = self.check(operands)?;
        operands.iter_mut().for_each(|o| self.mark_broadcast(o));
        let through = self.through(&mut outputs)?;
        Ok(Sketch { letters: self.letters, operands, outputs, through, ..Sketch::default() })
    }

    /// Puts the operands' letters in the place of those of results that are the same here; gives those pairs.
    fn through(&self, outputs: &mut [BoundOutput]) -> Result<Vec<(LetterId, LetterId)>, String> {
        let mut found = Vec::new();
        for (name, through) in &self.rule.through {
            for item in 0..self.lengths.get(name).copied().unwrap_or(1) {
                let of = |name: &str| self.index.get(&(name.to_owned(), item)).copied();
                let (Some(made), Some(letter)) = (of(name), of(&through.of)) else { continue };
                let scope = Letters { fit: self, item: self.lengths.contains_key(name).then_some(item) };
                if !eval(&through.when, &scope).map_err(|e| format!("`through: {name}`: {e}"))?.truthy() {
                    continue;
                }
                let (size, old) = (&self.letters[made as usize].size, &self.letters[letter as usize].size);
                if !same(size, old) {
                    return Err(format!("`{name}` is `{}` by `through:`, but one is {size} and the other {old}", through.of));
                }
                outputs.iter_mut().flat_map(|o| &mut o.dims).for_each(|d| d.rename(made, letter));
                found.push((made, letter));
            }
        }
        Ok(found)
    }
}
