//! Names of drop-in files, services and releases.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Defines a kind of names: what they name, and which characters may be in them besides letters and
/// digits, for programs and for people.
macro_rules! names {
    ($(#[$docs:meta])* $name:ident, $what:literal, $further:literal, $told:literal) => {
        $(#[$docs])*
        #[derive(
            Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
        )]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(name: &str) -> Result<Self, String> {
                check(name, $what, $further, $told)?;
                Ok(Self(name.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(name: String) -> Result<Self, String> {
                name.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

names! {
    /// The name of a file in a directory such as `/etc/cron.d`: letters, digits, `_` and `-`.
    ///
    /// Programs that read these directories skip names with a dot, so there is none.
    DropInName, "such a file", b"_-", ", `_` and `-`"
}

names! {
    /// The name of a service, with or without `.service`: `nginx`, `getty@tty1`.
    ServiceName, "a service", b"_-.@:\\", ", `_`, `-`, `.`, `@`, `:` and `\\`"
}

names! {
    /// A release of a distribution, as apt's `--target-release` takes it: `bookworm-backports`,
    /// `stable`, `stable/updates`.
    ReleaseName, "a release", b"_-./", ", `_`, `-`, `.` and `/`"
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
