//! Jump hosts: nodes that are reached through others.

use std::str::FromStr;

/// A host that connections go through: `[user@]host[:port]`, or `ssh://[user@]host[:port]`.
///
/// What `~/.ssh/config` says about the host counts for what is not said here. Its host key must be
/// in known_hosts; passwords are never given to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JumpHost {
    /// The account. Default: what the SSH configuration says, else that of this machine's user.
    pub user: Option<String>,
    /// Name or address.
    pub host: String,
    /// Port. Default: what the SSH configuration says, else 22.
    pub port: Option<u16>,
}

impl FromStr for JumpHost {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let odd = || format!("`{text}` is no jump host: write `[user@]host[:port]`");
        let rest = text.trim();
        let rest = rest.strip_prefix("ssh://").unwrap_or(rest).trim_end_matches('/');
        let (user, place) = match rest.rsplit_once('@') {
            Some((user, place)) => (Some(user.to_owned()), place),
            None => (None, rest),
        };
        let (host, port) = match place.strip_prefix('[').map(|inner| inner.split_once(']')) {
            Some(Some((host, ""))) => (host, None),
            Some(Some((host, port))) => (host, Some(port.strip_prefix(':').ok_or_else(odd)?)),
            Some(None) => return Err(odd()),
            None => match place.split_once(':') {
                Some((host, port)) if !port.contains(':') => (host, Some(port)),
                _ => (place, None),
            },
        };
        let port: Option<u16> = port.map(str::parse).transpose().map_err(|_| odd())?;
        let is_name = |name: &str| {
            !name.is_empty() && !name.starts_with('-') && !name.contains(char::is_whitespace)
        };
        if !is_name(host) || !user.as_deref().is_none_or(is_name) || port == Some(0) {
            return Err(odd());
        }
        Ok(Self { user, host: host.to_owned(), port })
    }
}

impl JumpHost {
    /// Reads jump hosts with commas between them, in the order in which they are passed; `none`
    /// is an empty list.
    ///
    /// # Errors
    /// Which one is none, in words.
    pub fn chain(text: &str) -> Result<Vec<Self>, String> {
        if text.eq_ignore_ascii_case("none") {
            return Ok(Vec::new());
        }
        text.split(',').map(str::parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jump_hosts_are_read() {
        let read = |text: &str| text.parse::<JumpHost>().map(|it| (it.user, it.host, it.port));
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(read("bastion"), Ok((None, "bastion".to_owned(), None)));
        assert_eq!(read("ops@b.net:2222"), Ok((some("ops"), "b.net".to_owned(), Some(2222))));
        assert_eq!(read("ssh://ops@[::1]:22/"), Ok((some("ops"), "::1".to_owned(), Some(22))));
        assert_eq!(read("fe80::1"), Ok((None, "fe80::1".to_owned(), None)));
        assert_eq!(read("a@b@host"), Ok((some("a@b"), "host".to_owned(), None)));
        for wrong in ["", "-oProxyCommand=x", "host:", "host:0", "host:x", "@host", "[::1", "a b"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert_eq!(JumpHost::chain("a,b:1").unwrap().len(), 2);
        assert!(JumpHost::chain("none").unwrap().is_empty());
    }
}
