//! The `wait-for` action.

use pallet_core::action::{
    Action, ActionError, Certainty, Change, Decision, Fragment, Mode, Preparation, ProbeSet, View,
};
use pallet_core::shell;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::probes::{Guard, Question};
use crate::values::{Ensure, RemotePath, Seconds};

/// Waits, on the node, until something is there: a TCP port that answers, a file, or a web page.
///
/// What is there already costs nothing and is no change. If it does not come in time, the step
/// fails. A web page is there when its status is below 400; for `https` the node needs curl or
/// wget, and the page a certificate that the node trusts. With `ensure = "absent"` it waits until
/// the port answers no more, or the file or page is gone.
///
/// ```
/// use pallet_crates::WaitFor;
/// let database = WaitFor::port(5432).host("db.example.com");
/// let page = WaitFor::http("http://localhost:8080/health").timeout("5m")?;
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WaitFor {
    /// A TCP port that accepts connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    /// The host of the port. Default: localhost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    /// Something at this path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<RemotePath>,
    /// A web page: `http://host:port/path` or `https://host:port/path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    http: Option<String>,
    /// Whether the page's certificate may be any. Default: false.
    #[serde(default, skip_serializing_if = "is_false")]
    insecure: bool,
    /// How long is waited. Default: 1m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout: Option<Seconds>,
    /// Whether it is waited for until it is there, or until it is gone. Default: present.
    #[serde(default)]
    ensure: Ensure,
}

const TIMEOUT: Seconds = Seconds::new(60);

fn is_false(value: &bool) -> bool {
    !value
}

impl WaitFor {
    const fn nothing() -> Self {
        let ensure = Ensure::Present;
        Self {
            port: None,
            host: None,
            file: None,
            http: None,
            insecure: false,
            timeout: None,
            ensure,
        }
    }

    /// Waits for a TCP port of the node itself.
    pub fn port(port: u16) -> Self {
        Self { port: Some(port), ..Self::nothing() }
    }

    /// Waits for a file, or anything else, at `path`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the path.
    pub fn file(path: &str) -> Result<Self, String> {
        Ok(Self { file: Some(path.parse()?), ..Self::nothing() })
    }

    /// Waits for a web page.
    pub fn http(url: impl Into<String>) -> Self {
        Self { http: Some(url.into()), ..Self::nothing() }
    }

    /// Takes any certificate of a page at an `https` address.
    #[must_use]
    pub fn insecure(mut self) -> Self {
        self.insecure = true;
        self
    }

    /// Says which host the port is on.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// Says how long is waited: `"5m"`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the length of time.
    pub fn timeout(mut self, time: &str) -> Result<Self, String> {
        self.timeout = Some(time.parse()?);
        Ok(self)
    }

    /// Waits until it is gone.
    #[must_use]
    pub fn absent(mut self) -> Self {
        self.ensure = Ensure::Absent;
        self
    }

    /// Host and port that are connected to.
    fn address(&self) -> Option<(String, u16)> {
        let host = self.host.clone().unwrap_or_else(|| "localhost".to_owned());
        self.port.map(|port| (host, port))
    }

    /// A script that ends with status 0 if what is waited for is there. It ends within seconds.
    fn attempt(&self) -> String {
        if let Some(path) = &self.file {
            let path = shell::quote(path.as_str()).into_owned();
            return format!("[ -e {path} ] || [ -L {path} ]");
        }
        if let Some(page) = self.http.as_deref().and_then(Page::parse) {
            return page.attempt(self.insecure);
        }
        let (host, port) = self.address().unwrap_or_default();
        let connect = "exec 5<>\"/dev/tcp/$0/$1\"";
        shell::command(["timeout", "5", "bash", "-c", connect, &host, &port.to_string()])
    }

