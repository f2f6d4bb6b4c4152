//! Settings of SSH connections.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{JumpConnections, JumpHost, KeyRing, SshConfig};

/// Settings of SSH connections. Clone one value for all nodes: the clones share the private keys
/// that were read, the configuration, and the connections to jump hosts.
#[derive(Debug, Clone)]
pub struct SshOptions {
    /// Looking up the name and connecting, all addresses together. Default: 10 s.
    pub connect_timeout: Duration,
    /// From the TCP connection to the checked host key. Default: 30 s.
    pub handshake_timeout: Duration,
    /// All attempts to log in together. Default: 60 s; a machine that is emulated needs it.
    pub login_timeout: Duration,
    /// Starting a program, including the wait for one of the node's few channels. Default: 60 s.
    pub exec_timeout: Duration,
    /// Silence after which the node is asked whether it is there. Default: 15 s.
    pub keepalive_interval: Duration,
    /// Unanswered questions in a row after which the connection counts as lost. Default: 4.
    pub keepalive_missed: usize,
    /// OpenSSH's configuration of hosts. Default: `~/.ssh/config`; what is followed of it stands at
    /// [`SshConfig`].
    pub config: SshConfig,
    /// The hosts to go through, the first one first; an empty list means none whatever the
    /// configuration says. Default: what the configuration says.
    pub proxy_jump: Option<Vec<JumpHost>>,
    /// The known_hosts files; the first one learns keys accepted on first contact. Default:
    /// `~/.ssh/known_hosts` and `/etc/ssh/ssh_known_hosts`. Missing ones count as empty.
    pub known_hosts: Vec<PathBuf>,
    /// The SSH agent's socket. Default: the environment's `SSH_AUTH_SOCK`.
    pub identity_agent: Option<PathBuf>,
    /// Private keys for logins that name neither key nor password. Default: `id_ed25519`,
    /// `id_ecdsa` and `id_rsa` in `~/.ssh`. Missing ones are skipped.
    pub identity_files: Vec<PathBuf>,
    /// The private keys read so far.
    pub key_ring: KeyRing,
    /// The jump hosts connected to so far.
    pub jump_connections: JumpConnections,
}

impl Default for SshOptions {
    fn default() -> Self {
        let in_ssh_folder = |name: &str| env::home_dir().map(|home| home.join(".ssh").join(name));
        Self {
            connect_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(30),
            login_timeout: Duration::from_secs(60),
            exec_timeout: Duration::from_secs(60),
            keepalive_interval: Duration::from_secs(15),
            keepalive_missed: 4,
            config: in_ssh_folder("config").map_or_else(SshConfig::none, SshConfig::file),
            proxy_jump: None,
            known_hosts: in_ssh_folder("known_hosts")
                .into_iter()
                .chain([PathBuf::from("/etc/ssh/ssh_known_hosts")])
                .collect(),
            identity_agent: env::var_os("SSH_AUTH_SOCK")
                .filter(|socket| !socket.is_empty())
                .map(PathBuf::from),
            identity_files: ["id_ed25519", "id_ecdsa", "id_rsa"]
                .into_iter()
                .filter_map(in_ssh_folder)
                .collect(),
            key_ring: KeyRing::default(),
            jump_connections: JumpConnections::default(),
        }
    }
}

impl SshOptions {
    /// The default limits, and nothing of the user's: no configuration, known hosts, agent or keys.
    pub fn isolated() -> Self {
        Self {
            config: SshConfig::none(),
            known_hosts: Vec::new(),
            identity_agent: None,
            identity_files: Vec::new(),
            ..Self::default()
        }
    }

    /// How long a node may leave what we send unread.
    pub(super) fn patience(&self) -> Duration {
        let questions = u32::try_from(self.keepalive_missed).unwrap_or(u32::MAX).saturating_add(1);
        self.keepalive_interval.saturating_mul(questions).max(Duration::from_secs(1))
    }
}

/// The account on this machine, as the environment has it.
pub(super) fn local_user() -> Option<String> {
    ["USER", "LOGNAME"].into_iter().find_map(|name| env::var(name).ok()).filter(|it| !it.is_empty())
}

/// `~` and `~/…` mean the home folder, as in a shell.
pub(super) fn expand_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), env::home_dir()) {
        (Ok(below), Some(home)) => home.join(below),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tilde_is_the_home_folder() {
        let home = env::home_dir().unwrap();
        assert_eq!(expand_home(Path::new("~/.ssh/id")), home.join(".ssh/id"));
        assert_eq!(expand_home(Path::new("/~/x")), Path::new("/~/x"));
        assert_eq!(expand_home(Path::new("~other/x")), Path::new("~other/x"));
    }

    #[test]
    fn patience_covers_all_questions() {
        assert_eq!(SshOptions::default().patience(), Duration::from_secs(75));
    }
}
