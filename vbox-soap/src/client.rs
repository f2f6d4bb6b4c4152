//! Where a server is, and logging on to it.

use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;

use crate::engine::send_plain;
use crate::error::Error;
use crate::generated::machine::SAVE_SETTINGS;
use crate::generated::session::{GET_MACHINE, UNLOCK_MACHINE};
use crate::generated::websession_manager::LOGOFF;
use crate::http::Pool;
use crate::session::{self, Session};
use crate::value::ToValue;
use crate::wire::xml::Element;

/// A vboxwebsrv, by its address. Making one connects to nothing.
#[derive(Debug, Clone)]
pub struct Client {
    address: Address,
    settings: Settings,
    #[cfg(feature = "tls")]
    tls: Option<crate::tls::Tls>,
}

/// How a client talks to its server.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// How long making a connection may take: 5 s.
    pub connect_timeout: Duration,
    /// How long a call may take: 120 s. What takes longer in VirtualBox gives a progress to wait for, see
    /// [`crate::api::IProgress::wait`]. Objects in an answer that comes too late stay on the server until
    /// the session is logged off.
    pub request_timeout: Duration,
    /// How many calls a session has under way at the same time, each on a connection of its own: 8. Further calls wait.
    pub connections: usize,
    /// The size of the largest answer that is accepted: 64 MiB.
    pub max_response_bytes: usize,
    /// After how long without a call a session asks the server for something small, so that the server does not
    /// end it: 60 s. The server's patience is 300 s unless it was started with `--timeout`.
    pub keep_alive: Option<Duration>,
    /// How a server at an `https` address proves that it is the right one.
    #[cfg(feature = "tls")]
    pub trust: crate::tls::Trust,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(120),
            connections: 8,
            max_response_bytes: 64 << 20,
            keep_alive: Some(Duration::from_secs(60)),
            #[cfg(feature = "tls")]
            trust: crate::tls::Trust::default(),
        }
    }
}

impl Client {
    /// For the server at `url`, such as `http://localhost:18083/`.
    pub fn new(url: &str) -> Result<Self, Error> {
        Self::with_settings(url, Settings::default())
    }

    /// For the server at `url`, with other settings than usual.
    pub fn with_settings(url: &str, settings: Settings) -> Result<Self, Error> {
        let address = Address::parse(url)?;
        Ok(Self {
            #[cfg(feature = "tls")]
            tls: address
                .secure
                .then(|| crate::tls::Tls::new(&address, &settings.trust))
                .transpose()?,
            address,
            settings,
        })
    }

    /// The server's address.
    pub fn url(&self) -> String {
        self.address.url()
    }

    /// Logs on. Identity and credential are a user's name and password on the server's machine, unless the
    /// server is set up to check something else, or nothing.
    pub async fn logon(&self, identity: &str, credential: &str) -> Result<Session, Error> {
        session::logon(Arc::new(self.pool()), identity, credential).await
    }

    /// Ends a session that another process has left behind: saves what was changed under the locks
    /// of these session objects, gives the locks back, and logs off.
    ///
    /// The server cannot tell that a client was killed. It lets the session live on for its idle
    /// time, and a lock even beyond that, until it is started again itself. `root` and `locks` are
    /// references as [`crate::ObjectRef::id`] gives them: of [`Session::virtual_box`] and of the
    /// session objects. Those that the server does not know any more are fine.
    ///
    /// Changes are saved because VirtualBox takes a disk whose attachment was dropped with the lock
    /// for attached ever after.
    pub async fn end_session(&self, root: &str, locks: &[String]) -> Result<(), Error> {
        let pool = self.pool();
        // What the server refuses has been given back, or has gone with its session.
        let done = |sent: Result<Element, Error>| match sent {
            Ok(answer) => Ok(Some(answer)),
            Err(Error::Fault(_) | Error::InvalidObject { .. }) => Ok(None),
            Err(error) => Err(error),
        };
        for lock in locks {
            let locked = done(send_plain(&pool, &GET_MACHINE, Some(lock), &[]).await)?;
            let machine = locked.as_ref().and_then(|answer| answer.child(GET_MACHINE.output));
            if let Some(machine) = machine.filter(|machine| !machine.text.is_empty()) {
                done(send_plain(&pool, &SAVE_SETTINGS, Some(&machine.text), &[]).await)?;
            }
            done(send_plain(&pool, &UNLOCK_MACHINE, Some(lock), &[]).await)?;
        }
        done(send_plain(&pool, &LOGOFF, None, &[root.to_value()]).await).map(drop)
    }

    pub(crate) fn pool(&self) -> Pool {
        Pool::new(
            self.address.clone(),
            self.settings.clone(),
            #[cfg(feature = "tls")]
            self.tls.clone(),
        )
    }
}

/// A server's address, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// Without the brackets of an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) path: String,
    /// Whether the server is spoken to through TLS.
    pub(crate) secure: bool,
}

/// The port that vboxwebsrv listens on if it is not told otherwise.
const DEFAULT_PORT: u16 = 18083;

impl Address {
    fn parse(url: &str) -> Result<Self, Error> {
        let invalid =
            |reason: &str| Error::InvalidUrl { url: url.to_owned(), reason: reason.to_owned() };
        let uri: Uri = url.trim().parse().map_err(|_| invalid("it is not a URL"))?;
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") if cfg!(feature = "tls") => true,
            Some("https") => {
                let reason = "this program was built without HTTPS: build it with vbox-soap's feature `tls`, or use \
                              an SSH tunnel";
                return Err(invalid(reason));
            }
            Some(_) => return Err(invalid("its scheme is not http")),
            None => return Err(invalid("it does not begin with http://")),
        };
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| invalid("it has no host"))?;
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(invalid(
                "user name and password do not belong into it: they are for the logon",
            ));
        }
        Ok(Self {
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: uri.port_u16().unwrap_or(DEFAULT_PORT),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            secure,
        })
    }

    /// `host:port`.
    pub(crate) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The whole address.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}{}", self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        for (url, whole) in [
            ("http://localhost:18083/", "http://localhost:18083/"),
            ("http://box", "http://box:18083/"),
            ("http://[::1]:99/x", "http://[::1]:99/x"),
            (" http://10.0.0.1/ ", "http://10.0.0.1:18083/"),
        ] {
            assert_eq!(Client::new(url).unwrap().url(), whole);
        }
        assert_eq!(Address::parse("http://[::1]").unwrap().host, "::1");
    }

    #[test]
    fn https_needs_the_feature() {
        let made = Client::new("https://box/");
        if cfg!(feature = "tls") {
            assert_eq!(made.unwrap().url(), "https://box:18083/");
        } else {
            assert!(made.unwrap_err().to_string().contains("feature `tls`"));
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        for (url, reason) in [
            ("", "not a URL"),
            ("localhost:18083", "not begin with http://"),
            ("ftp://localhost/", "scheme"),
            ("http://user:secret@host/", "for the logon"),
            ("http://ho st/", "not a URL"),
        ] {
            let error = Client::new(url).unwrap_err().to_string();
            assert!(error.contains(reason), "{url}: {error}");
        }
    }
}
