//! Which parameters make an axis, and which only read one.

use egg::{Id, Language};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::axis::{Bound, BoundOperand, DimExpr, Propagation};
use crate::model::{Graph, NodeId, ValueId};

/// What each stored tensor is to the axes of its dimensions.
pub struct Roles {
    /// For each tensor and dimension: it makes the axis. Its mask, or that it has none, decides.
    pub makes: Vec<Vec<bool>>,
    /// For each tensor and dimension: it is summed over the axis.
    pub reads: Vec<Vec<bool>>,
    /// Of dimensions that are a merge of several axes: those that a kernel is summed over, where it makes others.
    pub reads_within: FxHashMap<(usize, usize), Vec<Id>>,
    /// For each tensor and dimension: it is added to what others make, scales it or stands beside it. A mask that it has counts.
    pub joins: Vec<Vec<bool>>,
    /// For each value: computed from stored tensors and constants only.
    pub constant: Vec<bool>,
    /// For each value: elements of stored tensors, of which data choose some, such as the weights of a token's expert.
    chosen: Vec<bool>,
    producer: Vec<Option<NodeId>>,
}

impl Roles {
    /// Finds the roles in every contraction with an operand that is computed from stored tensors only: a weight.
    pub fn new(graph: &Graph, p: &Propagation) -> Roles {
        let shape = |t: &crate::model::Tensor| vec![false; t.shape.len()];
        let none: Vec<Vec<bool>> = graph.tensors.iter().map(shape).collect();
        let (constant, producer) = constants(graph);
        let chosen = chosen(graph, p, &constant);
        let mut roles = Roles {
            makes: none.clone(),
            reads: none.clone(),
            reads_within: FxHashMap::default(),
            joins: none,
            constant,
            chosen,
            producer,
        };
        let mut tensor_of = vec![None; graph.values.len()];
        graph.tensors.iter().enumerate().for_each(|(k, t)| tensor_of[t.value.index()] = Some(k));
        // What products of learned tensors give counts unless all that they give is read by others.
        let mut products: Vec<(usize, usize)> = Vec::new();
        let mut outside = FxHashSet::default();
        for bound in p.bounds() {
            roles.joined(p, bound, &tensor_of);
            let product = bound.tensors().all(|(_, v)| roles.constant[v.index()]);
            for (operand, value) in roles.weights(bound) {
                let (made, read) = roles.dims(bound, operand);
                let behind = |dims: Vec<usize>| dims.into_iter().flat_map(|d| roles.behind(p, (value, d), &tensor_of)).collect();
                let mut made: Vec<(usize, usize)> = behind(made);
                let read: Vec<(usize, usize)> = behind(read);
                // Of the tensors behind a computed weight, those that are summed over make; a gain for each channel follows.
                if made.iter().any(|(k, _)| read.iter().any(|(r, _)| r == k)) {
                    made.retain(|(k, _)| read.iter().any(|(r, _)| r == k));
                }
                // A layer's own weight makes its channels though its input is learned, as queries are.
                let layer = bound.rule.kernel.as_ref() == Some(&operand.arg);
                if product && !layer {
                    products.extend(made);
                } else if product {
                    made.into_iter().for_each(|(k, d)| roles.makes[k][d] = true);
                } else {
                    made.into_iter().for_each(|(k, d)| roles.makes[k][d] = true);
                    outside.extend(read.iter().copied());
                }
                read.into_iter().for_each(|(k, d)| roles.reads[k][d] = true);
            }
        }
        products.into_iter().filter(|place| !outside.contains(place)).for_each(|(k, d)| roles.makes[k][d] = true);
        roles.kernels(p, &tensor_of);
        roles.normed(graph, p);
        roles.share(graph);
        roles
    }

