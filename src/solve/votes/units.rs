//! What could be removed, without asking any mask: groups of positions of which the parameters that make them decide.

use egg::Id;
use indexmap::IndexMap;
use rustc_hash::{FxHashMap, FxHashSet};

use super::roles::Roles;
use crate::axis::Propagation;
use crate::model::{Graph, Role};
use crate::solve::positions::{Atom, Positions, STAYS, SetId};
use crate::solve::positions::{Contexts, Link};

/// Positions of one axis that may be removed one by one, with everything that is coupled to them.
#[derive(Clone, Debug)]
pub struct UnitGroup {
    /// The axis.
    pub class: Id,
    /// For each outer position (group of a convolution, head of attention; else there is one) the units in it. Each
    /// outer position must lose equally many.
    pub units: Vec<Vec<u32>>,
    /// For each of them its number among all positions of its outer position.
    pub places: Vec<Vec<u32>>,
    /// All positions in an outer one, with those that stay in any case.
    pub width: usize,
    /// Tensors that make the axis.
    pub makers: Vec<usize>,
    /// Positions of another axis lie in each of its own: these are heads.
    pub outer: bool,
    /// Its positions lie in those of another axis.
    pub inner: bool,
    /// The axes of heads that it lies in, by number of group: outermost first, and those of a first layer before those of others that have the axis.
    pub heads: Vec<usize>,
    /// Positions in a head, with those that stand beside its own.
    pub span: usize,
    /// How often each of its positions stands there: twice, where both halves of a head are rotated alike.
    pub each: usize,
}

/// All that could be removed.
pub struct Units {
    /// The groups.
    pub groups: Vec<UnitGroup>,
    /// By tensor and dimension: who makes the axis, and each position's units.
    positions: Positions,
    roles: Roles,
    scales: Vec<bool>,
    first: Vec<usize>,
}

impl Units {
    /// Finds the groups.
    pub fn find(graph: &Graph, p: &Propagation) -> Units {
        let positions = Positions::new(&p.axes, Contexts::find(graph, p), Some(&p.listed));
        let roles = Roles::new(graph, p);
        let scales = roles.scales(graph, p);
        let mut units = Units { groups: Vec::new(), positions, roles, scales, first: graph.first_names() };
        let mut makers: FxHashMap<Atom, Vec<usize>> = FxHashMap::default();
        for (k, t) in graph.tensors.iter().enumerate().filter(|(_, t)| t.role == Role::Parameter) {
            for d in (0..t.shape.len()).filter(|d| units.makes(k, *d)) {
                let sets: FxHashSet<SetId> = units.sets(graph, p, k, d).into_iter().flat_map(|l| l.to_vec()).collect();
                let atoms: FxHashSet<Atom> = sets.iter().flat_map(|s| units.positions.atoms(*s)).copied().collect();
                atoms.into_iter().for_each(|a| makers.entry(a).or_default().push(k));
            }
        }
        let mut taken = FxHashSet::default();
        let leaf = |c: &Id| p.axes.cat_parts(*c).is_none() && p.axes.merge_parts(*c).is_none();
        for class in p.axes.classes().into_iter().filter(leaf) {
            units.groups.extend(units.group(p, class, &makers, &mut taken));
        }
        units.nest(p);
        units
    }

    fn group(
        &self,
        p: &Propagation,
        class: Id,
        makers: &FxHashMap<Atom, Vec<usize>>,
        taken: &mut FxHashSet<Atom>,
    ) -> Option<UnitGroup> {
        let list = self.positions.of(&p.axes, class)?;
        let context = self.positions.contexts.of(&p.axes, class);
        let around = context.and_then(|c| self.positions.of(&p.axes, c.class));
        let outer = context.map_or(1, |c| c.outer).max(1);
        let width = list.len() / outer;
        let (mut units, mut places) = (vec![Vec::new(); outer], vec![Vec::new(); outer]);
        let mut all = FxHashSet::default();
        for (n, set) in list.iter().enumerate().filter(|(_, s)| **s != STAYS) {
            let a = n / width.max(1);
            let outside = around.as_ref().and_then(|l| l.get(a)).map_or(&[][..], |s| self.positions.atoms(*s));
            let own: Vec<Atom> = self.positions.atoms(*set).iter().copied().filter(|a| !outside.contains(a)).collect();
            // What other axes hold as well belongs to the first of them.
            if let ([one], true) = (own.as_slice(), units.len() > a)
                && makers.contains_key(one)
                && taken.insert(*one)
            {
                units[a].push(*one);
                places[a].push((n % width.max(1)) as u32);
                all.extend(&makers[one]);
            }
        }
        let even = units.iter().all(|u| u.len() == units[0].len());
        let mut makers: Vec<usize> = all.into_iter().collect();
        makers.sort_unstable();
        let group =
            UnitGroup { class, units, places, width, makers, outer: false, inner: false, heads: Vec::new(), span: 0, each: 1 };
        (even && !group.units[0].is_empty()).then_some(group)
    }

