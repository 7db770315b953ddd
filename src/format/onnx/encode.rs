//! Nodes, constants and types as messages.

use super::data::kind;
use super::wire::{put_bytes, put_float, put_number, put_start, put_varint};
use crate::model::{Arg, DType, Size};

/// An attribute; `None` for what is none.
pub(super) fn attribute(name: &str, arg: &Arg) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    put_bytes(&mut out, 1, name.as_bytes());
    let kind = match arg {
        Arg::Int(n) => {
            put_number(&mut out, 3, *n);
            2
        }
        Arg::Bool(b) => {
            put_number(&mut out, 3, i64::from(*b));
            2
        }
        Arg::Float(x) => {
            put_float(&mut out, 2, *x as f32);
            1
        }
        Arg::Str(text) => {
            put_bytes(&mut out, 4, text.as_bytes());
            3
        }
        Arg::List(items) if items.iter().all(|i| matches!(i, Arg::Int(_))) => {
            items.iter().for_each(|i| {
                if let Arg::Int(n) = i {
                    put_number(&mut out, 8, *n);
                }
            });
            7
        }
        Arg::List(items) if items.iter().all(|i| matches!(i, Arg::Float(_) | Arg::Int(_))) => {
            items.iter().for_each(|i| match i {
                Arg::Float(x) => put_float(&mut out, 7, *x as f32),
                Arg::Int(n) => put_float(&mut out, 7, *n as f32),
                _ => {}
            });
            6
        }
        _ => return None,
    };
    put_number(&mut out, 20, kind);
    Some(out)
}

/// What is written of a constant.
pub(super) struct Constant {
    pub(super) name: String,
    pub(super) dtype: DType,
    pub(super) dims: Vec<usize>,
    pub(super) bytes: Vec<u8>,
}

/// A number or a list of numbers as elements of a type; `None` for what is none.
pub(super) fn elements(arg: &Arg, dtype: DType) -> Option<Vec<u8>> {
    let number = |x: f64, n: i64, out: &mut Vec<u8>| {
        match dtype {
            DType::F32 => out.extend((x as f32).to_le_bytes()),
            DType::F64 => out.extend(x.to_le_bytes()),
            DType::F16 => out.extend(half::f16::from_f64(x).to_le_bytes()),
            DType::BF16 => out.extend(half::bf16::from_f64(x).to_le_bytes()),
            DType::C32 | DType::C64 | DType::C128 | DType::F8 => return None,
            whole => out.extend_from_slice(&n.to_le_bytes()[..whole.bytes()]),
        }
        Some(())
    };
    let mut out = Vec::new();
    let mut put = |arg: &Arg| match arg {
        Arg::Int(n) => number(*n as f64, *n, &mut out),
        Arg::Float(x) => number(*x, *x as i64, &mut out),
        Arg::Bool(b) => number(f64::from(u8::from(*b)), i64::from(*b), &mut out),
        _ => None,
    };
    match arg {
        Arg::List(items) => items.iter().try_for_each(&mut put)?,
        one => put(one)?,
    }
    Some(out)
}

impl Constant {
    /// The message of an initializer, without its tag and length.
    pub(super) fn message(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.dims.is_empty() {
            let mut dims = Vec::new();
            self.dims.iter().for_each(|n| put_varint(&mut dims, *n as u64));
            put_bytes(&mut out, 1, &dims);
        }
        put_number(&mut out, 2, kind(self.dtype));
        put_bytes(&mut out, 8, self.name.as_bytes());
        put_bytes(&mut out, 9, &self.bytes);
        out
    }
}

/// A value's type, as the inputs of a graph have it.
pub(super) fn value_info(name: &str, dtype: DType, shape: &[Size]) -> Vec<u8> {
    let mut sizes = Vec::new();
    for size in shape {
        put_bytes(&mut sizes, 1, &dim(size));
    }
    let mut tensor = Vec::new();
    put_number(&mut tensor, 1, kind(dtype));
    put_bytes(&mut tensor, 2, &sizes);
    let mut of = Vec::new();
    put_bytes(&mut of, 1, &tensor);
    let mut out = Vec::new();
    put_bytes(&mut out, 1, name.as_bytes());
    put_bytes(&mut out, 2, &of);
    out
}

/// A size. One that is computed from others has no name.
pub(super) fn dim(size: &Size) -> Vec<u8> {
    let mut out = Vec::new();
    if let Some(n) = size.as_int() {
        put_number(&mut out, 1, n);
    }
    out
}

/// A field of a message that holds another.
pub(super) fn field(number: u64, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 8);
    put_start(&mut out, number, message.len() as u64);
    out.extend_from_slice(message);
    out
}
