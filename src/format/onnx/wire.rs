//! The wire format of protocol buffers: fields one after another, each with its number, and nothing else.
//!
//! Files are read and written on this level, not by way of structures, so that what is not understood or not touched stays as it
//! was, byte for byte.

use std::ops::Range;

/// A part of a file that is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Where, from the start of what was read.
    pub(super) at: usize,
    /// What is wrong.
    pub(super) reason: &'static str,
}

/// A field of a message.
#[derive(Clone, Debug)]
pub(super) struct Field<'a> {
    /// Its number.
    pub(super) number: u64,
    /// What is in it.
    pub(super) value: Value<'a>,
    /// Where all of it lies in the message.
    pub(super) span: Range<usize>,
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    /// A number.
    Varint(u64),
    /// Four bytes.
    Four([u8; 4]),
    /// Eight bytes.
    Eight([u8; 8]),
    /// A text, bytes, a message, or a list of numbers.
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The bytes; none of a number.
    pub(super) fn bytes(self) -> &'a [u8] {
        match self {
            Value::Bytes(bytes) => bytes,
            _ => &[],
        }
    }

    /// The number; 0 for bytes.
    pub(super) fn number(self) -> i64 {
        match self {
            Value::Varint(n) => n as i64,
            _ => 0,
        }
    }

    /// The number with a fraction; 0 for all else.
    pub(super) fn float(self) -> f32 {
        match self {
            Value::Four(bytes) => f32::from_le_bytes(bytes),
            _ => 0.0,
        }
    }
}

/// The fields of a message, in order.
pub(super) fn fields(bytes: &[u8]) -> Fields<'_> {
    Fields { bytes, at: 0 }
}

/// See [`fields`].
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.at = self.bytes.len();
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Result<Field<'a>, Fault> {
        let start = self.at;
        let tag = self.varint()?;
        let number = tag >> 3;
        if number == 0 {
            return Err(Fault { at: start, reason: "a field has the number 0" });
        }
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Eight(self.array()?),
            2 => {
                let len = self.varint()?;
                let len = usize::try_from(len).map_err(|_| Fault { at: start, reason: "a field is longer than the file" })?;
                Value::Bytes(self.take(len)?)
            }
            5 => Value::Four(self.array()?),
            _ => return Err(Fault { at: start, reason: "a field is of no known kind" }),
        };
        Ok(Field { number, value, span: start..self.at })
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Fault> {
        let rest = &self.bytes[self.at..];
        let found = rest.get(..len).ok_or(Fault { at: self.at, reason: "a field ends after what holds it" })?;
        self.at += len;
        Ok(found)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let at = self.at;
        self.take(N)?.try_into().map_err(|_| Fault { at, reason: "a field is cut off" })
    }

    fn varint(&mut self) -> Result<u64, Fault> {
        let start = self.at;
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            n |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(n);
            }
        }
        Err(Fault { at: start, reason: "a number has more than ten bytes" })
    }
}

/// The numbers of a list, packed or one by one: calls `f` with each.
pub(super) fn varints(value: Value, f: &mut dyn FnMut(i64)) -> Result<(), Fault> {
    match value {
        Value::Varint(n) => f(n as i64),
        Value::Bytes(bytes) => {
            let mut packed = Fields { bytes, at: 0 };
            while packed.at < bytes.len() {
                f(packed.varint()? as i64);
            }
        }
        _ => {}
    }
    Ok(())
}

/// The same for numbers with a fraction.
pub(super) fn floats(value: Value, f: &mut dyn FnMut(f32)) {
    match value {
        Value::Four(bytes) => f(f32::from_le_bytes(bytes)),
        Value::Bytes(bytes) => bytes.as_chunks::<4>().0.iter().for_each(|b| f(f32::from_le_bytes(*b))),
        _ => {}
    }
}

/// Appends a number.
pub(super) fn put_varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Appends a field that holds a number.
pub(super) fn put_number(out: &mut Vec<u8>, number: u64, n: i64) {
    put_varint(out, number << 3);
    put_varint(out, n as u64);
}

/// Appends a field that holds a number with a fraction.
pub(super) fn put_float(out: &mut Vec<u8>, number: u64, x: f32) {
    put_varint(out, number << 3 | 5);
    out.extend(x.to_le_bytes());
}

/// Appends the start of a field that holds bytes, which follow.
pub(super) fn put_start(out: &mut Vec<u8>, number: u64, len: u64) {
    put_varint(out, number << 3 | 2);
    put_varint(out, len);
}

/// Appends a field that holds bytes.
pub(super) fn put_bytes(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    put_start(out, number, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_they_are_written() {
        let mut out = Vec::new();
        put_number(&mut out, 1, -2);
        put_bytes(&mut out, 16, b"text");
        put_float(&mut out, 3, 0.5);
        let read: Vec<Field> = fields(&out).collect::<Result<_, _>>().unwrap();
        assert_eq!(read.iter().map(|f| f.number).collect::<Vec<_>>(), [1, 16, 3]);
        assert_eq!((read[0].value.number(), read[1].value.bytes(), read[2].value.float()), (-2, &b"text"[..], 0.5));
        assert_eq!(read.iter().map(|f| f.span.len()).sum::<usize>(), out.len());
    }

    #[test]
    fn broken_fields_are_faults() {
        let cases: [&[u8]; 6] = [&[0x0a], &[0x0a, 5, 1], &[0x0b], &[0x00, 1], &[0x08, 0x80], &[0x0d, 1, 2]];
        for case in cases {
            assert!(fields(case).any(|f| f.is_err()), "{case:?}");
        }
        assert!(fields(&[0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255]).any(|f| f.is_err()));
    }
}
