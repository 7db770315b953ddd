//! Masks that the program itself multiplies its parameters by, as models exported under `torch.nn.utils.prune` do.

use rustc_hash::FxHashMap;

use super::Model;
use crate::format::masks::PRUNED;
use crate::model::{Graph, Node, NodeId, Role, Tensor, ValueId};
use crate::rule::{Binary, Body, Dim, Expr, Operand, Rule, RuleSet};
use crate::solve::{Mask, Masks, SolveError};

/// A parameter that the program reads only after it has multiplied it by zeros and ones of its own, or not at all.
#[derive(Clone, Debug)]
pub struct Masked {
    /// Index of the parameter.
    pub parameter: usize,
    /// Index of a buffer that holds the zeros and ones, in the parameter's sizes.
    pub mask: usize,
    /// The nodes that multiply, each of which has one result; of what the program does not read, none.
    pub products: Vec<NodeId>,
    /// The nodes that make what they multiply by from buffers, the last before those that it reads.
    pub makers: Vec<NodeId>,
    /// All buffers that any of them reads.
    pub buffers: Vec<usize>,
    /// What the weight is called once it needs no mask, `conv.weight` of `conv.weight_orig` and `conv.weight_mask`; `None` where the names
    /// are others, or of values more than of weights.
    pub plain: Option<String>,
}

impl Model {
    /// The parameters that the program reads only after it has multiplied them by zeros and ones, everywhere by the same ones, and that
    /// share their memory with no other tensor.
    pub fn masked(&self, rules: &RuleSet) -> Vec<Masked> {
        let reading = Reading::new(self, rules);
        let mut owners: FxHashMap<usize, usize> = FxHashMap::default();
        self.graph.tensors.iter().for_each(|t| *owners.entry(t.storage).or_default() += 1);
        let alone = |k: &usize| owners.get(&self.graph.tensors[*k].storage) == Some(&1);
        let mut found: Vec<Masked> = Vec::new();
        for one in (0..self.graph.tensors.len()).filter(alone).filter_map(|k| self.masked_by(&reading, k)) {
            // Of two that mask each other, the first is the weight.
            let taken = |m: &Masked| one.buffers.contains(&m.parameter) || m.buffers.contains(&one.parameter);
            if !found.iter().any(taken) {
                found.push(one);
            }
        }
        found
    }

    fn masked_by(&self, reading: &Reading, parameter: usize) -> Option<Masked> {
        let t = &self.graph.tensors[parameter];
        if !reading.is_weight(t) {
            return None;
        }
        let products = if reading.is_read(t.value) { reading.products(t.value)? } else { Vec::new() };
        // What nothing reads has its mask by name.
        let mask = products.first().map_or_else(|| self.unread_mask(reading, parameter), |(_, factor)| Some(factor.tensor))?;
        let plain = self.plain_name(parameter, mask);
        // What masks nothing may be anything, such as gains as they were made, but for its name.
        let masks = |ones: &Vec<u8>| ones.len() == t.numel() && (ones.contains(&0) || plain.is_some());
        let ones = self.zeros_and_ones(mask).filter(masks)?;
        let plain = plain.filter(|_| reading.roles);
        let same = |other: usize| other == mask || self.zeros_and_ones(other).as_ref() == Some(&ones);
        let mut made = Masked { parameter, mask, products: Vec::new(), makers: Vec::new(), buffers: vec![mask], plain };
        for (product, factor) in products {
            if !same(factor.tensor) {
                return None;
            }
            made.products.push(product);
            made.makers.extend(factor.makers);
            made.buffers.push(factor.tensor);
        }
        Some(made)
    }

    /// The mask of a parameter of which the program computes nothing, as the names have it.
    fn unread_mask(&self, reading: &Reading, parameter: usize) -> Option<usize> {
        let t = &self.graph.tensors[parameter];
        let name = format!("{}{}", t.name.strip_suffix(PRUNED.0)?, PRUNED.1);
        let is_mask = |m: &Tensor| m.name == name && m.role == Role::Buffer && !m.updated && m.shape == t.shape;
        self.graph.tensors.iter().position(|m| is_mask(m) && !reading.is_read(m.value))
    }

