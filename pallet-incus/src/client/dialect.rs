//! Where Incus and LXD differ, and nowhere else.

use super::model::Server;

/// Which of the two products a server is. Both speak one API, since Incus is LXD's fork.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Incus.
    Incus,
    /// LXD.
    Lxd,
}

impl Dialect {
    pub(super) fn of(server: &Server) -> Self {
        if server.environment.server == "incus" { Self::Incus } else { Self::Lxd }
    }

    /// The product's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Incus => "Incus",
            Self::Lxd => "LXD",
        }
    }

    /// The product's command.
    pub fn command(self) -> &'static str {
        match self {
            Self::Incus => "incus",
            Self::Lxd => "lxc",
        }
    }

    /// The name of a header of the API's own: `type` of a file, `properties` of an image.
    pub(super) fn header(self, name: &str) -> String {
        match self {
            Self::Incus => format!("x-incus-{name}"),
            Self::Lxd => format!("x-lxd-{name}"),
        }
    }

    /// Whether a refusal has its reason in a member that has just been started, and has not been
    /// found by the others yet.
    pub(super) fn will_pass(self, reason: &str) -> bool {
        // Both say it alike.
        reason.contains("Missing event connection with target cluster member")
    }

    /// Whether instances can be started by the request that makes them: LXD 5.0 has it not yet.
    pub(super) fn starts_what_it_creates(server: &Server) -> bool {
        server.api_extensions.iter().any(|extension| extension == "instance_create_start")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own_headers() {
        let server = |name: &str| -> Server {
            serde_json::from_value(serde_json::json!({"environment": {"server": name}})).unwrap()
        };
        assert_eq!(Dialect::of(&server("incus")).header("type"), "x-incus-type");
        assert_eq!(Dialect::of(&server("lxd")).header("type"), "x-lxd-type");
    }
}