    fn decide_from(&self, is_there: bool, mode: Mode) -> Decision {
        let is_wanted = self.ensure == Ensure::Present;
        if is_there == is_wanted {
            return Decision::Unchanged;
        }
        let (not, verb, yet) = match is_wanted {
            true => ("", "come", "it is not there yet, and would be waited for"),
            false => ("! ", "go", "it is still there, and would be waited for until it is gone"),
        };
        let timeout = self.timeout.unwrap_or(TIMEOUT);
        let what = self.subject();
        let mut fragment = Fragment::new();
        if self.http.as_deref().and_then(Page::parse).is_some_and(|page| page.is_secure) {
            fragment.line(
                "command -v curl >/dev/null || command -v wget >/dev/null || \
                 { echo 'https needs curl or wget, and the node has neither' >&2; exit 1; }",
            );
        }
        fragment.line(&format!("attempt() {{ {}; }}", self.attempt()));
        fragment.line(&format!(
            "SECONDS=0; until {not}attempt >/dev/null 2>&1; do\n\
             if [ $SECONDS -ge {} ]; then echo {} >&2; exit 1; fi\nsleep 0.5\ndone",
            timeout.count(),
            shell::quote(&format!("{what} did not {verb} within {timeout}")),
        ));
        let mut change = Change::new(fragment, self.file.iter().map(RemotePath::key));
        if mode == Mode::Check {
            change.certainty = Certainty::May(yet.to_owned());
        }
        Decision::Change(change.detail("waited for"))
    }
}

/// An address such as `http://host:80/path`.
#[derive(Debug, PartialEq, Eq)]
struct Page<'a> {
    url: &'a str,
    is_secure: bool,
    host: &'a str,
    port: u16,
    path: &'a str,
}

impl<'a> Page<'a> {
    fn parse(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (is_secure, usual) = match scheme {
            "http" => (false, 80),
            "https" => (true, 443),
            _ => return None,
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok()?),
            None => (authority, usual),
        };
        let is_plain = is_host(host) && path.bytes().all(|byte: u8| byte.is_ascii_graphic());
        is_plain.then_some(Self { url, is_secure, host, port, path })
    }

    /// A script that ends with status 0 if the page is there. What is not secret needs no program
    /// that a node may lack.
    fn attempt(&self, insecure: bool) -> String {
        if self.is_secure {
            let any = |option: &'static str| insecure.then_some(option);
            let curl = ["timeout", "5", "curl", "-fsSg", "-o", "/dev/null"].into_iter();
            let wget = ["timeout", "5", "wget", "-q", "-O", "/dev/null"].into_iter();
            return format!(
                "if command -v curl >/dev/null; then {}; else {}; fi",
                shell::command(curl.chain(any("-k")).chain(["--", self.url])),
                shell::command(wget.chain(any("--no-check-certificate")).chain(["--", self.url])),
            );
        }
        let get = "exec 5<>\"/dev/tcp/$0/$1\" && \
            printf 'GET %s HTTP/1.0\\r\\nHost: %s\\r\\nConnection: close\\r\\n\\r\\n' \"$2\" \"$0:$1\" >&5 && \
            read -r _ status _ <&5 && [ \"$status\" -ge 200 ] && [ \"$status\" -lt 400 ]";
        let port = self.port.to_string();
        shell::command(["timeout", "5", "bash", "-c", get, self.host, &port, self.path])
    }
}

