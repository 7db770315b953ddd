//! Writes a zip file of stored members whose data are aligned, without copying them.
//!
//! The bytes of a member that is taken over from another archive go straight from the mapped file to the new one; its checksum
//! is looked at on the way.

use std::io::{Seek, SeekFrom, Write};

use crate::format::FormatError;
use crate::format::output::Target;

/// Data start at multiples of this, as PyTorch writes them.
const ALIGN: u64 = 64;
/// Id of the extra field that pads a header: PyTorch's "FB".
const PADDING: u16 = 0x4246;
/// Id of the extra field with 64-bit sizes.
const ZIP64: u16 = 0x0001;
/// Names are UTF-8.
const FLAGS: u16 = 0x0800;
/// 1 January 1980: files do not depend on when they are written.
const DATE: u16 = 0x0021;
/// From this size on the 32-bit fields do not do.
const LIMIT: u64 = u32::MAX as u64;
/// Bytes written at once.
const CHUNK: usize = 1 << 20;

/// A zip file in the making.
pub(in crate::format) struct ZipWriter<'a, T> {
    output: T,
    at: u64,
    members: Vec<Entry>,
    progress: &'a mut dyn FnMut(u64),
}

struct Entry {
    name: String,
    method: u16,
    crc: u32,
    packed: u64,
    size: u64,
    header: u64,
}

impl<'a, T: Target> ZipWriter<'a, T> {
    /// Starts a file. `progress` gets the bytes of data written since its last call.
    pub(in crate::format) fn new(output: T, progress: &'a mut dyn FnMut(u64)) -> ZipWriter<'a, T> {
        ZipWriter { output, at: 0, members: Vec::new(), progress }
    }

    /// A member that another archive holds in the same form. Gives the checksum of the bytes that were copied.
    pub(super) fn raw(&mut self, name: &str, method: u16, crc: u32, size: u64, packed: &[u8]) -> Result<u32, FormatError> {
        let mut sum = crc32fast::Hasher::new();
        self.header(Entry { name: name.to_owned(), method, crc, packed: packed.len() as u64, size, header: self.at })?;
        for chunk in packed.chunks(4 * CHUNK) {
            sum.update(chunk);
            self.put(chunk)?;
            (self.progress)(chunk.len() as u64);
        }
        Ok(sum.finalize())
    }

    /// A member with this content.
    pub(in crate::format) fn bytes(&mut self, name: &str, bytes: &[u8]) -> Result<(), FormatError> {
        self.stream(name, bytes.len() as u64, &|out| bytes.chunks(CHUNK).try_for_each(|c| out.write_all(c)))
    }

    /// A member of known length that a function writes.
    pub(in crate::format) fn stream(
        &mut self,
        name: &str,
        len: u64,
        write: &dyn Fn(&mut dyn Write) -> std::io::Result<()>,
    ) -> Result<(), FormatError> {
        let start = self.at;
        self.header(Entry { name: name.to_owned(), method: 0, crc: 0, packed: len, size: len, header: start })?;
        let mut sink = Sink { file: &mut self.output, crc: crc32fast::Hasher::new(), left: len, progress: self.progress };
        let written = write(&mut sink);
        let (crc, left) = (sink.crc.clone().finalize(), sink.left);
        written.map_err(|e| self.output.fault(e))?;
        if left != 0 {
            return Err(FormatError::edit(format!("{name} is {left} bytes too short")));
        }
        self.at += len;
        let patched = patch(&mut self.output, start + 14, &crc.to_le_bytes(), self.at);
        patched.map_err(|e| self.output.fault(e))?;
        if let Some(last) = self.members.last_mut() {
            last.crc = crc;
        }
        Ok(())
    }

    /// Writes the directory and gives what was written to.
    pub(in crate::format) fn finish(mut self) -> Result<T, FormatError> {
        let start = self.at;
        let members = std::mem::take(&mut self.members);
        for member in &members {
            self.put(&member.central())?;
        }
        let (count, size) = (members.len() as u64, self.at - start);
        let mut end = Vec::new();
        if count >= u64::from(u16::MAX) || start >= LIMIT || size >= LIMIT {
            let at = self.at;
            end.extend(b"PK\x06\x06");
            end.extend(44u64.to_le_bytes()); // bytes that follow
            end.extend([45, 0, 45, 0]);
            end.extend([0; 8]); // disks
            for n in [count, count, size, start] {
                end.extend(n.to_le_bytes());
            }
            end.extend(b"PK\x06\x07");
            end.extend([0; 4]);
            end.extend(at.to_le_bytes());
            end.extend(1u32.to_le_bytes());
        }
        end.extend(b"PK\x05\x06");
        end.extend([0; 4]); // disks
        let count = u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes();
        end.extend(count);
        end.extend(count);
        end.extend(low(size).to_le_bytes());
        end.extend(low(start).to_le_bytes());
        end.extend([0; 2]); // comment
        self.put(&end)?;
        Ok(self.output)
    }

    fn header(&mut self, member: Entry) -> Result<(), FormatError> {
        let header = member.local()?;
        self.put(&header)?;
        self.members.push(member);
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), FormatError> {
        let written = self.output.write_all(bytes);
        written.map_err(|e| self.output.fault(e))?;
        self.at += bytes.len() as u64;
        Ok(())
    }
}

/// Overwrites a few bytes and goes back to the end.
fn patch(file: &mut (impl Write + Seek), at: u64, bytes: &[u8], end: u64) -> std::io::Result<()> {
    file.seek(SeekFrom::Start(at))?;
    file.write_all(bytes)?;
    file.seek(SeekFrom::Start(end)).map(drop)
}

/// Where a function writes a member: sums up and takes no more than was announced.
struct Sink<'a, W> {
    file: &'a mut W,
    crc: crc32fast::Hasher,
    left: u64,
    progress: &'a mut dyn FnMut(u64),
}

