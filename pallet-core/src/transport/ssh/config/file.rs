//! Reading configuration files into blocks.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::options::expand_home;
use super::super::{TransportError, pattern};
use super::whole;

/// How deep files may include each other, as in OpenSSH.
const DEPTH: usize = 16;

/// Lines that apply under one condition.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) condition: Condition,
    pub(super) items: Vec<Item>,
}

#[derive(Debug)]
pub(super) enum Condition {
    Always,
    /// `Host`, with its patterns.
    Host(Vec<String>),
    /// `Match`; all criteria must hold.
    Match(Vec<Criterion>),
    /// Nobody can say here whether it holds.
    Unsupported {
        what: String,
        place: Place,
    },
}

#[derive(Debug)]
pub(super) struct Criterion {
    pub(super) of: Subject,
    pub(super) patterns: String,
    pub(super) negated: bool,
}

/// What a criterion of `Match` looks at.
#[derive(Debug)]
pub(super) enum Subject {
    Host,
    OriginalHost,
    User,
}

#[derive(Debug)]
pub(super) enum Item {
    Set {
        key: String,
        words: Vec<String>,
        place: Place,
    },
    /// The blocks of included files.
    Include(Vec<Block>),
}

/// A line of a file.
#[derive(Debug, Clone)]
pub(super) struct Place {
    file: Arc<Path>,
    line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// Reads `file` and what it includes.
pub(super) fn read(file: &Path) -> Result<Vec<Block>, TransportError> {
    read_file(file, file.parent().unwrap_or(Path::new("/")), 0)
}

/// `base` is where relative includes start.
fn read_file(file: &Path, base: &Path, depth: usize) -> Result<Vec<Block>, TransportError> {
    if depth > DEPTH {
        return Err(whole(file, format!("files include each other more than {DEPTH} deep")));
    }
    let unreadable = |error: std::io::Error| whole(file, format!("cannot be read: {error}"));
    let text = match fs::read(file) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mode = fs::metadata(file).map_err(unreadable)?.permissions().mode();
    if mode & 0o022 != 0 {
        let reason = format!("others may write this file: run `chmod go-w {}`", file.display());
        return Err(whole(file, reason));
    }
    let mut blocks = vec![Block { condition: Condition::Always, items: Vec::new() }];
    let name: Arc<Path> = file.into();
    for (index, line) in text.lines().enumerate() {
        let place = Place { file: name.clone(), line: index + 1 };
        let Some((key, words)) = split(line).map_err(|reason| place.error(reason))? else {
            continue;
        };
        match key.to_ascii_lowercase().as_str() {
            "host" => {
                blocks.push(Block { condition: Condition::Host(words), items: Vec::new() });
            }
            "match" => {
                let condition = match_condition(&words, &place)?;
                blocks.push(Block { condition, items: Vec::new() });
            }
            "include" => {
                let mut included = Vec::new();
                for found in
                    words.iter().flat_map(|word| files(&base.join(expand_home(word.as_ref()))))
                {
                    included.extend(read_file(&found, base, depth + 1)?);
                }
                push(&mut blocks, Item::Include(included));
            }
            _ if words.is_empty() => {
                return Err(place.error(format!("{key} has no value")));
            }
            _ => push(&mut blocks, Item::Set { key, words, place }),
        }
    }
    Ok(blocks)
}

fn push(blocks: &mut [Block], item: Item) {
    if let Some(block) = blocks.last_mut() {
        block.items.push(item);
    }
}

fn match_condition(words: &[String], place: &Place) -> Result<Condition, TransportError> {
    let mut criteria = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let (negated, name) = match word.strip_prefix('!') {
            Some(name) => (true, name),
            None => (false, word.as_str()),
        };
        let of = match name.to_ascii_lowercase().as_str() {
            "all" => continue,
            "host" => Subject::Host,
            "originalhost" => Subject::OriginalHost,
            "user" => Subject::User,
            _ => {
                let what = format!("`Match {name}`");
                return Ok(Condition::Unsupported { what, place: place.clone() });
            }
        };
        let Some(patterns) = words.next() else {
            return Err(place.error(format!("Match {name} has no pattern")));
        };
        criteria.push(Criterion { of, patterns: patterns.clone(), negated });
    }
    Ok(Condition::Match(criteria))
}

/// The files that a path with wildcards means, sorted.
fn files(path: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in path.components() {
        let name = part.as_os_str().to_string_lossy();
        if !name.contains(['*', '?']) {
            found.iter_mut().for_each(|path| path.push(part));
            continue;
        }
        let mut next: Vec<PathBuf> = found
            .iter()
            .flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten())
            .filter(|entry| {
                let entry = entry.file_name();
                let entry = entry.to_string_lossy();
                pattern::matches(&name, &entry) && !entry.starts_with('.')
            })
            .map(|entry| entry.path())
            .collect();
        next.sort();
        found = next;
    }
    found
}

/// Key and words of a line; `None` for empty lines and comments.
fn split(line: &str) -> Result<Option<(String, Vec<String>)>, String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let end = line.find(|letter: char| letter.is_whitespace() || letter == '=');
    let (key, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest);
    Ok(Some((key.to_owned(), words(rest)?)))
}

/// Splits into words; quotes keep spaces, and a `#` that begins a word begins a comment.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let escapes = |next: &char| matches!(next, '"' | '\'' | '\\');
        match (letter, quote) {
            ('\\', _) if letters.peek().is_some_and(escapes) => {
                word.get_or_insert_default().extend(letters.next());
            }
            (letter, Some(open)) if letter == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            ('#', None) if word.is_none() => break,
            (letter, None) if letter.is_whitespace() => words.extend(word.take()),
            (letter, _) => word.get_or_insert_default().push(letter),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed".to_owned());
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_as_openssh_does() {
        let split = |line| split(line).unwrap().unwrap();
        assert_eq!(split("  Port = 22 "), ("Port".to_owned(), vec!["22".to_owned()]));
        assert_eq!(split("Host=a b").1, ["a", "b"]);
        assert_eq!(
            split(r#"IdentityFile "a b" 'c d' e\"f g#h # i"#).1,
            ["a b", "c d", "e\"f", "g#h"]
        );
        assert!(super::split("# Host x").unwrap().is_none());
        assert!(super::split("").unwrap().is_none());
    }
}
