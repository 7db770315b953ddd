//! The axes that an axis is made of.

use std::rc::Rc;

use egg::Id;
use indexmap::IndexMap;
use rustc_hash::{FxHashMap, FxHashSet};

use super::index::Even;
use crate::axis::{Axes, Axis};

/// An axis that is made of nothing else, in one that is made of it.
#[derive(Clone, Copy, Debug)]
pub struct Element {
    /// Its class.
    pub class: Id,
    /// Where it begins, if it is a part of a cat and no factor; where it stands several times, the first.
    pub start: Option<i64>,
    /// Where its positions lie, if in equal steps.
    pub even: Option<Even>,
}

/// The classes that a class is made of and that are made of nothing themselves.
pub struct Elements<'a> {
    axes: &'a Axes,
    known: FxHashMap<Id, Rc<[Element]>>,
}

/// So many places in an axis are looked at.
const MOST: usize = 4096;

/// All places of one axis as one.
fn together(places: &[Element]) -> Element {
    let first = places[0];
    if places.len() == 1 {
        return first;
    }
    let evens: Option<Vec<Even>> = places.iter().map(|e| e.even).collect();
    let even = evens.and_then(|evens| {
        let (one, every) = (evens[0], evens[1].start.checked_sub(evens[0].start)?);
        let next = |(k, e): (usize, &Even)| *e == Even { start: one.start + k * every, ..one };
        (one.times == 1 && evens.iter().enumerate().all(next)).then_some(Even { times: evens.len(), every, ..one })
    });
    Element { class: first.class, start: first.start, even }
}

impl<'a> Elements<'a> {
    /// Of these axes.
    pub fn new(axes: &'a Axes) -> Elements<'a> {
        Elements { axes, known: FxHashMap::default() }
    }

    /// In order, each once.
    pub fn of(&mut self, id: Id) -> Rc<[Element]> {
        let class = self.axes.class(id);
        if let Some(known) = self.known.get(&class) {
            return known.clone();
        }
        let whole = Element { class, start: Some(0), even: Some(Even::WHOLE) };
        let mut found: IndexMap<Id, Vec<Element>> = IndexMap::new();
        let (mut todo, mut seen) = (vec![whole], FxHashSet::default());
        while let Some(element) = todo.pop() {
            let class = element.class;
            // One axis may stand in several places, as that of heads in a fused query, key and value; descriptions in a ring end somewhere.
            if !seen.insert(class) && seen.len() + todo.len() > MOST {
                continue;
            }
            let parts = self.axes.descriptions(class).into_iter().find_map(|d| match d {
                Axis::Cat(parts) => Some(self.one_after_another(parts, element)),
                Axis::Merge(parts) => Some(self.factors(parts, element)),
                Axis::Pick([of], _) if !seen.contains(&self.axes.class(*of)) => {
                    Some(vec![Element { class: self.axes.class(*of), start: None, even: None }])
                }
                _ => None,
            });
            match parts {
                Some(parts) => todo.extend(parts.into_iter().rev()),
                None => found.entry(class).or_default().push(element),
            }
        }
        let found: Vec<Element> = found.into_values().map(|places| together(&places)).collect();
        let found: Rc<[Element]> = found.into();
        self.known.insert(class, found.clone());
        found
    }

    fn one_after_another(&self, parts: &[Id], whole: Element) -> Vec<Element> {
        let mut at = Some(0);
        let next = |p: &Id| {
            let here = at;
            at = at.zip(self.axes.size(*p).as_int()).map(|(at, n)| at + n);
            let even = whole.even.zip(here).and_then(|(e, from)| Some(e.part(usize::try_from(from).ok()?)));
            Element { class: self.axes.class(*p), start: whole.start.zip(here).map(|(a, b)| a + b), even }
        };
        parts.iter().map(next).collect()
    }

    fn factors(&self, parts: &[Id], whole: Element) -> Vec<Element> {
        let size = |id: &Id| self.axes.size(*id).as_int().and_then(|n| usize::try_from(n).ok());
        let product = |ids: &[Id]| ids.iter().try_fold(1usize, |n, id| n.checked_mul(size(id)?));
        let factor = |k: usize| {
            let (before, own, after) = (product(&parts[..k])?, size(&parts[k])?, product(&parts[k + 1..])?);
            whole.even?.factor(before, own, after)
        };
        (0..parts.len()).map(|k| Element { class: self.axes.class(parts[k]), start: None, even: factor(k) }).collect()
    }
}
