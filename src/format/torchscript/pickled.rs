//! `data.pkl`: the tree of modules as a pickle, its tensors as references to payloads.

use std::collections::HashMap;

use super::classes::Module;
use crate::model::{DType, Graph, Role, Tensor};

/// A pickle in the making.
pub(super) struct Pickle<'a> {
    graph: &'a Graph,
    bytes: Vec<u8>,
    /// Number of the payload of a tensor.
    payload: &'a dyn Fn(&Tensor) -> usize,
    /// Elements of a payload.
    elements: &'a dyn Fn(&Tensor) -> usize,
    /// The element type that a tensor is written with.
    dtype: &'a dyn Fn(&Tensor) -> DType,
    /// What was written once and may be asked for again: a tied parameter stays one tensor.
    memo: HashMap<(usize, usize, Vec<usize>, Vec<usize>), u32>,
}

impl<'a> Pickle<'a> {
    /// The pickle of a tree.
    pub(super) fn of(
        graph: &'a Graph,
        root: &Module,
        payload: &'a dyn Fn(&Tensor) -> usize,
        elements: &'a dyn Fn(&Tensor) -> usize,
        dtype: &'a dyn Fn(&Tensor) -> DType,
    ) -> Option<Vec<u8>> {
        let mut pickle = Pickle { graph, bytes: vec![0x80, 2], payload, elements, dtype, memo: HashMap::new() };
        pickle.module(root)?;
        pickle.bytes.push(b'.');
        Some(pickle.bytes)
    }

    fn module(&mut self, module: &Module) -> Option<()> {
        let (namespace, class) = module.class.rsplit_once('.').unwrap_or(("__torch__", &module.class));
        self.global(namespace, class);
        self.bytes.extend(b")\x81}("); // no arguments, new object, dictionary, mark
        for (name, k) in &module.tensors {
            self.string(name);
            self.tensor(&self.graph.tensors[*k])?;
        }
        self.string("training");
        self.bytes.push(0x89);
        for (name, module) in &module.modules {
            self.string(name);
            self.module(module)?;
        }
        self.bytes.extend(b"ub"); // fill the dictionary, set the state
        Some(())
    }

    fn tensor(&mut self, t: &Tensor) -> Option<()> {
        let key = ((self.payload)(t), t.offset, t.shape.clone(), t.strides.clone());
        if let Some(known) = self.memo.get(&key) {
            self.bytes.push(b'j');
            self.bytes.extend(known.to_le_bytes());
            return Some(());
        }
        let dtype = (self.dtype)(t);
        self.global("torch._utils", "_rebuild_tensor_v2");
        self.bytes.extend(b"((");
        self.string("storage");
        self.global("torch", storage(dtype)?);
        self.string(&key.0.to_string());
        self.string("cpu");
        self.int((self.elements)(t));
        self.bytes.extend(b"tQ");
        self.int(t.offset);
        for list in [&t.shape, &t.strides] {
            self.bytes.push(b'(');
            list.iter().for_each(|n| self.int(*n));
            self.bytes.push(b't');
        }
        self.bytes.push(if t.role == Role::Parameter && dtype.is_float() { 0x88 } else { 0x89 });
        self.global("collections", "OrderedDict");
        self.bytes.extend(b")RtR");
        let number = self.memo.len() as u32;
        self.bytes.push(b'r');
        self.bytes.extend(number.to_le_bytes());
        self.memo.insert(key, number);
        Some(())
    }

    fn global(&mut self, module: &str, name: &str) {
        self.bytes.push(b'c');
        self.bytes.extend(module.as_bytes());
        self.bytes.push(b'\n');
        self.bytes.extend(name.as_bytes());
        self.bytes.push(b'\n');
    }

    fn string(&mut self, text: &str) {
        self.bytes.push(b'X');
        self.bytes.extend((text.len() as u32).to_le_bytes());
        self.bytes.extend(text.as_bytes());
    }

    fn int(&mut self, n: usize) {
        match i32::try_from(n) {
            Ok(n) => {
                self.bytes.push(b'J');
                self.bytes.extend(n.to_le_bytes());
            }
            Err(_) => {
                self.bytes.extend([0x8a, 9]);
                self.bytes.extend((n as u64).to_le_bytes());
                self.bytes.push(0);
            }
        }
    }
}

/// The class of a storage.
fn storage(dtype: DType) -> Option<&'static str> {
    Some(match dtype {
        DType::F32 => "FloatStorage",
        DType::F64 => "DoubleStorage",
        DType::F16 => "HalfStorage",
        DType::BF16 => "BFloat16Storage",
        DType::U8 => "ByteStorage",
        DType::I8 => "CharStorage",
        DType::I16 => "ShortStorage",
        DType::I32 => "IntStorage",
        DType::I64 => "LongStorage",
        DType::Bool => "BoolStorage",
        DType::C64 => "ComplexFloatStorage",
        DType::C128 => "ComplexDoubleStorage",
        DType::U16 | DType::U32 | DType::U64 | DType::C32 | DType::F8 => return None,
    })
}
