//! The members of a zip file that is mapped into memory.

use std::borrow::Cow;
use std::io::{Cursor, Read, Write};
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indexmap::IndexMap;
use rustc_hash::FxHashMap;
use zip::read::{ArchiveOffset, Config};
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::writer::ZipWriter;
use crate::format::FormatError;
use crate::format::output::Target;
use crate::format::source::Source;
use crate::format::zip::ArchiveError;

/// Bytes that a member of a word or a number may have.
const SMALL: u64 = 1 << 10;
/// How much smaller than its content a packed member can be, by how the format works.
const DENSEST: u64 = 1032;

/// An archive's bytes, which the zip reader can share.
#[derive(Clone)]
enum Mapped {
    /// A mapped file.
    File(Arc<Source>),
    /// An archive that was made in memory.
    Memory(Arc<[u8]>),
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        match self {
            Mapped::File(map) => map,
            Mapped::Memory(bytes) => bytes,
        }
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_ref()
    }
}

/// What the central directory tells about a member.
#[derive(Clone, Copy, Debug)]
pub(in crate::format) struct Member {
    index: usize,
    header: u64,
    stored: bool,
    /// The method's number in zip files.
    pub(in crate::format) method: u16,
    /// Bytes in the file.
    pub(in crate::format) packed: u64,
    /// Bytes of the content.
    pub(in crate::format) size: u64,
    /// Checksum of the content.
    pub(in crate::format) crc: u32,
}

/// A zip file whose members are read on demand.
pub(in crate::format) struct Members {
    path: PathBuf,
    map: Mapped,
    zip: ZipArchive<Cursor<Mapped>>,
    list: IndexMap<String, Member>,
    /// For each member whether its checksum was found right.
    checked: Vec<AtomicBool>,
}

impl Members {
    /// Maps the file and reads its central directory.
    pub(in crate::format) fn open(path: &Path) -> Result<Members, FormatError> {
        Members::of(Source::open(path)?)
    }

    /// Reads the central directory of a file.
    pub(in crate::format) fn of(source: Source) -> Result<Members, FormatError> {
        let path = source.path().to_path_buf();
        match source.len() < 4 {
            true => Err(FormatError::Zip(ArchiveError::NotAZip { path })),
            false => Members::read(&path, Mapped::File(Arc::new(source))),
        }
    }

    /// Reads the central directory of an archive in memory; `path` is what messages call it.
    pub(in crate::format) fn of_bytes(path: &Path, bytes: Arc<[u8]>) -> Result<Members, FormatError> {
        Members::read(path, Mapped::Memory(bytes))
    }

    /// Whether the bytes were given and not read from a file.
    pub(in crate::format) fn is_memory(&self) -> bool {
        matches!(self.map, Mapped::Memory(_))
    }

    fn read(path: &Path, map: Mapped) -> Result<Members, FormatError> {
        // Payloads may hold zips of their own (`sample_inputs`): the directory is where the end says, not to be searched.
        let config = Config { archive_offset: ArchiveOffset::Known(0) };
        let zip = ZipArchive::with_config(config, Cursor::new(map.clone())).map_err(|e| zip_fault(path, &map, &e))?;
        let bad = |reason: String| FormatError::Zip(ArchiveError::BadZip { path: path.to_path_buf(), reason });
        // The reader keeps the last of two equal names, PyTorch the first.
        if zip.has_duplicate_names() {
            return Err(FormatError::Zip(ArchiveError::Ambiguous {
                path: path.to_path_buf(),
                names: twice(&map, zip.central_directory_start()),
            }));
        }
        let raw: Vec<Vec<u8>> = zip.file_names_raw().map(<[u8]>::to_vec).collect();
        let mut list = IndexMap::with_capacity(zip.len());
        let mut places: FxHashMap<Vec<u8>, usize> = FxHashMap::default();
        for (index, raw) in raw.into_iter().enumerate() {
            let entry = zip.by_index_data(index).map_err(|e| zip_fault(path, &map, &e))?;
            // The name itself, as PyTorch takes it, and not what an extra field may say instead.
            let normal = normal(&raw);
            let name = match String::from_utf8(raw) {
                Ok(name) => name,
                Err(_) => entry.name().map_err(|e| zip_fault(path, &map, &e))?.into_owned(),
            };
            let (header, packed) = (entry.header_start(), entry.compressed_size());
            if header.saturating_add(packed) > map.len() as u64 {
                let reason = format!("{name} lies beyond the end");
                return Err(FormatError::Zip(ArchiveError::Truncated { path: path.to_path_buf(), reason }));
            }
            if entry.encrypted() {
                return Err(bad(format!("{name} is encrypted")));
            }
            let (stored, method) = match entry.compression() {
                CompressionMethod::Stored => (true, 0),
                CompressionMethod::Deflated => (false, 8),
                other => {
                    return Err(bad(format!("{name} is compressed as {other}")));
                }
            };
            let member = Member { index, header, stored, method, packed, size: entry.size(), crc: entry.crc32() };
            if stored && member.packed != member.size {
                return Err(bad(format!("{name} has two sizes")));
            }
            if member.size > member.packed.saturating_add(1).saturating_mul(DENSEST) {
                return Err(bad(format!("{name} claims {} bytes, packed in {}", member.size, member.packed)));
            }
            let other =
                places.insert(normal, index).and_then(|other| list.get_index(other)).map(|(other, _): (&String, _)| other);
            if let Some(other) = other {
                let names = vec![other.clone(), name];
                return Err(FormatError::Zip(ArchiveError::Ambiguous { path: path.to_path_buf(), names }));
            }
            if list.insert(name.clone(), member).is_some() {
                return Err(FormatError::Zip(ArchiveError::Ambiguous { path: path.to_path_buf(), names: vec![name] }));
            }
        }
        let checked = list.iter().map(|_| AtomicBool::new(false)).collect();
        Ok(Members { path: path.to_path_buf(), map, zip, list, checked })
    }

