//! An initializer with other sizes and elements; all else of it stays.

use super::piece::Piece;
use super::wire::{Fault, Field, Value, fields, put_bytes, put_number, put_start, put_varint};

/// Where the elements go.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    /// Into the message: a payload, and its bytes.
    Here(usize, u64),
    /// Into the file beside the model.
    Beside { location: &'a str, offset: u64, len: u64 },
}

/// The parts of the new message.
pub(super) fn initializer<'a>(bytes: &'a [u8], shape: &[usize], place: Place) -> Result<Vec<Piece<'a>>, Fault> {
    let all: Vec<Field> = fields(bytes).collect::<Result<_, _>>()?;
    let mut parts = Vec::new();
    let (mut sized, mut placed) = (false, false);
    for part in &all {
        match part.number {
            1 => {
                if !std::mem::replace(&mut sized, true) {
                    parts.push(Piece::New(dims(shape, matches!(part.value, Value::Bytes(_)))));
                }
            }
            // The place of the elements, and what told it.
            4..=7 | 9..=11 | 13 | 14 => {
                if !std::mem::replace(&mut placed, true) {
                    data(place, &mut parts);
                }
            }
            _ => parts.push(Piece::Old(&bytes[part.span.clone()])),
        }
    }
    if !sized {
        parts.push(Piece::New(dims(shape, true)));
    }
    if !placed {
        data(place, &mut parts);
    }
    Ok(parts)
}

/// The sizes, in one list or one by one, as they were.
fn dims(shape: &[usize], packed: bool) -> Vec<u8> {
    let mut out = Vec::new();
    if packed && !shape.is_empty() {
        let mut list = Vec::new();
        shape.iter().for_each(|n| put_varint(&mut list, *n as u64));
        put_bytes(&mut out, 1, &list);
    } else {
        shape.iter().for_each(|n| put_number(&mut out, 1, *n as i64));
    }
    out
}

fn data(place: Place, parts: &mut Vec<Piece>) {
    match place {
        Place::Here(payload, len) => {
            let mut start = Vec::new();
            put_start(&mut start, 9, len);
            parts.extend([Piece::New(start), Piece::Data(payload, len)]);
        }
        Place::Beside { location, offset, len } => {
            let mut out = Vec::new();
            for (key, value) in [("location", location), ("offset", &offset.to_string()), ("length", &len.to_string())] {
                let mut entry = Vec::new();
                put_bytes(&mut entry, 1, key.as_bytes());
                put_bytes(&mut entry, 2, value.as_bytes());
                put_bytes(&mut out, 13, &entry);
            }
            put_number(&mut out, 14, 1);
            parts.push(Piece::New(out));
        }
    }
}
