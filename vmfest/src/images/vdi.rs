//! VirtualBox's disk format, as far as importing needs it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::error::Error;

/// Disks grow in blocks of this size.
const BLOCK: usize = 1024 * 1024;
/// Where the map of blocks begins in disks that are made here.
const MAP_OFFSET: u32 = 0x0010_0000;
/// Room for the map of the largest disk that can be made: 2 TiB.
const MAX_BLOCKS: usize = 2 * 1024 * 1024;
/// The map's entry of a block that was never written.
const FREE: u32 = 0xffff_ffff;
/// The first sector and a little more.
const HEADER: usize = 512;
const SIGNATURE: u32 = 0xbeda_107f;
const SECTOR: usize = 512;

const TYPE_OFFSET: usize = 0x4c;
const UUID_OFFSET: usize = 0x188;
const LINK_OFFSET: usize = 0x1a8;

/// What a header tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    /// The id by which VirtualBox knows the disk.
    pub(crate) id: String,
    /// Whether the disk is only the difference to another one.
    pub(crate) is_differencing: bool,
}

/// Reads a disk's header; nothing if it is none that is understood.
pub(crate) fn parse(head: &[u8]) -> Option<Header> {
    if number(head, 0x40)? != SIGNATURE || number(head, 0x44)? >> 16 != 1 {
        return None;
    }
    let link = head.get(LINK_OFFSET..LINK_OFFSET + 16)?;
    Some(Header {
        id: uuid_text(head.get(UUID_OFFSET..UUID_OFFSET + 16)?.try_into().ok()?),
        is_differencing: number(head, TYPE_OFFSET)? == 4 || link.iter().any(|byte| *byte != 0),
    })
}

/// The id of the disk in a file, if it is a VDI.
pub(crate) fn id_of(file: &Path) -> Option<String> {
    let mut head = [0; HEADER];
    File::open(file).ok()?.read_exact(&mut head).ok()?;
    Some(parse(&head)?.id)
}

/// Gives a disk an id that no other disk has. VirtualBox refuses to know two disks of one id, and
/// everybody who imports the same image would have the same one.
pub(crate) fn set_new_id(file: &Path) -> Result<(), Error> {
    let failed = |e| Error::io("give a new id to the disk", file, e);
    let id = random_uuid()?;
    let mut disk = File::options().write(true).open(file).map_err(failed)?;
    disk.seek(SeekFrom::Start(UUID_OFFSET as u64)).map_err(failed)?;
    disk.write_all(&id).map_err(failed)?;
    disk.sync_data().map_err(failed)
}

/// Makes a growing VDI of a disk's sectors as they come. Blocks of zeros take no room.
pub(crate) struct Writer {
    file: File,
    map: Vec<u32>,
    used: u32,
    block: Vec<u8>,
    zeros: Vec<u8>,
    length: u64,
    /// The last sector that came, which may be no sector of the disk but a footer.
    last: Vec<u8>,
}

impl Writer {
    pub(crate) fn create(path: &Path) -> std::io::Result<Self> {
        let file = File::options().write(true).create_new(true).open(path)?;
        Ok(Self {
            file,
            map: Vec::new(),
            used: 0,
            block: Vec::with_capacity(BLOCK),
            zeros: vec![0; BLOCK],
            length: 0,
            last: Vec::new(),
        })
    }

