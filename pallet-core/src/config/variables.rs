//! The layer of environment variables.

use super::{Literal, Located, Settings};
use crate::document::closest_name;

/// The variables and what they set. Of secrets only the variable's name is kept.
const VARIABLES: [(&str, &[&str], Kind); 9] = [
    ("PALLET_SERVICE", &["default-service"], Kind::Text),
    ("PALLET_ADMIN_USER", &["admin-user", "username"], Kind::Text),
    ("PALLET_ADMIN_KEY", &["admin-user", "private-key-path"], Kind::Text),
    ("PALLET_ADMIN_PRIVATE_KEY", &["admin-user", "private-key"], Kind::Secret),
    ("PALLET_ADMIN_PASSPHRASE", &["admin-user", "passphrase"], Kind::Secret),
    ("PALLET_ADMIN_PASSWORD", &["admin-user", "password"], Kind::Secret),
    ("PALLET_SUDO_PASSWORD", &["admin-user", "sudo-password"], Kind::Secret),
    ("PALLET_SSH_CONFIG", &["ssh", "config"], Kind::Text),
    ("PALLET_PROXY_JUMP", &["ssh", "proxy-jump"], Kind::Text),
];

const PREFIX: &str = "PALLET_";

/// Variables that mean something elsewhere.
const OTHERS: [&str; 1] = ["PALLET_HOME"];

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Secret,
}

impl Settings {
    /// The layers that these environment variables make, as `std::env::vars()` gives them:
    ///
    /// | variable | sets |
    /// | --- | --- |
    /// | `PALLET_SERVICE` | `default-service` |
    /// | `PALLET_ADMIN_USER` | `admin-user.username` |
    /// | `PALLET_ADMIN_KEY` | `admin-user.private-key-path` |
    /// | `PALLET_ADMIN_PRIVATE_KEY` | `admin-user.private-key`, the key itself |
    /// | `PALLET_ADMIN_PASSPHRASE` | `admin-user.passphrase` |
    /// | `PALLET_ADMIN_PASSWORD` | `admin-user.password` |
    /// | `PALLET_SUDO_PASSWORD` | `admin-user.sudo-password` |
    /// | `PALLET_SSH_CONFIG` | `ssh.config` |
    /// | `PALLET_PROXY_JUMP` | `ssh.proxy-jump` |
    ///
    /// Empty ones say nothing. Others whose names are nearly one of these are warned of.
    pub fn variables(variables: impl IntoIterator<Item = (String, String)>) -> Vec<Self> {
        let mut layers = Vec::new();
        for (name, value) in variables {
            let Some(own) = name.strip_prefix(PREFIX).filter(|_| !value.is_empty()) else {
                continue;
            };
            let known = VARIABLES.iter().find(|(known, ..)| *known == name);
            let Some((_, path, kind)) = known else {
                let known = VARIABLES.iter().filter_map(|(known, ..)| known.strip_prefix(PREFIX));
                let near = closest_name(own, known);
                if let Some(near) = near.filter(|_| !OTHERS.contains(&name.as_str())) {
                    tracing::warn!(
                        "the environment variable {name} is not known; {PREFIX}{near} is"
                    );
                }
                continue;
            };
            layers.push(layer(&name, value, path, *kind));
        }
        layers.sort_by(|one, two| one.file.cmp(&two.file));
        layers
    }
}

fn layer(name: &str, value: String, path: &[&str], kind: Kind) -> Settings {
    let (text, value) = match kind {
        Kind::Text => (value.clone(), Literal::String(value)),
        Kind::Secret => {
            let span = 0..name.len();
            let source = Located { value: Literal::String(name.to_owned()), span };
            (name.to_owned(), source.under("env").value)
        }
    };
    let located = Located { value, span: 0..text.len() };
    let tree = path.iter().rev().fold(located, |located, key| located.under(key));
    Settings::tree(format!("${name}"), text, tree)
}
