//! What the few known callables of a pickle give, and what a call of others is.

use std::rc::Rc;

use super::tree::{Cell, Id};
use super::{Pickle, TensorRef};
use crate::model::DType;

/// What a call comes to.
pub(super) enum Called {
    /// One of the arguments.
    Same(Id),
    /// Something new.
    New(Cell),
    /// Arguments that this callable does not take.
    Wrong(&'static str),
}

/// The result of calling a name.
pub(super) fn call(arena: &[Cell], name: &Rc<str>, args: &[Id]) -> Called {
    let rest = || Called::New(object(name, args));
    match (&**name, args) {
        ("collections.OrderedDict" | "collections.defaultdict" | "builtins.dict" | "__builtin__.dict", _) => {
            // A default dict's first argument is its factory.
            let from = if name.ends_with("defaultdict") { args.get(1) } else { args.first() };
            from.map_or(Called::New(Cell::Dict(Vec::new())), |from| dict(arena, *from))
        }
        ("torch.Size" | "builtins.tuple" | "__builtin__.tuple" | "builtins.frozenset" | "__builtin__.frozenset", [items]) => {
            sequence(arena, *items).map_or(Called::Wrong("a tuple of no sequence"), |items| Called::New(Cell::Tuple(items)))
        }
        ("builtins.list" | "__builtin__.list" | "builtins.set" | "__builtin__.set", [items]) => {
            sequence(arena, *items).map_or(Called::Wrong("a list of no sequence"), |items| Called::New(Cell::List(items)))
        }
        ("_codecs.encode", [text, ..]) => latin(arena, *text),
        ("torch._utils._rebuild_tensor", [storage, offset, shape, strides]) => {
            tensor(arena, [*storage, *offset, *shape, *strides], None, false).unwrap_or_else(rest)
        }
        ("torch._utils._rebuild_tensor_v2", [storage, offset, shape, strides, grad, _hooks, more @ ..]) => {
            let plain = more.iter().all(|m| empty(arena, *m));
            let made = tensor(arena, [*storage, *offset, *shape, *strides], None, truth(arena, *grad));
            made.filter(|_| plain).unwrap_or_else(rest)
        }
        ("torch._utils._rebuild_tensor_v3", [storage, offset, shape, strides, grad, _hooks, dtype, more @ ..]) => {
            let plain = more.iter().all(|m| empty(arena, *m));
            let Cell::Plain(Pickle::Global(dtype)) = &arena[*dtype] else { return rest() };
            let Some(dtype) = element(dtype) else { return rest() };
            let made = tensor(arena, [*storage, *offset, *shape, *strides], Some(dtype), truth(arena, *grad));
            made.filter(|_| plain).unwrap_or_else(rest)
        }
        ("torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state", [data, grad, ..]) => {
            let Cell::Tensor(data) = &arena[*data] else { return rest() };
            let requires_grad = truth(arena, *grad);
            Called::New(Cell::Tensor(Rc::new(TensorRef { requires_grad, parameter: true, ..TensorRef::clone(data) })))
        }
        (
            "torch.jit._pickle.restore_type_tag"
            | "torch.jit._pickle.build_intlist"
            | "torch.jit._pickle.build_doublelist"
            | "torch.jit._pickle.build_boollist"
            | "torch.jit._pickle.build_tensorlist",
            [value, ..],
        ) => Called::Same(*value),
        _ => rest(),
    }
}

/// An object of a class that is not known.
pub(super) fn object(class: &Rc<str>, args: &[Id]) -> Cell {
    Cell::Object { class: class.clone(), args: args.to_vec(), state: None, items: Vec::new(), entries: Vec::new() }
}

/// The storage of a persistent id: `("storage", class, key, location, numel)`.
pub(super) fn storage(arena: &[Cell], id: Id) -> Option<Cell> {
    let Cell::Tuple(parts) = &arena[id] else { return None };
    let plain = |k: usize| match arena.get(*parts.get(k)?)? {
        Cell::Plain(value) => Some(value),
        _ => None,
    };
    let (Pickle::Str(tag), Pickle::Global(class), Pickle::Str(key)) = (plain(0)?, plain(1)?, plain(2)?) else { return None };
    if &**tag != "storage" {
        return None;
    }
    let dtype = match class.rsplit('.').next()? {
        "UntypedStorage" => None,
        "FloatStorage" => Some(DType::F32),
        "DoubleStorage" => Some(DType::F64),
        "HalfStorage" => Some(DType::F16),
        "BFloat16Storage" => Some(DType::BF16),
        "LongStorage" => Some(DType::I64),
        "IntStorage" => Some(DType::I32),
        "ShortStorage" => Some(DType::I16),
        "CharStorage" => Some(DType::I8),
        "ByteStorage" => Some(DType::U8),
        "BoolStorage" => Some(DType::Bool),
        "ComplexFloatStorage" => Some(DType::C64),
        "ComplexDoubleStorage" => Some(DType::C128),
        _ => return None,
    };
    Some(Cell::Storage { dtype, key: key.clone() })
}

/// The element type of a constant such as `torch.float32`.
fn element(name: &str) -> Option<DType> {
    Some(match name.strip_prefix("torch.")? {
        "float32" | "float" => DType::F32,
        "float64" | "double" => DType::F64,
        "float16" | "half" => DType::F16,
        "bfloat16" => DType::BF16,
        "uint8" => DType::U8,
        "int8" => DType::I8,
        "int16" | "short" => DType::I16,
        "int32" | "int" => DType::I32,
        "int64" | "long" => DType::I64,
        "uint16" => DType::U16,
        "uint32" => DType::U32,
        "uint64" => DType::U64,
        "bool" => DType::Bool,
        "complex32" => DType::C32,
        "complex64" => DType::C64,
        "complex128" => DType::C128,
        name if name.starts_with("float8_") => DType::F8,
        _ => return None,
    })
}

/// A tensor, if its parts are what they should be and its storage's element type is known.
fn tensor(arena: &[Cell], parts: [Id; 4], dtype: Option<DType>, requires_grad: bool) -> Option<Called> {
    let [storage, offset, shape, strides] = parts;
    let Cell::Storage { dtype: own, key } = &arena[storage] else { return None };
    let size = |id: Id| match arena[id] {
        Cell::Plain(Pickle::Int(n)) => usize::try_from(n).ok(),
        _ => None,
    };
    let sizes = |id: Id| sequence(arena, id)?.into_iter().map(size).collect::<Option<Vec<usize>>>();
    let (shape, strides) = (sizes(shape)?, sizes(strides)?);
    if shape.len() != strides.len() {
        return Some(Called::Wrong("a tensor whose strides are not as many as its sizes"));
    }
    let dtype = dtype.or(*own)?;
    let tensor = TensorRef { key: key.clone(), dtype, offset: size(offset)?, shape, strides, requires_grad, parameter: false };
    Some(Called::New(Cell::Tensor(Rc::new(tensor))))
}

fn dict(arena: &[Cell], from: Id) -> Called {
    if let Cell::Dict(entries) = &arena[from] {
        return Called::New(Cell::Dict(entries.clone()));
    }
    let pair = |id: Id| match sequence(arena, id)?.as_slice() {
        [key, value] => Some((*key, *value)),
        _ => None,
    };
    let entries = sequence(arena, from).and_then(|items| items.into_iter().map(pair).collect::<Option<Vec<_>>>());
    entries.map_or(Called::Wrong("a dict of no pairs"), |entries| Called::New(Cell::Dict(entries)))
}

/// Bytes, which protocol 2 writes as a text of one character a byte.
fn latin(arena: &[Cell], text: Id) -> Called {
    let Cell::Plain(Pickle::Str(text)) = &arena[text] else { return Called::Wrong("bytes of no text") };
    let bytes: Result<Vec<u8>, _> = text.chars().map(|c| u8::try_from(u32::from(c))).collect();
    bytes.map_or(Called::Wrong("bytes above 255"), |b| Called::New(Cell::Plain(Pickle::Bytes(b.into()))))
}

fn sequence(arena: &[Cell], id: Id) -> Option<Vec<Id>> {
    match &arena[id] {
        Cell::List(items) | Cell::Tuple(items) => Some(items.clone()),
        _ => None,
    }
}

fn truth(arena: &[Cell], id: Id) -> bool {
    matches!(arena[id], Cell::Plain(Pickle::Bool(true)))
}

/// Whether there is nothing in what says more of a tensor (that it is conjugated, say).
fn empty(arena: &[Cell], id: Id) -> bool {
    match &arena[id] {
        Cell::Plain(value) => matches!(value, Pickle::None),
        Cell::Dict(entries) => entries.is_empty(),
        _ => false,
    }
}