    /// Takes the next bytes of the disk.
    pub(crate) fn write(&mut self, mut bytes: &[u8]) -> std::io::Result<()> {
        self.keep_last(bytes);
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.block.len()));
            self.block.extend_from_slice(now);
            self.length += now.len() as u64;
            if self.block.len() == BLOCK {
                self.flush_block()?;
            }
            bytes = later;
        }
        Ok(())
    }

    fn keep_last(&mut self, bytes: &[u8]) {
        let from = bytes.len().saturating_sub(SECTOR);
        let tail = bytes.get(from..).unwrap_or_default();
        let keep = (SECTOR - tail.len()).min(self.last.len());
        self.last.drain(..self.last.len() - keep);
        self.last.extend_from_slice(tail);
    }

    fn flush_block(&mut self) -> std::io::Result<()> {
        if self.map.len() == MAX_BLOCKS {
            return Err(std::io::Error::other("the disk is larger than 2 TiB"));
        }
        let content = self.zeros.get(..self.block.len()).unwrap_or_default();
        if self.block == content {
            self.map.push(FREE);
        } else {
            self.block.resize(BLOCK, 0);
            let at = data_offset() + u64::from(self.used) * BLOCK as u64;
            self.file.seek(SeekFrom::Start(at))?;
            self.file.write_all(&self.block)?;
            self.map.push(self.used);
            self.used += 1;
        }
        self.block.clear();
        Ok(())
    }

    /// Completes the disk. Gives what is wrong with the sectors, if something is.
    pub(crate) fn finish(mut self) -> Result<Result<(), &'static str>, Error> {
        let failed = |e| Error::io("write", "the disk", e);
        if !self.block.is_empty() {
            self.flush_block().map_err(failed)?;
        }
        match fixed_vhd(&self.last, self.length) {
            Ok(Some(disk)) => {
                // The footer's sector is free again; what it was written to is not part of the disk.
                self.length = disk;
                let blocks = usize::try_from(disk.div_ceil(BLOCK as u64)).unwrap_or(MAX_BLOCKS);
                self.map.truncate(blocks);
            }
            Ok(None) => {}
            Err(problem) => return Ok(Err(problem)),
        }
        if self.length == 0 || !self.length.is_multiple_of(SECTOR as u64) {
            return Ok(Err("its size is no multiple of 512 bytes, so it is no disk, or cut short"));
        }
        let map: Vec<u8> = self.map.iter().flat_map(|entry| entry.to_le_bytes()).collect();
        let header = header(self.length, self.map.len(), self.used, random_uuid()?, random_uuid()?);
        let write = |file: &mut File| {
            file.seek(SeekFrom::Start(u64::from(MAP_OFFSET)))?;
            file.write_all(&map)?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&header)?;
            file.set_len(data_offset() + u64::from(self.used) * BLOCK as u64)?;
            file.sync_data()
        };
        write(&mut self.file).map_err(failed)?;
        Ok(Ok(()))
    }
}

/// The size of the disk in a fixed VHD, which is the disk's sectors and a footer.
fn fixed_vhd(last: &[u8], length: u64) -> Result<Option<u64>, &'static str> {
    if !last.starts_with(b"conectix") {
        return Ok(None);
    }
    let big = |at: usize| -> Option<[u8; 8]> { last.get(at..at + 8)?.try_into().ok() };
    let size = big(48).map(u64::from_be_bytes).unwrap_or_default();
    let kind = big(60).map(|b| u64::from_be_bytes(b) >> 32).unwrap_or_default();
    if kind != 2 || size == 0 || size > length - SECTOR as u64 {
        return Err("it ends like a VHD, but not like one that is complete");
    }
    Ok(Some(size))
}

fn data_offset() -> u64 {
    u64::from(MAP_OFFSET) + 4 * MAX_BLOCKS as u64
}

fn header(length: u64, blocks: usize, used: u32, id: [u8; 16], modified: [u8; 16]) -> Vec<u8> {
    let mut header = vec![0; HEADER];
    let mut put = |at: usize, bytes: &[u8]| {
        if let Some(place) = header.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    };
    let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
    let sector = u32::try_from(SECTOR).unwrap_or_default().to_le_bytes();
    put(0, b"<<< Oracle VM VirtualBox Disk Image >>>\n");
    put(0x40, &SIGNATURE.to_le_bytes());
    put(0x44, &0x0001_0001_u32.to_le_bytes());
    put(0x48, &400_u32.to_le_bytes());
    put(TYPE_OFFSET, &1_u32.to_le_bytes());
    put(0x154, &MAP_OFFSET.to_le_bytes());
    put(0x158, &u32::try_from(data_offset()).unwrap_or(u32::MAX).to_le_bytes());
    put(0x168, &sector);
    put(0x170, &length.to_le_bytes());
    put(0x178, &(BLOCK as u32).to_le_bytes());
    put(0x180, &blocks.to_le_bytes());
    put(0x184, &used.to_le_bytes());
    put(UUID_OFFSET, &id);
    put(0x198, &modified);
    put(0x1d4, &sector);
    header
}

