//! What classes of modules call their sizes: `- module:` entries of rule files, for models that are cut in place.

use std::sync::{Arc, OnceLock};

use indexmap::IndexMap;
use miette::NamedSource;

use super::ast::Expr;
use super::builtin;
use super::error::RuleError;
use super::reader::Reader;
use super::tree::{self, Content, Node};

/// The keys of an entry.
const KEYS: [&str; 4] = ["module", "sizes", "repaired", "absorbs"];

/// An entry: classes of modules, and the attributes that follow from what is left of them.
#[derive(Clone, Debug)]
pub struct ModuleSizes {
    /// The classes, such as `torch.nn.Linear`: the package that a class is in, or one that contains it, and its name.
    pub classes: Vec<String>,
    /// Attribute and its value.
    pub sizes: IndexMap<String, Expr>,
    /// What makes up for statistics that are over fewer positions than they were.
    pub repaired: Option<Repaired>,
    /// Arguments that the class cannot state: what to multiply parameters by instead.
    pub absorbs: IndexMap<String, IndexMap<String, Expr>>,
}

/// What makes up for statistics that are over fewer positions.
#[derive(Clone, Debug, Default)]
pub struct Repaired {
    /// The class that takes the module's place; none, where the class itself can.
    pub class: Option<String>,
    /// Further attributes and their values.
    pub sizes: IndexMap<String, Expr>,
    /// Parameters and the factor that they are multiplied by.
    pub scale: IndexMap<String, Expr>,
}

impl ModuleSizes {
    /// Whether the entry names a class, which is defined in this Python module under this name.
    pub fn names(&self, module: &str, class: &str) -> bool {
        self.classes.iter().any(|known| {
            let Some((package, name)) = known.rsplit_once('.') else { return known == class };
            let inside = module.strip_prefix(package).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
            name == class && inside
        })
    }
}

/// True for an entry of a rule file that is about modules and not about operators.
pub(super) fn is_module(node: &Node) -> bool {
    node.has("module")
}

/// What the built-in files say of PyTorch's classes of modules.
pub(super) fn built_in() -> &'static [ModuleSizes] {
    static READ: OnceLock<Vec<ModuleSizes>> = OnceLock::new();
    READ.get_or_init(|| builtin::files_with("module").flat_map(|source| load(source, &mut Vec::new())).collect())
}

/// Reads the entries about modules of one file; what is wrong in them is reported.
pub(super) fn load(source: &Arc<NamedSource<String>>, errors: &mut Vec<RuleError>) -> Vec<ModuleSizes> {
    tree::entries_of(source, is_module).iter().filter_map(|node| Reader::new(source, errors).module(node)).collect()
}

impl Reader<'_> {
    fn module(&mut self, node: &Node) -> Option<ModuleSizes> {
        let Content::Map(pairs) = &node.content else { return None };
        let mut out = ModuleSizes { classes: Vec::new(), sizes: IndexMap::new(), repaired: None, absorbs: IndexMap::new() };
        for (key, value) in pairs {
            match key.text().unwrap_or("") {
                "module" => out.classes = self.strings("module", value),
                "sizes" => out.sizes = self.formulas("sizes", value),
                "repaired" => out.repaired = Some(self.repaired(value)),
                "absorbs" => out.absorbs = self.absorbs(value),
                _ => self.unknown_key(key, &KEYS),
            }
        }
        (!out.classes.is_empty()).then_some(out)
    }

    fn absorbs(&mut self, node: &Node) -> IndexMap<String, IndexMap<String, Expr>> {
        let Content::Map(pairs) = &node.content else {
            self.wrong_type(node, "a map of arguments to parameters and their factors");
            return IndexMap::new();
        };
        let one =
            |(key, value): &(Node, Node)| Some((self.text(key, "the name of an argument")?, self.formulas("absorbs", value)));
        pairs.iter().filter_map(one).collect()
    }

    fn repaired(&mut self, node: &Node) -> Repaired {
        let mut out = Repaired::default();
        let Content::Map(pairs) = &node.content else {
            self.wrong_type(node, "a map with `class:`, `scale:` and attributes");
            return out;
        };
        for (key, value) in pairs {
            match key.text().unwrap_or("") {
                "class" => out.class = self.text(value, "the name of a class"),
                "scale" => out.scale = self.formulas("scale", value),
                name => out.sizes.extend(self.formula(value).map(|e| (name.to_owned(), e))),
            }
        }
        out
    }
}
