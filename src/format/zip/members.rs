//! The members of a zip file that is mapped into memory.

use std::borrow::Cow;
use std::fs::File;
use std::io::{Cursor, Read};
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;
use memmap2::Mmap;
use zip::read::{ArchiveOffset, Config};
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use crate::format::FormatError;

/// An archive's bytes, which the zip reader can share.
#[derive(Clone)]
enum Mapped {
    /// A mapped file.
    File(Arc<Mmap>),
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
}

impl Members {
    /// Maps the file and reads its central directory.
    pub(in crate::format) fn open(path: &Path) -> Result<Members, FormatError> {
        let file = File::open(path).map_err(FormatError::reading(path))?;
        let size = file.metadata().map_err(FormatError::reading(path))?;
        if size.is_dir() {
            return Err(FormatError::reading(path)(std::io::ErrorKind::IsADirectory.into()));
        }
        if size.len() < 4 {
            return Err(FormatError::NotAZip { path: path.to_path_buf() });
        }
        // SAFETY: the file must not be changed while it is mapped; this is what every reader of mapped files asks for.
        let map = unsafe { Mmap::map(&file) }.map_err(FormatError::reading(path))?;
        Members::read(path, Mapped::File(Arc::new(map)))
    }

    /// Reads the central directory of an archive in memory; `path` is what messages call it.
    pub(in crate::format) fn of_bytes(path: &Path, bytes: Arc<[u8]>) -> Result<Members, FormatError> {
        Members::read(path, Mapped::Memory(bytes))
    }

    fn read(path: &Path, map: Mapped) -> Result<Members, FormatError> {
        // Payloads may hold zips of their own (`sample_inputs`): the directory is where the end says, not to be searched.
        let config = Config { archive_offset: ArchiveOffset::Known(0) };
        let zip = ZipArchive::with_config(config, Cursor::new(map.clone())).map_err(|e| zip_fault(path, &map, &e))?;
        let mut list = IndexMap::with_capacity(zip.len());
        for index in 0..zip.len() {
            let entry = zip.by_index_data(index).map_err(|e| zip_fault(path, &map, &e))?;
            let name = entry.name().map_err(|e| zip_fault(path, &map, &e))?.into_owned();
            let (header, packed) = (entry.header_start(), entry.compressed_size());
            if header.saturating_add(packed) > map.len() as u64 {
                let reason = format!("{name} lies beyond the end");
                return Err(FormatError::Truncated { path: path.to_path_buf(), reason });
            }
            if entry.encrypted() {
                return Err(FormatError::BadZip { path: path.to_path_buf(), reason: format!("{name} is encrypted") });
            }
            let (stored, method) = match entry.compression() {
                CompressionMethod::Stored => (true, 0),
                CompressionMethod::Deflated => (false, 8),
                other => {
                    let reason = format!("{name} is compressed as {other}");
                    return Err(FormatError::BadZip { path: path.to_path_buf(), reason });
                }
            };
            let member = Member { index, header, stored, method, packed, size: entry.size(), crc: entry.crc32() };
            if stored && member.packed != member.size {
                return Err(FormatError::BadZip { path: path.to_path_buf(), reason: format!("{name} has two sizes") });
            }
            list.insert(name, member);
        }
        Ok(Members { path: path.to_path_buf(), map, zip, list })
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
        self.get(name).ok_or_else(|| FormatError::MissingMember { path: self.path.clone(), member: name.to_owned() })
    }

    /// The bytes as they are in the file, compressed or not.
    pub(in crate::format) fn packed(&self, member: Member) -> Result<&[u8], FormatError> {
        let range = self.range(member).ok_or_else(|| {
            let name = self.list.get_index(member.index).map_or("a member", |(n, _)| n.as_str());
            FormatError::Truncated {
                path: self.path.clone(),
                reason: format!("{name} has no local header or lies beyond the end"),
            }
        })?;
        Ok(&self.map[range])
    }

    /// The content: borrowed where it is stored, unpacked where it is not.
    pub(in crate::format) fn content(&self, member: Member) -> Result<Cow<'_, [u8]>, FormatError> {
        if member.stored {
            return self.packed(member).map(Cow::Borrowed);
        }
        let mut zip = self.zip.clone();
        let mut file = zip.by_index(member.index).map_err(|e| zip_fault(&self.path, &self.map, &e))?;
        let mut bytes = Vec::new();
        let read = file.read_to_end(&mut bytes);
        read.map_err(|e| FormatError::BadZip { path: self.path.clone(), reason: e.to_string() })?;
        if bytes.len() as u64 != member.size {
            let reason = format!("a member unpacks to {} bytes instead of {}", bytes.len(), member.size);
            return Err(FormatError::BadZip { path: self.path.clone(), reason });
        }
        Ok(Cow::Owned(bytes))
    }

    /// Lets go of the memory that a member's pages take; they are read from the file again where they are needed.
    pub(in crate::format) fn release(&self, member: Member) {
        #[cfg(unix)]
        if let (Mapped::File(map), Some(range)) = (&self.map, self.range(member)) {
            // SAFETY: the mapping is read-only and backed by the file, so the pages come back with the same content.
            let advised = unsafe { map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, range.start, range.len()) };
            drop(advised); // it is only advice
        }
        #[cfg(not(unix))]
        let _ = member;
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

/// Tells a file that is no zip from one that is cut off and from one that is damaged.
fn zip_fault(path: &Path, bytes: &[u8], error: &ZipError) -> FormatError {
    let path = path.to_path_buf();
    let reason = error.to_string();
    if !bytes.starts_with(b"PK\x03\x04") && !bytes.starts_with(b"PK\x05\x06") {
        return FormatError::NotAZip { path };
    }
    let tail = &bytes[bytes.len().saturating_sub((1 << 16) + 22)..];
    match tail.windows(4).any(|w| w == b"PK\x05\x06") {
        true => FormatError::BadZip { path, reason },
        false => FormatError::Truncated { path, reason: "the directory at its end is missing".to_owned() },
    }
}