fn random_uuid() -> Result<[u8; 16], Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| {
        let source = std::io::Error::other(e.to_string());
        Error::io("get randomness from", "the operating system", source)
    })?;
    let [.., version, variant, _, _, _, _, _, _, _] = &mut bytes;
    (*version, *variant) = (*version & 0x0f | 0x40, *variant & 0x3f | 0x80);
    Ok(bytes)
}

/// The text of an id. Its first three fields are stored with their lowest byte first.
fn uuid_text(bytes: [u8; 16]) -> String {
    let [a0, a1, a2, a3, b0, b1, c0, c1, d0, d1, rest @ ..] = bytes;
    let (a, b, c) = (
        u32::from_le_bytes([a0, a1, a2, a3]),
        u16::from_le_bytes([b0, b1]),
        u16::from_le_bytes([c0, c1]),
    );
    let node: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{a:08x}-{b:04x}-{c:04x}-{d0:02x}{d1:02x}-{node}")
}

fn number(head: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(sectors: &[u8]) -> (tempfile::TempDir, Vec<u8>) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.vdi");
        let mut writer = Writer::create(&path).expect("a file");
        for piece in sectors.chunks(70_001) {
            writer.write(piece).expect("written");
        }
        writer.finish().expect("finished").expect("a disk");
        let bytes = std::fs::read(path).expect("reads");
        (folder, bytes)
    }

    #[test]
    fn zeros_take_no_room_and_the_last_block_may_be_short() {
        let mut disk = vec![0; 3 * BLOCK + 512];
        disk[BLOCK] = 7;
        disk[3 * BLOCK + 100] = 9;
        let (folder, bytes) = made(&disk);
        assert_eq!(number(&bytes, 0x180), Some(4), "blocks");
        assert_eq!(number(&bytes, 0x184), Some(2), "blocks with content");
        let map: Vec<_> = (0..4).map(|n| number(&bytes, BLOCK + 4 * n)).collect();
        assert_eq!(map, [Some(FREE), Some(0), Some(FREE), Some(1)]);
        let start = usize::try_from(data_offset()).expect("small");
        assert_eq!((bytes[start], bytes[start + BLOCK + 100]), (7, 9));
        assert_eq!(bytes.len(), start + 2 * BLOCK);

        let file = folder.path().join("x.vdi");
        let before = id_of(&file).expect("an id");
        assert_eq!(before.len(), 36);
        assert_eq!(&before[14..15], "4", "{before}");
        set_new_id(&file).expect("set");
        assert_ne!(id_of(&file).expect("an id"), before);
        assert!(!parse(&bytes).expect("a header").is_differencing);
    }

    #[test]
    fn the_footer_of_a_fixed_vhd_is_no_part_of_the_disk() {
        let mut disk = vec![1; 2 * BLOCK + 512];
        let footer = &mut disk[2 * BLOCK..];
        footer.fill(0);
        footer[..8].copy_from_slice(b"conectix");
        footer[48..56].copy_from_slice(&(2 * BLOCK as u64).to_be_bytes());
        footer[60..64].copy_from_slice(&2_u32.to_be_bytes());
        let (_folder, bytes) = made(&disk);
        assert_eq!(bytes[0x170..0x178], (2 * BLOCK as u64).to_le_bytes());
        assert_eq!(number(&bytes, 0x180), Some(2));
    }

    #[test]
    fn half_a_sector_is_no_disk() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut writer = Writer::create(&folder.path().join("x")).expect("a file");
        writer.write(&[1; 700]).expect("written");
        assert!(writer.finish().expect("finished").is_err());
    }
}
