//! API versions.

use std::fmt;

use crate::generated::API_VERSIONS;

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

    /// Reads the form of `getAPIVersion`, `7_2`, and that of `getVersion`, `4.1.10`; what may follow the two
    /// numbers (`_OSE`, `_BETA1`) comes after them.
    fn parse(text: &str) -> Option<(Self, &str)> {
        let separators = ['_', '.'];
        let (major, rest) = text.trim().split_once(separators)?;
        let (minor, rest) = rest.split_once(separators).unwrap_or((rest, ""));
        Some((Self::new(major.parse().ok()?, minor.parse().ok()?), rest))
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

/// What a server's version means to this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spoken {
    /// What the server says it is.
    pub(crate) version: ApiVersion,
    /// The place in [`API_VERSIONS`] of the version that it is treated as.
    pub(crate) position: usize,
    certainty: Certainty,
}

/// How sure it is that a server is what it is treated as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Certainty {
    Known,
    /// A test version of a known one.
    PreRelease,
    /// Newer than all that is known, or between two that are.
    Unknown,
}

impl Spoken {
    /// From what the server says; nothing if that is older than all that this crate speaks, or no version.
    ///
    /// A version that is not known is treated as the newest known one before it: later versions mostly add.
    pub(crate) fn read(said: &str) -> Option<Self> {
        let (version, rest) = ApiVersion::parse(said)?;
        let position = API_VERSIONS.iter().rposition(|known| *known <= version)?;
        let rest = rest.to_ascii_uppercase();
        let certainty = if API_VERSIONS.get(position) != Some(&version) {
            Certainty::Unknown
        } else if ["ALPHA", "BETA", "RC"].iter().any(|mark| rest.contains(mark)) {
            Certainty::PreRelease
        } else {
            Certainty::Known
        };
        Some(Self { version, position, certainty })
    }

    /// Whether the text is a version at all.
    pub(crate) fn is_version(said: &str) -> bool {
        ApiVersion::parse(said).is_some()
    }

    /// Tells of what may go wrong.
    pub(crate) fn warn(&self) {
        let server = self.version;
        match (self.certainty, API_VERSIONS.get(self.position)) {
            (Certainty::Unknown, Some(known)) => tracing::warn!(
                %server,
                treated_as = %known,
                "vboxwebsrv has an API version that this client does not know; methods may have changed"
            ),
            (Certainty::PreRelease, _) => tracing::warn!(
                %server,
                "vboxwebsrv is a pre-release; its methods may differ from those of the release"
            ),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_ordered() {
        for (said, version) in [
            ("7_2", Some((ApiVersion::new(7, 2), ""))),
            (" 4.1.10 ", Some((ApiVersion::new(4, 1), "10"))),
            ("4.1.10_OSE", Some((ApiVersion::new(4, 1), "10_OSE"))),
            ("7_2_BETA1", Some((ApiVersion::new(7, 2), "BETA1"))),
            ("7_x", None),
            ("7", None),
            ("", None),
        ] {
            assert_eq!(ApiVersion::parse(said), version, "{said}");
        }
        assert!(ApiVersion::new(7, 10) > ApiVersion::new(7, 2));
        assert_eq!(ApiVersion::new(7, 2).to_string(), "7.2");
    }

    #[test]
    fn every_known_version_is_itself() {
        for (position, version) in API_VERSIONS.iter().enumerate() {
            let said = format!("{}_{}", version.major(), version.minor());
            let spoken = Spoken::read(&said).unwrap();
            assert_eq!((spoken.version, spoken.position), (*version, position));
            assert_eq!(spoken.certainty, Certainty::Known);
        }
        assert_eq!(API_VERSIONS.len(), 11);
    }

    #[test]
    fn what_is_not_known_is_let_through_unless_it_is_too_old() {
        let newest = API_VERSIONS.len() - 1;
        let of = |said: &str| Spoken::read(said).map(|spoken| (spoken.position, spoken.certainty));
        assert_eq!(of("7_3"), Some((newest, Certainty::Unknown)));
        assert_eq!(of("99_0"), Some((newest, Certainty::Unknown)));
        // Between two that are known.
        assert_eq!(of("4_4"), Some((2, Certainty::Unknown)));
        assert_eq!(of("7_2_BETA1"), Some((newest, Certainty::PreRelease)));
        assert_eq!(of("7.2.0_RC1"), Some((newest, Certainty::PreRelease)));
        assert_eq!(of("4.1.10_OSE"), Some((0, Certainty::Known)));
        for too_old in ["4_0", "4.0.18", "3_2", "nonsense", ""] {
            assert_eq!(of(too_old), None);
        }
    }

    /// Counts warnings.
    struct Warnings(std::sync::Arc<std::sync::atomic::AtomicUsize>);

    impl tracing::Subscriber for Warnings {
        fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
            *metadata.level() == tracing::Level::WARN
        }

        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }

        fn event(&self, _: &tracing::Event<'_>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }

        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
        fn enter(&self, _: &tracing::span::Id) {}
        fn exit(&self, _: &tracing::span::Id) {}
    }

    #[test]
    fn what_is_let_through_is_warned_of() {
        for (said, warnings) in [("7_2", 0), ("7_3", 1), ("7_2_RC2", 1), ("4_4", 1)] {
            let count = std::sync::Arc::default();
            let subscriber = Warnings(std::sync::Arc::clone(&count));
            tracing::subscriber::with_default(subscriber, || Spoken::read(said).unwrap().warn());
            assert_eq!(count.load(std::sync::atomic::Ordering::SeqCst), warnings, "{said}");
        }
    }
}
