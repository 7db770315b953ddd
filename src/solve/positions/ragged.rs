//! Ragged axes: an inner digit may lose other positions in each outer one (channels in each group, positions in each head).
//!
//! An inner axis may depend on an outer one, its *context*, where every tensor that has the inner axis has the outer one too.
//! Its positions are then pairs (outer, inner), outer first; each outer position must lose equally many. When in doubt
//! an axis has no context, and is rectangular, which is always right.

use egg::Id;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::axis::{Axes, Axis, Bound, DimExpr, LetterId, Propagation};
use crate::model::Graph;

/// The outer axis that an axis depends on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Context {
    /// Its class.
    pub class: Id,
    /// Number of its positions.
    pub outer: usize,
}

/// Where the outer position is found: `(coordinate / div) % outer` of another axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link<T> {
    /// The letter, or dimension.
    pub at: T,
    /// Positions of it that one outer position takes.
    pub div: usize,
    /// Number of outer positions.
    pub outer: usize,
}

impl<T> Link<T> {
    /// The outer position at a coordinate of the linked axis.
    pub fn outer_of(&self, coordinate: usize) -> usize {
        coordinate / self.div % self.outer
    }
}

/// The contexts of all classes that have one.
#[derive(Clone, Debug, Default)]
pub struct Contexts {
    of: FxHashMap<Id, Context>,
}

fn int(axes: &Axes, id: Id) -> Option<usize> {
    axes.size(id).as_int().and_then(|n| usize::try_from(n).ok())
}

/// How a class contains an outer one: itself, or as a digit.
fn contains(axes: &Axes, whole: Id, outer: Id) -> Option<(usize, usize)> {
    let n = int(axes, outer)?;
    if axes.class(whole) == outer {
        return Some((1, n));
    }
    let parts = axes.merge_parts(whole)?;
    let at = parts.iter().position(|p| axes.class(*p) == outer)?;
    let div = parts[at + 1..].iter().map(|p| int(axes, *p)).product::<Option<usize>>()?;
    Some((div, n))
}

impl Contexts {
    /// No axis depends on another.
    pub fn none() -> Contexts {
        Contexts::default()
    }

    /// Finds the axes that may be ragged.
    pub fn find(graph: &Graph, p: &Propagation) -> Contexts {
        let search = Search::new(graph, p);
        let mut contexts = Contexts::default();
        for (inner, outers) in search.candidates() {
            let best =
                outers.into_iter().filter(|o| search.fits(inner, *o)).max_by_key(|o| (int(&p.axes, *o), std::cmp::Reverse(*o)));
            if let Some(class) = best
                && let Some(outer) = int(&p.axes, class)
            {
                contexts.of.insert(inner, Context { class, outer });
            }
        }
        // An axis whose outer one depends on a third itself is rectangular.
        let nested: Vec<Id> = contexts.of.iter().filter(|(_, c)| contexts.of.contains_key(&c.class)).map(|(k, _)| *k).collect();
        contexts.of.retain(|k, _| !nested.contains(k));
        // A cat of axes with a context has it too.
        for class in p.axes.classes() {
            for whole in search.carriers(class) {
                if let (Some(context), true) = (contexts.of.get(&class).copied(), whole != class) {
                    contexts.of.insert(whole, context);
                }
            }
        }
        contexts
    }

    /// The context of an axis.
    pub fn of(&self, axes: &Axes, id: Id) -> Option<Context> {
        if self.of.is_empty() { None } else { self.of.get(&axes.class(id)).copied() }
    }

