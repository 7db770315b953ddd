//! The payloads of a small program without weights: one element in place of each tensor that was cut.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::format::Payload;
use crate::model::Graph;
use crate::plan::{Plan, constant_bytes};

/// Payloads for the small graph, whose storages, strides and offsets are set accordingly.
pub fn payloads<'a>(graph: &Graph, small: &mut Graph, plan: &Plan) -> Vec<Payload<'a>> {
    let first = graph.first_names();
    let mut out: Vec<Payload> = Vec::new();
    let (mut stored, mut cut) = (HashMap::new(), HashMap::new());
    for (k, t) in graph.tensors.iter().enumerate() {
        let s = &mut small.tensors[k];
        if s.shape == t.shape {
            s.storage = *stored.entry(t.storage).or_insert_with(|| {
                out.push(Payload::Stored(t.storage));
                out.len() - 1
            });
            continue;
        }
        s.storage = *cut.entry(first[k]).or_insert_with(|| {
            out.push(Payload::Bytes(Cow::Owned(vec![0; t.dtype.bytes()])));
            out.len() - 1
        });
        s.offset = 0;
        s.strides = vec![0; s.shape.len()];
    }
    for (c, t) in plan.constants.iter().zip(small.tensors.iter_mut().skip(graph.tensors.len())) {
        out.push(Payload::Bytes(Cow::Owned(constant_bytes(&c.data))));
        t.storage = out.len() - 1;
    }
    out
}
