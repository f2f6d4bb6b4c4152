//! Names of packages.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A package by its name, perhaps with architecture and version: `g++`, `libc6:amd64`,
/// `curl=7.88.1-10`, `NetworkManager`, `node@20`. It is written alike for all package managers.
///
/// Package managers take much more on their command lines. With apt, a trailing `-` removes, a
/// trailing `+` may be dropped, and an unknown name is tried as a regular expression. None of that
/// can be said here.
///
/// ```
/// use pallet_crates::values::PackageName;
/// let package: PackageName = "libc6:amd64=2.36-9".parse()?;
/// assert_eq!(package.name(), "libc6");
/// assert_eq!(package.arch(), Some("amd64"));
/// assert_eq!(package.version(), Some("2.36-9"));
/// assert!("nano-".parse::<PackageName>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
pub struct PackageName {
    name: String,
    arch: Option<String>,
    version: Option<String>,
}

impl PackageName {
    /// The name alone.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The architecture, where one is asked for.
    pub fn arch(&self) -> Option<&str> {
        self.arch.as_deref()
    }

    /// The version, where one is asked for.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The same without the version.
    pub(crate) fn without_version(&self) -> Self {
        Self { version: None, ..self.clone() }
    }

    /// Name and architecture, without the version.
    pub(crate) fn qualified(&self) -> String {
        match &self.arch {
            Some(arch) => format!("{}:{arch}", self.name),
            None => self.name.clone(),
        }
    }
}

impl FromStr for PackageName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (rest, version) = split(text, '=');
        let (name, arch) = split(rest, ':');
        let wrong = |what: &str| Err(format!("`{}` is not a package: {what}", text.escape_debug()));
        let is_name = |byte: u8| byte.is_ascii_alphanumeric();
        if name.ends_with('-') {
            return wrong("to remove one, name it without `-` and say ensure = \"absent\"");
        }
        let starts_well = name.bytes().next().is_some_and(is_name);
        if !starts_well || !name.bytes().all(|byte| is_name(byte) || b"+.-_@/".contains(&byte)) {
            return wrong("names are made of letters, digits, `+`, `-`, `.`, `_`, `@` and `/`");
        }
        let is_arch =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        if arch.is_some_and(|arch| arch.is_empty() || !arch.bytes().all(is_arch)) {
            return wrong("after `:` stands an architecture, such as amd64");
        }
        let is_version = |byte: u8| byte.is_ascii_alphanumeric() || b".+-:~^_".contains(&byte);
        if version.is_some_and(|version| version.is_empty() || !version.bytes().all(is_version)) {
            return wrong("after `=` stands one exact version, without wildcards");
        }
        Ok(Self {
            name: name.to_owned(),
            arch: arch.map(str::to_owned),
            version: version.map(str::to_owned),
        })
    }
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    match text.split_once(at) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

impl TryFrom<String> for PackageName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<PackageName> for String {
    fn from(package: PackageName) -> String {
        package.to_string()
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.qualified())?;
        match &self.version {
            Some(version) => write!(f, "={version}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_of_packages() {
        let good = [
            "g++",
            "libstdc++6",
            "curl=7.88.1-10+deb12u5",
            "libc6:amd64",
            "7zip",
            "a",
            "pkg=1.2~3",
            "libc6:amd64=2:1.0",
            "python3.11",
            "default-jdk",
            "NetworkManager",
            "python3_dnf",
            "node@20",
            "user/tap/tool",
            "glibc:x86_64=2.34-100.el9_4.2",
        ];
        for text in good {
            assert_eq!(text.parse::<PackageName>().unwrap().to_string(), text);
        }
        let bad = [
            "",
            "nano-",
            "nano-=1",
            "-y",
            "--purge",
            "a b",
            "a*",
            "^a$",
            "/a",
            "@a",
            "_a",
            "a:",
            "a=",
            "a=1*",
            "+",
            "a;b",
            "a\n",
            "?exact-name(a)",
            "~nfoo",
            "./x.deb",
            "/x.deb",
            "a:AMD",
        ];
        for text in bad {
            assert!(text.parse::<PackageName>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn parts() {
        let package: PackageName = "curl=1:2.0".parse().unwrap();
        assert_eq!(
            (package.name(), package.arch(), package.version()),
            ("curl", None, Some("1:2.0"))
        );
    }
}
