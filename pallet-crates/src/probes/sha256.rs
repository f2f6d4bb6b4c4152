//! Digests of files.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use pallet_core::action::{Key, ProbeKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use super::words::command_lines;
use crate::values::RemotePath;

/// Asks for the SHA-256 digest of a regular file. `None`: there is none, or it cannot be read.
///
/// Links are not followed, and nothing else is opened: reading a pipe would wait for ever.
#[derive(Debug)]
pub struct Sha256;

/// A SHA-256 digest, as lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Digest(String);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let digest = sha2::Sha256::digest(bytes);
        Self(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Self(text.to_ascii_lowercase()));
        }
        Err(format!(
            "`{}` is no SHA-256 digest: it has 64 hexadecimal digits, as sha256sum prints them",
            text.escape_debug()
        ))
    }
}

impl TryFrom<String> for Digest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ProbeKind for Sha256 {
    const NAME: &'static str = "sha256";
    const SHARES_SHELL: bool = true;
    type Request = RemotePath;
    type Answer = Option<Digest>;

    fn key(path: &RemotePath) -> Key {
        path.key()
    }

    fn script(paths: &[RemotePath]) -> String {
        let mut script = String::from(
            "digest() {\n\
             local file files=()\n\
             for file; do [ -f \"$file\" ] && [ ! -L \"$file\" ] && files+=(\"$file\"); done\n\
             [ ${#files[@]} -eq 0 ] || sha256sum -z -- \"${files[@]}\" 2>/dev/null || [ $? -eq 1 ]\n\
             }\n",
        );
        for line in command_lines("digest", paths.iter().map(RemotePath::as_str)) {
            script.push_str(&line);
            script.push_str(" || exit 1\n");
        }
        script
    }

    fn parse(paths: &[RemotePath], output: &[u8]) -> Result<Vec<Option<Digest>>, String> {
        let output = std::str::from_utf8(output).map_err(|_| "a name is not UTF-8".to_owned())?;
        let mut digests = HashMap::new();
        for record in output.split_terminator('\0') {
            let is_digest =
                |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
            // Between digest and name stand a space and another one, or `*` for binary.
            match record.split_once(' ') {
                Some((digest, name)) if is_digest(digest) && !name.is_empty() => {
                    let name = name.strip_prefix([' ', '*']).unwrap_or(name);
                    digests.insert(name, Digest(digest.to_owned()));
                }
                _ => return Err(format!("`{record}` is no digest with a name")),
            }
        }
        Ok(paths.iter().map(|path| digests.remove(path.as_str())).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::super::testing::{Scratch, ask};
    use super::*;

    #[test]
    fn digests_of_hostile_names_and_of_nothing_but_files() {
        let scratch = Scratch::new();
        let mut paths = Vec::new();
        let mut expected = Vec::new();
        for name in Scratch::HOSTILE_NAMES {
            let path = scratch.path(name);
            fs::write(path.as_str(), name).unwrap();
            expected.push(Some(Digest::of(name.as_bytes())));
            paths.push(path);
        }
        symlink(paths[0].as_str(), scratch.path("link").as_str()).unwrap();
        for other in
            ["/dev/zero", scratch.path("link").as_str(), scratch.path("gone").as_str(), "/"]
        {
            paths.push(other.parse().unwrap());
            expected.push(None);
        }
        assert_eq!(ask::<Sha256>(&paths), expected);
    }

    #[test]
    fn nothing_to_digest_is_fine_and_nonsense_is_not() {
        let missing: RemotePath = "/no/such/file".parse().unwrap();
        assert_eq!(ask::<Sha256>(std::slice::from_ref(&missing)), [None]);
        assert!(Sha256::parse(&[missing], b"hello world\0").is_err());
    }

    #[test]
    fn known_digest() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").to_string(), empty);
        assert_eq!(empty.to_uppercase().parse(), Ok(Digest::of(b"")));
        assert!("e3b0".parse::<Digest>().is_err());
    }
}