    /// The file.
    pub(in crate::format) fn path(&self) -> &Path {
        &self.path
    }

    /// Names and facts in the order of the central directory.
    pub(in crate::format) fn iter(&self) -> impl Iterator<Item = (&str, Member)> {
        self.list.iter().map(|(n, m)| (n.as_str(), *m))
    }

    /// The member of this name.
    pub(in crate::format) fn get(&self, name: &str) -> Option<Member> {
        self.list.get(name).copied()
    }

    /// The member of this name, or an error that says it is missing.
    pub(in crate::format) fn need(&self, name: &str) -> Result<Member, FormatError> {
        self.get(name)
            .ok_or_else(|| FormatError::Zip(ArchiveError::MissingMember { path: self.path.clone(), member: name.to_owned() }))
    }

    /// Puts a member into another archive as it is. The new archive has the checksum of the old, which is looked at on the way:
    /// it must not vouch for damaged data.
    pub(in crate::format) fn copy<T: Target>(
        &self,
        name: &str,
        member: Member,
        to: &mut ZipWriter<'_, T>,
    ) -> Result<(), FormatError> {
        let sum = to.raw(name, member.method, member.crc, member.size, self.packed(member)?)?;
        if member.stored { self.check(member, || sum) } else { self.check_packed(member) }
    }

    /// The bytes as they are in the file, compressed or not.
    fn packed(&self, member: Member) -> Result<&[u8], FormatError> {
        let range = self.range(member).ok_or_else(|| {
            let reason = format!("{} has no local header or lies beyond the end", self.name(member));
            FormatError::Zip(ArchiveError::Truncated { path: self.path.clone(), reason })
        })?;
        Ok(&self.map[range])
    }

