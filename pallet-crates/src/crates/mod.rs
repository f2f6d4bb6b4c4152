//! Crates, Pallet's reusable units of configuration: one file each.
//!
//! A document names them in `extends`, and sets what they shall do under their name:
//!
//! ```toml
//! [group-spec.web]
//! extends        = ["nginx", "git"]
//! settings.nginx = { sites.shop = { root = "/srv/shop" } }
//! ```
//!
//! All of them know Debian and Ubuntu. Their phases:
//!
//! - `settings` puts defaults beside what is set, for templates and other nodes to see;
//! - `install` installs packages, `configure` does the rest; both run by default;
//! - `start`, `stop`, `restart` and `reload`, where there is a service, run when they are asked
//!   for: `pallet lift --phase restart`.
//!
//! What a service reads is checked by the service's own program before it has to work with it, and
//! the service is told about it only if it has changed, or if an earlier run was cut off before
//! that.
//!
//! ```
//! use pallet_core::spec::ServerSpec;
//! use pallet_crates::crates::{Git, Nginx};
//! let web = ServerSpec::new()
//!     .extends_crate::<Git>()
//!     .extends_crate::<Nginx>()
//!     .setting("nginx", serde_json::json!({ "sites": { "shop": { "root": "/srv/shop" } } }));
//! assert!(web.phases.contains_key("configure"));
//! ```

pub mod apt_cacher;
pub mod automated_admin_user;
pub mod docker;
pub mod firewall;
pub mod git;
pub mod haproxy;
pub mod java;
pub mod mysql;
pub mod nginx;
pub mod postgres;
pub mod ssh;
pub mod sudoers;
mod support;
pub mod users;

use pallet_core::registry::Registry;

pub use apt_cacher::{AptCacher, AptCacherClient};
pub use automated_admin_user::AutomatedAdminUser;
pub use docker::Docker;
pub use firewall::{Iptables, Nftables};
pub use git::Git;
pub use haproxy::Haproxy;
pub use java::Java;
pub use mysql::{Mariadb, Mysql};
pub use nginx::Nginx;
pub use postgres::Postgres;
pub use ssh::Ssh;
pub use sudoers::Sudoers;
pub use users::Users;

/// All crates.
pub(crate) fn all() -> Registry {
    Registry::new()
        .krate::<AptCacher>()
        .krate::<AptCacherClient>()
        .krate::<AutomatedAdminUser>()
        .krate::<Docker>()
        .krate::<Git>()
        .krate::<Haproxy>()
        .krate::<Iptables>()
        .krate::<Java>()
        .krate::<Mariadb>()
        .krate::<Mysql>()
        .krate::<Nftables>()
        .krate::<Nginx>()
        .krate::<Postgres>()
        .krate::<Ssh>()
        .krate::<Sudoers>()
        .krate::<Users>()
}