fn is_host(host: &str) -> bool {
    !host.is_empty()
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

impl Action for WaitFor {
    const NAME: &'static str = "wait-for";
    const SUMMARY: &'static str = "Waits until a port answers, or a file or a web page is there.";
    const EXAMPLE: &'static str = r#"{ wait-for = { port = 5432, timeout = "2m" } }"#;

    fn subject(&self) -> String {
        match (&self.http, &self.file, self.address()) {
            (Some(url), ..) => url.clone(),
            (_, Some(path), _) => path.to_string(),
            (_, _, Some((host, port))) => format!("{host}:{port}"),
            (_, _, None) => "nothing".to_owned(),
        }
    }

    fn prepare(&self, _: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        let given = [self.port.is_some(), self.file.is_some(), self.http.is_some()];
        if given.iter().filter(|given| **given).count() != 1 {
            return Err(ActionError::new("nothing, or more than one thing, is waited for")
                .help("give exactly one of port, file and http"));
        }
        if self.host.is_some() && self.port.is_none() {
            return Err(ActionError::new("`host` goes with `port`"));
        }
        if let Some(host) = self.host.as_ref().filter(|host| !is_host(host)) {
            return Err(ActionError::new(format!("`{}` is no host", host.escape_debug())));
        }
        if let Some(url) = self.http.as_ref().filter(|url| Page::parse(url).is_none()) {
            return Err(ActionError::new(format!("`{}` cannot be waited for", url.escape_debug()))
                .help("write http://host:port/path or https://host:port/path"));
        }
        let is_secure = |url: &String| Page::parse(url).is_some_and(|page| page.is_secure);
        if self.insecure && !self.http.as_ref().is_some_and(is_secure) {
            return Err(ActionError::new("`insecure` goes with a page at an https address"));
        }
        Ok(None)
    }

    fn probe(&self, _: &View<'_>, wanted: &mut ProbeSet) {
        wanted.ask::<Guard>(Question::of(self.attempt()));
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        Ok(self.decide_from(*view.get::<Guard>(&Question::of(self.attempt()))?, view.mode()))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;
    use std::time::Duration;

    use super::super::testing::{apply, check};
    use super::*;
    use crate::probes::testing::Scratch;

    #[test]
    fn addresses() {
        let parts = |url| Page::parse(url).map(|page| (page.host, page.port, page.path));
        assert_eq!(parts("http://a"), Some(("a", 80, "/")));
        assert_eq!(parts("https://a"), Some(("a", 443, "/")));
        assert_eq!(parts("http://a:8080/x?y=z"), Some(("a", 8080, "/x?y=z")));
        for bad in [
            "ftp://a",
            "http://",
            "http://a:x/",
            "http://a b/",
            "http://a/\r\nX: y",
            "http://$(id)/",
        ] {
            assert_eq!(parts(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_certificate_is_only_waived_where_there_is_one() {
        let values = pallet_core::plan::Values::default();
        let facts = pallet_core::facts::Facts::default();
        let base = std::path::Path::new("");
        let context = Preparation { facts: &facts, values: &values, base };
        let prepare = |wait: WaitFor| wait.prepare(&context).map_err(|error| error.to_string());
        assert!(prepare(WaitFor::http("https://a").insecure()).is_ok());
        for bad in [WaitFor::http("http://a").insecure(), WaitFor::port(443).insecure()] {
            assert_eq!(
                prepare(bad).unwrap_err(),
                "`insecure` goes with a page at an https address"
            );
        }
    }

    #[test]
    fn files_that_are_there_come_later_and_never() {
        let scratch = Scratch::new();
        let path = scratch.path("it's $HOME");
        let wait = WaitFor::file(path.as_str()).unwrap().timeout("1s").unwrap();
        assert!(check(&wait).starts_with("may: it is not there yet"));
        let failed = apply(&wait);
        assert!(failed.contains("did not come within 1s"), "{failed}");
        let writer = thread::spawn({
            let path = path.clone();
            move || {
                thread::sleep(Duration::from_millis(700));
                fs::write(path.as_str(), "").unwrap();
            }
        });
        assert_eq!(apply(&wait.clone().timeout("1m").unwrap()), "waited for");
        writer.join().unwrap();
        assert_eq!((apply(&wait).as_str(), check(&wait).as_str()), ("unchanged", "unchanged"));
    }

    #[test]
    fn ports_and_pages() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(apply(&WaitFor::port(port).host("127.0.0.1")), "unchanged");
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = Vec::new();
                let mut byte = [0];
                while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
                    request.extend(byte);
                }
                let is_good = request.starts_with(b"GET /good HTTP/1.0\r\n");
                let status = if is_good { "200 OK" } else { "503 Not yet" };
                let _ = write!(stream, "HTTP/1.0 {status}\r\n\r\n");
            }
        });
        let page = |path: &str| WaitFor::http(format!("http://127.0.0.1:{port}/{path}"));
        assert_eq!(apply(&page("good")), "unchanged");
        let failed = apply(&page("bad").timeout("1s").unwrap());
        assert!(failed.contains("did not come within 1s"), "{failed}");
    }
}
