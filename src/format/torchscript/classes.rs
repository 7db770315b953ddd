//! The tree of modules that holds a model's tensors under their dotted names, a class for each module.

use indexmap::IndexMap;

use crate::model::{Graph, Role};

/// A module: its class, its tensors and its sub-modules by attribute.
#[derive(Debug, Default)]
pub(super) struct Module {
    /// Dotted name of its class: `__torch__.Net`.
    pub(super) class: String,
    /// Attribute, tensor.
    pub(super) tensors: IndexMap<String, usize>,
    /// Attribute, sub-module.
    pub(super) modules: IndexMap<String, Module>,
}

impl Module {
    /// The tree of a graph's tensors. `class` may name the class of a module, by its path; others get one of their own.
    pub(super) fn tree(graph: &Graph, class: &dyn Fn(&str) -> Option<String>) -> Module {
        let mut root = Module::default();
        for (k, t) in graph.tensors.iter().enumerate() {
            let mut at = &mut root;
            let (path, mut leaf) = match t.name.rsplit_once('.') {
                Some((path, leaf)) => (path, leaf.to_owned()),
                None => ("", t.name.clone()),
            };
            for part in path.split('.').filter(|p| !p.is_empty()) {
                at = at.modules.entry(part.to_owned()).or_default();
            }
            while at.tensors.contains_key(&leaf) || leaf == "training" {
                leaf.push('_');
            }
            at.tensors.insert(leaf, k);
        }
        root.settle("", class, &mut 0);
        root
    }

    fn settle(&mut self, path: &str, class: &dyn Fn(&str) -> Option<String>, count: &mut usize) {
        // An attribute is a tensor or a module: where the names of both meet, the tensor's gets longer.
        for name in self.modules.keys() {
            if let Some(k) = self.tensors.shift_remove(name) {
                let mut free = format!("{name}_");
                while self.tensors.contains_key(&free) || self.modules.contains_key(&free) {
                    free.push('_');
                }
                self.tensors.insert(free, k);
            }
        }
        self.class = class(path).unwrap_or_else(|| match path {
            "" => "__torch__.Net".to_owned(),
            _ => {
                *count += 1;
                format!("__torch__.net.Module{count}")
            }
        });
        for (name, module) in &mut self.modules {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            module.settle(&path, class, count);
        }
    }

    /// The expression that reads each tensor, from `self` on.
    pub(super) fn readers(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        self.collect("self", &mut found);
        found
    }

    fn collect(&self, owner: &str, found: &mut Vec<(usize, String)>) {
        found.extend(self.tensors.iter().map(|(name, k)| (*k, attribute(owner, name))));
        for (name, module) in &self.modules {
            module.collect(&attribute(owner, name), found);
        }
    }

    /// The text of each class but the root's `forward`, with the namespace that it stands in: `__torch__`, `class Net...`.
    pub(super) fn classes(&self, graph: &Graph, forward: &str, found: &mut Vec<(String, String)>) {
        for module in self.modules.values() {
            module.classes(graph, "", found);
        }
        let (namespace, class) = self.class.rsplit_once('.').unwrap_or(("__torch__", &self.class));
        let named = |role: fn(Role) -> bool| {
            let of = self.tensors.iter().filter(|(_, k)| role(graph.tensors[**k].role));
            of.map(|(name, _)| format!("\"{name}\", ")).collect::<String>()
        };
        let mut text = format!("class {class}(Module):\n");
        text += &format!("  __parameters__ = [{}]\n", named(|r| r == Role::Parameter));
        // Constants too, so that they move with the module to another device.
        text += &format!("  __buffers__ = [{}]\n", named(|r| r != Role::Parameter));
        for name in self.tensors.keys() {
            text += &declaration(name, "Tensor");
        }
        text += &declaration("training", "bool");
        for (name, module) in &self.modules {
            text += &declaration(name, &module.class);
        }
        text += forward;
        found.push((namespace.to_owned(), text));
    }
}

fn declaration(name: &str, ty: &str) -> String {
    match is_identifier(name) {
        true => format!("  {name} : {ty}\n"),
        false => format!("  __annotations__[\"{name}\"] = {ty}\n"),
    }
}

fn attribute(owner: &str, name: &str) -> String {
    match is_identifier(name) {
        true => format!("{owner}.{name}"),
        false => format!("getattr({owner}, \"{name}\")"),
    }
}

/// Words that TorchScript's parser takes for itself.
const WORDS: [&str; 38] = [
    "and", "annotate", "as", "assert", "break", "class", "continue", "def", "del", "elif", "else", "except", "False", "finally",
    "for", "from", "global", "if", "import", "in", "inf", "is", "lambda", "nan", "None", "nonlocal", "not", "ops", "or", "pass",
    "raise", "return", "self", "torch", "True", "while", "with", "yield",
];

/// Whether a name can stand as a variable or an attribute.
pub(super) fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !WORDS.contains(&name)
}
