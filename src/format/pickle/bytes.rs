//! Reads numbers, lines and counted bytes off a pickle.

use super::PickleError;

/// A place in the bytes of a pickle.
pub(super) struct Bytes<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the instruction that is being read begins.
    start: usize,
}

impl<'a> Bytes<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Bytes<'a> {
        Bytes { bytes, at: 0, start: 0 }
    }

    /// The next instruction's code.
    pub(super) fn opcode(&mut self) -> Result<u8, PickleError> {
        self.start = self.at;
        self.byte()
    }

    /// The next bytes.
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], PickleError> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(PickleError::Truncated { at: self.start })?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn byte(&mut self) -> Result<u8, PickleError> {
        self.array::<1>().map(|[b]| b)
    }

    pub(super) fn u16(&mut self) -> Result<u16, PickleError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, PickleError> {
        self.array().map(u32::from_le_bytes)
    }

    /// A length of one, four or eight bytes, and as many bytes.
    pub(super) fn counted<const N: usize>(&mut self) -> Result<&'a [u8], PickleError> {
        let length = self.array::<N>()?;
        let mut wide = [0; 8];
        wide[..N].copy_from_slice(&length);
        let count = usize::try_from(u64::from_le_bytes(wide)).map_err(|_| PickleError::Truncated { at: self.start })?;
        self.take(count)
    }

    /// The text up to the end of the line.
    pub(super) fn line(&mut self) -> Result<&'a str, PickleError> {
        let line = self.raw_line()?;
        self.text(line)
    }

    /// The text up to the end of the line, one character a byte but for `\uXXXX`.
    pub(super) fn escaped_line(&mut self) -> Result<String, PickleError> {
        let mut rest = self.raw_line()?;
        let mut text = String::new();
        while let Some((first, more)) = rest.split_first() {
            let digits = match more.first().filter(|_| *first == b'\\') {
                Some(b'u') => more.get(1..5),
                Some(b'U') => more.get(1..9),
                _ => None,
            };
            let number = digits.and_then(|d| u32::from_str_radix(std::str::from_utf8(d).ok()?, 16).ok());
            match (digits, number.and_then(char::from_u32)) {
                (Some(digits), Some(c)) => {
                    text.push(c);
                    rest = &more[1 + digits.len()..];
                }
                _ => {
                    text.push(char::from(*first));
                    rest = more;
                }
            }
        }
        Ok(text)
    }

    fn raw_line(&mut self) -> Result<&'a [u8], PickleError> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|b| *b == b'\n').ok_or(PickleError::Truncated { at: self.start })?;
        self.at += end + 1;
        Ok(&rest[..end])
    }

    /// Bytes as text.
    pub(super) fn text(&self, bytes: &'a [u8]) -> Result<&'a str, PickleError> {
        std::str::from_utf8(bytes).map_err(|_| self.malformed("a text is not UTF-8"))
    }

    /// An error at this instruction.
    pub(super) fn malformed(&self, reason: impl Into<String>) -> PickleError {
        PickleError::Malformed { at: self.start, reason: reason.into() }
    }
}