    /// All classes with a context.
    pub fn classes(&self) -> Vec<Id> {
        let mut ids: Vec<Id> = self.of.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// For each letter of a bound rule, which other letter tells its outer position.
    pub fn links(&self, axes: &Axes, bound: &Bound) -> Vec<Option<Link<LetterId>>> {
        let link = |l: usize| {
            let context = self.of(axes, bound.ids[l])?;
            link(axes, bound, l as LetterId, context.class)
        };
        (0..bound.ids.len()).map(link).collect()
    }

    /// Which other dimension of a value tells the outer position of a dimension.
    pub fn dim(&self, axes: &Axes, dims: &[Id], k: usize) -> Option<Link<usize>> {
        let context = self.of(axes, *dims.get(k)?)?;
        let mut others = (0..dims.len()).filter(|j| *j != k);
        others.find_map(|j| contains(axes, dims[j], context.class).map(|(div, outer)| Link { at: j, div, outer }))
    }
}

/// The letter that tells the outer position of another wherever both stand: in every tensor that has the latter.
fn link(axes: &Axes, bound: &Bound, inner: LetterId, outer: Id) -> Option<Link<LetterId>> {
    let operands = bound.operands.iter().filter(|o| o.read).map(|o| o.dims.as_slice());
    let tensors: Vec<&[DimExpr]> = operands.chain(bound.outputs.iter().map(|o| o.dims.as_slice())).collect();
    let holding = tensors.into_iter().filter(|dims| dims.iter().any(|d| d.letters().contains(&inner)));
    let mut found: Option<Link<LetterId>> = None;
    for dims in holding {
        let letters = dims.iter().flat_map(|d| beside(d, inner)).filter(|m| *m != inner);
        let links =
            letters.filter_map(|m| contains(axes, bound.ids[m as usize], outer).map(|(div, outer)| Link { at: m, div, outer }));
        let here: Vec<Link<LetterId>> = links.collect();
        // One dimension that holds both must have the outer one first.
        let ordered = dims.iter().map(DimExpr::letters).all(|l| {
            let place = |m: LetterId| l.iter().position(|x| *x == m);
            here.iter().all(|k| place(k.at).zip(place(inner)).is_none_or(|(a, b)| a < b))
        });
        match (here.as_slice(), found) {
            ([one], None) if ordered => found = Some(*one),
            ([one], Some(known)) if ordered && *one == known => {}
            _ => return None,
        }
    }
    found
}

/// The letters of a dimension that have a coordinate where `inner` has one.
fn beside(dim: &DimExpr, inner: LetterId) -> Vec<LetterId> {
    match dim {
        DimExpr::Product(parts) => parts.iter().flat_map(|p| beside(p, inner)).collect(),
        DimExpr::Sum(parts) => match parts.iter().find(|p| p.letters().contains(&inner)) {
            Some(part) => beside(part, inner),
            None => dim.letters().to_vec(),
        },
        _ => dim.letters().to_vec(),
    }
}

struct Search<'a> {
    p: &'a Propagation,
    /// Bound rules and letters by class.
    letters: FxHashMap<Id, Vec<(&'a Bound, LetterId)>>,
    /// Classes that are merges.
    merged: FxHashSet<Id>,
    /// Merges by each of their parts.
    merges: FxHashMap<Id, Vec<Vec<Id>>>,
    /// Stored tensors by the classes of their dimensions.
    tensors: FxHashMap<Id, Vec<&'a [Id]>>,
    /// Classes that are picked from or are picks.
    picked: FxHashSet<Id>,
    /// Cats that have a class as a part.
    cats: FxHashMap<Id, Vec<Id>>,
    locked: FxHashSet<Id>,
}

impl<'a> Search<'a> {
    fn new(graph: &'a Graph, p: &'a Propagation) -> Search<'a> {
        let axes = &p.axes;
        let mut s = Search {
            p,
            letters: FxHashMap::default(),
            merged: FxHashSet::default(),
            merges: FxHashMap::default(),
            tensors: FxHashMap::default(),
            picked: FxHashSet::default(),
            cats: FxHashMap::default(),
            locked: axes.locked_because().into_keys().collect(),
        };
        for bound in p.bounds() {
            for (l, id) in bound.ids.iter().enumerate() {
                s.letters.entry(axes.class(*id)).or_default().push((bound, l as LetterId));
            }
        }
        for class in axes.classes() {
            for d in axes.descriptions(class) {
                match d {
                    Axis::Merge(parts) => {
                        let parts: Vec<Id> = parts.iter().map(|p| axes.class(*p)).collect();
                        s.merged.insert(class);
                        for part in &parts {
                            s.merges.entry(*part).or_default().push(parts.clone());
                        }
                    }
                    Axis::Cat(parts) => parts.iter().for_each(|p| s.cats.entry(axes.class(*p)).or_default().push(class)),
                    Axis::Pick([of], _) => s.picked.extend([class, axes.class(*of)]),
                    Axis::Leaf(_) => {}
                }
            }
        }
        for t in &graph.tensors {
            let dims = p.dims[t.value.index()].as_deref().unwrap_or(&[]);
            dims.iter().for_each(|id| s.tensors.entry(axes.class(*id)).or_default().push(dims));
        }
        s
    }

