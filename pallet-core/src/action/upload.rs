//! Contents that are too long to travel inside a program.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

/// A content that is put on the node before the program that takes it: over a channel of its own,
/// streamed, checked, and continued where a broken connection cut it off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    source: UploadSource,
    size: u64,
    sha256: String,
}

/// Where a content comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum UploadSource {
    /// Memory.
    Bytes(Arc<[u8]>),
    /// A file on this machine, which is never in memory as a whole.
    File(PathBuf),
}

impl Upload {
    /// A content in memory.
    pub fn bytes(bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        let sha256 = hexadecimal(&Sha256::digest(&bytes));
        Self { size: bytes.len() as u64, sha256, source: UploadSource::Bytes(bytes) }
    }

    /// A file on this machine. It is read once now, for its digest.
    ///
    /// # Errors
    /// Those of reading it.
    pub fn file(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let mut file = File::open(path)?;
        let mut hash = Sha256::new();
        let (mut piece, mut size) = (vec![0; 256 * 1024], 0);
        loop {
            let length = file.read(&mut piece)?;
            let Some(read) = piece.get(..length).filter(|read| !read.is_empty()) else { break };
            hash.update(read);
            size += read.len() as u64;
        }
        let sha256 = hexadecimal(&hash.finalize());
        Ok(Self { source: UploadSource::File(path.to_owned()), size, sha256 })
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Its SHA-256, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    pub(crate) fn source(&self) -> &UploadSource {
        &self.source
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_and_its_bytes_are_the_same_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("it");
        let bytes: Vec<u8> = (0..=255).cycle().take(700_001).collect();
        std::fs::write(&path, &bytes).unwrap();
        let (file, memory) = (Upload::file(&path).unwrap(), Upload::bytes(bytes));
        assert_eq!((file.size(), file.sha256()), (memory.size(), memory.sha256()));
        assert_eq!(
            Upload::bytes(*b"abc").sha256(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
