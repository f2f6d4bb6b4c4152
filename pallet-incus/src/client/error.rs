//! What can go wrong between us and a server.

use std::time::Duration;

/// Why the API did not do what it was asked for.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The server could not be reached, or is not the expected one.
    #[error("cannot connect to {server}: {reason}")]
    Unreachable {
        /// Where.
        server: String,
        /// The operating system's word, or that of TLS.
        reason: String,
    },
    /// The connection broke before the answer was there.
    #[error("the connection to {server} was lost while {doing}: {reason}")]
    Lost {
        /// Where.
        server: String,
        /// What was asked for.
        doing: String,
        /// Why, as far as known.
        reason: String,
    },
    /// The server did not answer in time.
    #[error("{server} did not finish {doing} within {after:?}")]
    TimedOut {
        /// Where.
        server: String,
        /// What was asked for.
        doing: String,
        /// How long was waited.
        after: Duration,
    },
    /// The server said no.
    #[error("{doing}: {reason}")]
    Refused {
        /// What was asked for.
        doing: String,
        /// The HTTP status: 404 where there is no such thing, 409 where there is one already.
        status: u16,
        /// The server's own words.
        reason: String,
    },
    /// The server began, and failed.
    #[error("{doing}: {reason}")]
    Failed {
        /// What was asked for.
        doing: String,
        /// The server's own words.
        reason: String,
    },
    /// The answer is not what the API says it is.
    #[error("{server} answered something else than expected to {doing}: {reason}")]
    Odd {
        /// Where.
        server: String,
        /// What was asked for.
        doing: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something on this machine cannot be used: a file, a program.
    #[error("{what}: {reason}")]
    Local {
        /// What.
        what: String,
        /// Why.
        reason: String,
    },
}

impl Error {
    /// There is no such thing on the server.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// There is one already.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { status: 409, .. })
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Unreachable { .. } => Some(
                "check that the server runs, `url`, and for a unix socket that you may use it (root, \
                 or the group of the server)"
                    .to_owned(),
            ),
            Self::Refused { status: 401 | 403, .. } => Some(
                "the server does not trust this client's certificate: `incus config trust \
                 add-certificate client.crt` (`lxc config trust add client.crt`) on the server"
                    .to_owned(),
            ),
            Self::TimedOut { .. } | Self::Lost { .. } => Some(
                "look at the members: `incus cluster list` (`lxc cluster list`); one that does not \
                 run holds up what concerns it"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}
