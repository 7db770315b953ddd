//! The messages of ONNX, as far as the program looks into them. Each keeps where it lies in the file.

use std::ops::Range;

use super::wire::{Fault, Value, fields, floats, varints};

/// The argument that holds what subgraphs read from outside.
pub(super) const CAPTURED: &str = "captured";

/// Subgraphs in subgraphs.
pub(super) const DEEPEST: usize = 32;

/// A model.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// Where the graph's message lies in the file, without its tag and length.
    pub(super) graph: Range<usize>,
    /// Where it lies with them.
    pub(super) graph_field: Range<usize>,
    /// Domain and version of each operator set.
    pub(super) opsets: Vec<(String, i64)>,
    /// The version of the format.
    pub(super) ir: i64,
    pub(super) functions: Vec<FunctionName>,
}

/// What a function of the model is called, and where its message lies in the file.
#[derive(Debug)]
pub(super) struct FunctionName {
    domain: String,
    name: String,
    overload: String,
    pub(super) at: Range<usize>,
}

impl FunctionName {
    /// Whether a node with these calls it.
    pub(super) fn is(&self, domain: &str, name: &str, overload: &str) -> bool {
        self.name == name && self.domain == domain && self.overload == overload
    }
}

/// A graph. Nodes and tensors are told by where they lie in it.
#[derive(Debug, Default)]
pub(super) struct GraphProto {
    pub(super) nodes: Vec<Range<usize>>,
    pub(super) initializers: Vec<Range<usize>>,
    pub(super) inputs: Vec<Range<usize>>,
    pub(super) outputs: Vec<Range<usize>>,
    pub(super) values: Vec<Range<usize>>,
    pub(super) sparse: usize,
    /// Where the entries of `metadata_props` lie.
    pub(super) about: Vec<Range<usize>>,
}

/// A node.
#[derive(Debug, Default)]
pub(super) struct NodeProto<'a> {
    pub(super) inputs: Vec<&'a str>,
    pub(super) outputs: Vec<&'a str>,
    pub(super) name: &'a str,
    pub(super) op: &'a str,
    pub(super) domain: &'a str,
    pub(super) overload: &'a str,
    pub(super) attributes: Vec<Attribute<'a>>,
    /// `metadata_props`.
    pub(super) about: Vec<(&'a str, &'a str)>,
}

/// An attribute.
#[derive(Debug)]
pub(super) struct Attribute<'a> {
    pub(super) name: &'a str,
    pub(super) value: Setting<'a>,
    /// In a function: the attribute of the call that it is.
    pub(super) refers: &'a str,
    /// Its message.
    pub(super) message: &'a [u8],
}

