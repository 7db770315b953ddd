//! Zips of any members, whatever they are called.

/// A member with a checksum that may be wrong.
#[derive(Clone)]
pub struct Member {
    pub name: String,
    pub bytes: Vec<u8>,
    pub crc: u32,
}

impl Member {
    pub fn new(name: &str, bytes: &[u8]) -> Member {
        Member { name: name.to_owned(), bytes: bytes.to_vec(), crc: crc32fast::hash(bytes) }
    }

    pub fn set(&mut self, bytes: &[u8]) {
        *self = Member::new(&self.name, bytes);
    }
}

/// A zip of stored members.
pub fn pack(members: &[Member]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for m in members {
        let header = out.len() as u32;
        let size = (m.bytes.len() as u32).to_le_bytes();
        let common = [&[20, 0, 0, 8, 0, 0, 0, 0, 0x21, 0][..], &m.crc.to_le_bytes(), &size, &size].concat();
        let name = (m.name.len() as u16).to_le_bytes();
        out.extend([&b"PK\x03\x04"[..], &common, &name, &[0; 2], m.name.as_bytes(), &m.bytes].concat());
        directory
            .extend([&b"PK\x01\x02\x14\x00"[..], &common, &name, &[0; 12], &header.to_le_bytes(), m.name.as_bytes()].concat());
    }
    let (start, size) = ((out.len() as u32).to_le_bytes(), (directory.len() as u32).to_le_bytes());
    let count = (members.len() as u16).to_le_bytes();
    out.extend(directory);
    out.extend([&b"PK\x05\x06"[..], &[0; 4], &count, &count, &size, &start, &[0; 2]].concat());
    out
}
