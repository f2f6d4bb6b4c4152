//! The guest's console: serial port 1, which VirtualBox writes to a file.
//!
//! What stands there comes from the guest and is not trusted: it is read in bounded amounts,
//! taken apart line by line, validated, and cleaned before anybody sees it.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::host_key::HostKey;

/// Name of the console's file in the VM's folder.
pub(crate) const CONSOLE_FILE: &str = "console.log";
/// Where the console of the previous start is kept.
const PREVIOUS_FILE: &str = "console.previous.log";

/// Lines that a guest announces its host keys with.
const KEY_PREFIX: &str = "ssh-host-key: ";
/// cloud-init prints host keys between these lines.
const KEYS_BEGIN: &str = "-----BEGIN SSH HOST KEY KEYS-----";
const KEYS_END: &str = "-----END SSH HOST KEY KEYS-----";

/// How much is read at once, and in all, in search of host keys.
const CHUNK: u64 = 1024 * 1024;
const MAX_SEARCHED: u64 = 64 * CHUNK;
/// Longer lines are cut.
const MAX_LINE: usize = 16 * 1024;
const MAX_KEYS: usize = 8;

/// Where the console's file is, given the VM's folder.
pub(crate) fn console_file(folder: &Path) -> PathBuf {
    folder.join(CONSOLE_FILE)
}

/// All files that a console leaves in the VM's folder.
pub(crate) fn console_files(folder: &Path) -> [PathBuf; 2] {
    [folder.join(CONSOLE_FILE), folder.join(PREVIOUS_FILE)]
}

/// Puts the console of an earlier start aside, so that the file holds only lines of the start
/// that follows.
pub(crate) fn set_aside(folder: &Path) -> Result<(), Error> {
    let file = console_file(folder);
    match std::fs::rename(&file, folder.join(PREVIOUS_FILE)) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::io("rename the file", file, e)),
        _ => Ok(()),
    }
}

