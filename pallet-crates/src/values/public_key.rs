//! Public keys of SSH.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A line of an `authorized_keys` file: a public key, with options before and a comment after it
/// where they are wanted.
///
/// ```
/// use pallet_crates::values::PublicKey;
/// let key: PublicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBx0 dev@example".parse()?;
/// assert!(key.is_key_of(b"no-pty ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBx0 another comment"));
/// assert!("ssh-ed25519".parse::<PublicKey>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey(String);

/// How the names of key types begin.
const TYPES: [&str; 4] = ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"];

impl PublicKey {
    /// The line.
    pub fn line(&self) -> &str {
        &self.0
    }

    /// The comment; the end of the key where there is none.
    pub fn comment(&self) -> &str {
        let comment = comment_of(&self.0).unwrap_or_default();
        let key = key_of(&self.0).map(|(_, key)| key).unwrap_or_default();
        let end = key.get(key.len().saturating_sub(12)..).unwrap_or(key);
        if comment.is_empty() { end } else { comment }
    }

    /// Whether a line of an `authorized_keys` file is about the same key.
    pub fn is_key_of(&self, line: &[u8]) -> bool {
        std::str::from_utf8(line)
            .is_ok_and(|line| key_of(line).is_some() && key_of(line) == key_of(&self.0))
    }
}

/// The words of a line; spaces between quotes are part of a word.
fn words(line: &str) -> Vec<&str> {
    let mut is_quoted = false;
    let mut previous = ' ';
    let split = |character: char| {
        // In options `\"` is a quote that neither begins nor ends anything.
        is_quoted ^= character == '"' && previous != '\\';
        previous = character;
        !is_quoted && (character == ' ' || character == '\t')
    };
    line.split(split).filter(|word| !word.is_empty()).collect()
}

/// Type and key of a line.
fn key_of(line: &str) -> Option<(&str, &str)> {
    if line.trim_start().starts_with('#') {
        return None;
    }
    let words = words(line);
    let is_type = |word: &&str| TYPES.iter().any(|start| word.starts_with(start));
    // Before the type stand at most options, which are one word.
    let at = words.iter().take(2).position(is_type)?;
    Some((words.get(at)?, words.get(at + 1)?))
}

fn comment_of(line: &str) -> Option<&str> {
    let (_, key) = key_of(line)?;
    line.split_once(key).map(|(_, comment)| comment.trim())
}

impl FromStr for PublicKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let wrong = |what: &str| Err(format!("`{}` is no public key: {what}", text.escape_debug()));
        if text.contains("PRIVATE KEY") {
            return Err("a private key is no public key, and must not be given away".to_owned());
        }
        if text.contains(['\n', '\r', '\0']) {
            return wrong("it is one line; write a step for each key");
        }
        let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
        match key_of(text) {
            Some((_, key)) if key.starts_with("AAAA") && key.bytes().all(is_base64) => {
                Ok(Self(text.to_owned()))
            }
            _ => wrong("it reads `ssh-ed25519 AAAA… comment`, as in a file that ends in .pub"),
        }
    }
}

impl TryFrom<String> for PublicKey {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> String {
        key.0
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_among_options_and_comments() {
        let key: PublicKey = "ssh-ed25519 AAAAX dev@example\n".parse().unwrap();
        assert_eq!((key.line(), key.comment()), ("ssh-ed25519 AAAAX dev@example", "dev@example"));
        for same in [
            "ssh-ed25519 AAAAX",
            "  ssh-ed25519\tAAAAX  other words",
            "no-pty,command=\"echo ssh-rsa AAAAY \\\" x\" ssh-ed25519 AAAAX c",
        ] {
            assert!(key.is_key_of(same.as_bytes()), "{same}");
        }
        for other in [
            "",
            "# ssh-ed25519 AAAAX",
            "ssh-ed25519 AAAAY",
            "ssh-rsa AAAAX",
            "x y ssh-ed25519 AAAAX",
        ] {
            assert!(!key.is_key_of(other.as_bytes()), "{other}");
        }
        assert!(!key.is_key_of(b"\xff ssh-ed25519 AAAAX"));
        assert_eq!(
            "ssh-rsa AAAAB3Nz0123456789".parse::<PublicKey>().unwrap().comment(),
            "Nz0123456789"
        );
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for bad in [
            "",
            "AAAAX",
            "ssh-ed25519",
            "ssh-ed25519 B",
            "ssh-rsa AAAA$",
            "ssh-rsa AAAA\nssh-rsa AAAA",
        ] {
            assert!(bad.parse::<PublicKey>().is_err(), "{bad:?}");
        }
        let error = "-----BEGIN OPENSSH PRIVATE KEY-----\nsecret".parse::<PublicKey>().unwrap_err();
        assert!(!error.contains("secret"));
    }
}
