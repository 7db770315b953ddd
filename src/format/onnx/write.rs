//! Writes an edited graph: what is not touched is copied byte for byte, in its old order.

use std::borrow::Cow;
use std::io::Write;
use std::ops::Range;
use std::path::Path;

use rustc_hash::{FxHashMap, FxHashSet};

use super::archive::{Archive, Source, Stored};
use super::control::captured;
use super::data::Storage;
use super::encode::{Constant, field, value_info};
use super::kept::kept_calls;
use super::node::Nodes;
use super::piece::Piece;
use super::proto::{GraphProto, NodeProto, TensorProto, ValueInfo};
use super::tensor::{Place, initializer};
use super::units::Message;
use super::value::resized;
use super::wire::{Field, fields, put_start};
use crate::format::{FormatError, Output, Payload, Pending};
use crate::model::{Graph, Origin, Tensor, ValueId};

/// Writes `small`, which is `original` after edits, as a model for `to`. What [`pt2`](crate::format::Archive) asks of them holds here too.
pub(in crate::format) fn write(
    archive: &Archive,
    original: &Graph,
    small: &Graph,
    payloads: &[Payload<'_>],
    to: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<Pending, FormatError> {
    let read = &archive.program.graph;
    if read.values.len() != original.values.len() {
        return Err(FormatError::edit("the original graph is not that of the model"));
    }
    let graph = GraphProto::read(archive.source.graph_bytes()).map_err(|f| archive.source.fault(f))?;
    let beside = data_name(to);
    let mut writer = Writer {
        archive,
        small,
        now: small.tensors.iter().map(|t| (t.value, t)).collect(),
        payloads,
        nodes: Nodes::new(&archive.source, read, small),
        outside: Vec::new(),
        reach: 0,
        beside: &beside,
        initializers: FxHashMap::default(),
        used: FxHashSet::default(),
        was_used: FxHashSet::default(),
        by_place: small.nodes.iter().enumerate().filter_map(listed).collect(),
        kept: FxHashSet::default(),
    };
    writer.initializers = archive.program.stored.iter().enumerate().map(|(k, s)| (*s, k)).collect();
    writer.kept =
        kept_calls(archive, small, (&writer.initializers, &writer.by_place), &|k| writer.same(k), &|k| writer.nodes.is_same(k));
    writer.uses(&graph)?;
    let pieces = writer.graph(&graph)?;
    let outside = std::mem::take(&mut writer.outside);

    let source = &archive.source;
    let mut output = Output::create(to)?;
    let (at, len) = (&source.model.graph_field, pieces.iter().map(Piece::len).sum());
    let mut head = source.bytes[..at.start].to_vec();
    put_start(&mut head, 7, len);
    let mut sink = Sink { archive, payloads, progress };
    sink.bytes(&mut output, &head)?;
    for piece in &pieces {
        sink.piece(&mut output, piece)?;
    }
    sink.bytes(&mut output, &source.bytes[at.end..])?;
    let pending = output.complete()?;
    if outside.is_empty() {
        return Ok(pending);
    }
    let mut output = Output::create(&to.with_file_name(&beside))?;
    let mut reached = 0;
    for (offset, payload, len) in outside {
        sink.bytes(&mut output, &vec![0; (offset - reached) as usize])?;
        sink.piece(&mut output, &Piece::Data(payload, len))?;
        reached = offset + len;
    }
    Ok(pending.with(output.complete()?))
}

/// The name of the file beside a model that holds its data.
fn data_name(to: &Path) -> String {
    format!("{}.data", to.file_name().map(|n| n.to_string_lossy()).unwrap_or_default())
}

struct Writer<'a> {
    archive: &'a Archive,
    small: &'a Graph,
    /// The tensors of the new graph, by what carries them.
    now: FxHashMap<ValueId, &'a Tensor>,
    payloads: &'a [Payload<'a>],
    nodes: Nodes<'a>,
    /// Data for the file beside the model: offset, payload and length of each.
    outside: Vec<(u64, usize, u64)>,
    /// Where the next data there would begin.
    reach: u64,
    /// The name of that file.
    beside: &'a str,
    /// The tensor that a part of the file holds.
    initializers: FxHashMap<Stored, usize>,
    /// Names that something reads, after and before.
    used: FxHashSet<String>,
    was_used: FxHashSet<String>,
    /// The new node at a place of the unfolded graph.
    by_place: FxHashMap<usize, usize>,
    /// Calls of functions, by their place in the file, in which nothing changes.
    kept: FxHashSet<usize>,
}