    /// Inner axes with the outer ones beside which they stand in some merge.
    fn candidates(&self) -> Vec<(Id, Vec<Id>)> {
        let axes = &self.p.axes;
        let mut found: FxHashMap<Id, FxHashSet<Id>> = FxHashMap::default();
        for parts in self.merges.values().flatten() {
            for t in 1..parts.len() {
                let mut outers: Vec<Id> = parts[..t].to_vec();
                outers.extend(parts[..t].iter().flat_map(|o| axes.merge_parts(*o).unwrap_or(&[])).map(|o| axes.class(*o)));
                for inner in self.atoms(parts[t]) {
                    let entry = found.entry(inner).or_default();
                    entry.extend(outers.iter().copied().filter(|o| int(axes, *o).is_some_and(|n| n > 1)));
                }
            }
        }
        let mut list: Vec<(Id, Vec<Id>)> = found
            .into_iter()
            .filter(|(inner, _)| !self.locked.contains(inner) && int(axes, *inner).is_some_and(|n| n > 1))
            .map(|(inner, outers)| {
                let mut outers: Vec<Id> = outers.into_iter().collect();
                outers.sort_unstable();
                (inner, outers)
            })
            .collect();
        list.sort_unstable();
        list
    }

    /// The parts that are no cats themselves.
    fn atoms(&self, class: Id) -> Vec<Id> {
        let axes = &self.p.axes;
        match axes.cat_parts(class) {
            Some(parts) => parts.iter().copied().flat_map(|p| self.atoms(axes.class(p))).collect(),
            None if axes.merge_parts(class).is_some() => Vec::new(),
            None => vec![class],
        }
    }

    /// The class and all cats that it is a part of.
    fn carriers(&self, class: Id) -> Vec<Id> {
        let (mut all, mut todo) = (FxHashSet::default(), vec![class]);
        while let Some(c) = todo.pop() {
            if all.insert(c) {
                todo.extend(self.cats.get(&c).into_iter().flatten());
            }
        }
        let mut all: Vec<Id> = all.into_iter().collect();
        all.sort_unstable();
        all
    }

    /// True if every tensor that has the inner axis has the outer one, and tells the outer position the same way.
    fn fits(&self, inner: Id, outer: Id) -> bool {
        let axes = &self.p.axes;
        let carriers = self.carriers(inner);
        if carriers.iter().any(|c| self.picked.contains(c) || self.merged.contains(c) || *c == outer) {
            return false;
        }
        let is_carrier: FxHashSet<Id> = carriers.iter().copied().collect();
        let merges_fit = carriers.iter().flat_map(|c| self.merges.get(c).into_iter().flatten()).all(|parts| {
            let outer_before = |t: usize| parts[..t].iter().any(|o| contains(axes, *o, outer).is_some());
            (0..parts.len()).all(|t| !is_carrier.contains(&parts[t]) || outer_before(t))
        });
        let bounds_fit = || {
            carriers.iter().flat_map(|c| self.letters.get(c).into_iter().flatten()).all(|(bound, l)| {
                let stands = |dims: &[DimExpr]| dims.iter().any(|d| d.letters().contains(l));
                let anywhere =
                    bound.operands.iter().any(|o| o.read && stands(&o.dims)) || bound.outputs.iter().any(|o| stands(&o.dims));
                !anywhere || link(axes, bound, *l, outer).is_some()
            })
        };
        let contexts = || {
            let mut c = Contexts::none();
            let n = int(axes, outer).unwrap_or(1);
            c.of.extend(carriers.iter().map(|k| (*k, Context { class: outer, outer: n })));
            c
        };
        let tensors_fit = || {
            let contexts = contexts();
            carriers.iter().flat_map(|c| self.tensors.get(c).into_iter().flatten()).all(|dims| {
                (0..dims.len()).all(|k| {
                    !is_carrier.contains(&axes.class(dims[k])) || contexts.dim(axes, dims, k).is_some_and(|link| link.at < k)
                })
            })
        };
        let runs_fit = || {
            let whole = self.p.joint.iter().filter(|j| j.composite.split.is_none());
            whole.flat_map(|j| &j.whole.ids).all(|id| !is_carrier.contains(&axes.class(*id)))
        };
        merges_fit && bounds_fit() && tensors_fit() && runs_fit()
    }
}
