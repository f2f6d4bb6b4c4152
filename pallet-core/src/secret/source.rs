//! Where secrets come from.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, de};

use super::{HELP, Secret, SecretError, late};
use crate::local_path::{self, LocalPath};

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// From the program or document itself.
    Given,
    Env(String),
    File(PathBuf),
    Command {
        words: Words,
        folder: PathBuf,
    },
    Age {
        file: PathBuf,
        identity: PathBuf,
    },
}

/// A command: a line for the shell, or a program with its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(super) enum Words {
    Line(String),
    Program(Vec<String>),
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => f.write_str(line),
            Self::Program(words) => f.write_str(&words.join(" ")),
        }
    }
}

impl Source {
    /// Fetches the value. May block.
    pub(super) fn fetch(&self) -> Result<String, SecretError> {
        match self {
            // Never without a value.
            Self::Given => Ok(String::new()),
            Self::Env(name) => {
                std::env::var(name).map_err(|_| SecretError::Env { name: name.clone() })
            }
            Self::File(path) => std::fs::read_to_string(path)
                .map(without_line_end)
                .map_err(|error| file_error(path, &error)),
            Self::Command { words, folder } => run(words, folder),
            Self::Age { file, identity } => decrypt(file, identity),
        }
    }
}

/// Has the `age` program decrypt a file: the library would add some ninety crates.
fn decrypt(file: &Path, identity: &Path) -> Result<String, SecretError> {
    let mut command = Command::new("age");
    command.arg("--decrypt").arg("--identity").arg(identity).arg("--").arg(file);
    output_of(command).map_err(|reason| file_error(file, &format!("age: {reason}")))
}

fn run(words: &Words, folder: &Path) -> Result<String, SecretError> {
    let failed = |reason: String| SecretError::Command { command: words.to_string(), reason };
    let (program, arguments) = match words {
        Words::Line(line) => ("sh", vec!["-c", line]),
        Words::Program(words) => match words.split_first() {
            Some((program, arguments)) => {
                (program.as_str(), arguments.iter().map(String::as_str).collect())
            }
            None => return Err(failed("it is empty".to_owned())),
        },
    };
    let mut command = Command::new(program);
    command.args(arguments);
    if folder != Path::new("") {
        command.current_dir(folder);
    }
    output_of(command).map_err(failed)
}

/// What a command prints. Its standard input stays that of this program: password managers ask
/// for what opens them.
fn output_of(mut command: Command) -> Result<String, String> {
    let started = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let output = match started.and_then(std::process::Child::wait_with_output) {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let program = command.get_program().to_string_lossy();
            return Err(format!("`{program}` is not installed"));
        }
        Err(error) => return Err(error.to_string()),
    };
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(format!("{}: {words}", output.status));
    }
    match String::from_utf8(output.stdout).map(without_line_end) {
        Ok(empty) if empty.is_empty() => Err("it gives an empty text".to_owned()),
        Ok(value) => Ok(value),
        Err(_) => Err("what it gives is not UTF-8 text".to_owned()),
    }
}

/// The text without one line end at its end.
fn without_line_end(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    text
}

