//! From a description's endpoint and login to the way there: what the SSH configuration adds.

use std::path::PathBuf;

use crate::login::Login;

use super::config::{HostSettings, IdentityAgent};
use super::known_hosts::listed_name;
use super::options::{expand_home, local_user};
use super::{Endpoint, HostKeys, JumpHost, SshOptions, TransportError};

/// Ways with more jump hosts than this go in circles.
const LONGEST: usize = 8;

/// The way to a node.
#[derive(Debug)]
pub(super) struct Route {
    /// The jump hosts, in the order in which they are passed.
    pub(super) hops: Vec<Stop>,
    pub(super) target: Stop,
}

/// One host on the way.
#[derive(Debug)]
pub(super) struct Stop {
    /// Where it listens.
    pub(super) endpoint: Endpoint,
    /// Under which name known_hosts files list it.
    pub(super) listed: String,
    pub(super) login: Login,
    pub(super) identities: Identities,
    pub(super) host_keys: HostKeys,
    pub(super) known_hosts: Vec<PathBuf>,
}

/// The keys to log in with, where the login names none.
#[derive(Debug, Clone)]
pub(super) struct Identities {
    /// Key files. They are tried before all others if they were chosen for this host.
    pub(super) files: Vec<PathBuf>,
    pub(super) are_chosen: bool,
    /// Certificates beside those that lie next to their keys.
    pub(super) certificates: Vec<PathBuf>,
    /// Offer no other keys of the agent.
    pub(super) only: bool,
    pub(super) agent: Option<PathBuf>,
}

/// Finds the way.
pub(super) fn plan(
    endpoint: &Endpoint,
    login: &Login,
    host_keys: &HostKeys,
    options: &SshOptions,
) -> Result<Route, TransportError> {
    let mut settings = options.config.look_up(&endpoint.host, &login.username)?;
    let chain = match &options.proxy_jump {
        Some(chain) => chain.clone(),
        None => settings.proxy_jump.take().unwrap_or_default(),
    };
    let mut login = login.clone();
    if let Some(user) = settings.user.take().filter(|_| login.username_is_assumed) {
        login.username = user;
    }
    let mut host_keys = host_keys.clone();
    if settings.strict && host_keys == HostKeys::FirstContact {
        host_keys = HostKeys::KnownHosts;
    }
    let port = match endpoint.port {
        22 => settings.port,
        port => Some(port),
    };
    let target = stop(&endpoint.host, port, login, host_keys, settings, options);
    Ok(Route { hops: hops(chain, &target, options)?, target })
}

fn hops(
    chain: Vec<JumpHost>,
    target: &Stop,
    options: &SshOptions,
) -> Result<Vec<Stop>, TransportError> {
    // Backwards: what the first host of the chain is reached through comes to light last.
    let mut left = chain;
    let mut hops = Vec::new();
    while let Some(next) = left.pop() {
        if hops.len() == LONGEST {
            return Err(TransportError::Configuration {
                place: target.endpoint.to_string(),
                reason: format!("more than {LONGEST} jump hosts: they probably go in circles"),
            });
        }
        let assumed = local_user().unwrap_or_else(|| target.login.username.clone());
        let mut settings = options.config.look_up(&next.host, &assumed)?;
        if left.is_empty() {
            left = settings.proxy_jump.take().unwrap_or_default();
        }
        // A node's passwords are none of a jump host's business.
        let login = Login {
            username: next.user.or(settings.user.take()).unwrap_or(assumed),
            passphrase: target.login.passphrase.clone(),
            ..Login::new("")
        };
        let port = next.port.or(settings.port);
        let mut hop = stop(&next.host, port, login, HostKeys::KnownHosts, settings, options);
        if let Some(key) = &target.login.private_key_path
            && !hop.identities.are_chosen
        {
            hop.identities.files.insert(0, expand_home(key));
            hop.identities.are_chosen = true;
        }
        hops.push(hop);
    }
    hops.reverse();
    Ok(hops)
}

