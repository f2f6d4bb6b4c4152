//! API versions.

use std::fmt;

/// A version of VirtualBox's API, such as 7.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiVersion {
    major: u16,
    minor: u16,
}

impl ApiVersion {
    pub(crate) const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// Reads the form the server uses, `7_2`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.trim().split_once('_')?;
        Some(Self::new(major.parse().ok()?, minor.parse().ok()?))
    }

    /// The first number: 7 of 7.2.
    pub fn major(self) -> u16 {
        self.major
    }

    /// The second number: 2 of 7.2.
    pub fn minor(self) -> u16 {
        self.minor
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_ordered() {
        assert_eq!(ApiVersion::parse("7_2"), Some(ApiVersion::new(7, 2)));
        assert_eq!(ApiVersion::parse("7.2"), None);
        assert_eq!(ApiVersion::parse("7_x"), None);
        assert!(ApiVersion::new(7, 10) > ApiVersion::new(7, 2));
        assert_eq!(ApiVersion::new(7, 2).to_string(), "7.2");
    }
}
