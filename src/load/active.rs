//! Masks that the program itself multiplies its parameters by, as models exported under `torch.nn.utils.prune` do.

use rustc_hash::FxHashMap;

use super::Model;
use crate::model::{Graph, Node, Role, ValueId};
use crate::rule::{Binary, Body, Dim, Expr, Operand, Rule, RuleSet};
use crate::solve::{Mask, Masks, SolveError};

impl Model {
    /// Masks of the parameters that the program reads only after it has multiplied them by a buffer of zeros and ones. What
    /// multiplies is for the rules to say: an element of the result is zero where that of either operand is.
    ///
    /// # Errors
    /// A program that masks none of its parameters.
    pub fn active_masks(&self, rules: &RuleSet) -> Result<Masks<'static>, SolveError> {
        let reading = Reading::new(&self.graph, rules);
        let mut masks = Masks::new();
        let mut known: FxHashMap<usize, Option<Vec<u8>>> = FxHashMap::default();
        for parameter in self.graph.tensors.iter().filter(|t| t.role == Role::Parameter && !t.updated) {
            // Where several places mask it, what one of them keeps is kept.
            let Some(buffers) = reading.masks(parameter.value) else { continue };
            for k in &buffers {
                known.entry(*k).or_insert_with(|| self.zeros_and_ones(*k));
            }
            let each: Option<Vec<&Vec<u8>>> = buffers.iter().map(|k| known.get(k).and_then(Option::as_ref)).collect();
            let Some(each) = each.filter(|all| all.iter().all(|m| m.len() == parameter.numel())) else { continue };
            let keep: Vec<u8> = (0..parameter.numel()).map(|i| each.iter().fold(0, |any, mask| any | mask[i])).collect();
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
    tensor_of: FxHashMap<ValueId, usize>,
    maker: FxHashMap<ValueId, &'a Node>,
    /// The nodes that read elements of a value, not just its type.
    readers: FxHashMap<ValueId, Vec<&'a Node>>,
}

impl<'a> Reading<'a> {
    fn new(graph: &'a Graph, rules: &'a RuleSet) -> Reading<'a> {
        let tensor_of = graph.tensors.iter().enumerate().map(|(k, t)| (t.value, k)).collect();
        let mut reading = Reading { graph, rules, tensor_of, maker: FxHashMap::default(), readers: FxHashMap::default() };
        for node in &graph.nodes {
            reading.maker.extend(node.outputs.iter().map(|v| (*v, node)));
            for (name, arg) in &node.args {
                if !reading.unread(node, name) {
                    arg.tensors().into_iter().for_each(|v| reading.readers.entry(v).or_default().push(node));
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

    /// The buffers that mask a parameter: `None` if anything reads it without a mask.
    fn masks(&self, parameter: ValueId) -> Option<Vec<usize>> {
        let readers = self.readers.get(&parameter).filter(|_| !self.graph.outputs.contains(&parameter))?;
        readers.iter().map(|node| self.mask(node, parameter)).collect()
    }

    /// The buffer by which a node masks one of its operands.
    fn mask(&self, node: &Node, parameter: ValueId) -> Option<usize> {
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
        self.buffer(mask).filter(|k| *self.graph.shape(self.graph.tensors[*k].value) == *self.graph.shape(parameter))
    }

    /// The buffer that a value is, or is made from element by element so that its zeros stay zeros.
    fn buffer(&self, mut value: ValueId) -> Option<usize> {
        loop {
            if let Some(k) = self.tensor_of.get(&value) {
                let tensor = &self.graph.tensors[*k];
                return (tensor.role == Role::Buffer && !tensor.updated).then_some(*k);
            }
            // Nobody else reads it: so nobody writes into it.
            if self.readers.get(&value).is_none_or(|r| r.len() != 1) || self.graph.outputs.contains(&value) {
                return None;
            }
            let node = *self.maker.get(&value)?;
            let ([operand], Some(Expr::Name(zero))) = self.elementwise(node)? else { return None };
            if *zero != operand.name {
                return None;
            }
            let [from] = node.arg(&operand.name)?.tensors()[..] else { return None };
            value = from;
        }
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