fn stop(
    host: &str,
    port: Option<u16>,
    login: Login,
    host_keys: HostKeys,
    settings: HostSettings,
    options: &SshOptions,
) -> Stop {
    let host = settings.host_name.unwrap_or_else(|| host.to_owned());
    let endpoint = Endpoint { host, port: port.unwrap_or(22) };
    let are_chosen = !settings.identity_files.is_empty();
    let (user_files, global_files) = options.known_hosts.split_at(options.known_hosts.len().min(1));
    let user_files = settings.user_known_hosts.unwrap_or_else(|| user_files.to_vec());
    let global_files = settings.global_known_hosts.unwrap_or_else(|| global_files.to_vec());
    Stop {
        listed: match settings.host_key_alias {
            Some(alias) => alias.to_ascii_lowercase(),
            None => listed_name(&endpoint),
        },
        endpoint,
        login,
        identities: Identities {
            files: match are_chosen {
                true => settings.identity_files,
                false => options.identity_files.clone(),
            },
            are_chosen,
            certificates: settings.certificate_files,
            only: settings.identities_only,
            agent: match settings.identity_agent {
                Some(IdentityAgent::Disabled) => None,
                Some(IdentityAgent::Socket(socket)) => Some(socket),
                None => options.identity_agent.clone(),
            },
        },
        host_keys,
        known_hosts: user_files.into_iter().chain(global_files).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::SshConfig;
    use super::*;

    fn options(config: &str) -> (tempfile::TempDir, SshOptions) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        std::fs::write(&file, config).unwrap();
        let options = SshOptions { config: SshConfig::file(file), ..SshOptions::default() };
        (folder, options)
    }

    fn route(config: &str, host: &str, port: u16, login: &Login) -> Result<Route, TransportError> {
        let endpoint = Endpoint { host: host.to_owned(), port };
        plan(&endpoint, login, &HostKeys::FirstContact, &options(config).1)
    }

    #[test]
    fn what_the_description_says_wins() {
        let text =
            "Host web\n HostName 10.0.0.1\n Port 2222\n User ops\n StrictHostKeyChecking yes\n";
        let named = route(text, "web", 22, &Login::new("me")).unwrap().target;
        assert_eq!(named.endpoint.to_string(), "10.0.0.1:2222");
        assert_eq!(named.login.username, "me");
        assert_eq!(named.host_keys, HostKeys::KnownHosts);
        let assumed = route(text, "web", 7, &Login::assumed("me")).unwrap().target;
        assert_eq!((assumed.endpoint.port, assumed.login.username.as_str()), (7, "ops"));
        assert_eq!(assumed.listed, "[10.0.0.1]:7");
    }

    #[test]
    fn chains_are_followed_to_their_first_host() {
        let text = "\
            Host web\n ProxyJump a@one,two:2\nHost one\n HostName 10.0.0.1\n ProxyJump zero\n\
            Host two\n User b\n ProxyJump elsewhere\n IdentityFile /keys/two\n";
        let login = Login {
            private_key_path: Some("/keys/me".into()),
            password: Some(crate::secret::Secret::new("p")),
            ..Login::new("me")
        };
        let route = route(text, "web", 22, &login).unwrap();
        let hops: Vec<_> = route.hops.iter().map(|hop| hop.endpoint.to_string()).collect();
        assert_eq!(hops, ["zero:22", "10.0.0.1:22", "two:2"]);
        assert_eq!(route.hops[1].login.username, "a");
        assert_eq!(route.hops[2].login.username, "b");
        assert_eq!(route.hops[1].identities.files[0], PathBuf::from("/keys/me"));
        assert_eq!(route.hops[2].identities.files, [PathBuf::from("/keys/two")]);
        assert!(route.hops.iter().all(|hop| hop.login.password.is_none()));
        assert!(route.hops.iter().all(|hop| hop.host_keys == HostKeys::KnownHosts));
    }

    #[test]
    fn circles_are_found() {
        let text = "Host a\n ProxyJump b\nHost b\n ProxyJump a\n";
        let error = route(text, "a", 22, &Login::new("me")).unwrap_err().to_string();
        assert!(error.contains("circles"), "{error}");
    }
}
