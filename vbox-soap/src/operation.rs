//! What the engine must know of an operation.

use std::fmt;

use crate::ApiVersion;
use crate::generated::API_VERSIONS;

/// A static description of one operation; the generated code has one for each.
#[derive(Debug)]
pub(crate) struct Operation {
    /// Its name on the wire, `IMachine_getName`.
    pub(crate) name: &'static str,
    /// Its parameters' names on the wire, in the order they are sent.
    pub(crate) parameters: &'static [&'static str],
    /// The response's element with the result, where there is only one.
    pub(crate) output: &'static str,
    /// Where the response has object references.
    pub(crate) references: &'static [ReferenceIn],
    /// What older versions spell otherwise of all this.
    pub(crate) spellings: &'static [Spelling],
    /// The API versions that have it, as bits by position in [`API_VERSIONS`].
    pub(crate) versions: u16,
}

/// A word of the wire that some versions spell with other capitals.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Spelling {
    /// As the newest version spells it, and all others that do not do it otherwise.
    pub(crate) newest: &'static str,
    /// As the others do.
    pub(crate) older: &'static str,
    /// The others, as bits by position in [`API_VERSIONS`].
    pub(crate) versions: u16,
}

/// How a server that speaks `API_VERSIONS[position]` spells `word`; one that is not known yet, as the newest.
pub(crate) fn spell<'a>(spellings: &[Spelling], word: &'a str, position: Option<usize>) -> &'a str
where
    'static: 'a,
{
    let Some(position) = position else { return word };
    let other = spellings
        .iter()
        .find(|spelling| spelling.newest == word && has(spelling.versions, position));
    other.map_or(word, |spelling| spelling.older)
}

fn has(versions: u16, position: usize) -> bool {
    position < 16 && versions & (1 << position) != 0
}

/// A place in a response that has an object reference.
#[derive(Debug)]
pub(crate) struct ReferenceIn {
    /// The element below the response.
    pub(crate) element: &'static str,
    /// The element below that, or nothing.
    pub(crate) field: &'static str,
    /// The root interface of the object's interface; nothing if it can be any.
    pub(crate) family: &'static str,
}

impl Operation {
    /// Whether a server that speaks `API_VERSIONS[position]` has the operation.
    pub(crate) fn exists_in(&self, position: usize) -> bool {
        has(self.versions, position)
    }

    /// The versions that have it, for people: `4.1 to 4.3, 7.2`.
    pub(crate) fn versions(&self) -> String {
        self.versions_of(API_VERSIONS)
    }

    fn versions_of(&self, known: &[ApiVersion]) -> String {
        let mut ranges: Vec<(ApiVersion, ApiVersion)> = vec![];
        let mut continued = false;
        for (position, version) in known.iter().enumerate() {
            let exists = self.exists_in(position);
            match ranges.last_mut() {
                Some(range) if exists && continued => range.1 = *version,
                _ if exists => ranges.push((*version, *version)),
                _ => {}
            }
            continued = exists;
        }
        let texts: Vec<String> = ranges
            .iter()
            .map(
                |(first, last)| {
                    if first == last { first.to_string() } else { format!("{first} to {last}") }
                },
            )
            .collect();
        texts.join(", ")
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [ApiVersion; 4] = [
        ApiVersion::new(4, 3),
        ApiVersion::new(5, 0),
        ApiVersion::new(6, 1),
        ApiVersion::new(7, 2),
    ];

    #[test]
    fn words_are_spelled_as_the_version_does() {
        const SPELLINGS: &[Spelling] =
            &[Spelling { newest: "hostIP", older: "hostIp", versions: 0b101 }];
        for (position, spelled) in
            [(Some(0), "hostIp"), (Some(1), "hostIP"), (Some(2), "hostIp"), (None, "hostIP")]
        {
            assert_eq!(spell(SPELLINGS, "hostIP", position), spelled);
            assert_eq!(spell(SPELLINGS, "name", position), "name");
        }
    }

    #[test]
    fn versions_are_told_as_ranges_with_gaps() {
        for (versions, text) in
            [(0b1111, "4.3 to 7.2"), (0b1011, "4.3 to 5.0, 7.2"), (0b0100, "6.1"), (0, "")]
        {
            let operation = Operation {
                name: "IMachine_get",
                parameters: &[],
                output: "returnval",
                references: &[],
                spellings: &[],
                versions,
            };
            assert_eq!(operation.versions_of(&KNOWN), text);
            assert_eq!(operation.exists_in(3), versions & 0b1000 != 0);
            assert!(!operation.exists_in(16));
        }
    }

    #[test]
    fn what_the_runtime_sends_by_itself_is_in_every_version_and_spelled_alike() {
        use crate::generated::event_source::{EVENT_PROCESSED, UNREGISTER_LISTENER};
        use crate::generated::managed_object_ref::{GET_INTERFACE_NAME, RELEASE};
        use crate::generated::session::{GET_STATE, UNLOCK_MACHINE};
        use crate::generated::websession_manager::{GET_SESSION_OBJECT, LOGOFF, LOGON};

        for operation in [
            &EVENT_PROCESSED,
            &UNREGISTER_LISTENER,
            &GET_INTERFACE_NAME,
            &RELEASE,
            &GET_STATE,
            &UNLOCK_MACHINE,
            &GET_SESSION_OBJECT,
            &LOGOFF,
            &LOGON,
        ] {
            assert!((0..API_VERSIONS.len()).all(|at| operation.exists_in(at)), "{operation}");
            assert!(operation.spellings.is_empty(), "{operation}");
        }
    }
}