    fn plain_name(&self, parameter: usize, mask: usize) -> Option<String> {
        let name = |k: usize| self.graph.tensors[k].name.as_str();
        let stem = name(parameter).strip_suffix(PRUNED.0)?;
        let fits = name(mask).strip_suffix(PRUNED.1) == Some(stem) && !stem.is_empty() && !stem.ends_with('.');
        (fits && !self.graph.tensors.iter().any(|t| t.name == stem)).then(|| stem.to_owned())
    }

    /// The masks of the parameters that the program reads only after it has multiplied them by a buffer of zeros and ones. What
    /// multiplies is for the rules to say: an element of the result is zero where that of either operand is.
    ///
    /// # Errors
    /// A program that masks none of its parameters.
    pub fn active_masks(&self, rules: &RuleSet) -> Result<Masks<'static>, SolveError> {
        let reading = Reading::new(self, rules);
        let mut masks = Masks::new();
        let mut known: FxHashMap<usize, Option<Vec<u8>>> = FxHashMap::default();
        for parameter in self.graph.tensors.iter().filter(|t| reading.is_weight(t)) {
            // Where several places mask it, what one of them keeps is kept.
            let Some(products) = reading.products(parameter.value) else { continue };
            let buffers: Vec<usize> = products.iter().map(|(_, factor)| factor.tensor).collect();
            for k in &buffers {
                known.entry(*k).or_insert_with(|| self.zeros_and_ones(*k));
            }
            let each: Option<Vec<&Vec<u8>>> = buffers.iter().map(|k| known.get(k).and_then(Option::as_ref)).collect();
            let Some(each) = each.filter(|all| all.iter().all(|m| m.len() == parameter.numel())) else { continue };
            let keep: Vec<u8> = (0..parameter.numel()).map(|i| each.iter().fold(0, |any, mask| any | mask[i])).collect();
            // Where a mask is not told from a parameter, it says of itself what it says of the weight.
            for k in buffers.iter().filter(|k| self.graph.tensors[**k].role == Role::Parameter) {
                let own = known.get(k).and_then(Option::clone).unwrap_or_default();
                let buffer = &self.graph.tensors[*k];
                masks.insert(buffer.name.clone(), Mask { shape: buffer.shape.clone(), keep: own.into() });
            }
            masks.insert(parameter.name.clone(), Mask { shape: parameter.shape.clone(), keep: keep.into() });
        }
        if masks.is_empty() { Err(SolveError::NoActiveMasks) } else { Ok(masks) }
    }

    /// The elements of a buffer that holds nothing but zeros and ones.
    fn zeros_and_ones(&self, tensor: usize) -> Option<Vec<u8>> {
        let elements = self.elements(&self.graph.tensors[tensor])?;
        elements.iter().all(|x| *x == 0.0 || *x == 1.0).then(|| elements.iter().map(|x| u8::from(*x != 0.0)).collect())
    }
}

/// Who reads and who makes each value.
struct Reading<'a> {
    graph: &'a Graph,
    rules: &'a RuleSet,
    /// Whether the file tells buffers from parameters.
    roles: bool,
    tensor_of: FxHashMap<ValueId, usize>,
    maker: FxHashMap<ValueId, NodeId>,
    /// The nodes that read elements of a value, not just its type.
    readers: FxHashMap<ValueId, Vec<NodeId>>,
}

/// What a parameter is multiplied by.
struct Factor {
    /// The buffer that holds it.
    tensor: usize,
    /// The nodes that make it from the buffer, the last first.
    makers: Vec<NodeId>,
}

