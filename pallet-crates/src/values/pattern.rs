//! Regular expressions.

use std::fmt;
use std::str::FromStr;

use regex::bytes::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A regular expression that is looked for in lines of text, in the syntax of Rust's `regex`
/// crate: `^Port\s`, `(?i)^listen`.
///
/// It is used here, not on the node, so that a preview shows exactly what will happen.
///
/// ```
/// use pallet_crates::values::Pattern;
/// let pattern: Pattern = r"^Port\s".parse()?;
/// assert!(pattern.is_in(b"Port 22"));
/// assert!("^(Port".parse::<Pattern>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Pattern(Regex);

impl Pattern {
    /// Whether it fits somewhere in the line.
    pub fn is_in(&self, line: &[u8]) -> bool {
        self.0.is_match(line)
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Regex::new(text).map(Self).map_err(|error| match error {
            regex::Error::Syntax(message) => format!("`{text}` is no pattern: {message}"),
            _ => format!("`{text}` is no pattern: it is too large"),
        })
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> String {
        pattern.to_string()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fits_in_bytes_of_any_encoding_and_mistakes_are_explained() {
        let pattern: Pattern = r"^key\s*=".parse().unwrap();
        assert!(pattern.is_in(b"key = J\xe9r"));
        assert!(!pattern.is_in(b"# key = 1"));
        assert_eq!(pattern.to_string(), r"^key\s*=");
        let error = "a(b".parse::<Pattern>().unwrap_err();
        assert!(error.contains("unclosed group"), "{error}");
        assert!("a{1000}{1000}{1000}".parse::<Pattern>().unwrap_err().contains("too large"));
    }
}
