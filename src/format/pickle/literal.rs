//! Numbers and texts, each by its opcode.

use std::rc::Rc;

use super::bytes::Bytes;
use super::{Object, Pickle, PickleError};

/// A number, truth value or `None`.
pub(super) fn scalar(bytes: &mut Bytes, opcode: u8) -> Result<Pickle, PickleError> {
    Ok(match opcode {
        b'N' => Pickle::None,
        0x88 => Pickle::Bool(true),
        0x89 => Pickle::Bool(false),
        b'I' => match bytes.line()?.trim() {
            "01" => Pickle::Bool(true),
            "00" => Pickle::Bool(false),
            digits => Pickle::Int(digits.parse().map_err(|_| bytes.malformed("a number that is none"))?),
        },
        b'J' => Pickle::Int(i32::from_le_bytes(bytes.array()?).into()),
        b'K' => Pickle::Int(bytes.byte()?.into()),
        b'M' => Pickle::Int(bytes.u16()?.into()),
        b'L' => {
            let digits = bytes.line()?.trim().trim_end_matches('L');
            Pickle::Int(digits.parse().map_err(|_| bytes.malformed("a number that is none, or too large"))?)
        }
        0x8a => long(bytes.counted::<1>()?),
        0x8b => long(bytes.counted::<4>()?),
        b'F' => {
            let digits = bytes.line()?.trim();
            Pickle::Float(digits.parse().map_err(|_| bytes.malformed("a number that is none"))?)
        }
        _ => Pickle::Float(f64::from_be_bytes(bytes.array()?)),
    })
}

/// An integer of any number of bytes, little endian.
fn long(bytes: &[u8]) -> Pickle {
    let sign = if bytes.last().is_some_and(|b| b & 0x80 != 0) { 0xff } else { 0 };
    let mut wide = [sign; 8];
    let fits = bytes.get(8..).is_none_or(|rest| rest.iter().all(|b| *b == sign) && (bytes[7] ^ sign) & 0x80 == 0);
    if fits {
        let n = bytes.len().min(8);
        wide[..n].copy_from_slice(&bytes[..n]);
        return Pickle::Int(i64::from_le_bytes(wide));
    }
    Pickle::Object(Rc::new(Object {
        class: "builtins.int".into(),
        args: vec![Pickle::Bytes(bytes.into())],
        state: None,
        items: Vec::new(),
        entries: Vec::new(),
    }))
}

/// A text, or bytes.
pub(super) fn text(bytes: &mut Bytes, opcode: u8) -> Result<Pickle, PickleError> {
    // What Python 2 and C++ write as strings may be bytes.
    let either = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) => Pickle::Str(text.into()),
        Err(_) => Pickle::Bytes(bytes.into()),
    };
    Ok(match opcode {
        b'V' => Pickle::Str(bytes.escaped_line()?.into()),
        b'S' => Pickle::Str(bytes.line()?.trim().trim_matches(['\'', '"']).into()),
        b'U' => either(bytes.counted::<1>()?),
        b'T' => either(bytes.counted::<4>()?),
        b'C' => Pickle::Bytes(bytes.counted::<1>()?.into()),
        b'B' => Pickle::Bytes(bytes.counted::<4>()?.into()),
        0x8e => Pickle::Bytes(bytes.counted::<8>()?.into()),
        code => {
            let text = match code {
                b'X' => bytes.counted::<4>()?,
                0x8c => bytes.counted::<1>()?,
                _ => bytes.counted::<8>()?,
            };
            Pickle::Str(bytes.text(text)?.into())
        }
    })
}
