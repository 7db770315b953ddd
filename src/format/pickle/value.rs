//! What a pickle holds.

use std::rc::Rc;

use crate::model::DType;

/// What a pickle holds. Clones share; a value that the pickle memoises is shared as well.
#[derive(Clone, Debug, PartialEq)]
pub enum Pickle {
    /// `None`.
    None,
    /// A boolean.
    Bool(bool),
    /// An integer of 64 bits; a larger one is an [`Object`] of the class `builtins.int`.
    Int(i64),
    /// A float.
    Float(f64),
    /// A text.
    Str(Rc<str>),
    /// Bytes.
    Bytes(Rc<[u8]>),
    /// A list, or a set.
    List(Rc<[Pickle]>),
    /// A tuple, a `torch.Size`, or a frozen set.
    Tuple(Rc<[Pickle]>),
    /// A dict or an `OrderedDict`, in its order.
    Dict(Rc<[(Pickle, Pickle)]>),
    /// A tensor.
    Tensor(Rc<TensorRef>),
    /// A class, function or constant by its dotted name, which nobody called.
    Global(Rc<str>),
    /// An object of a class, or a call of a function, that is not known here.
    Object(Rc<Object>),
}

/// A tensor of a pickle: a view of a storage that lies elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorRef {
    /// The key of its storage: the data are the member `data/<key>` of the archive.
    pub key: Rc<str>,
    /// Element type.
    pub dtype: DType,
    /// Offset of the first element in the storage, in elements.
    pub offset: usize,
    /// Sizes, in elements.
    pub shape: Vec<usize>,
    /// Strides, in elements.
    pub strides: Vec<usize>,
    /// Whether it wants gradients.
    pub requires_grad: bool,
    /// Whether it is an `nn.Parameter`.
    pub parameter: bool,
}

/// What is known of an object whose class is not.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Dotted name of the class or function, such as `__torch__.torch.nn.modules.linear.Linear`.
    pub class: Rc<str>,
    /// What it was called with.
    pub args: Vec<Pickle>,
    /// Its state: most often a dict of attributes.
    pub state: Option<Pickle>,
    /// Items that were appended to it.
    pub items: Vec<Pickle>,
    /// Entries that were set in it.
    pub entries: Vec<(Pickle, Pickle)>,
}

impl Pickle {
    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Pickle::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The entries, if it is a dict.
    pub fn as_dict(&self) -> Option<&[(Pickle, Pickle)]> {
        match self {
            Pickle::Dict(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value under a key of a dict.
    pub fn get(&self, key: &str) -> Option<&Pickle> {
        self.as_dict()?.iter().rev().find(|(k, _)| k.as_str() == Some(key)).map(|(_, v)| v)
    }

    /// What it is, in Python's words, for messages.
    pub fn kind(&self) -> &str {
        match self {
            Pickle::None => "None",
            Pickle::Bool(_) => "a bool",
            Pickle::Int(_) => "an int",
            Pickle::Float(_) => "a float",
            Pickle::Str(_) => "a str",
            Pickle::Bytes(_) => "bytes",
            Pickle::List(_) => "a list",
            Pickle::Tuple(_) => "a tuple",
            Pickle::Dict(_) => "a dict",
            Pickle::Tensor(_) => "a tensor",
            Pickle::Global(name) => name,
            Pickle::Object(object) => &object.class,
        }
    }
}

impl Object {
    /// An attribute of its state.
    pub fn attribute(&self, name: &str) -> Option<&Pickle> {
        self.state.as_ref()?.get(name)
    }
}
