//! Contents of files, for showing differences.

use pallet_core::action::{Key, ProbeKind};

use super::words::command_lines;
use crate::values::RemotePath;

/// Asks for the content of a small text file.
#[derive(Debug)]
pub struct FileContent;

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// There is no regular file, or it cannot be read.
    Nothing,
    /// Bytes without NUL: text, if the encoding is right.
    Text(Vec<u8>),
    /// Something with NUL bytes.
    Binary,
    /// More than [`FileContent::LIMIT`] bytes.
    Large,
}

impl FileContent {
    /// Contents up to this length are read.
    pub const LIMIT: usize = 64 * 1024;
}

impl Seen {
    /// What would be seen of a file with these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        // In the order in which the script finds out.
        let start = bytes.get(..=FileContent::LIMIT).unwrap_or(bytes);
        if start.contains(&0) {
            Self::Binary
        } else if bytes.len() > FileContent::LIMIT {
            Self::Large
        } else {
            Self::Text(bytes.to_vec())
        }
    }
}

impl ProbeKind for FileContent {
    const NAME: &'static str = "content";
    const SHARES_SHELL: bool = true;
    type Request = RemotePath;
    type Answer = Seen;

    fn key(path: &RemotePath) -> Key {
        path.key()
    }

    fn script(paths: &[RemotePath]) -> String {
        // `read` stops at NUL, at the limit, or fails at the end of the file; the loop is bash
        // alone, without a process per file.
        let mut script = format!(
            "content() {{\n\
             local file text\n\
             for file; do\n\
             if [ ! -f \"$file\" ] || [ -L \"$file\" ] || [ ! -r \"$file\" ]; then printf 'N\\0'\n\
             elif IFS= read -r -d '' -n {over} text <\"$file\"; then\n\
             if [ ${{#text}} -eq {over} ]; then printf 'L\\0'; else printf 'B\\0'; fi\n\
             else printf 'T%s\\0' \"$text\"; fi\n\
             done 2>/dev/null\n\
             }}\n",
            over = Self::LIMIT + 1,
        );
        for line in command_lines("content", paths.iter().map(RemotePath::as_str)) {
            script.push_str(&line);
            script.push('\n');
        }
        script
    }

    fn parse(_: &[RemotePath], output: &[u8]) -> Result<Vec<Seen>, String> {
        let Some(records) = output.strip_suffix(b"\0") else {
            return Err("the output does not end where a content ends".to_owned());
        };
        let records = records.split(|byte| *byte == 0);
        let read = records.map(|record| match record.split_first() {
            Some((b'N', [])) => Ok(Seen::Nothing),
            Some((b'B', [])) => Ok(Seen::Binary),
            Some((b'L', [])) => Ok(Seen::Large),
            Some((b'T', text)) => Ok(Seen::Text(text.to_vec())),
            _ => Err("a content begins with an unknown letter".to_owned()),
        });
        read.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::testing::{Scratch, ask};
    use super::*;

    #[test]
    fn contents_come_back_byte_by_byte() {
        let every_byte: Vec<u8> = (1..=255).collect();
        let full = vec![b'x'; FileContent::LIMIT];
        let over = vec![b'x'; FileContent::LIMIT + 1];
        let contents: Vec<Vec<u8>> = vec![
            b"".to_vec(),
            b"\n".to_vec(),
            b"no newline at the end".to_vec(),
            b" spaces \n\n\n".to_vec(),
            b"back\\slash\\\n\\n\r\n".to_vec(),
            b"\x01\x01\x7f\x7f\x01\x7f".to_vec(),
            every_byte,
            "é 漢\n".into(),
            b"a\0b".to_vec(),
            b"\0".to_vec(),
            full,
            over,
        ];
        let scratch = Scratch::new();
        let mut paths = Vec::new();
        for (number, content) in contents.iter().enumerate() {
            let path = scratch.path(&format!("{number} '\n"));
            fs::write(path.as_str(), content).unwrap();
            paths.push(path);
        }
        paths.push("/".parse().unwrap());
        paths.push(scratch.path("missing"));
        let mut expected: Vec<Seen> = contents.iter().map(|content| Seen::of(content)).collect();
        expected.extend([Seen::Nothing, Seen::Nothing]);
        let answers = ask::<FileContent>(&paths);
        for ((path, answer), expected) in paths.iter().zip(answers).zip(expected) {
            assert!(answer == expected, "{path:?}: {answer:?}");
        }
    }

    #[test]
    fn cut_output_is_noticed() {
        let path = "/a".parse().unwrap();
        assert!(FileContent::parse(std::slice::from_ref(&path), b"Thalf").is_err());
        assert!(FileContent::parse(&[path], b"Xwhat\0").is_err());
    }
}