impl<W: Write> Write for Sink<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let n = bytes.len().min(CHUNK);
        self.left = self.left.checked_sub(n as u64).ok_or_else(|| std::io::Error::other("more bytes than announced"))?;
        self.crc.update(&bytes[..n]);
        self.file.write_all(&bytes[..n])?;
        (self.progress)(n as u64);
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Entry {
    /// The header before the data, padded so that these are aligned.
    fn local(&self) -> Result<Vec<u8>, FormatError> {
        let mut extra = Vec::new();
        if self.long() {
            extra.extend(ZIP64.to_le_bytes());
            extra.extend(16u16.to_le_bytes());
            extra.extend(self.size.to_le_bytes());
            extra.extend(self.packed.to_le_bytes());
        }
        let fixed = self.header + 30 + self.name.len() as u64 + extra.len() as u64;
        if !fixed.is_multiple_of(ALIGN) {
            let padding = (ALIGN - (fixed + 4) % ALIGN) % ALIGN;
            extra.extend(PADDING.to_le_bytes());
            extra.extend((padding as u16).to_le_bytes());
            extra.resize(extra.len() + padding as usize, b'Z');
        }
        let name = u16::try_from(self.name.len()).map_err(|_| FormatError::edit("a member's name is too long"))?;
        let mut header = b"PK\x03\x04".to_vec();
        self.common(&mut header);
        header.extend(name.to_le_bytes());
        header.extend((extra.len() as u16).to_le_bytes());
        header.extend(self.name.as_bytes());
        header.extend(extra);
        Ok(header)
    }

    /// The entry in the directory.
    fn central(&self) -> Vec<u8> {
        let mut extra = Vec::new();
        if self.long() || self.header >= LIMIT {
            let mut numbers = Vec::new();
            if self.long() {
                numbers.extend([self.size, self.packed]);
            }
            if self.header >= LIMIT {
                numbers.push(self.header);
            }
            extra.extend(ZIP64.to_le_bytes());
            extra.extend((8 * numbers.len() as u16).to_le_bytes());
            numbers.iter().for_each(|n| extra.extend(n.to_le_bytes()));
        }
        let mut entry = b"PK\x01\x02".to_vec();
        entry.extend([45, 0]); // made by
        self.common(&mut entry);
        entry.extend((self.name.len() as u16).to_le_bytes());
        entry.extend((extra.len() as u16).to_le_bytes());
        entry.extend([0; 10]); // comment, disk, attributes
        entry.extend(low(self.header).to_le_bytes());
        entry.extend(self.name.as_bytes());
        entry.extend(extra);
        entry
    }

    /// What both headers hold, from the version needed to the sizes.
    fn common(&self, header: &mut Vec<u8>) {
        header.extend(if self.long() || self.header >= LIMIT { [45, 0] } else { [20, 0] });
        for n in [FLAGS, self.method, 0, DATE] {
            header.extend(n.to_le_bytes());
        }
        header.extend(self.crc.to_le_bytes());
        let sizes = if self.long() { [u32::MAX; 2] } else { [low(self.packed), low(self.size)] };
        sizes.iter().for_each(|n| header.extend(n.to_le_bytes()));
    }

    fn long(&self) -> bool {
        self.size >= LIMIT || self.packed >= LIMIT
    }
}

/// The 32-bit field of a number; all ones where it does not fit.
fn low(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
