//! Settings of SSH connections in documents.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use crate::local_path::{self, LocalPath};
use crate::transport::JumpHost;

/// The `[ssh]` table. What is not in it stays as it is by default.
///
/// ```toml
/// [ssh]
/// config          = "~/.ssh/config"        # or "none"
/// proxy-jump      = "ops@bastion,inner"    # or a list; "none" goes through no host at all
/// known-hosts     = ["known_hosts"]        # the first one learns keys of first contacts
/// connect-timeout = 10                     # seconds
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SshSettings {
    /// OpenSSH's configuration of hosts; `none` reads none. Default: `~/.ssh/config`.
    #[serde(default, deserialize_with = "config")]
    pub config: Option<ConfigFile>,
    /// The hosts to go through. Default: what the configuration says of each host.
    #[serde(default, deserialize_with = "chain")]
    pub proxy_jump: Option<Vec<JumpHost>>,
    /// The known_hosts files. Default: `~/.ssh/known_hosts` and the system's.
    #[serde(default, deserialize_with = "paths")]
    pub known_hosts: Option<Vec<PathBuf>>,
    /// Longest wait for a TCP connection, in seconds. Default: 10.
    #[serde(default, deserialize_with = "seconds")]
    pub connect_timeout: Option<Duration>,
}

/// Which configuration of hosts is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigFile {
    /// None.
    None,
    /// This one.
    File(PathBuf),
}

impl SshSettings {
    /// Puts the settings into options of connections.
    #[cfg(feature = "ssh")]
    pub fn apply(&self, options: &mut crate::transport::ssh::SshOptions) {
        use crate::transport::ssh::SshConfig;
        match &self.config {
            Some(ConfigFile::None) => options.config = SshConfig::none(),
            Some(ConfigFile::File(file)) => options.config = SshConfig::file(file),
            None => {}
        }
        if let Some(chain) = &self.proxy_jump {
            options.proxy_jump = Some(chain.clone());
        }
        if let Some(files) = &self.known_hosts {
            options.known_hosts.clone_from(files);
        }
        if let Some(limit) = self.connect_timeout {
            options.connect_timeout = limit;
        }
    }
}

fn config<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ConfigFile>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text == "none" {
        return Ok(Some(ConfigFile::None));
    }
    let file = local_path::here(&text).map_err(de::Error::custom)?;
    Ok(Some(ConfigFile::File(file)))
}

fn paths<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<PathBuf>>, D::Error> {
    let paths = Vec::<LocalPath>::deserialize(deserializer)?;
    Ok(Some(paths.into_iter().map(|path| path.0).collect()))
}

fn chain<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<JumpHost>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Chain {
        Line(String),
        List(Vec<String>),
    }
    let hosts = match Chain::deserialize(deserializer)? {
        Chain::Line(line) => JumpHost::chain(&line),
        Chain::List(list) => list.iter().map(|host| host.parse()).collect(),
    };
    hosts.map(Some).map_err(de::Error::custom)
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    match u32::deserialize(deserializer)? {
        0 => Err(de::Error::custom("must be 1 second or more")),
        seconds => Ok(Some(Duration::from_secs(u64::from(seconds)))),
    }
}