/// Takes the console's files along to another folder.
pub(crate) fn move_files(from: &Path, to: &Path) -> Result<(), Error> {
    for (file, target) in console_files(from).iter().zip(console_files(to)) {
        match std::fs::rename(file, &target) {
            Err(e) if e.kind() != ErrorKind::NotFound => {
                return Err(Error::io("move the file", file, e));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Reads lines from a console while the guest still writes to it.
pub(crate) struct LineReader {
    file: PathBuf,
    offset: u64,
    line: Vec<u8>,
}

impl LineReader {
    pub(crate) fn new(file: PathBuf) -> Self {
        Self { file, offset: 0, line: Vec::new() }
    }

    /// The lines that were completed since, as the guest wrote them; and whether there was anything
    /// to read.
    pub(crate) fn read(&mut self) -> Result<(Vec<String>, bool), Error> {
        let failed = |e| Error::io("read the console", &self.file, e);
        let mut chunk = Vec::new();
        match File::open(&self.file) {
            Ok(mut file) => {
                if file.metadata().map_err(failed)?.len() < self.offset {
                    // The VM was started again, with a file of its own.
                    self.offset = 0;
                    self.line.clear();
                }
                file.seek(SeekFrom::Start(self.offset)).map_err(failed)?;
                file.take(CHUNK).read_to_end(&mut chunk).map_err(failed)?;
            }
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(failed(e)),
            Err(_) => {}
        }
        self.offset += chunk.len() as u64;
        let mut lines = Vec::new();
        for byte in &chunk {
            if *byte == b'\n' {
                lines.push(self.take_rest());
            } else if self.line.len() < MAX_LINE {
                self.line.push(*byte);
            }
        }
        Ok((lines, !chunk.is_empty()))
    }

    /// What stands after the last line break.
    pub(crate) fn take_rest(&mut self) -> String {
        let line = std::mem::take(&mut self.line);
        String::from_utf8_lossy(&line).into_owned()
    }
}

/// Reads host keys from a console while the guest still writes to it.
pub(crate) struct KeyReader {
    lines: LineReader,
    in_block: bool,
    keys: Vec<HostKey>,
}

impl KeyReader {
    pub(crate) fn new(file: PathBuf) -> Self {
        Self { lines: LineReader::new(file), in_block: false, keys: Vec::new() }
    }

    /// Reads what has been written since; returns all keys so far and whether one is new.
    pub(crate) fn read(&mut self) -> Result<(&[HostKey], bool), Error> {
        let known = self.keys.len();
        if self.lines.offset < MAX_SEARCHED {
            for line in self.lines.read()?.0 {
                self.take_line(line.trim());
            }
        }
        Ok((&self.keys, self.keys.len() > known))
    }

    fn take_line(&mut self, line: &str) {
        if line.ends_with(KEYS_BEGIN) {
            self.in_block = true;
        } else if line.ends_with(KEYS_END) {
            self.in_block = false;
        } else if let Some(text) = line.strip_prefix(KEY_PREFIX).or(self.in_block.then_some(line)) {
            self.take_key(text);
        }
    }

    fn take_key(&mut self, text: &str) {
        let Some(key) = HostKey::parse(text) else {
            tracing::warn!(file = %self.lines.file.display(), "the console shows a malformed host key");
            return;
        };
        match self.keys.iter().find(|known| known.algorithm() == key.algorithm()) {
            // The first one counts: it was printed before anybody could log in.
            Some(known) if *known != key => tracing::warn!(
                file = %self.lines.file.display(),
                algorithm = key.algorithm(),
                "the console shows a second, different host key; it is ignored"
            ),
            Some(_) => {}
            None if self.keys.len() < MAX_KEYS => self.keys.push(key),
            None => {}
        }
    }
}

/// The last lines of a console, for people.
pub(crate) fn last_lines(file: &Path, count: usize) -> Vec<String> {
    let tail = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(file)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(8 * 1024)))?;
        let mut bytes = Vec::new();
        file.take(8 * 1024).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let text = tail().unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut lines: Vec<String> =
        text.lines().rev().map(shown).filter(|l| !l.is_empty()).take(count).collect();
    lines.reverse();
    lines
}

/// How much of a line a person is shown in a diagnosis.
const SHOWN: usize = 200;

/// A line without anything that could act on a terminal.
pub(crate) fn clean(line: &str) -> String {
    let mut text = String::new();
    let mut chars = line.trim().chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' && chars.peek() == Some(&'[') {
            chars.next();
            while chars.next().is_some_and(|c| !c.is_ascii_alphabetic()) {}
        } else if c == '\t' {
            text.push(' ');
        } else if !c.is_control() && !is_bidi(c) {
            text.push(c);
        }
    }
    text.trim().to_owned()
}

fn shown(line: &str) -> String {
    clean(line).chars().take(SHOWN).collect::<String>().trim().to_owned()
}

/// Marks that change the direction of text, and so what a reader takes it for.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::host_key::tests::ED25519;

    const OTHER: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP8BAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";

    struct Console(tempfile::TempDir);

    impl Console {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("a folder"))
        }

        fn file(&self) -> PathBuf {
            console_file(self.0.path())
        }

        fn write(&self, text: impl AsRef<[u8]>) {
            let mut file =
                File::options().create(true).append(true).open(self.file()).expect("opens");
            file.write_all(text.as_ref()).expect("writes");
        }

        fn keys(&self, text: impl AsRef<[u8]>) -> Vec<String> {
            self.write(text);
            let mut reader = KeyReader::new(self.file());
            reader.read().expect("reads").0.iter().map(HostKey::to_string).collect()
        }
    }

    #[test]
    fn keys_are_found_while_the_file_grows() {
        let console = Console::new();
        let mut reader = KeyReader::new(console.file());
        assert_eq!(reader.read().expect("no file yet"), (&[][..], false));
        console.write("[ 0.1] Linux\r\n");
        console.write("ssh-host-key: ssh-ed25519 AAAAC3");
        assert!(reader.read().expect("reads").0.is_empty(), "half a line is no line");
        console.write(ED25519.trim_start_matches("ssh-ed25519 AAAAC3"));
        console.write("\r\n");
        let (keys, new) = reader.read().expect("reads");
        assert_eq!((keys.len(), new), (1, true));
        assert!(!reader.read().expect("reads").1);
    }

    #[test]
    fn both_notations() {
        let text = format!("ssh-host-key: {ED25519}\n");
        assert_eq!(Console::new().keys(text), [ED25519]);
        let text = format!("ci-info: x\n{KEYS_BEGIN}\n{ED25519} root@n\n{KEYS_END}\n{OTHER}\n");
        assert_eq!(Console::new().keys(text), [ED25519]);
        let text = format!("<14>Jan  1 cloud-init: {KEYS_BEGIN}\n{ED25519}\n");
        assert_eq!(Console::new().keys(text), [ED25519]);
    }

    #[test]
    fn hostile_consoles() {
        let second = format!("ssh-host-key: {ED25519}\nssh-host-key: {OTHER}\n");
        assert_eq!(Console::new().keys(second), [ED25519], "the first one counts");
        let junk = format!("ssh-host-key: rm -rf /\nxssh-host-key: {OTHER}\n{OTHER}\n");
        assert!(Console::new().keys(junk).is_empty());
        let mut binary = vec![0xff; 3 * MAX_LINE];
        binary.extend(format!("\nssh-host-key: {ED25519}\n").bytes());
        assert_eq!(Console::new().keys(binary), [ED25519]);
    }

    #[test]
    fn last_lines_are_harmless() {
        let console = Console::new();
        console.write("one\n\ntwo \u{1b}[31mred\u{1b}[0m\u{7}\r\nthr\u{202e}ee\tx\n");
        console.write([0xff, b'\n']);
        assert_eq!(last_lines(&console.file(), 3), ["two red", "three x", "\u{fffd}"]);
        assert!(last_lines(Path::new("/nowhere"), 3).is_empty());
    }

    #[test]
    fn the_previous_console_is_set_aside() {
        let console = Console::new();
        set_aside(console.0.path()).expect("nothing to set aside");
        console.write("old\n");
        set_aside(console.0.path()).expect("moves");
        assert!(!console.file().exists());
        assert!(console.0.path().join(PREVIOUS_FILE).exists());
    }
}
