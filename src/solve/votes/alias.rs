//! Masks by names that parameters have in the module that was exported, where the file gives them others.

use std::collections::HashMap;

use super::error::SolveError;
use crate::model::{Alias, Graph};

/// Masks that were given by such names.
#[derive(Clone, Debug, Default)]
pub struct Aliased {
    /// The names and what the file calls them, with whether it is transposed.
    pub found: Vec<(String, Vec<String>, bool)>,
    /// Names that the file has nothing of its own for.
    pub lost: Vec<String>,
}

/// Finds tensors by such names.
pub(super) struct Aliases<'g> {
    graph: &'g Graph,
    known: HashMap<&'g str, &'g Alias>,
    /// By tensor the name of the mask that it has.
    given: HashMap<usize, String>,
    pub(super) used: Aliased,
}

impl<'g> Aliases<'g> {
    pub(super) fn new(graph: &'g Graph) -> Aliases<'g> {
        let known = graph.aliases.iter().map(|a| (a.name.as_str(), a)).collect();
        Aliases { graph, known, given: HashMap::new(), used: Aliased::default() }
    }

    /// What else a name means. A stored tensor of that name, `direct`, may have copies.
    pub(super) fn of(&mut self, name: &str, direct: Option<usize>) -> Result<Option<&'g Alias>, SolveError> {
        let Some(alias) = self.known.get(name).copied() else { return Ok(None) };
        let tensors = || alias.tensors.iter().map(|k| self.graph.tensors[*k].name.clone()).collect::<Vec<String>>();
        if alias.doubtful && direct.is_some() {
            return Ok(None);
        }
        if alias.doubtful {
            return Err(SolveError::Doubtful { name: name.to_owned(), tensors: tensors() });
        }
        if alias.tensors.is_empty() {
            self.used.lost.push(name.to_owned());
        } else {
            self.used.found.push((name.to_owned(), tensors(), alias.transposed));
        }
        Ok(Some(alias))
    }

    /// Notes that the mask of this name is the tensor's, which may have one under another name if that is the same: `equal`.
    pub(super) fn give(&mut self, tensor: usize, name: &str, equal: bool) -> Result<(), SolveError> {
        match self.given.insert(tensor, name.to_owned()) {
            Some(one) if !equal => {
                let tensor = self.graph.tensors[tensor].name.clone();
                Err(SolveError::Twice { one, other: name.to_owned(), tensor })
            }
            _ => Ok(()),
        }
    }
}