pub(super) fn file_error(path: &Path, reason: &dyn fmt::Display) -> SecretError {
    SecretError::File { path: path.to_owned(), reason: reason.to_string() }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

/// Reads secrets.
pub(super) struct SecretVisitor;

const SOURCES: [&str; 4] = ["env", "file", "command", "age"];

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, or a table with one of `env`, `file`, `command`, `age`")
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Secret, E> {
        Ok(Secret::new(value))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
        let mut source = None;
        let mut identity = None;
        while let Some(key) = map.next_key::<String>()? {
            let found = match key.as_str() {
                "identity" => {
                    identity = Some(map.next_value::<LocalPath>()?.0);
                    continue;
                }
                "env" => Source::Env(map.next_value()?),
                "file" => Source::File(map.next_value::<LocalPath>()?.0),
                "command" => {
                    Source::Command { words: map.next_value()?, folder: local_path::folder() }
                }
                "age" => {
                    Source::Age { file: map.next_value::<LocalPath>()?.0, identity: PathBuf::new() }
                }
                other => return Err(A::Error::unknown_field(other, &SOURCES)),
            };
            if source.replace(found).is_some() {
                return Err(A::Error::custom(format!("a secret has one source; remove `{key}`")));
            }
        }
        let source = match (source, identity) {
            (Some(Source::Age { file, .. }), Some(identity)) => Source::Age { file, identity },
            (Some(Source::Age { .. }), None) => {
                return Err(A::Error::custom("`age` needs an `identity`: the file with the key"));
            }
            (Some(_), Some(_)) => return Err(A::Error::custom("only `age` has an `identity`")),
            (Some(source), None) => source,
            (None, _) => {
                return Err(A::Error::custom("an empty table is no secret; write env or file"));
            }
        };
        match source {
            // What costs nothing to look at is looked at now: the mistake then has a place.
            Source::Env(_) | Source::File(_) => match source.fetch() {
                Ok(value) => Ok(Secret::known(source, value)),
                Err(_) if late::is_allowed() => Ok(Secret::unknown(source)),
                Err(error) => Err(A::Error::custom(format!("{error}{HELP}{}", error.help()))),
            },
            lazy => Ok(Secret::unknown(lazy)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(folder: &Path, toml: &str) -> Result<Secret, String> {
        #[derive(Deserialize)]
        struct Holder {
            it: Secret,
        }
        let read = || toml::from_str::<Holder>(toml).map(|holder| holder.it);
        local_path::in_folder(folder, read).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn files_are_found_beside_their_document() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("db"), "pass word\n\n").unwrap();
        let secret = read(folder.path(), "it = { file = 'db' }").unwrap();
        assert_eq!(secret.reveal(), Ok("pass word\n"));
        let error = read(Path::new("/nowhere"), "it = { file = 'db' }").unwrap_err();
        assert!(error.contains("/nowhere/db"), "{error}");
    }

    #[test]
    fn commands_run_once_and_when_they_are_needed() {
        let folder = tempfile::tempdir().unwrap();
        let line = "it = { command = \"echo x >> ran; printf 'a b\\n'\" }";
        let secret = read(folder.path(), line).unwrap();
        assert!(!folder.path().join("ran").exists());
        let clone = secret.clone();
        assert_eq!((secret.reveal(), clone.reveal()), (Ok("a b"), Ok("a b")));
        assert_eq!(std::fs::read_to_string(folder.path().join("ran")).unwrap(), "x\n");

        let direct = read(folder.path(), "it = { command = ['echo', '$HOME  x'] }").unwrap();
        assert_eq!(direct.reveal(), Ok("$HOME  x"));
        let failing = read(folder.path(), "it = { command = 'echo no key >&2; exit 3' }").unwrap();
        let error = failing.reveal().unwrap_err().to_string();
        assert!(error.contains("no key") && error.contains('3'), "{error}");
        let silent = read(folder.path(), "it = { command = 'true' }").unwrap();
        assert!(silent.reveal().unwrap_err().to_string().contains("empty text"));
    }

    #[test]
    fn what_is_missing_matters_late_if_that_is_asked_for() {
        let toml = "it = { env = 'PALLET_NO_SUCH_VARIABLE' }";
        let secret = late::allowed(|| read(Path::new(""), toml)).unwrap();
        assert!(secret.reveal().unwrap_err().to_string().contains("is not set"));
        assert!(read(Path::new(""), toml).is_err(), "only as long as it is asked for");
    }

    #[test]
    fn mistakes_are_told_at_once() {
        let refusal = |toml: &str| read(Path::new(""), toml).unwrap_err();
        assert!(refusal("it = {}").contains("empty table"));
        assert!(refusal("it = { env = 'A', file = 'b' }").contains("one source"));
        assert!(refusal("it = { evn = 'A' }").contains("unknown field `evn`"));
        assert!(refusal("it = { env = 'PALLET_NO_SUCH_VARIABLE' }").contains("is not set"));
        assert!(refusal("it = { age = 'x' }").contains("identity"));
        assert!(refusal("it = { file = '/etc/hostname', identity = 'x' }").contains("only `age`"));
        assert!(refusal("it = 7").contains("a string, or a table"));
    }
}
