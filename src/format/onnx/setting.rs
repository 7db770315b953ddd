//! What attributes are set to, and constants among the nodes.

use super::archive::Stored;
use super::data::{Files, Storage, dtype, elements, extent, locate};
use super::proto::{Data, NodeProto, Setting, TensorProto};
use super::read::{Reader, ints};
use crate::format::FormatError;
use crate::model::{Arg, Role, Size};

impl<'a> Reader<'a> {
    /// A constant among the nodes; false if it is one that is not understood.
    pub(super) fn constant(&mut self, name: &'a str, at: usize, node: &NodeProto<'a>) -> Result<bool, FormatError> {
        let [attribute] = node.attributes.as_slice() else { return Ok(false) };
        let packed = |dims: Vec<i64>, kind: i64, bytes: Vec<u8>| (dims, kind, bytes);
        let (dims, kind, bytes) = match &attribute.value {
            Setting::Tensor(bytes) => {
                let tensor = TensorProto::read(bytes).map_err(|f| self.archive.fault(f))?;
                self.tensor(name, &tensor, Stored::Constant(at))?;
                return Ok(true);
            }
            Setting::Float(x) => packed(vec![], 1, x.to_le_bytes().into()),
            Setting::Int(n) => packed(vec![], 7, n.to_le_bytes().into()),
            Setting::Floats(list) => packed(vec![list.len() as i64], 1, list.iter().flat_map(|x| x.to_le_bytes()).collect()),
            Setting::Ints(list) => packed(vec![list.len() as i64], 7, list.iter().flat_map(|n| n.to_le_bytes()).collect()),
            _ => return Ok(false),
        };
        let data = Data::None;
        let proto = TensorProto { name, dims, kind, data, external: None, segmented: false };
        // Its elements are in the attribute: they are packed here.
        let stored = self.program.storages.len();
        let empty = TensorProto { dims: vec![0], ..TensorProto { name, kind, ..TensorProto::default() } };
        self.tensor(name, &empty, Stored::Constant(at))?;
        self.program.storages[stored] = Storage::Packed(bytes.into());
        let shape: Vec<usize> = proto.dims.iter().map(|n| *n as usize).collect();
        if let Some(t) = self.program.graph.tensors.last_mut() {
            t.strides = vec![1; shape.len()];
            t.role = Role::Constant;
            self.program.graph.values[t.value.index()].shape = Some(shape.iter().copied().map(Size::from).collect());
            t.shape = shape;
        }
        Ok(true)
    }

    pub(super) fn setting(&self, value: &Setting) -> Arg {
        match value {
            Setting::Float(x) => Arg::Float(f64::from(*x)),
            Setting::Int(n) => Arg::Int(*n),
            Setting::Text(text) => Arg::Str(String::from_utf8_lossy(text).into_owned()),
            Setting::Ints(list) => ints(list),
            Setting::Floats(list) => Arg::List(list.iter().map(|x| Arg::Float(f64::from(*x))).collect()),
            Setting::Texts(list) => Arg::List(list.iter().map(|t| Arg::Str(String::from_utf8_lossy(t).into_owned())).collect()),
            Setting::Tensor(bytes) => self.number(bytes).unwrap_or_else(|| Arg::Opaque("tensor".to_owned())),
            Setting::Graphs(_) => Arg::Opaque("graph".to_owned()),
            Setting::Other => Arg::Opaque("other".to_owned()),
        }
    }

    /// A tensor of one element as a number.
    fn number(&self, bytes: &[u8]) -> Option<Arg> {
        let tensor = TensorProto::read(bytes).ok()?;
        let kind = dtype(tensor.kind)?;
        let (_, needed) = extent(&tensor, kind).filter(|(_, n)| *n == kind.bytes())?;
        let mut files = Files::default();
        let storage = locate(&self.archive.path, &mut files, &tensor, kind, (needed, 1), &|part| self.archive.offset_of(part));
        let storage = storage.ok()?;
        let bytes = storage.bytes(&self.archive.bytes, &files);
        let mut numbers = Vec::new();
        elements(&bytes, kind, &mut |x| numbers.push(x))?;
        let x = *numbers.first()?;
        Some(if kind.is_float() { Arg::Float(x) } else { Arg::Int(x as i64) })
    }
}
