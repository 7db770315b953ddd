//! The traced model in memory: values, nodes, weights, and where each came from.
//!
//! A [`Graph`] holds one program with the sub-graphs of wrapper operators already entered: its nodes stand in execution
//! order whatever graph of the file they came from. Nothing here knows what an operator means.

mod alias;
mod size;

use std::collections::HashMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

pub use alias::Alias;
pub use size::{Monomial, Size};

/// Index of a [`Value`] in [`Graph::values`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub u32);

/// Index of a [`Node`] in [`Graph::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

impl ValueId {
    /// The index as a `usize`.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl NodeId {
    /// The index as a `usize`.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One traced program.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// All values, of every graph of the file. Names of a sub-graph that stand for an outer value share its id.
    pub values: Vec<Value>,
    /// All operators in execution order.
    pub nodes: Vec<Node>,
    /// Weights, buffers and constants, in the order of the graph's inputs.
    pub tensors: Vec<Tensor>,
    /// What the caller passes in, in order: tensors and symbolic scalars.
    pub inputs: Vec<ValueId>,
    /// What the program returns (tensors), and values that a mutation writes back.
    pub outputs: Vec<ValueId>,
    /// Which of the outputs are not returned but written back: place in `outputs`, and the tensor or input that is written.
    pub updates: Vec<(usize, ValueId)>,
    /// Values that are short lists of integers or truth values which nothing writes, as far as they are known.
    pub lists: FxHashMap<ValueId, Arc<[i64]>>,
    /// What small tensors hold, where the program's sizes and constants tell it and nothing writes them.
    pub contents: FxHashMap<ValueId, Content>,
    /// Names that tensors have in the module that was exported, where the file gives them others.
    pub aliases: Vec<Alias>,
    /// The version of each set of operators, where operators have versions.
    pub versions: Vec<(String, i64)>,
    /// A part of it runs under autocast, where operators choose other element types than those of their operands.
    pub autocast: bool,
}

/// The elements of a small tensor, row-major.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Integers and truth values, which may be computed from sizes.
    Sizes(Arc<[Size]>),
    /// Numbers with a fraction.
    Numbers(Arc<[f64]>),
}

impl Content {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Content::Sizes(list) => list.len(),
            Content::Numbers(list) => list.len(),
        }
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The integers, if all are plain ones.
    pub fn integers(&self) -> Option<Vec<i64>> {
        match self {
            Content::Sizes(list) => list.iter().map(Size::as_int).collect(),
            Content::Numbers(_) => None,
        }
    }
}

/// A tensor or a symbolic scalar.
#[derive(Clone, Debug)]
pub struct Value {
    /// Its name in the file.
    pub name: String,
    /// The recorded sizes of a tensor; `None` for a scalar, or where the file records none.
    pub shape: Option<Vec<Size>>,
    /// The element type of a tensor.
    pub dtype: DType,
    /// For a symbolic scalar: the size it holds, as far as the file tells.
    pub scalar: Option<Size>,
}

/// One call of an operator.
#[derive(Clone, Debug)]
pub struct Node {
    /// The node's own name, for messages.
    pub name: String,
    /// `namespace.operator.overload`, without `torch.ops.`: `aten.conv2d.default`, or `_operator.mul`.
    pub target: String,
    /// Arguments by schema name, in the order of the file. Trailing defaults are absent.
    pub args: Vec<(String, Arg)>,
    /// Tensors and scalars produced; a list output is flattened in.
    pub outputs: Vec<ValueId>,
    /// The outputs are the elements of one list, as those of a `chunk`, and not results of their own.
    pub listed: bool,
    /// Where the traced Python stands.
    pub source: Source,
    /// Number of the graph of the file that it stands in: 0 is the outermost, others are sub-graphs.
    pub graph: usize,
    /// Where it stands in the file.
    pub origin: Origin,
}

/// Where a node stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// At this position in its graph's list of nodes.
    Listed(usize),
    /// Nowhere by itself: it says what a condition or a loop does with its values, and belongs to that.
    Implied,
    /// Nowhere: a plan inserted it. It stands for the node at this position of its graph, whose module and line it has; `None`
    /// where it stands for none.
    New(Option<usize>),
}

