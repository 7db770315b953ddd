//! The stack machine that a pickle is a program for. It builds cells and calls nothing.

use std::collections::HashMap;
use std::rc::Rc;

use super::bytes::Bytes;
use super::known::{self, Called};
use super::literal;
use super::tree::{Cell, Id};
use super::{Pickle, PickleError};

/// The newest protocol there is.
const PROTOCOL: u8 = 5;
/// How many references calls may copy for each byte of the pickle: real ones copy less than one.
const COPIES: usize = 16;

struct Machine<'a> {
    bytes: Bytes<'a>,
    arena: Vec<Cell>,
    stack: Vec<Id>,
    /// Heights of the stack at the marks.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    copies: usize,
}

/// Runs a pickle; gives the cells and the number of the result.
pub(super) fn run(bytes: &[u8]) -> Result<(Vec<Cell>, Id), PickleError> {
    let copies = bytes.len().saturating_mul(COPIES).saturating_add(1024);
    let mut machine = Machine {
        bytes: Bytes::new(bytes),
        arena: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        copies,
    };
    loop {
        let opcode = machine.bytes.opcode()?;
        if opcode == b'.' {
            let root = machine.pop()?;
            return Ok((machine.arena, root));
        }
        machine.step(opcode)?;
    }
}

impl<'a> Machine<'a> {
    fn step(&mut self, opcode: u8) -> Result<(), PickleError> {
        match opcode {
            // Protocol and frames.
            0x80 => match self.bytes.byte()? {
                n if n > PROTOCOL => return Err(self.bytes.malformed(format!("protocol {n} is newer than {PROTOCOL}"))),
                _ => {}
            },
            0x95 => drop(self.bytes.take(8)?),
            // The stack and the memo.
            b'(' => self.marks.push(self.stack.len()),
            b'0' => {
                // Pops a mark where it is on top.
                if self.marks.last() == Some(&self.stack.len()) {
                    self.marks.pop();
                } else {
                    self.pop()?;
                }
            }
            b'1' => drop(self.marked()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            b'g' => {
                let n = self.number(|m| m.bytes.line())?;
                self.recall(n)?;
            }
            b'h' => {
                let n = self.bytes.byte()?;
                self.recall(n.into())?;
            }
            b'j' => {
                let n = self.bytes.u32()?;
                self.recall(n)?;
            }
            b'p' => {
                let n = self.number(|m| m.bytes.line())?;
                self.memoise(n)?;
            }
            b'q' => {
                let n = self.bytes.byte()?;
                self.memoise(n.into())?;
            }
            b'r' => {
                let n = self.bytes.u32()?;
                self.memoise(n)?;
            }
            0x94 => {
                let n = u32::try_from(self.memo.len()).map_err(|_| self.bytes.malformed("too many memos"))?;
                self.memoise(n)?;
            }
            b'N' | 0x88 | 0x89 | b'I' | b'J' | b'K' | b'M' | b'L' | 0x8a | 0x8b | b'F' | b'G' => {
                let value = literal::scalar(&mut self.bytes, opcode)?;
                self.plain(value);
            }
            b'V' | b'X' | 0x8c | 0x8d | b'S' | b'T' | b'U' | b'B' | b'C' | 0x8e => {
                let value = literal::text(&mut self.bytes, opcode)?;
                self.plain(value);
            }
            _ => return self.compound(opcode),
        }
        Ok(())
    }

    /// Containers, names, calls.
    fn compound(&mut self, opcode: u8) -> Result<(), PickleError> {
        match opcode {
            b']' | 0x8f => self.push(Cell::List(Vec::new())),
            b'}' => self.push(Cell::Dict(Vec::new())),
            b')' => self.push(Cell::Tuple(Vec::new())),
            b'l' => {
                let items = self.marked()?;
                self.push(Cell::List(items));
            }
            b't' | 0x91 => {
                let items = self.marked()?;
                self.push(Cell::Tuple(items));
            }
            0x85..=0x87 => {
                let mut items = (0..opcode - 0x84).map(|_| self.pop()).collect::<Result<Vec<Id>, _>>()?;
                items.reverse();
                self.push(Cell::Tuple(items));
            }
            b'd' => {
                let items = self.marked()?;
                let entries = self.pairs(&items)?;
                self.push(Cell::Dict(entries));
            }
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' | 0x90 => {
                let items = self.marked()?;
                self.append(items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(vec![(key, value)])?;
            }
            b'u' => {
                let items = self.marked()?;
                let entries = self.pairs(&items)?;
                self.set(entries)?;
            }
            b'c' => {
                let (module, name) = (self.bytes.line()?, self.bytes.line()?);
                self.plain(global(module, name));
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let name = match (&self.arena[module], &self.arena[name]) {
                    (Cell::Plain(Pickle::Str(module)), Cell::Plain(Pickle::Str(name))) => global(module, name),
                    _ => return Err(self.bytes.malformed("a name that is no text")),
                };
                self.plain(name);
            }
            b'R' | 0x81 => {
                let (args, callable) = (self.pop()?, self.pop()?);
                self.call(callable, args)?;
            }
            0x92 => {
                // With keyword arguments, which no known class takes.
                let (entries, args, class) = (self.pop()?, self.pop()?, self.pop()?);
                let (Some(name), Cell::Tuple(list)) = (self.name(class), &self.arena[args]) else {
                    return Err(self.bytes.malformed("a call of what is no name"));
                };
                let list = list.iter().copied().chain([entries]).collect::<Vec<Id>>();
                self.copied(list.len())?;
                self.push(known::object(&name, &list));
            }
            b'i' => {
                let (module, name) = (self.bytes.line()?, self.bytes.line()?);
                let args = self.marked()?;
                if let Pickle::Global(class) = global(module, name) {
                    self.push(known::object(&class, &args));
                }
            }
            b'o' => {
                let items = self.marked()?;
                let Some((name, args)) = items.split_first().and_then(|(c, args)| Some((self.name(*c)?, args))) else {
                    return Err(self.bytes.malformed("an object of no class"));
                };
                self.push(known::object(&name, args));
            }
            b'b' => self.build()?,
            b'Q' => {
                let id = self.pop()?;
                let storage = known::storage(&self.arena, id);
                let storage = storage.ok_or_else(|| self.bytes.malformed("a persistent id that is no storage of torch"))?;
                self.push(storage);
            }
            other => return Err(self.bytes.malformed(format!("the instruction {:?} is not known", char::from(other)))),
        }
        Ok(())
    }

    fn call(&mut self, callable: Id, args: Id) -> Result<(), PickleError> {
        let (Some(name), Cell::Tuple(list)) = (self.name(callable), &self.arena[args]) else {
            return Err(self.bytes.malformed("a call of what is no name"));
        };
        let args = list.len();
        // All that a call copies are its arguments and the items of those.
        let inside = |id: &Id| match &self.arena[*id] {
            Cell::List(items) | Cell::Tuple(items) => items.len(),
            Cell::Dict(entries) => entries.len(),
            Cell::Plain(Pickle::Str(text)) => text.len(),
            _ => 1,
        };
        let count = list.iter().map(inside).sum::<usize>();
        let called = known::call(&self.arena, &name, list);
        self.copied(args)?;
        match called {
            Called::Same(id) => self.stack.push(id),
            Called::New(cell) => {
                self.copied(count)?;
                self.push(cell);
            }
            Called::Wrong(reason) => return Err(self.bytes.malformed(reason)),
        }
        Ok(())
    }

    /// A few bytes that copy much again and again are no real pickle.
    fn copied(&mut self, count: usize) -> Result<(), PickleError> {
        let left = self.copies.checked_sub(count);
        self.copies = left.ok_or_else(|| self.bytes.malformed("it unpacks to far more than its size"))?;
        Ok(())
    }

    fn build(&mut self) -> Result<(), PickleError> {
        let given = self.pop()?;
        let target = self.top()?;
        match &mut self.arena[target] {
            Cell::Object { state, .. } => *state = Some(given),
            // The `_metadata` of a state dict.
            Cell::Dict(_) => {}
            _ => return Err(self.bytes.malformed("a state for what has none")),
        }
        Ok(())
    }

    fn append(&mut self, mut more: Vec<Id>) -> Result<(), PickleError> {
        let target = self.top()?;
        match &mut self.arena[target] {
            Cell::List(items) | Cell::Object { items, .. } => items.append(&mut more),
            _ => return Err(self.bytes.malformed("items for what is no list")),
        }
        Ok(())
    }

    fn set(&mut self, mut more: Vec<(Id, Id)>) -> Result<(), PickleError> {
        let target = self.top()?;
        match &mut self.arena[target] {
            Cell::Dict(entries) | Cell::Object { entries, .. } => entries.append(&mut more),
            _ => return Err(self.bytes.malformed("entries for what is no dict")),
        }
        Ok(())
    }

    fn pairs(&self, items: &[Id]) -> Result<Vec<(Id, Id)>, PickleError> {
        match items.as_chunks::<2>() {
            (pairs, []) => Ok(pairs.iter().map(|[k, v]| (*k, *v)).collect()),
            _ => Err(self.bytes.malformed("a key without a value")),
        }
    }

    fn name(&self, id: Id) -> Option<Rc<str>> {
        match &self.arena[id] {
            Cell::Plain(Pickle::Global(name)) => Some(name.clone()),
            _ => None,
        }
    }

    fn number(&mut self, line: impl Fn(&mut Self) -> Result<&'a str, PickleError>) -> Result<u32, PickleError> {
        line(self)?.trim().parse().map_err(|_| self.bytes.malformed("the number of a memo is none"))
    }

    fn recall(&mut self, n: u32) -> Result<(), PickleError> {
        let id = self.memo.get(&n).copied().ok_or_else(|| self.bytes.malformed(format!("there is no memo {n}")))?;
        self.stack.push(id);
        Ok(())
    }

    fn memoise(&mut self, n: u32) -> Result<(), PickleError> {
        let top = self.top()?;
        self.memo.insert(n, top);
        Ok(())
    }

    fn plain(&mut self, value: Pickle) {
        self.push(Cell::Plain(value));
    }

    fn push(&mut self, cell: Cell) {
        self.stack.push(self.arena.len());
        self.arena.push(cell);
    }

    /// The top of the stack, above the last mark.
    fn top(&self) -> Result<Id, PickleError> {
        let above = self.stack.get(self.marks.last().copied().unwrap_or(0)..).unwrap_or(&[]);
        above.last().copied().ok_or_else(|| self.bytes.malformed("nothing is on the stack"))
    }

    fn pop(&mut self) -> Result<Id, PickleError> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    /// What is above the last mark, which goes.
    fn marked(&mut self) -> Result<Vec<Id>, PickleError> {
        let mark = self.marks.pop().filter(|mark| *mark <= self.stack.len());
        mark.map(|mark| self.stack.split_off(mark)).ok_or_else(|| self.bytes.malformed("no mark is on the stack"))
    }
}

/// A dotted name.
fn global(module: &str, name: &str) -> Pickle {
    Pickle::Global(if module.is_empty() { name.into() } else { format!("{module}.{name}").into() })
}