impl<'a> Writer<'a> {
    fn part(&self, range: &Range<usize>) -> &'a [u8] {
        self.archive.source.part(range)
    }

    /// What is read in the new graph and in the old one.
    fn uses(&mut self, graph: &GraphProto) -> Result<(), FormatError> {
        let fault = |f| self.archive.source.fault(f);
        for (at, range) in graph.nodes.iter().enumerate() {
            let node = NodeProto::read(self.part(range)).map_err(fault)?;
            if self.kept.contains(&at) {
                self.used.extend(node.inputs.iter().map(|n| (*n).to_owned()));
            }
            let mut names = node.inputs.clone();
            captured(&node, 0, &mut names).map_err(fault)?;
            self.was_used.extend(names.into_iter().map(str::to_owned));
        }
        for range in &graph.outputs {
            let name = ValueInfo::read(self.part(range)).map_err(fault)?.name;
            self.was_used.insert(name.to_owned());
            self.used.insert(name.to_owned());
        }
        let reads = self.small.nodes.iter().flat_map(|n| n.reads());
        self.used.extend(reads.map(|v| self.small.value(v).name.clone()));
        Ok(())
    }

    /// Something read the value, and nothing does any more.
    fn idle(&self, name: &str) -> bool {
        self.was_used.contains(name) && !self.used.contains(name)
    }

    fn graph(&mut self, graph: &GraphProto) -> Result<Vec<Piece<'a>>, FormatError> {
        let bytes = self.archive.source.graph_bytes();
        let fault = |f| self.archive.source.fault(f);
        let mut pieces: Vec<Piece<'a>> = Vec::new();
        let mut moved: Vec<usize> = Vec::new();
        let (mut node, mut stored, mut written) = (0, 0, 0);
        for part in fields(bytes) {
            let part = part.map_err(fault)?;
            let old = Piece::Old(&bytes[part.span.clone()]);
            match part.number {
                1 => {
                    let at = node;
                    node += 1;
                    let unit = self.archive.source.nodes.of(at);
                    if self.kept.contains(&at) {
                        if let Some(first) = unit.clone().find_map(|k| self.by_place.get(&k).copied()) {
                            self.new_nodes(written..first, &mut pieces)?;
                            written = first + unit.filter(|k| self.by_place.contains_key(k)).count();
                        }
                        pieces.push(old);
                    } else {
                        for k in unit {
                            self.node(k, &part, bytes, (&mut written, &mut moved), &mut pieces)?;
                        }
                    }
                    if node == graph.nodes.len() {
                        self.new_nodes(written..self.small.nodes.len(), &mut pieces)?;
                        written = self.small.nodes.len();
                    }
                }
                5 => {
                    let at = stored;
                    stored += 1;
                    self.initializer(at, part.value.bytes(), old, &mut pieces)?;
                }
                11..=13 => {
                    let info = ValueInfo::read(part.value.bytes()).map_err(fault)?;
                    let gone = match part.number {
                        11 => self.idle(info.name) && self.is_stored(info.name),
                        12 => false,
                        _ => self.nodes.is_gone(info.name),
                    };
                    match self.nodes.resized(info.name) {
                        _ if gone => {}
                        None => pieces.push(old),
                        Some(shape) => {
                            let message = resized(part.value.bytes(), shape).map_err(fault)?;
                            pieces.push(Piece::New(field(part.number, &message)));
                        }
                    }
                }
                _ => pieces.push(old),
            }
        }
        self.new_nodes(written..self.small.nodes.len(), &mut pieces)?;
        self.additions(&moved, &mut pieces)?;
        Ok(pieces)
    }

    /// Writes a node of the unfolded graph, and those that stand before it. `part` is the field of the file that it came from.
    fn node(
        &mut self,
        at: usize,
        part: &Field,
        graph: &'a [u8],
        (written, moved): (&mut usize, &mut Vec<usize>),
        pieces: &mut Vec<Piece<'a>>,
    ) -> Result<(), FormatError> {
        let source: &'a Source = &self.archive.source;
        let as_it_was = || match source.nodes.list.get(at) {
            Some(Message::Made(bytes)) => Piece::New(field(1, bytes)),
            _ => Piece::Old(&graph[part.span.clone()]),
        };
        if let Some(k) = self.initializers.get(&Stored::Constant(at)).copied() {
            match self.same(k) {
                true => pieces.push(as_it_was()),
                false => moved.push(k),
            }
        } else if let Some(k) = self.by_place.get(&at).copied() {
            self.new_nodes(*written..k, pieces)?;
            pieces.push(match self.nodes.patched(k, source.node(at))? {
                None => as_it_was(),
                Some(message) => Piece::New(field(1, &message)),
            });
            *written = k + 1;
        }
        Ok(())
    }

    fn is_stored(&self, name: &str) -> bool {
        self.archive.program.graph.tensors.iter().any(|t| t.name == name)
    }

    fn new_nodes(&mut self, which: Range<usize>, pieces: &mut Vec<Piece<'a>>) -> Result<(), FormatError> {
        for k in which {
            let message = self.nodes.new_node(k)?;
            pieces.push(Piece::New(field(1, &message)));
        }
        Ok(())
    }

    /// Whether a tensor is stored as it was.
    fn same(&self, k: usize) -> bool {
        let before = &self.archive.program.graph.tensors[k];
        let Some(now) = self.now.get(&before.value) else { return false };
        let kept = matches!(self.payloads.get(now.storage), Some(Payload::Stored(n)) if *n == before.storage);
        kept && before.shape == now.shape
    }

    fn initializer(
        &mut self,
        at: usize,
        bytes: &'a [u8],
        old: Piece<'a>,
        pieces: &mut Vec<Piece<'a>>,
    ) -> Result<(), FormatError> {
        let Some(k) = self.initializers.get(&Stored::Initializer(at)).copied() else {
            let name = TensorProto::read(bytes).map_err(|f| self.archive.source.fault(f))?.name;
            if !self.idle(name) {
                pieces.push(old);
            }
            return Ok(());
        };
        let before = &self.archive.program.graph.tensors[k];
        let Some(tensor) = self.now.get(&before.value).copied().filter(|_| !self.idle(&before.name)) else { return Ok(()) };
        let external = matches!(self.archive.program.storages[self.archive.program.graph.tensors[k].storage], Storage::There(..));
        if self.same(k) && !external {
            pieces.push(old);
            return Ok(());
        }
        let len = self.len(tensor)?;
        let place = match external {
            false => Place::Here(tensor.storage, len),
            true => {
                let step = if len >= 1 << 20 { 4096 } else { 16 };
                let offset = self.reach.next_multiple_of(step);
                self.reach = offset + len;
                self.outside.push((offset, tensor.storage, len));
                Place::Beside { location: self.beside, offset, len }
            }
        };
        let parts = initializer(bytes, &tensor.shape, place).map_err(|f| self.archive.source.fault(f))?;
        let mut start = Vec::new();
        put_start(&mut start, 5, parts.iter().map(Piece::len).sum());
        pieces.push(Piece::New(start));
        pieces.extend(parts);
        Ok(())
    }

    /// Bytes of a tensor in the new file.
    fn len(&self, tensor: &Tensor) -> Result<u64, FormatError> {
        let len = (tensor.numel() * tensor.dtype.bytes()) as u64;
        let found = match self.payloads.get(tensor.storage) {
            Some(Payload::Stored(n)) => self.archive.storage(*n)?.len() as u64,
            Some(Payload::Bytes(bytes)) => bytes.len() as u64,
            Some(Payload::Write { len, .. }) => *len,
            None => return Err(FormatError::edit(format!("there is no payload {}", tensor.storage))),
        };
        match found == len {
            true => Ok(len),
            false => Err(FormatError::edit(format!("`{}` needs {len} bytes and has {found}", tensor.name))),
        }
    }

    /// New constants, and those that were nodes before they changed.
    fn additions(&mut self, moved: &[usize], pieces: &mut Vec<Piece<'a>>) -> Result<(), FormatError> {
        let before = &self.archive.program.graph.tensors;
        let old: FxHashSet<ValueId> = before.iter().map(|t| t.value).collect();
        let moved = moved.iter().filter_map(|k| self.now.get(&before[*k].value).copied());
        let all = moved.chain(self.small.tensors.iter().filter(|t| !old.contains(&t.value)));
        let mut inputs: Vec<(String, crate::model::DType, Vec<usize>)> = Vec::new();
        for t in all {
            let name = self.small.value(t.value).name.clone();
            let bytes = self.content(t.storage)?.into_owned();
            let constant = Constant { name: name.clone(), dtype: t.dtype, dims: t.shape.clone(), bytes };
            pieces.push(Piece::New(field(5, &constant.message())));
            inputs.push((name, t.dtype, t.shape.clone()));
        }
        for constant in std::mem::take(&mut self.nodes.constants) {
            pieces.push(Piece::New(field(5, &constant.message())));
            inputs.push((constant.name, constant.dtype, constant.dims));
        }
        if self.archive.source.model.ir < 4 {
            for (name, dtype, shape) in inputs {
                let shape: Vec<crate::model::Size> = shape.into_iter().map(Into::into).collect();
                pieces.push(Piece::New(field(11, &value_info(&name, dtype, &shape))));
            }
        }
        Ok(())
    }

    fn content(&self, payload: usize) -> Result<Cow<'a, [u8]>, FormatError> {
        content(self.archive, self.payloads, payload)
    }
}