/// An argument of a node.
#[derive(Clone, Debug, PartialEq)]
pub enum Arg {
    /// `None`.
    None,
    /// An integer literal.
    Int(i64),
    /// A float literal.
    Float(f64),
    /// A boolean literal.
    Bool(bool),
    /// A string literal.
    Str(String),
    /// A symbolic scalar, computed by another node.
    Scalar(ValueId),
    /// A tensor.
    Tensor(ValueId),
    /// A list: of numbers, or of tensors (`None` among them for optional ones).
    List(Vec<Arg>),
    /// What no analysis reads: a dtype, device, layout, memory format, sub-graph. The file's own JSON text.
    Opaque(String),
}

/// Where a node comes from in the user's Python, from `stack_trace` and `nn_module_stack`.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The user's frames, innermost last.
    pub frames: Vec<Frame>,
    /// Dotted path of the innermost module, e.g. `layer1.0.conv2`; empty at the top.
    pub module: String,
}

impl Source {
    /// The frame to show: the innermost one that is not inside PyTorch itself, else the innermost.
    pub fn frame(&self) -> Option<&Frame> {
        let own =
            |f: &&Frame| !f.file.starts_with('<') && !["/torch/nn/", "/torch/_"].iter().any(|inside| f.file.contains(inside));
        self.frames.iter().rev().find(own).or(self.frames.last())
    }

    /// That frame as reports show it: `model.py:12: return x + y`. Of an installed package the line alone tells little, as all modules of
    /// a class share it: `torchvision/models/resnet.py:92 in layer1.0: out += identity`.
    pub fn line(&self) -> Option<String> {
        let frame = self.frame()?;
        let installed = ["/site-packages/", "/dist-packages/"].iter().find_map(|folder| frame.file.rsplit_once(folder));
        Some(match installed {
            Some((_, file)) if !self.module.is_empty() => {
                format!("{file}:{} in {}: {}", frame.line, self.module, frame.text)
            }
            Some((_, file)) => format!("{file}:{}: {}", frame.line, frame.text),
            None => format!("{}:{}: {}", frame.file, frame.line, frame.text),
        })
    }
}

/// A line of Python.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Path as recorded by the exporter.
    pub file: String,
    /// Line number, from 1.
    pub line: u32,
    /// Function name.
    pub function: String,
    /// The line's text.
    pub text: String,
}

/// What a stored tensor is to the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A trainable parameter: masks may name it.
    Parameter,
    /// A buffer, persistent or not.
    Buffer,
    /// A plain tensor attribute or a literal lifted out of the program.
    Constant,
}

/// A stored tensor: a parameter, buffer or constant.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// Its dotted name, e.g. `layer1.0.conv2.weight`.
    pub name: String,
    /// The value that carries it in the graph.
    pub value: ValueId,
    /// Parameter, buffer or constant.
    pub role: Role,
    /// Element type.
    pub dtype: DType,
    /// Sizes, in elements.
    pub shape: Vec<usize>,
    /// Strides, in elements.
    pub strides: Vec<usize>,
    /// Offset of the first element in its storage, in elements.
    pub offset: usize,
    /// Number of the storage. Tensors with the same storage share memory.
    pub storage: usize,
    /// The program writes it back: in the next call it holds something else.
    pub updated: bool,
    /// The elements of a short list of integers or truth values that is no parameter and not updated: an index, or a mask that picks.
    pub list: Option<Arc<[i64]>>,
}

