//! SHA-256 of files and streams.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::events::Meter;
use crate::error::Error;

/// Passes bytes on and counts and digests them. Ends early when nobody wants the result any more.
pub(super) struct Tap<R> {
    inner: R,
    hasher: Sha256,
    meter: Option<Meter>,
}

impl<R: Read> Tap<R> {
    pub(super) fn new(inner: R, meter: Option<Meter>) -> Self {
        Self { inner, hasher: Sha256::new(), meter }
    }

    /// Reads what is left, and gives the digest of everything.
    pub(super) fn finish(mut self) -> io::Result<String> {
        let mut buffer = vec![0; 256 * 1024];
        while self.read(&mut buffer)? > 0 {}
        Ok(hex(self.hasher))
    }
}

impl<R: Read> Read for Tap<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        if let Some(meter) = &mut self.meter {
            meter.add(count as u64).map_err(io::Error::other)?;
        }
        Ok(count)
    }
}

/// A digest as text.
pub(super) fn hex(hasher: Sha256) -> String {
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digest of a file.
pub(super) fn of_file(path: &Path, meter: Option<Meter>) -> Result<String, Error> {
    let failed = |e| super::read_failed(path, e);
    let file = File::open(path).map_err(failed)?;
    Tap::new(file, meter).finish().map_err(failed)
}

/// The digest in a text as `sha256sum` writes it, or just a digest.
pub(super) fn find_in(text: &str, file: &str) -> Option<String> {
    let is_digest = |word: &str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let mut lines = text.lines().filter_map(|line| {
        let (digest, rest) =
            line.trim().split_once(char::is_whitespace).unwrap_or((line.trim(), ""));
        is_digest(digest).then(|| (digest, rest.trim().trim_start_matches('*')))
    });
    let all: Vec<_> = lines.by_ref().collect();
    let named = all.iter().find(|(_, name)| name.rsplit('/').next() == Some(file));
    let found = match all.as_slice() {
        [only] if named.is_none() => Some(only),
        _ => named,
    };
    found.map(|(digest, _)| digest.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_found_in_what_sha256sum_writes() {
        let (a, b) = ("a".repeat(64), "B".repeat(64));
        let two = format!("{a}  one.vdi\n{b} *two.vdi\n");
        assert_eq!(find_in(&two, "two.vdi"), Some("b".repeat(64)));
        assert_eq!(find_in(&two, "three.vdi"), None);
        assert_eq!(find_in(&format!("{a}\n"), "x.vdi"), Some(a.clone()));
        assert_eq!(find_in(&format!("{a}  build/other-name.vdi"), "x.vdi"), Some(a));
        assert_eq!(find_in("<html>not found</html>", "x.vdi"), None);
    }

    #[test]
    fn what_is_not_read_counts_too() {
        let mut tap = Tap::new(&b"abc"[..], None);
        tap.read_exact(&mut [0]).expect("reads");
        let digest = tap.finish().expect("reads");
        assert!(digest.starts_with("ba7816bf"), "{digest}");
    }
}
