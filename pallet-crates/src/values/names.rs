//! Names of drop-in files, services and releases.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of a file in a directory such as `/etc/cron.d`: letters, digits, `_` and `-`.
///
/// Programs that read these directories skip names with a dot, so there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct DropInName(String);

/// The name of a service, with or without `.service`: `nginx`, `getty@tty1`.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
pub struct ServiceName(String);

/// A release of a distribution, as apt's `--target-release` takes it: `bookworm-backports`,
/// `stable`, `stable/updates`.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
pub struct ReleaseName(String);

impl DropInName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ServiceName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ReleaseName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check(name: &str, what: &str, further: &[u8], told: &str) -> Result<(), String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || further.contains(&byte);
    if name.starts_with(|first: char| first.is_ascii_alphanumeric()) && name.bytes().all(is_plain) {
        return Ok(());
    }
    Err(format!(
        "`{}` cannot be the name of {what}: begin with a letter or a digit, go on with letters, \
         digits{told}",
        name.escape_debug()
    ))
}

impl FromStr for DropInName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        check(name, "such a file", b"_-", ", `_` and `-`")?;
        Ok(Self(name.to_owned()))
    }
}

impl FromStr for ServiceName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        check(name, "a service", b"_-.@:\\", ", `_`, `-`, `.`, `@`, `:` and `\\`")?;
        Ok(Self(name.to_owned()))
    }
}

impl FromStr for ReleaseName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        check(name, "a release", b"_-./", ", `_`, `-`, `.` and `/`")?;
        Ok(Self(name.to_owned()))
    }
}

impl TryFrom<String> for DropInName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        name.parse()
    }
}

impl TryFrom<String> for ServiceName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        name.parse()
    }
}

impl TryFrom<String> for ReleaseName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        name.parse()
    }
}

impl From<DropInName> for String {
    fn from(name: DropInName) -> String {
        name.0
    }
}

impl From<ServiceName> for String {
    fn from(name: ServiceName) -> String {
        name.0
    }
}

impl From<ReleaseName> for String {
    fn from(name: ReleaseName) -> String {
        name.0
    }
}

impl fmt::Display for DropInName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ReleaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_of_names() {
        for good in ["backup", "50-app", "a_b"] {
            assert!(good.parse::<DropInName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a.b", "a/b", "a~", "a b", "a\n"] {
            assert!(bad.parse::<DropInName>().is_err(), "{bad:?}");
        }
        for good in ["nginx", "nginx.service", "getty@tty1", "dev-sda\\x2d1"] {
            assert!(good.parse::<ServiceName>().is_ok(), "{good}");
        }
        for bad in ["", "--now", "a b", "a;b", "a/b", "a*"] {
            assert!(bad.parse::<ServiceName>().is_err(), "{bad:?}");
        }
        for good in ["bookworm-backports", "12.5", "stable/updates"] {
            assert!(good.parse::<ReleaseName>().is_ok(), "{good}");
        }
        for bad in ["", "-t", "a=b", "a b", "a;b", "n=sid,o=Debian"] {
            assert!(bad.parse::<ReleaseName>().is_err(), "{bad:?}");
        }
    }
}