    /// What is no weight here: stored tensors that meet activations join them; those of which data choose elements give the
    /// result its content, as an embedding does, and make the axis.
    fn joined(&mut self, p: &Propagation, bound: &Bound, tensor_of: &[Option<usize>]) {
        let active = |v: ValueId| !self.constant[v.index()];
        if !bound.tensors().any(|(_, v)| active(v)) || bound.outputs.iter().any(|o| self.is_chosen(o.value)) {
            return;
        }
        let weights: Vec<*const BoundOperand> = self.weights(bound).into_iter().map(|(o, _)| std::ptr::from_ref(o)).collect();
        let kept = bound.in_outputs();
        let (mut joins, mut makes) = (Vec::new(), Vec::new());
        for (operand, value) in bound.tensors() {
            let weight = weights.contains(&std::ptr::from_ref(operand));
            let (constant, chosen) = (self.constant[value.index()], self.chosen[value.index()] && !weight);
            let (made, read) = if weight { self.dims(bound, operand) } else { (Vec::new(), Vec::new()) };
            let other = |d: &usize| (constant || chosen) && !made.contains(d) && !read.contains(d);
            for d in (0..operand.dims.len()).filter(other) {
                if chosen || operand.dims[d].letters().into_iter().any(|l| kept[l as usize]) {
                    let found = self.behind(p, (value, d), tensor_of);
                    if chosen { makes.extend(found) } else { joins.extend(found) }
                }
            }
        }
        makes.into_iter().for_each(|(k, d)| self.makes[k][d] = true);
        joins.into_iter().for_each(|(k, d)| self.joins[k][d] = true);
    }

    fn is_chosen(&self, value: Option<ValueId>) -> bool {
        value.is_some_and(|v| self.chosen[v.index()])
    }

    /// Two names of one parameter have the same roles.
    fn share(&mut self, graph: &Graph) {
        for (k, first) in graph.first_names().into_iter().enumerate().filter(|(k, first)| k != first) {
            for (to, from) in [(first, k), (k, first)] {
                for d in 0..graph.tensors[k].shape.len() {
                    self.makes[to][d] |= self.makes[from][d];
                    self.reads[to][d] |= self.reads[from][d];
                    self.joins[to][d] |= self.joins[from][d];
                }
            }
        }
    }

    /// Whether a mask of a tensor says who goes of the axis of a dimension: not where the tensor is only summed over it.
    pub fn votes(&self, tensor: usize, dim: usize) -> bool {
        self.makes[tensor][dim] || self.joins[tensor][dim] || !self.reads[tensor][dim]
    }

    /// For each tensor: all that it does is to scale, each position by a number. So says the rule: the number one stands for the
    /// operand where it is missing, or the result is zero where either of two operands is.
    pub fn scales(&self, graph: &Graph, p: &Propagation) -> Vec<bool> {
        let mut tensor_of = vec![None; graph.values.len()];
        graph.tensors.iter().enumerate().for_each(|(k, t)| tensor_of[t.value.index()] = Some(k));
        let mut scales = vec![false; graph.tensors.len()];
        for bound in p.bounds().filter(|b| b.summed().is_empty()) {
            let operands: Vec<_> = bound.tensors().collect();
            let varies = operands.iter().any(|(_, v)| !self.constant[v.index()]);
            for (operand, value) in operands.into_iter().filter(|(_, v)| varies && self.constant[v.index()]) {
                if (bound.rule.is_one(&operand.arg) || bound.rule.is_product())
                    && let Some(k) = self.viewed(p, value, &tensor_of)
                {
                    scales[k] = true;
                }
            }
        }
        scales
    }

    /// The stored tensor that a value is a view of.
    fn viewed(&self, p: &Propagation, mut value: ValueId, tensor_of: &[Option<usize>]) -> Option<usize> {
        while tensor_of[value.index()].is_none() {
            let bound = self.producer[value.index()].and_then(|n| p.maker(value, n)).filter(|b| b.copies)?;
            let mut operands = bound.tensors();
            let (Some((_, of)), None) = (operands.next(), operands.next()) else { return None };
            value = of;
        }
        tensor_of[value.index()]
    }

