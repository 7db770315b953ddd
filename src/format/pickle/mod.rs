//! Pickles, read without executing anything.

use std::collections::HashMap;
use std::rc::Rc;

use crate::model::DType;

/// A value of a pickle.
#[derive(Clone, Debug, PartialEq)]
pub enum Pickle {
    /// `None`
    None,
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// A text.
    Str(Rc<str>),
    /// A list.
    List(Rc<Vec<Pickle>>),
    /// A tuple.
    Tuple(Rc<Vec<Pickle>>),
    /// A dictionary.
    Dict(Rc<Vec<(Pickle, Pickle)>>),
    /// A tensor.
    Tensor(Rc<TensorRef>),
    /// An object of a class, or the call of one.
    Object {
        /// `module name`
        class: Rc<str>,
        /// Its state, or the arguments of the call.
        state: Rc<Pickle>,
    },
}

/// A tensor's place in an archive.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorRef {
    /// Name of the storage.
    pub key: String,
    /// Element type.
    pub dtype: DType,
    /// First element.
    pub offset: usize,
    /// Sizes.
    pub shape: Vec<usize>,
    /// Strides.
    pub strides: Vec<usize>,
}

/// Why a pickle cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PickleError(String);

enum Slot {
    Mark,
    Global(Rc<str>),
    Storage(String, DType),
    Value(Pickle),
}

/// Reads a pickle.
pub fn read(bytes: &[u8]) -> Result<Pickle, PickleError> {
    Reader { bytes, at: 0, stack: Vec::new(), memo: HashMap::new() }.run().map_err(|e| PickleError(e.to_owned()))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Slot>,
    memo: HashMap<u32, Memo>,
}

#[derive(Clone)]
enum Memo {
    Global(Rc<str>),
    Storage(String, DType),
    Value(Pickle),
}

type R<T> = Result<T, &'static str>;

