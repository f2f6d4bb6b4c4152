//! Room on the disk, asked for before it is filled.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::error::ImageError;
use super::format::{HEAD, Kind, detect};
use crate::error::Error;

/// What must stay free for everything else.
const RESERVE: u64 = 64 * 1024 * 1024;

/// An error if a folder's file system has not so much room.
pub(super) fn check(folder: &Path, needed: u64) -> Result<(), Error> {
    let free = match rustix::fs::statvfs(folder) {
        Ok(found) => found.f_bavail.saturating_mul(found.f_frsize),
        Err(e) => return Err(Error::io("ask for the free space of", folder, e.into())),
    };
    if needed.saturating_add(RESERVE) <= free {
        return Ok(());
    }
    Err(ImageError::NoSpace { folder: folder.to_owned(), needed, free }.into())
}

/// How much room unpacking a file takes, at least. What is packed says so at its end.
pub(super) fn unpacked_size(path: &Path) -> std::io::Result<u64> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut head = Vec::new();
    file.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
    let unpacked = match detect(&head) {
        Kind::Gzip => gzip_size(&mut file, size),
        Kind::Xz => xz_size(&mut file, size),
        _ => None,
    };
    Ok(unpacked.unwrap_or(0).max(size))
}

/// The last four bytes hold the size, but only its lower 32 bits.
fn gzip_size(file: &mut File, size: u64) -> Option<u64> {
    let lower = u64::from(u32::from_le_bytes(at_end(file, size, 4)?.try_into().ok()?));
    // Packing does not make a disk larger: the upper bits are such that this holds.
    let missing = size.saturating_sub(lower).div_ceil(1 << 32);
    Some(lower + (missing << 32))
}

/// The index at the end of an xz stream lists the sizes of its blocks.
fn xz_size(file: &mut File, size: u64) -> Option<u64> {
    let footer = at_end(file, size, 12)?;
    if footer.get(10..)? != b"YZ" {
        return None;
    }
    let stored = u32::from_le_bytes(footer.get(4..8)?.try_into().ok()?);
    let index_size = (u64::from(stored) + 1) * 4;
    if index_size > 16 * 1024 * 1024 || index_size + 12 > size {
        return None;
    }
    let end = at_end(file, size, index_size + 12)?;
    let mut index = end.get(1..)?.iter().copied();
    let mut number = || -> Option<u64> {
        let mut value = 0;
        for shift in (0..63).step_by(7) {
            let byte = index.next()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    };
    let blocks = number()?;
    let mut total = 0_u64;
    for _ in 0..blocks {
        let _packed = number()?;
        total = total.checked_add(number()?)?;
    }
    Some(total)
}

fn at_end(file: &mut File, size: u64, count: u64) -> Option<Vec<u8>> {
    file.seek(SeekFrom::Start(size.checked_sub(count)?)).ok()?;
    let mut bytes = Vec::new();
    file.take(count).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 == count).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_impossible_wish_is_refused_with_figures() {
        let folder = tempfile::tempdir().expect("a folder");
        check(folder.path(), 1).expect("there is room");
        let error = check(folder.path(), u64::MAX / 2).expect_err("no room").to_string();
        assert!(error.contains("MiB free"), "{error}");
    }

    #[cfg(feature = "unpack")]
    #[test]
    fn packed_files_tell_their_size() {
        use std::io::Write;

        let folder = tempfile::tempdir().expect("a folder");
        let plain = vec![7; 300_000];
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(&plain).expect("packed");
        let gz = packer.finish().expect("packed");
        // 300000 bytes of 7, by `xz`.
        let xz = include_bytes!("../../tests/data/sevens.xz");
        for (name, bytes, size) in [
            ("a.gz", gz.as_slice(), 300_000),
            ("a.xz", xz.as_slice(), 300_000),
            ("a", plain.as_slice(), 300_000),
        ] {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).expect("written");
            assert_eq!(unpacked_size(&path).expect("reads"), size, "{name}");
        }
    }
}