/// What an attribute is set to.
#[derive(Debug)]
pub(super) enum Setting<'a> {
    Float(f32),
    Int(i64),
    Text(&'a [u8]),
    Tensor(&'a [u8]),
    Floats(Vec<f32>),
    Ints(Vec<i64>),
    Texts(Vec<&'a [u8]>),
    Graphs(Vec<&'a [u8]>),
    Other,
}

/// A stored tensor.
#[derive(Debug, Default)]
pub(super) struct TensorProto<'a> {
    pub(super) name: &'a str,
    pub(super) dims: Vec<i64>,
    pub(super) kind: i64,
    pub(super) data: Data<'a>,
    /// Its elements are in another file: the entries that tell where.
    pub(super) external: Option<Vec<(&'a str, &'a str)>>,
    pub(super) segmented: bool,
}

/// The elements of a stored tensor.
#[derive(Debug, Default)]
pub(super) enum Data<'a> {
    /// There are none here.
    #[default]
    None,
    /// As they lie in memory.
    Raw(&'a [u8]),
    /// As numbers of the format, in this field.
    Typed(u64, Vec<Value<'a>>),
}

/// A value's name and, of a tensor, its element type and sizes.
#[derive(Debug, Default)]
pub(super) struct ValueInfo<'a> {
    pub(super) name: &'a str,
    pub(super) kind: i64,
    /// `None` where they are not told.
    pub(super) dims: Option<Vec<Dim<'a>>>,
    /// It is a sequence, a map, or something else that is no tensor.
    pub(super) other: bool,
}

/// A size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Dim<'a> {
    Number(i64),
    Name(&'a str),
    Unknown,
}

/// A text; what is no UTF-8 is empty.
pub(super) fn text(value: Value<'_>) -> &str {
    std::str::from_utf8(value.bytes()).unwrap_or("")
}

impl Model {
    pub(super) fn read(bytes: &[u8]) -> Result<Model, Fault> {
        let mut model = Model::default();
        for field in fields(bytes) {
            let field = field?;
            match (field.number, field.value) {
                (1, v) => model.ir = v.number(),
                (7, Value::Bytes(graph)) => {
                    if !model.graph_field.is_empty() {
                        return Err(Fault { at: field.span.start, reason: "there are two graphs" });
                    }
                    model.graph = field.span.end - graph.len()..field.span.end;
                    model.graph_field = field.span;
                }
                (8, v) => model.opsets.push(opset(v.bytes())?),
                (25, Value::Bytes(bytes)) => {
                    let (mut name, mut domain, mut overload) = (String::new(), String::new(), String::new());
                    for part in fields(bytes) {
                        match part? {
                            f if f.number == 1 => name = text(f.value).to_owned(),
                            f if f.number == 10 => domain = text(f.value).to_owned(),
                            f if f.number == 13 => overload = text(f.value).to_owned(),
                            _ => {}
                        }
                    }
                    let at = field.span.end - bytes.len()..field.span.end;
                    model.functions.push(FunctionName { domain, name, overload, at });
                }
                _ => {}
            }
        }
        Ok(model)
    }
}

/// Domain and version of an operator set.
pub(super) fn opset(bytes: &[u8]) -> Result<(String, i64), Fault> {
    let (mut domain, mut version) = (String::new(), 0);
    for part in fields(bytes) {
        match part? {
            f if f.number == 1 => domain = text(f.value).to_owned(),
            f if f.number == 2 => version = f.value.number(),
            _ => {}
        }
    }
    Ok((domain, version))
}

impl GraphProto {
    /// `bytes` is the graph's message.
    pub(super) fn read(bytes: &[u8]) -> Result<GraphProto, Fault> {
        let mut graph = GraphProto::default();
        for field in fields(bytes) {
            let field = field?;
            let inside = field.span.end - field.value.bytes().len()..field.span.end;
            match field.number {
                1 => graph.nodes.push(inside),
                5 => graph.initializers.push(inside),
                11 => graph.inputs.push(inside),
                12 => graph.outputs.push(inside),
                13 => graph.values.push(inside),
                15 => graph.sparse += 1,
                16 => graph.about.push(inside),
                _ => {}
            }
        }
        Ok(graph)
    }
}

pub(super) fn entry(bytes: &[u8]) -> Result<(&str, &str), Fault> {
    let mut entry = ("", "");
    for part in fields(bytes) {
        match part? {
            f if f.number == 1 => entry.0 = text(f.value),
            f if f.number == 2 => entry.1 = text(f.value),
            _ => {}
        }
    }
    Ok(entry)
}

impl<'a> NodeProto<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<NodeProto<'a>, Fault> {
        let mut node = NodeProto::default();
        for field in fields(bytes) {
            let field = field?;
            match field.number {
                1 => node.inputs.push(text(field.value)),
                2 => node.outputs.push(text(field.value)),
                3 => node.name = text(field.value),
                4 => node.op = text(field.value),
                5 => node.attributes.push(Attribute::read(field.value.bytes())?),
                7 => node.domain = text(field.value),
                8 => node.overload = text(field.value),
                9 => node.about.push(entry(field.value.bytes())?),
                _ => {}
            }
        }
        Ok(node)
    }
}

impl<'a> Attribute<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Attribute<'a>, Fault> {
        let (mut name, mut refers, mut kind, mut one) = ("", "", 0, Setting::Other);
        let (mut numbers, mut reals, mut texts, mut graphs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for field in fields(bytes) {
            let field = field?;
            match field.number {
                1 => name = text(field.value),
                2 => one = Setting::Float(field.value.float()),
                3 => one = Setting::Int(field.value.number()),
                4 => one = Setting::Text(field.value.bytes()),
                5 => one = Setting::Tensor(field.value.bytes()),
                6 | 11 => graphs.push(field.value.bytes()),
                7 => floats(field.value, &mut |x| reals.push(x)),
                8 => varints(field.value, &mut |n| numbers.push(n))?,
                9 => texts.push(field.value.bytes()),
                20 => kind = field.value.number(),
                21 => refers = text(field.value),
                _ => {}
            }
        }
        // A list may be empty, and a number may be left out where it is 0; then only the type tells.
        let value = match kind {
            1 if matches!(one, Setting::Other) => Setting::Float(0.0),
            2 if matches!(one, Setting::Other) => Setting::Int(0),
            3 if matches!(one, Setting::Other) => Setting::Text(&[]),
            5 | 10 => Setting::Graphs(graphs),
            6 => Setting::Floats(reals),
            7 => Setting::Ints(numbers),
            8 => Setting::Texts(texts),
            _ if !graphs.is_empty() => Setting::Graphs(graphs),
            _ if !numbers.is_empty() => Setting::Ints(numbers),
            _ if !reals.is_empty() => Setting::Floats(reals),
            _ if !texts.is_empty() => Setting::Texts(texts),
            _ => one,
        };
        Ok(Attribute { name, value, refers, message: bytes })
    }
}

impl<'a> TensorProto<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<TensorProto<'a>, Fault> {
        let mut tensor = TensorProto::default();
        let mut external = Vec::new();
        let mut outside = false;
        for field in fields(bytes) {
            let field = field?;
            match field.number {
                1 => varints(field.value, &mut |n| tensor.dims.push(n))?,
                2 => tensor.kind = field.value.number(),
                3 => tensor.segmented = true,
                8 => tensor.name = text(field.value),
                9 => tensor.data = Data::Raw(field.value.bytes()),
                number @ (4..=7 | 10 | 11) => match &mut tensor.data {
                    Data::Typed(known, parts) if *known == number => parts.push(field.value),
                    Data::Raw(_) => {}
                    data => *data = Data::Typed(number, vec![field.value]),
                },
                13 => external.push(entry(field.value.bytes())?),
                14 => outside = field.value.number() == 1,
                _ => {}
            }
        }
        tensor.external = outside.then_some(external);
        Ok(tensor)
    }
}