impl Tensor {
    /// Number of elements.
    pub fn numel(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Element types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[allow(missing_docs)]
pub enum DType {
    #[default]
    F32,
    F64,
    F16,
    BF16,
    U8,
    I8,
    I16,
    I32,
    I64,
    U16,
    U32,
    U64,
    Bool,
    C32,
    C64,
    C128,
    F8,
}

impl DType {
    /// Bytes an element takes.
    pub fn bytes(self) -> usize {
        match self {
            DType::U8 | DType::I8 | DType::Bool | DType::F8 => 1,
            DType::I16 | DType::U16 | DType::F16 | DType::BF16 => 2,
            DType::F32 | DType::I32 | DType::U32 | DType::C32 => 4,
            DType::F64 | DType::I64 | DType::U64 | DType::C64 => 8,
            DType::C128 => 16,
        }
    }

    /// The number that an element is; `None` for types that are no real numbers here.
    pub fn number(self, element: &[u8]) -> Option<f64> {
        Some(match self {
            DType::F32 => f32::from_le_bytes(element.try_into().ok()?).into(),
            DType::F64 => f64::from_le_bytes(element.try_into().ok()?),
            DType::F16 => half::f16::from_le_bytes(element.try_into().ok()?).into(),
            DType::BF16 => half::bf16::from_le_bytes(element.try_into().ok()?).into(),
            DType::I64 => i64::from_le_bytes(element.try_into().ok()?) as f64,
            DType::I32 => i32::from_le_bytes(element.try_into().ok()?).into(),
            DType::I16 => i16::from_le_bytes(element.try_into().ok()?).into(),
            DType::I8 => i8::from_le_bytes(element.try_into().ok()?).into(),
            DType::U8 | DType::Bool => (*element.first()?).into(),
            _ => return None,
        })
    }

    /// True for the real floating point types.
    pub fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F64 | DType::F16 | DType::BF16 | DType::F8)
    }
}

impl Node {
    /// The argument of this name, if it is written.
    pub fn arg(&self, name: &str) -> Option<&Arg> {
        self.args.iter().find(|(n, _)| n == name).map(|(_, a)| a)
    }

    /// All values in the arguments, in order.
    pub fn reads(&self) -> Vec<ValueId> {
        self.args.iter().flat_map(|(_, a)| a.values()).collect()
    }
}

impl Arg {
    /// Whether a tensor or a symbolic scalar is in this argument.
    pub fn mentions(&self, value: ValueId) -> bool {
        match self {
            Arg::Tensor(v) | Arg::Scalar(v) => *v == value,
            Arg::List(items) => items.iter().any(|a| a.mentions(value)),
            _ => false,
        }
    }

    /// All tensors and symbolic scalars in this argument, in order.
    pub fn values(&self) -> Vec<ValueId> {
        match self {
            Arg::Tensor(v) | Arg::Scalar(v) => vec![*v],
            Arg::List(items) => items.iter().flat_map(Arg::values).collect(),
            _ => Vec::new(),
        }
    }

    /// All tensors in this argument, in order.
    pub fn tensors(&self) -> Vec<ValueId> {
        match self {
            Arg::Tensor(v) => vec![*v],
            Arg::List(items) => items.iter().flat_map(Arg::tensors).collect(),
            _ => Vec::new(),
        }
    }
}

impl Graph {
    /// The value with this id.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.index()]
    }

    /// The node with this id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// Recorded sizes of a tensor; empty where there are none.
    pub fn shape(&self, id: ValueId) -> &[Size] {
        self.value(id).shape.as_deref().unwrap_or(&[])
    }

    /// For each stored tensor the first one that is the same memory under another name: a tied parameter; itself, if none is.
    pub fn first_names(&self) -> Vec<usize> {
        let mut first = HashMap::new();
        let key = |t: &Tensor| (t.role as u8, t.storage, t.offset, t.shape.clone(), t.strides.clone());
        self.tensors.iter().enumerate().map(|(k, t)| *first.entry(key(t)).or_insert(k)).collect()
    }

    /// All node ids, in execution order.
    pub fn node_ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes.len() as u32).map(NodeId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_packages_name_the_module() {
        let line = |file: &str, module: &str| {
            let frame = Frame { file: file.to_owned(), line: 92, function: "forward".to_owned(), text: "out += x".to_owned() };
            Source { frames: vec![frame], module: module.to_owned() }.line().unwrap()
        };
        let package = "/venv/lib/python3.11/site-packages/torchvision/models/resnet.py";
        assert_eq!(line(package, "layer1.0"), "torchvision/models/resnet.py:92 in layer1.0: out += x");
        assert_eq!(line(package, ""), "torchvision/models/resnet.py:92: out += x");
        assert_eq!(line("/home/me/model.py", "layer1.0"), "/home/me/model.py:92: out += x");
    }
}
