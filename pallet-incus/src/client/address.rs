//! Where a server listens.

use std::fmt;
use std::path::{Path, PathBuf};

use super::Error;

/// Port of the API over TLS, where the address names none.
const PORT: u16 = 8443;

/// The sockets that a server on this machine may have, and what it is then.
const SOCKETS: [&str; 4] = [
    "/var/lib/incus/unix.socket",
    "/run/incus/unix.socket",
    "/var/snap/lxd/common/lxd/unix.socket",
    "/var/lib/lxd/unix.socket",
];

/// Variables that name a server's folder, with its socket in it.
const FOLDERS: [&str; 2] = ["INCUS_DIR", "LXD_DIR"];

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A unix socket: who may open it may do everything.
    Unix(PathBuf),
    /// TLS, with a client certificate.
    Tls {
        /// Host name or address.
        host: String,
        /// TCP port.
        port: u16,
    },
}

impl Address {
    /// The server of this machine: that of `INCUS_DIR` or `LXD_DIR`, or else the first of the usual
    /// sockets that is there.
    ///
    /// # Errors
    /// [`Error::Local`] when there is none.
    pub fn of_this_machine() -> Result<Self, Error> {
        let given = FOLDERS.iter().filter_map(std::env::var_os);
        let given = given.map(|folder| Path::new(&folder).join("unix.socket"));
        let mut sockets = given.chain(SOCKETS.iter().map(PathBuf::from));
        sockets.find(|socket| socket.exists()).map(Self::Unix).ok_or_else(|| Error::Local {
            what: "no Incus or LXD server runs on this machine".to_owned(),
            reason: format!("none of its sockets is there: {}", SOCKETS.join(", ")),
        })
    }

    /// Reads `unix:/path`, a path, or `https://host:8443`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self::Unix(PathBuf::from(path.strip_prefix("//").unwrap_or(path))));
        }
        if text.starts_with('/') {
            return Ok(Self::Unix(PathBuf::from(text)));
        }
        let rest = text.strip_prefix("https://").map(|rest| rest.trim_end_matches('/'));
        let wrong = || format!("`{text}` is neither `https://host:port` nor `unix:/path`");
        let rest = rest.filter(|rest| !rest.is_empty() && !rest.contains('/')).ok_or_else(wrong)?;
        let after_bracket = rest.rfind(']').map_or(0, |at| at + 1);
        let (host, port) = match rest.get(after_bracket..).and_then(|tail| tail.rfind(':')) {
            Some(colon) => {
                let (host, port) = rest.split_at(after_bracket + colon);
                (host, port.trim_start_matches(':').parse().map_err(|_| wrong())?)
            }
            None => (rest, PORT),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(wrong());
        }
        Ok(Self::Tls { host: host.to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tls { host, port } if host.contains(':') => write!(f, "https://[{host}]:{port}"),
            Self::Tls { host, port } => write!(f, "https://{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for (text, shown) in [
            ("unix:/a/b", "unix:/a/b"),
            ("unix:///a/b", "unix:/a/b"),
            ("/a/b", "unix:/a/b"),
            ("https://n1", "https://n1:8443"),
            ("https://n1:1/", "https://n1:1"),
            ("https://[fd00::1]:8443", "https://[fd00::1]:8443"),
            ("https://[fd00::1]", "https://[fd00::1]:8443"),
        ] {
            assert_eq!(Address::parse(text).map(|it| it.to_string()), Ok(shown.to_owned()));
        }
        for text in ["http://n1", "n1", "https://", "https://n1:port", "https://:1", "https://a/b"]
        {
            assert!(Address::parse(text).is_err_and(|error| error.contains(text)), "{text}");
        }
    }
}