impl<'a> ValueInfo<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<ValueInfo<'a>, Fault> {
        let mut info = ValueInfo::default();
        for field in fields(bytes) {
            let field = field?;
            match field.number {
                1 => info.name = text(field.value),
                2 => {
                    for kind in fields(field.value.bytes()) {
                        let kind = kind?;
                        match kind.number {
                            1 => info.tensor(kind.value.bytes())?,
                            6 => {}
                            _ => info.other = true,
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(info)
    }

    fn tensor(&mut self, bytes: &'a [u8]) -> Result<(), Fault> {
        for field in fields(bytes) {
            let field = field?;
            match field.number {
                1 => self.kind = field.value.number(),
                2 => {
                    let mut dims = Vec::new();
                    for part in fields(field.value.bytes()) {
                        let part = part?;
                        if part.number == 1 {
                            dims.push(Dim::read(part.value.bytes())?);
                        }
                    }
                    self.dims = Some(dims);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl<'a> Dim<'a> {
    fn read(bytes: &'a [u8]) -> Result<Dim<'a>, Fault> {
        let mut dim = Dim::Unknown;
        for field in fields(bytes) {
            let field = field?;
            match field.number {
                1 => dim = Dim::Number(field.value.number()),
                2 if !text(field.value).is_empty() => dim = Dim::Name(text(field.value)),
                _ => {}
            }
        }
        Ok(dim)
    }
}
