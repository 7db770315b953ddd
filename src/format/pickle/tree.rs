//! From the machine's cells, which refer to one another by number, to values.
//!
//! Cells are filled after they are memoised, so that only the finished arena tells what contains what: here cycles are
//! found and the depth is bounded. What several cells refer to is built once and shared.

use std::rc::Rc;

use super::{Object, Pickle, PickleError, TensorRef};
use crate::model::DType;

/// Real pickles nest two levels a module; their depth is that of Python's own recursion.
const DEEPEST: usize = 500;

/// Number of a cell.
pub(super) type Id = usize;

/// A value of the machine.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    /// What contains nothing.
    Plain(Pickle),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Storage {
        dtype: Option<DType>,
        key: Rc<str>,
    },
    Tensor(Rc<TensorRef>),
    Object {
        class: Rc<str>,
        args: Vec<Id>,
        state: Option<Id>,
        items: Vec<Id>,
        entries: Vec<(Id, Id)>,
    },
}

enum State {
    New,
    Open,
    /// Built, with its height.
    Done(Pickle, usize),
}

struct Builder<'a> {
    arena: &'a [Cell],
    states: Vec<State>,
}

/// The value of a cell.
pub(super) fn build(arena: &[Cell], root: Id) -> Result<Pickle, PickleError> {
    let mut builder = Builder { arena, states: arena.iter().map(|_| State::New).collect() };
    builder.value(root, 0).map(|(value, _)| value)
}

impl Builder<'_> {
    fn value(&mut self, id: Id, depth: usize) -> Result<(Pickle, usize), PickleError> {
        let known = match &self.states[id] {
            State::Open => return Err(PickleError::Cycle),
            State::Done(value, height) => Some((value.clone(), *height)),
            State::New => None,
        };
        let found = match known {
            Some(found) => found,
            None if depth > DEEPEST => return Err(PickleError::TooDeep { limit: DEEPEST }),
            None => {
                self.states[id] = State::Open;
                let found = self.fresh(id, depth + 1)?;
                self.states[id] = State::Done(found.0.clone(), found.1);
                found
            }
        };
        // What is shared may be deeper below than this path is long.
        if depth + found.1 > DEEPEST { Err(PickleError::TooDeep { limit: DEEPEST }) } else { Ok(found) }
    }

    fn fresh(&mut self, id: Id, depth: usize) -> Result<(Pickle, usize), PickleError> {
        let mut height = 0;
        let arena = self.arena;
        let value = match &arena[id] {
            Cell::Plain(value) => value.clone(),
            Cell::List(items) => Pickle::List(self.values(items, depth, &mut height)?.into()),
            Cell::Tuple(items) => Pickle::Tuple(self.values(items, depth, &mut height)?.into()),
            Cell::Dict(entries) => Pickle::Dict(self.entries(entries, depth, &mut height)?.into()),
            Cell::Tensor(tensor) => Pickle::Tensor(tensor.clone()),
            Cell::Storage { key, .. } => Pickle::Object(Rc::new(Object {
                class: "torch.storage.TypedStorage".into(),
                args: vec![Pickle::Str(key.clone())],
                state: None,
                items: Vec::new(),
                entries: Vec::new(),
            })),
            Cell::Object { class, args, state, items, entries } => Pickle::Object(Rc::new(Object {
                class: class.clone(),
                args: self.values(args, depth, &mut height)?,
                state: self.values(state.as_slice(), depth, &mut height)?.pop(),
                items: self.values(items, depth, &mut height)?,
                entries: self.entries(entries, depth, &mut height)?,
            })),
        };
        Ok((value, height))
    }

    fn values(&mut self, ids: &[Id], depth: usize, height: &mut usize) -> Result<Vec<Pickle>, PickleError> {
        let mut values = Vec::with_capacity(ids.len());
        for id in ids {
            let (value, below) = self.value(*id, depth)?;
            *height = (*height).max(below + 1);
            values.push(value);
        }
        Ok(values)
    }

    fn entries(&mut self, ids: &[(Id, Id)], depth: usize, height: &mut usize) -> Result<Vec<(Pickle, Pickle)>, PickleError> {
        let flat: Vec<Id> = ids.iter().flat_map(|(k, v)| [*k, *v]).collect();
        let values = self.values(&flat, depth, height)?;
        Ok(values.as_chunks::<2>().0.iter().map(|[k, v]| (k.clone(), v.clone())).collect())
    }
}
