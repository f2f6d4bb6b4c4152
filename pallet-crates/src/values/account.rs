//! Names of users and groups.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of a user or a group: a letter or `_`, then letters, digits, `_`, `-` and `.`.
///
/// Numbers are refused on purpose: the tools on the node would take them as ids.
///
/// ```
/// use pallet_crates::values::AccountName;
/// assert!("www-data".parse::<AccountName>().is_ok());
/// assert!("1000".parse::<AccountName>().is_err());
/// ```
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
pub struct AccountName(String);

impl AccountName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let starts_well =
            name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        // Samba's machine accounts end in `$`.
        let body = name.strip_suffix('$').unwrap_or(name);
        if starts_well && body.bytes().all(is_plain) && name.len() <= 32 {
            return Ok(Self(name.to_owned()));
        }
        Err(format!(
            "`{}` cannot be the name of a user or group: use a letter or `_`, then letters, \
             digits, `_`, `-` and `.`, at most 32 in all",
            name.escape_debug()
        ))
    }
}

impl TryFrom<String> for AccountName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        name.parse()
    }
}

impl From<AccountName> for String {
    fn from(name: AccountName) -> String {
        name.0
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_of_names() {
        for good in ["root", "www-data", "_apt", "a", "systemd-network", "J.Doe", "host$"] {
            assert!(good.parse::<AccountName>().is_ok(), "{good}");
        }
        let long = "x".repeat(33);
        for bad in ["", "-x", "0", "1000", "a b", "a:b", "a\nb", "é", "$", "a$b", &long] {
            assert!(bad.parse::<AccountName>().is_err(), "{bad:?}");
        }
    }
}