    /// The operands of a contraction that are computed from stored tensors only, or of which data choose some.
    pub fn weights<'b>(&self, bound: &'b Bound) -> Vec<(&'b BoundOperand, ValueId)> {
        if bound.outputs.iter().any(|o| self.is_chosen(o.value)) {
            return Vec::new(); // what is picked gets its part where it is used
        }
        let summed = bound.summed();
        if bound.tensors().all(|(_, v)| self.constant[v.index()]) {
            // A product of learned tensors only: each makes what it gives to the result.
            let shared = |l: &u32| bound.tensors().filter(|(o, _)| o.holds(*l)).count() > 1;
            let shared: Vec<u32> = summed.into_iter().filter(shared).collect();
            return bound.tensors().filter(|(o, _)| shared.iter().any(|l| o.holds(*l))).collect();
        }
        let named = |o: &BoundOperand| bound.rule.makes.as_ref().map(|names| names.contains(&o.arg));
        // Chosen ones are weights where they meet activations, and activations where they meet weights.
        let stored = |v: ValueId| self.constant[v.index()] || self.chosen[v.index()];
        let meets = bound.tensors().any(|(_, v)| !stored(v));
        let weight = |(o, v): &(&BoundOperand, ValueId)| {
            let one = self.constant[v.index()] || (meets && self.chosen[v.index()]);
            one && named(o).unwrap_or_else(|| summed.iter().any(|l| o.holds(*l)))
        };
        bound.tensors().filter(weight).collect()
    }

    /// The dimensions of a weight that make an axis of the result, and those that are summed over.
    fn dims(&self, bound: &Bound, weight: &BoundOperand) -> (Vec<usize>, Vec<usize>) {
        let kept = bound.in_outputs();
        let mut active = vec![false; bound.letters.len()];
        for (o, v) in bound.tensors() {
            if !self.constant[v.index()] && !std::ptr::eq(o, weight) {
                o.dims.iter().flat_map(|d| d.letters()).for_each(|l| active[l as usize] = true);
            }
        }
        let named = bound.rule.makes.is_some();
        // A letter that stands once more in the same weight is read there: what a step gives, the next one takes.
        let earlier = |d: usize, l: u32| weight.dims[..d].iter().any(|before| before.letters().contains(&l));
        let again = |d: usize| weight.dims[d].letters().into_iter().any(|l| earlier(d, l));
        let alone = |l: u32| kept[l as usize] && (named || !active[l as usize]);
        let of = |test: &dyn Fn(usize) -> bool| -> Vec<usize> { (0..weight.dims.len()).filter(|d| test(*d)).collect() };
        let makes = |d: usize| !again(d) && weight.dims[d].letters().into_iter().any(alone);
        // A sum of one position, as in a depthwise transposed convolution, is none.
        let summed = |l: u32| !kept[l as usize] && !bound.size(l).is(1);
        let reads = |d: usize| again(d) || weight.dims[d].letters().into_iter().any(summed);
        (of(&makes), of(&reads))
    }

    /// The dimensions of stored tensors that a dimension of a constant value comes from.
    fn behind(&self, p: &Propagation, from: (ValueId, usize), tensor_of: &[Option<usize>]) -> Vec<(usize, usize)> {
        let (mut found, mut todo, mut seen) = (Vec::new(), vec![from], FxHashSet::default());
        while let Some((v, dim)) = todo.pop() {
            if !seen.insert((v, dim)) {
                continue;
            }
            if let Some(k) = tensor_of[v.index()] {
                found.push((k, dim));
                continue;
            }
            let Some(bound) = self.producer[v.index()].and_then(|n| p.maker(v, n)) else { continue };
            let Some(output) = bound.outputs.iter().find(|o| o.value == Some(v)) else { continue };
            let letters = output.dims.get(dim).map(|d| d.letters()).unwrap_or_default();
            // Where the rule says whose masks decide, theirs do over the axes that they have.
            let named = |o: &BoundOperand| bound.rule.makes.as_ref().is_some_and(|names| names.contains(&o.arg));
            let decided = bound.tensors().any(|(o, _)| named(o) && letters.iter().any(|l| o.holds(*l)));
            for (operand, value) in bound.tensors().filter(|(o, _)| !decided || named(o)) {
                let holds = |d: &DimExpr| d.letters().iter().any(|l| letters.contains(l));
                todo.extend((0..operand.dims.len()).filter(|k| holds(&operand.dims[*k])).map(|k| (value, k)));
            }
        }
        // Two dimensions that were one in between come apart again by their axes.
        let ids = |v: ValueId| p.dims[v.index()].as_deref().unwrap_or(&[]);
        let twice = |k: usize| found.iter().filter(|(other, _)| *other == k).count() > 1;
        if let (Some(id), true) = (ids(from.0).get(from.1), found.iter().any(|(k, _)| twice(*k))) {
            let wanted = leaves(p, *id);
            let of = |k: usize| tensor_of.iter().position(|t| *t == Some(k)).map(|v| ids(ValueId(v as u32)));
            let shares = |(k, d): &(usize, usize)| {
                let id = of(*k).and_then(|ids| ids.get(*d));
                id.is_some_and(|id| leaves(p, *id).iter().any(|l| wanted.contains(l)))
            };
            let apart: Vec<(usize, usize)> = found.iter().copied().filter(shares).collect();
            if !apart.is_empty() {
                return apart;
            }
        }
        found
    }

    /// The node that makes a value.
    pub fn producer(&self, value: ValueId) -> Option<NodeId> {
        self.producer[value.index()]
    }
}