    /// The content, with its checksum looked at: borrowed where it is stored, unpacked where it is not.
    pub(in crate::format) fn content(&self, member: Member) -> Result<Cow<'_, [u8]>, FormatError> {
        if member.stored {
            let bytes = self.packed(member)?;
            self.check(member, || crc32fast::hash(bytes))?;
            return Ok(Cow::Borrowed(bytes));
        }
        let mut bytes = Vec::new();
        self.unpack(member, &mut bytes)?;
        Ok(Cow::Owned(bytes))
    }

    /// Unpacks a member. At the end of it the reader looks at the checksum.
    fn unpack(&self, member: Member, to: &mut impl Write) -> Result<(), FormatError> {
        let mut zip = self.zip.clone();
        let file = zip.by_index(member.index).map_err(|e| zip_fault(&self.path, &self.map, &e))?;
        // Not more than is claimed, and one byte to tell that there is more.
        let size = std::io::copy(&mut file.take(member.size.saturating_add(1)), to).map_err(|e| {
            FormatError::Zip(ArchiveError::BadZip { path: self.path.clone(), reason: format!("{}: {e}", self.name(member)) })
        })?;
        if size != member.size {
            let reason = format!("{} unpacks to {size} bytes instead of {}", self.name(member), member.size);
            return Err(FormatError::Zip(ArchiveError::BadZip { path: self.path.clone(), reason }));
        }
        if let Some(done) = self.checked.get(member.index) {
            done.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Checks a packed member against its checksum, once.
    fn check_packed(&self, member: Member) -> Result<(), FormatError> {
        match self.checked.get(member.index).is_some_and(|done| done.load(Ordering::Relaxed)) {
            true => Ok(()),
            false => self.unpack(member, &mut std::io::sink()),
        }
    }

    /// The content of a member that holds a word or a number.
    pub(in crate::format) fn small(&self, member: Member) -> Result<Cow<'_, [u8]>, FormatError> {
        if member.size > SMALL {
            let reason = format!("{} has {} bytes, where a word is expected", self.name(member), member.size);
            return Err(FormatError::Zip(ArchiveError::BadZip { path: self.path.clone(), reason }));
        }
        self.content(member)
    }

    /// Checks a stored member against its checksum, once.
    fn check(&self, member: Member, sum: impl FnOnce() -> u32) -> Result<(), FormatError> {
        let done = self.checked.get(member.index);
        if done.is_some_and(|done| done.load(Ordering::Relaxed)) {
            return Ok(());
        }
        if sum() != member.crc {
            return Err(FormatError::Zip(ArchiveError::Checksum {
                path: self.path.clone(),
                member: self.name(member).to_owned(),
            }));
        }
        if let Some(done) = done {
            done.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn name(&self, member: Member) -> &str {
        self.list.get_index(member.index).map_or("a member", |(name, _)| name)
    }

    /// Lets go of the memory that a member's pages take; they are read from the file again where they are needed.
    pub(in crate::format) fn release(&self, member: Member) {
        if let (Mapped::File(source), Some(range)) = (&self.map, self.range(member)) {
            source.release(range);
        }
    }

    /// What tells this state of the file from others; of what is in memory nothing does.
    pub(in crate::format) fn state(&self) -> Result<String, FormatError> {
        match &self.map {
            Mapped::File(source) => source.state(),
            Mapped::Memory(_) => Ok(String::new()),
        }
    }

    /// An error if the file is not as it was when it was opened.
    pub(in crate::format) fn unchanged(&self) -> Result<(), FormatError> {
        match &self.map {
            Mapped::File(source) => source.unchanged(),
            Mapped::Memory(_) => Ok(()),
        }
    }

    /// Where the data lie in the file: the local header has a length of its own.
    fn range(&self, member: Member) -> Option<Range<usize>> {
        const FIXED: usize = 30;
        let header = usize::try_from(member.header).ok()?;
        let fixed = self.map.get(header..header.checked_add(FIXED)?)?;
        if !fixed.starts_with(b"PK\x03\x04") {
            return None;
        }
        let field = |at: usize| usize::from(u16::from_le_bytes([fixed[at], fixed[at + 1]]));
        let start = header + FIXED + field(26) + field(28);
        let end = start.checked_add(usize::try_from(member.packed).ok()?)?;
        (end <= self.map.len()).then_some(start..end)
    }
}

/// A name as a path without detours: two names with the same one are one file to whoever unpacks them.
fn normal(name: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in name.split(|b| matches!(b, b'/' | b'\\')) {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join(&b'/')
}

/// The first name that the directory has twice.
fn twice(bytes: &[u8], start: u64) -> Vec<String> {
    const FIXED: usize = 46;
    let mut seen = rustc_hash::FxHashSet::default();
    let mut at = usize::try_from(start).unwrap_or(usize::MAX);
    while let Some(entry) = bytes.get(at..).filter(|b| b.len() >= FIXED && b.starts_with(b"PK\x01\x02")) {
        let field = |at: usize| usize::from(u16::from_le_bytes([entry[at], entry[at + 1]]));
        let name = entry.get(FIXED..FIXED + field(28)).unwrap_or(&[]);
        if !seen.insert(name) {
            return vec![String::from_utf8_lossy(name).into_owned()];
        }
        at += FIXED + field(28) + field(30) + field(32);
    }
    Vec::new()
}

/// Tells a file that is no zip from one that is cut off and from one that is damaged.
fn zip_fault(path: &Path, bytes: &[u8], error: &ZipError) -> FormatError {
    let path = path.to_path_buf();
    let reason = error.to_string();
    if !bytes.starts_with(b"PK\x03\x04") && !bytes.starts_with(b"PK\x05\x06") {
        return FormatError::Zip(ArchiveError::NotAZip { path });
    }
    let tail = &bytes[bytes.len().saturating_sub((1 << 16) + 22)..];
    match tail.windows(4).any(|w| w == b"PK\x05\x06") {
        true => FormatError::Zip(ArchiveError::BadZip { path, reason }),
        false => FormatError::Zip(ArchiveError::Truncated { path, reason: "the directory at its end is missing".to_owned() }),
    }
}