fn content<'a>(archive: &'a Archive, payloads: &'a [Payload<'a>], payload: usize) -> Result<Cow<'a, [u8]>, FormatError> {
    match payloads.get(payload) {
        Some(Payload::Stored(n)) => archive.storage(*n),
        Some(Payload::Bytes(bytes)) => Ok(Cow::Borrowed(bytes)),
        Some(Payload::Write { len, write }) => {
            let mut out = Vec::with_capacity(*len as usize);
            write(&mut out).map_err(|e| FormatError::edit(e.to_string()))?;
            Ok(Cow::Owned(out))
        }
        None => Err(FormatError::edit(format!("there is no payload {payload}"))),
    }
}

fn listed((k, node): (usize, &crate::model::Node)) -> Option<(usize, usize)> {
    if let Origin::Listed(at) = node.origin { Some((at, k)) } else { None }
}

/// Where the bytes go.
struct Sink<'a, 'p> {
    archive: &'a Archive,
    payloads: &'a [Payload<'a>],
    progress: &'p mut dyn FnMut(u64),
}

impl Sink<'_, '_> {
    fn bytes(&mut self, output: &mut Output, bytes: &[u8]) -> Result<(), FormatError> {
        output.write_all(bytes).map_err(|e| output.fault(e))?;
        (self.progress)(bytes.len() as u64);
        Ok(())
    }

    fn piece(&mut self, output: &mut Output, piece: &Piece) -> Result<(), FormatError> {
        match piece {
            Piece::Old(bytes) => self.bytes(output, bytes),
            Piece::New(bytes) => self.bytes(output, bytes),
            Piece::Data(payload, _) => self.bytes(output, &content(self.archive, self.payloads, *payload)?),
        }
    }
}