/// The classes that an axis is made of.
fn leaves(p: &Propagation, id: Id) -> FxHashSet<Id> {
    let (mut all, mut ends, mut todo) = (FxHashSet::default(), FxHashSet::default(), vec![p.axes.class(id)]);
    while let Some(class) = todo.pop() {
        if all.insert(class) {
            let parts: Vec<Id> =
                p.axes.descriptions(class).into_iter().flat_map(|d| d.children()).map(|c| p.axes.class(*c)).collect();
            if parts.is_empty() {
                ends.insert(class);
            }
            todo.extend(parts);
        }
    }
    ends
}

/// The values that are copies of stored tensors' elements, of which an index that is no constant chooses some.
fn chosen(graph: &Graph, p: &Propagation, constant: &[bool]) -> Vec<bool> {
    let mut chosen = vec![false; graph.values.len()];
    for id in graph.node_ids() {
        for out in graph.node(id).outputs.iter().filter(|v| !constant[v.index()]) {
            let Some(bound) = p.maker(*out, id).filter(|b| b.copies || b.rule.picks().is_some()) else { continue };
            // Whole numbers choose; the others are copied.
            let float = |v: &ValueId| graph.value(*v).dtype.is_float();
            let stored = |v: &ValueId| constant[v.index()] || chosen[v.index()];
            let read: Vec<ValueId> = graph.node(id).args.iter().flat_map(|(_, a)| a.tensors()).filter(float).collect();
            let copied: Vec<ValueId> = bound.tensors().map(|(_, v)| v).filter(float).collect();
            chosen[out.index()] = !copied.is_empty() && copied.iter().chain(&read).all(stored);
        }
    }
    chosen
}

fn constants(graph: &Graph) -> (Vec<bool>, Vec<Option<NodeId>>) {
    let mut constant = vec![false; graph.values.len()];
    let mut producer = vec![None; graph.values.len()];
    graph.tensors.iter().for_each(|t| constant[t.value.index()] = true);
    for id in graph.node_ids() {
        let node = graph.node(id);
        let all = node.args.iter().flat_map(|(_, a)| a.tensors()).all(|v| constant[v.index()]);
        for out in &node.outputs {
            constant[out.index()] = all;
            producer[out.index()] = Some(id);
        }
    }
    (constant, producer)
}