    /// Tells heads from positions in heads: those of a factor of a product from those of the factors behind it, whatever these are made of.
    fn nest(&mut self, p: &Propagation) {
        let wide: FxHashMap<Id, usize> =
            self.groups.iter().enumerate().filter(|(_, g)| g.units[0].len() > 1).map(|(k, g)| (g.class, k)).collect();
        let mut pairs = Vec::new();
        for (class, k) in &wide {
            if let Some(c) = self.positions.contexts.of(&p.axes, *class)
                && let Some(outer) = wide.get(&p.axes.class(c.class))
            {
                pairs.push((*outer, *k));
            }
        }
        for class in p.axes.classes() {
            let parts = p.axes.merge_parts(class).unwrap_or(&[]);
            let within: Vec<Vec<usize>> = parts.iter().map(|c| leaves(p, &wide, *c)).collect();
            for (t, inner) in within.iter().enumerate().skip(1) {
                let heads: Vec<usize> = within[..t].concat();
                pairs.extend(inner.iter().flat_map(|k| heads.iter().filter(move |h| *h != k).map(move |h| (*h, *k))));
                let last = t + 1 == parts.len();
                let span = p.axes.size(parts[t]).as_int().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
                for k in inner {
                    let each = inner.iter().filter(|other| *other == k).count();
                    let group = &mut self.groups[*k];
                    let first = group.heads.is_empty();
                    if last && !heads.contains(k) && (first || group.span == span) {
                        let new: Vec<usize> = heads.iter().copied().filter(|h| !group.heads.contains(h)).collect();
                        group.heads.extend(new);
                        group.span = span;
                        group.each = if first { each } else { group.each };
                    }
                }
            }
        }
        for (outer, inner) in pairs {
            self.groups[outer].outer = true;
            self.groups[inner].inner = true;
        }
    }

    /// Number of units there are numbers for.
    pub fn count(&self) -> usize {
        self.positions.atom_count()
    }

    /// Whether a tensor makes the axis of a dimension, and counts under this name.
    pub fn makes(&self, tensor: usize, dim: usize) -> bool {
        self.roles.makes[tensor][dim] && self.first[tensor] == tensor
    }

    /// Whether a tensor is summed over the axis of a dimension.
    pub fn reads(&self, tensor: usize, dim: usize) -> bool {
        self.roles.reads[tensor][dim]
    }

    /// Whether a tensor only scales what others make, as the gain of a norm does.
    pub fn scales(&self, tensor: usize) -> bool {
        self.scales[tensor] && self.first[tensor] == tensor
    }

    /// The axes that parameters make and that may lose no position, with those parameters.
    pub fn locked(&self, graph: &Graph, p: &Propagation) -> IndexMap<Id, Vec<usize>> {
        let mut found: IndexMap<Id, Vec<usize>> = IndexMap::new();
        for (k, t) in graph.tensors.iter().enumerate().filter(|(_, t)| t.role == Role::Parameter) {
            let ids = p.dims[t.value.index()].as_deref().unwrap_or(&[]);
            for (_, id) in ids.iter().enumerate().filter(|(d, _)| self.makes(k, *d)) {
                let class = p.axes.class(*id);
                if self.positions.of(&p.axes, class).is_none() {
                    found.entry(class).or_default().push(k);
                }
            }
        }
        found
    }

    fn sets(&self, graph: &Graph, p: &Propagation, tensor: usize, dim: usize) -> Option<std::rc::Rc<[SetId]>> {
        let ids = p.dims[graph.tensors[tensor].value.index()].as_deref()?;
        self.positions.of(&p.axes, *ids.get(dim)?)
    }

    /// For each position of a tensor's dimension (of a ragged one: for each pair with an outer position) its units; and where
    /// the outer position is found. `None` where all stay.
    pub fn of(&self, graph: &Graph, p: &Propagation, tensor: usize, dim: usize) -> Option<DimUnits<'_>> {
        let ids = p.dims[graph.tensors[tensor].value.index()].as_deref()?;
        let list = self.positions.of(&p.axes, *ids.get(dim)?)?;
        let size = graph.tensors[tensor].shape[dim];
        let link = self.positions.contexts.dim(&p.axes, ids, dim);
        let fits = list.len() == size * link.map_or(1, |l| l.outer);
        fits.then(|| DimUnits { list: list.iter().map(|s| self.positions.atoms(*s)).collect(), link, size })
    }
}

/// The groups that an axis is made of, as often as they stand there.
fn leaves(p: &Propagation, wide: &FxHashMap<Id, usize>, id: Id) -> Vec<usize> {
    let parts = p.axes.cat_parts(id).or_else(|| p.axes.merge_parts(id));
    match parts {
        Some(parts) => parts.iter().flat_map(|part| leaves(p, wide, *part)).collect(),
        None => wide.get(&p.axes.class(id)).copied().into_iter().collect(),
    }
}

/// The units of a dimension's positions.
pub struct DimUnits<'a> {
    /// For each position, or pair of an outer one and it.
    pub list: Vec<&'a [u32]>,
    link: Option<Link<usize>>,
    size: usize,
}

impl DimUnits<'_> {
    /// How many places of the dimension each of the listed ones is: those of a ragged one lie in each outer position.
    pub fn outer(&self) -> usize {
        self.link.map_or(1, |link| link.outer)
    }

    /// Which other dimension tells the outer position, if one does.
    pub fn within(&self) -> Option<Link<usize>> {
        self.link
    }

    /// For each element of a tensor of this shape, in order, its place in the list.
    pub fn each(&self, shape: &[usize], dim: usize, mut visit: impl FnMut(usize, usize)) {
        let step = |d: usize| shape[d + 1..].iter().product::<usize>().max(1);
        let own = step(dim);
        let outer = self.link.map(|link| (link, step(link.at)));
        if outer.is_none() && own * self.size > 0 {
            // Runs of elements at one position, one after the other.
            let runs = shape.iter().product::<usize>() / own;
            return (0..runs).for_each(|run| (run * own..(run + 1) * own).for_each(|n| visit(n, run % self.size)));
        }
        for n in 0..shape.iter().product() {
            let around = outer.map_or(0, |(link, step)| link.outer_of(n / step % shape[link.at]));
            visit(n, around * self.size + n / own % self.size);
        }
    }
}