impl<'a> Reading<'a> {
    fn new(model: &'a Model, rules: &'a RuleSet) -> Reading<'a> {
        let graph = &model.graph;
        let tensor_of = graph.tensors.iter().enumerate().map(|(k, t)| (t.value, k)).collect();
        let mut reading = Reading {
            graph,
            rules,
            roles: model.archive.has_roles(),
            tensor_of,
            maker: FxHashMap::default(),
            readers: FxHashMap::default(),
        };
        for id in graph.node_ids() {
            let node = graph.node(id);
            reading.maker.extend(node.outputs.iter().map(|v| (*v, id)));
            for (name, arg) in &node.args {
                if !reading.unread(node, name) {
                    arg.tensors().into_iter().for_each(|v| reading.readers.entry(v).or_default().push(id));
                }
            }
        }
        reading
    }

    /// True if the result of a node does not depend on the elements of an operand: all its rules say so, or it has no result.
    fn unread(&self, node: &Node, name: &str) -> bool {
        let rules = self.rules.for_target(&node.target);
        let unread = |rule: &Rule| match &rule.body {
            Body::Patterns(patterns) => patterns.iter().all(|p| p.operands.iter().any(|o| o.name == name && o.unread)),
            Body::Layout(_) => false,
        };
        node.outputs.is_empty() || (!rules.is_empty() && rules.iter().all(|rule| unread(rule)))
    }

    fn is_read(&self, value: ValueId) -> bool {
        self.readers.contains_key(&value) || self.graph.outputs.contains(&value)
    }

    /// True for a parameter that nothing writes. Where the file does not tell it from a buffer, its name may: fresh gains and biases are ones
    /// and zeros as masks are.
    fn is_weight(&self, t: &Tensor) -> bool {
        t.role == Role::Parameter && !t.updated && (self.roles || !t.name.ends_with(PRUNED.1))
    }

    /// The nodes that mask a parameter, and by what: `None` if anything reads it without a mask.
    fn products(&self, parameter: ValueId) -> Option<Vec<(NodeId, Factor)>> {
        let readers = self.readers.get(&parameter).filter(|_| !self.graph.outputs.contains(&parameter))?;
        readers.iter().map(|id| Some((*id, self.factor(self.graph.node(*id), parameter)?))).collect()
    }

    /// What masks one of the operands of a node.
    fn factor(&self, node: &Node, parameter: ValueId) -> Option<Factor> {
        let ([a, b], Some(Expr::Binary(Binary::Or, left, right))) = self.elementwise(node)? else { return None };
        let names = |x: &Expr, o: &Operand| matches!(x, Expr::Name(name) if *name == o.name);
        if !(names(left, a) && names(right, b) || names(left, b) && names(right, a)) {
            return None;
        }
        let value = |o: &Operand| node.arg(&o.name).map(crate::model::Arg::tensors).filter(|v| v.len() == 1).map(|v| v[0]);
        let (a, b) = (value(a)?, value(b)?);
        let mask = match (a == parameter, b == parameter) {
            (true, false) => b,
            (false, true) => a,
            _ => return None,
        };
        self.buffer(mask).filter(|f| *self.graph.shape(self.graph.tensors[f.tensor].value) == *self.graph.shape(parameter))
    }

    /// The buffer that a value is, or is made from element by element so that its zeros stay zeros.
    fn buffer(&self, mut value: ValueId) -> Option<Factor> {
        let mut makers = Vec::new();
        loop {
            if let Some(k) = self.tensor_of.get(&value) {
                let tensor = &self.graph.tensors[*k];
                let fits = tensor.role == Role::Buffer || !self.roles;
                return (fits && !tensor.updated).then_some(Factor { tensor: *k, makers });
            }
            let readers = self.readers.get(&value)?;
            if self.graph.outputs.contains(&value) || readers.len() > 1 && !readers.iter().all(|id| self.only_multiplies(*id)) {
                return None;
            }
            let id = *self.maker.get(&value)?;
            let node = self.graph.node(id);
            makers.push(id);
            let ([operand], Some(Expr::Name(zero))) = self.elementwise(node)? else { return None };
            if *zero != operand.name {
                return None;
            }
            let [from] = node.arg(&operand.name)?.tensors()[..] else { return None };
            value = from;
        }
    }

    /// True if a node makes a product and writes nothing. Nobody else reads a value: so nobody writes into it.
    fn only_multiplies(&self, id: NodeId) -> bool {
        let node = self.graph.node(id);
        let product = matches!(self.elementwise(node), Some(([_, _], Some(Expr::Binary(Binary::Or, ..)))));
        product && self.rules.schemas().get(&node.target).is_some_and(|s| s.written().is_empty())
    }

    /// The operands of an operator all of which have its result's dimensions, and where that is zero.
    fn elementwise(&self, node: &Node) -> Option<(&'a [Operand], Option<&'a Expr>)> {
        let [rule] = self.rules.for_target(&node.target) else { return None };
        let Body::Patterns(patterns) = &rule.body else { return None };
        let [pattern] = &patterns[..] else { return None };
        let [output] = &pattern.outputs[..] else { return None };
        let nameless = matches!(&output[..], [Dim::Letter(letter)] if letter.name == "...");
        let all = nameless && rule.when.is_none() && pattern.operands.iter().all(|o| o.dims == *output && o.index.is_none());
        all.then_some((&pattern.operands, rule.facts.zero.as_ref()))
    }
}