impl Reader<'_> {
    fn take(&mut self, n: usize) -> R<&[u8]> {
        let part = self.bytes.get(self.at..self.at + n).ok_or("it ends too early")?;
        self.at += n;
        Ok(part)
    }
    fn line(&mut self) -> R<String> {
        let rest = &self.bytes[self.at..];
        let n = rest.iter().position(|b| *b == b'\n').ok_or("it ends too early")?;
        let s = String::from_utf8_lossy(&rest[..n]).into_owned();
        self.at += n + 1;
        Ok(s)
    }
    fn pop(&mut self) -> R<Pickle> {
        match self.stack.pop() {
            Some(Slot::Value(v)) => Ok(v),
            _ => Err("a value is missing"),
        }
    }
    fn marked(&mut self) -> R<Vec<Slot>> {
        let at = self.stack.iter().rposition(|s| matches!(s, Slot::Mark)).ok_or("a mark is missing")?;
        let list = self.stack.split_off(at + 1);
        self.stack.pop();
        Ok(list)
    }
    fn push(&mut self, p: Pickle) {
        self.stack.push(Slot::Value(p));
    }
    fn values(list: Vec<Slot>) -> Vec<Pickle> {
        list.into_iter()
            .map(|s| match s {
                Slot::Value(p) => p,
                Slot::Storage(key, dtype) => {
                    Pickle::Tensor(Rc::new(TensorRef { key, dtype, offset: 0, shape: vec![], strides: vec![] }))
                }
                Slot::Global(g) => Pickle::Str(g),
                Slot::Mark => Pickle::None,
            })
            .collect()
    }
    fn pairs(list: Vec<Pickle>) -> Vec<(Pickle, Pickle)> {
        list.chunks_exact(2).map(|c| (c[0].clone(), c[1].clone())).collect()
    }
    fn run(mut self) -> R<Pickle> {
        loop {
            match self.take(1)?[0] {
                0x80 => {
                    self.take(1)?;
                }
                b'.' => return self.pop(),
                b'c' => {
                    let (m, n) = (self.line()?, self.line()?);
                    self.stack.push(Slot::Global(format!("{m} {n}").into()));
                }
                b'q' | b'r' => {
                    let wide = self.bytes[self.at - 1] == b'r';
                    let n = if wide { u32::from_le_bytes(self.take(4)?.try_into().map_err(|_| "")?) } else { self.take(1)?[0].into() };
                    let m = match self.stack.last() {
                        Some(Slot::Global(g)) => Memo::Global(g.clone()),
                        Some(Slot::Storage(k, d)) => Memo::Storage(k.clone(), *d),
                        Some(Slot::Value(v)) => Memo::Value(v.clone()),
                        _ => return Err("memo of nothing"),
                    };
                    self.memo.insert(n, m);
                }
                b'h' | b'j' => {
                    let wide = self.bytes[self.at - 1] == b'j';
                    let n = if wide { u32::from_le_bytes(self.take(4)?.try_into().map_err(|_| "")?) } else { self.take(1)?[0].into() };
                    let s = match self.memo.get(&n).ok_or("no such memo")? {
                        Memo::Global(g) => Slot::Global(g.clone()),
                        Memo::Storage(k, d) => Slot::Storage(k.clone(), *d),
                        Memo::Value(v) => Slot::Value(v.clone()),
                    };
                    self.stack.push(s);
                }
                b')' => self.push(Pickle::Tuple(Rc::default())),
                b']' => self.push(Pickle::List(Rc::default())),
                b'}' => self.push(Pickle::Dict(Rc::default())),
                b'(' => self.stack.push(Slot::Mark),
                b'N' => self.push(Pickle::None),
                0x88 => self.push(Pickle::Bool(true)),
                0x89 => self.push(Pickle::Bool(false)),
                b'K' => {
                    let n = self.take(1)?[0].into();
                    self.push(Pickle::Int(n));
                }
                b'M' => {
                    let n = u16::from_le_bytes(self.take(2)?.try_into().map_err(|_| "")?).into();
                    self.push(Pickle::Int(n));
                }
                b'J' => {
                    let n = i32::from_le_bytes(self.take(4)?.try_into().map_err(|_| "")?).into();
                    self.push(Pickle::Int(n));
                }
                0x8a => {
                    let n = self.take(1)?[0] as usize;
                    let mut out = 0i64;
                    let b = self.take(n)?.to_vec();
                    for (i, x) in b.iter().enumerate().take(8) {
                        out |= i64::from(*x) << (8 * i);
                    }
                    if n < 8 && n > 0 && b[n - 1] & 0x80 != 0 {
                        out -= 1 << (8 * n);
                    }
                    self.push(Pickle::Int(out));
                }
                b'G' => {
                    let x = f64::from_be_bytes(self.take(8)?.try_into().map_err(|_| "")?);
                    self.push(Pickle::Float(x));
                }
                b'X' => {
                    let n = u32::from_le_bytes(self.take(4)?.try_into().map_err(|_| "")?) as usize;
                    let s: Rc<str> = String::from_utf8_lossy(self.take(n)?).into();
                    self.push(Pickle::Str(s));
                }
                b't' => {
                    let l = self.marked()?;
                    self.push(Pickle::Tuple(Rc::new(Self::values(l))));
                }
                n @ 0x85..=0x87 => {
                    let at = self.stack.len().checked_sub(n as usize - 0x84).ok_or("too few")?;
                    let l = self.stack.split_off(at);
                    self.push(Pickle::Tuple(Rc::new(Self::values(l))));
                }
                b'e' => {
                    let l = Self::values(self.marked()?);
                    let Pickle::List(mut old) = self.pop()? else { return Err("no list") };
                    Rc::make_mut(&mut old).extend(l);
                    self.push(Pickle::List(old));
                }
                b'a' => {
                    let l = self.pop()?;
                    let Pickle::List(mut old) = self.pop()? else { return Err("no list") };
                    Rc::make_mut(&mut old).push(l);
                    self.push(Pickle::List(old));
                }
                b'u' => {
                    let l = Self::pairs(Self::values(self.marked()?));
                    let Pickle::Dict(mut old) = self.pop()? else { return Err("no dict") };
                    Rc::make_mut(&mut old).extend(l);
                    self.push(Pickle::Dict(old));
                }
                b'Q' => {
                    let p = self.pop()?;
                    let Pickle::Tuple(t) = p else { return Err("no storage") };
                    let (Some(Pickle::Str(class)), Some(Pickle::Str(key))) = (t.get(1), t.get(2)) else { return Err("no storage") };
                    let d = match class.rsplit(' ').next().unwrap_or("") {
                        "FloatStorage" => DType::F32,
                        "DoubleStorage" => DType::F64,
                        "HalfStorage" => DType::F16,
                        "BFloat16Storage" => DType::BF16,
                        "ByteStorage" => DType::U8,
                        "CharStorage" => DType::I8,
                        "ShortStorage" => DType::I16,
                        "IntStorage" => DType::I32,
                        "LongStorage" => DType::I64,
                        "BoolStorage" => DType::Bool,
                        _ => return Err("unknown storage"),
                    };
                    self.stack.push(Slot::Storage(key.to_string(), d));
                }
                b'R' => {
                    let args = self.pop()?;
                    let Some(Slot::Global(class)) = self.stack.pop() else { return Err("no class") };
                    let made = match &*class {
                        "torch._utils _rebuild_tensor_v2" => {
                            let Pickle::Tuple(t) = &args else { return Err("no tensor") };
                            let [Pickle::Tensor(s), Pickle::Int(o), Pickle::Tuple(a), Pickle::Tuple(b), ..] = t.as_slice() else {
                                return Err("no tensor");
                            };
                            let ints = |l: &[Pickle]| {
                                l.iter().map(|p| if let Pickle::Int(n) = p { *n as usize } else { 0 }).collect::<Vec<_>>()
                            };
                            Pickle::Tensor(Rc::new(TensorRef {
                                key: s.key.clone(),
                                dtype: s.dtype,
                                offset: *o as usize,
                                shape: ints(a),
                                strides: ints(b),
                            }))
                        }
                        _ => Pickle::Object { class, state: Rc::new(args) },
                    };
                    self.push(made);
                }
                0x81 => {
                    self.pop()?;
                    let Some(Slot::Global(class)) = self.stack.pop() else { return Err("no class") };
                    self.push(Pickle::Object { class, state: Rc::new(Pickle::None) });
                }
                b'b' => {
                    let s = self.pop()?;
                    let Pickle::Object { class, .. } = self.pop()? else { return Err("no object") };
                    self.push(Pickle::Object { class, state: Rc::new(s) });
                }
                _ => return Err("unknown opcode"),
            }
        }
    }
}
