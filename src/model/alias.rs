//! Other names of stored tensors.

use super::Graph;

/// A name that a parameter has in the module that was exported, where the file gives it another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// The module's name.
    pub name: String,
    /// Indices of the stored tensors that hold it; none, if it was folded into others or nothing reads it.
    pub tensors: Vec<usize>,
    /// They have its dimensions the other way round.
    pub transposed: bool,
    /// It is one of them, and the file does not tell which.
    pub doubtful: bool,
}

impl Graph {
    /// What is known of a name in the exported module.
    pub fn alias(&self, name: &str) -> Option<&Alias> {
        self.aliases.iter().find(|a| a.name == name)
    }

    /// All names of a stored tensor, that of the file first, with whether the name's dimensions are the file's the other way round.
    pub fn names(&self, tensor: usize) -> impl Iterator<Item = (&str, bool)> {
        let own = self.tensors.get(tensor).map(|t| (t.name.as_str(), false));
        let others = self.aliases.iter().filter(move |a| a.tensors.contains(&tensor));
        own.into_iter().chain(others.map(|a| (a.name.as_str(), a.transposed)))
    }

    /// Whether one of a stored tensor's names is this, or that of a module that it is in.
    pub fn is_meant(&self, tensor: usize, name: &str) -> bool {
        let means = |own: &str| own.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        self.names(tensor).any(|(own, _)| means(own))
    }

    /// A dimension of a tensor as the exported module has it, where the file has another name for the tensor: `fc.weight[0]`.
    pub fn exported(&self, tensor: usize, dim: usize) -> Option<String> {
        let alias = self.aliases.iter().find(|a| !a.doubtful && a.tensors.contains(&tensor))?;
        let dim = if alias.transposed && dim < 2 { 1 - dim } else { dim };
        Some(format!("{}[{dim}]", alias.name))
    }

    /// For each stored tensor its name in the exported module, as far as the file tells it; else that of the file.
    pub fn module_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.tensors.iter().map(|t| t.name.as_str()).collect();
        for alias in self.aliases.iter().filter(|a| !a.doubtful) {
            // One that is stored under a name of the module has that.
            for k in alias.tensors.iter().filter(|k| !self.tensors[**k].name.contains('.')) {
                names[*k] = &alias.name;
            }
        }
        names
    }
}
