//! The recorded type of a value with other sizes; all else of it stays.

use super::encode::{dim, field};
use super::wire::{Fault, fields};
use crate::model::Size;

/// `ValueInfoProto`, whose type is in field 2, in it the tensor's in 1, the sizes in 2, and each in 1.
pub(super) fn resized(bytes: &[u8], shape: &[Option<Size>]) -> Result<Vec<u8>, Fault> {
    inside(bytes, &[2, 1, 2], shape)
}

fn inside(bytes: &[u8], path: &[u64], shape: &[Option<Size>]) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    for part in fields(bytes) {
        let part = part?;
        match path {
            [next, rest @ ..] if part.number == *next => out.extend(field(*next, &inside(part.value.bytes(), rest, shape)?)),
            [] if part.number == 1 => {
                match shape.get(at) {
                    Some(Some(size)) => out.extend(field(1, &dim(size))),
                    _ => out.extend_from_slice(&bytes[part.span.clone()]),
                }
                at += 1;
            }
            _ => out.extend_from_slice(&bytes[part.span.clone()]),
        }
    }
    Ok(out)
}
