//! What variables and expressions stand for while the code is followed.

use crate::model::ValueId;

/// A value of the code.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Item {
    /// `None`
    None,
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// A text.
    Str(String),
    /// A device, as the text of a `.pt2` file.
    Device(String),
    /// A number that is computed from sizes.
    Number(ValueId, Wrapped),
    /// A tensor.
    Tensor(ValueId),
    /// A constant of the archive, by number.
    Constant(usize),
    /// The results of a node that gives a list, by the node's place; how many there are is seen where they are used.
    Results(usize),
    /// All sizes of a tensor.
    Sizes(ValueId),
    /// A list.
    List(Vec<Item>),
    /// A tuple.
    Tuple(Vec<Item>),
    /// A dictionary.
    Dict(Vec<(Item, Item)>),
    /// A module, by number.
    Module(usize),
}

/// How a number is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrapped {
    /// As a number.
    Plain,
    /// As a tensor without dimensions: traces compute with sizes in such.
    Tensor,
}

impl Item {
    /// How much is copied with it.
    pub(super) fn count(&self) -> usize {
        match self {
            Item::List(items) | Item::Tuple(items) => items.iter().map(Item::count).sum::<usize>() + 1,
            Item::Dict(pairs) => pairs.iter().map(|(k, v)| k.count() + v.count()).sum::<usize>() + 1,
            Item::Str(text) | Item::Device(text) => text.len() / 64 + 1,
            _ => 1,
        }
    }

    /// What it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Item::None => "None",
            Item::Bool(_) => "a truth value",
            Item::Int(_) | Item::Float(_) | Item::Number(..) => "a number",
            Item::Str(_) => "a text",
            Item::Device(_) => "a device",
            Item::Tensor(_) | Item::Constant(_) => "a tensor",
            Item::Results(_) | Item::List(_) | Item::Sizes(_) => "a list",
            Item::Tuple(_) => "a tuple",
            Item::Dict(_) => "a dictionary",
            Item::Module(_) => "a module",
        }
    }
}
