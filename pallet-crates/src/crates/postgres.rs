//! The crate `postgres`.

mod sql;

use std::collections::BTreeMap;

use pallet_core::crates::Crate;
use pallet_core::plan::{Plan, PlanError};
use pallet_core::secret::MaybeSecret;
use pallet_core::spec::ServerSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::support::{Daemon, OrWrong, install, needs_debian, phase, service_phases};
use crate::actions::RemoteFile;

/// PostgreSQL, the cluster `main` of the release's version, with roles and databases.
///
/// Passwords travel beside the scripts, into the server's standard input, and are in no argument
/// list and no log; whether one is right is found out by logging in with it. Roles and databases
/// that are not named stay.
///
/// ```toml
/// [server-spec.database]
/// extends = ["postgres"]
///
/// [server-spec.database.settings.postgres]
/// listen-addresses = "*"
/// options          = { max_connections = "200" }
/// access           = ["host app app 10.0.0.0/8 scram-sha-256"]
/// roles.app        = { password = "for-the-lab-only" }
/// roles.reader     = {}
/// databases.app    = { owner = "app", grants = { reader = ["CONNECT"] } }
/// ```
#[derive(Debug)]
pub struct Postgres;

/// What the crate `postgres` can be told.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// The version, one that the node's release has. Default: the release's own.
    pub version: Option<u8>,
    /// The addresses that are listened on. Default: `localhost`.
    pub listen_addresses: String,
    /// The port. Default: 5432.
    pub port: u16,
    /// Options of `postgresql.conf`, under the server's own names. Default: none.
    pub options: BTreeMap<String, String>,
    /// Lines of `pg_hba.conf`, after those that let local users in. Default: none.
    pub access: Vec<String>,
    /// Roles by name. Default: none.
    pub roles: BTreeMap<String, Role>,
    /// Databases by name. Default: none.
    pub databases: BTreeMap<String, Database>,
}

/// A role.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Role {
    /// The password. Default: none is set.
    pub password: Option<MaybeSecret>,
    /// Whether it may log in. Default: true.
    pub login: bool,
    /// Whether it may do everything. Default: false.
    pub superuser: bool,
    /// Whether it may make databases. Default: false.
    pub createdb: bool,
    /// Whether it may make roles. Default: false.
    pub createrole: bool,
}

/// A database.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Database {
    /// The role that owns it. Default: `postgres`.
    pub owner: Option<String>,
    /// What roles may do with it: `CONNECT`, `CREATE`, `TEMPORARY`, or `ALL`. Default: nothing is
    /// added.
    pub grants: BTreeMap<String, Vec<String>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: None,
            listen_addresses: "localhost".to_owned(),
            port: 5432,
            options: BTreeMap::new(),
            access: Vec::new(),
            roles: BTreeMap::new(),
            databases: BTreeMap::new(),
        }
    }
}

impl Default for Role {
    fn default() -> Self {
        Self { password: None, login: true, superuser: false, createdb: false, createrole: false }
    }
}

impl Crate for Postgres {
    const NAME: &'static str = "postgres";
    const SUMMARY: &'static str = "PostgreSQL with roles and databases.";
    const EXAMPLE: &'static str = r#"[server-spec.database]
extends = ["postgres"]

[server-spec.database.settings.postgres]
listen-addresses = "*"
options          = { max_connections = "200" }
access           = ["host app app 10.0.0.0/8 scram-sha-256"]
roles.app        = { password = "for-the-lab-only" }
roles.reader     = {}
databases.app    = { owner = "app", grants = { reader = ["CONNECT"] } }
"#;
    type Settings = Settings;

    fn server_spec() -> ServerSpec {
        let spec = ServerSpec::new()
            .role("database")
            .phase("install", phase(install_postgres))
            .phase("configure", phase(configure));
        service_phases(spec, |plan| Ok(service(plan.settings_of::<Postgres>()?.version(plan)?)))
    }
}

/// The first lines are those of the distribution.
const ACCESS: &str = "# Written by Pallet; changes made here are lost.
local all postgres peer
local all all peer
host all all 127.0.0.1/32 scram-sha-256
host all all ::1/128 scram-sha-256
local replication all peer
host replication all 127.0.0.1/32 scram-sha-256
host replication all ::1/128 scram-sha-256
";

fn service(version: u8) -> String {
    format!("postgresql@{version}-main")
}

fn install_postgres(plan: &mut Plan<'_>) -> Result<(), PlanError> {
    needs_debian(plan, Postgres::NAME)?;
    let version = plan.settings_of::<Postgres>()?.version(plan)?;
    install(plan, [format!("postgresql-{version}").as_str()])
}

fn configure(plan: &mut Plan<'_>) -> Result<(), PlanError> {
    let settings = plan.settings_of::<Postgres>()?;
    let version = settings.version(plan)?;
    let folder = format!("/etc/postgresql/{version}/main");
    let files = [
        (format!("{folder}/conf.d/pallet.conf"), settings.options().or_wrong(plan)?),
        (format!("{folder}/pg_hba.conf"), settings.access().or_wrong(plan)?),
    ];
    let mut changed = Vec::new();
    for (path, text) in files {
        let file = RemoteFile::new(&path)
            .and_then(|file| file.content(text).owner("postgres")?.group("postgres")?.mode("0640"))
            .or_wrong(plan)?;
        changed.push(plan.action(file));
    }
    // What it makes of the files, it says without starting.
    let check = format!(
        "runuser -u postgres -- /usr/lib/postgresql/{version}/bin/postgres -C port \
         -D /var/lib/postgresql/{version}/main -c config_file={folder}/postgresql.conf >/dev/null"
    );
    let daemon = Daemon {
        krate: Postgres::NAME,
        service: &service(version),
        reads: &folder,
        check: &check,
        restarts: true,
        // `start.conf` says which clusters start, and a generator of systemd's reads it.
        starts_with_machine: false,
    };
    daemon.settle(plan, &changed.iter().collect::<Vec<_>>())?;
    for (name, role) in &settings.roles {
        let action = sql::role(plan, settings.port, name, role)?;
        plan.action(action);
    }
    for (name, database) in &settings.databases {
        let action = sql::database(plan, settings.port, name, database)?;
        plan.action(action);
    }
    Ok(())
}

impl Settings {
    /// The version that the node has, or gets.
    fn version(&self, plan: &Plan<'_>) -> Result<u8, PlanError> {
        if let Some(version) = self.version {
            return Ok(version);
        }
        let facts = &plan.target().facts;
        match (facts.os.as_str(), facts.os_version.as_str()) {
            ("debian", "11") => Ok(13),
            ("debian", "12") | ("", _) => Ok(15),
            ("debian", "13") => Ok(17),
            ("ubuntu", "22.04") => Ok(14),
            ("ubuntu", "24.04") => Ok(16),
            (os, version) => {
                let message = format!("the version of PostgreSQL on {os} {version} is not known");
                Err(plan.error(message).help("set `settings.postgres.version`"))
            }
        }
    }

    fn options(&self) -> Result<String, String> {
        let mut text = String::from("# Written by Pallet; changes made here are lost.\n");
        let own = [("listen_addresses", self.listen_addresses.clone())];
        let own = own.into_iter().chain([("port", self.port.to_string())]);
        let given = self.options.iter().map(|(name, value)| (name.as_str(), value.clone()));
        for (name, value) in own.chain(given) {
            let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_.".contains(&byte);
            if name.is_empty() || !name.bytes().all(is_word) || value.contains(['\n', '\0']) {
                return Err(format!("`{name} = {value}` is no option of PostgreSQL"));
            }
            text.push_str(&format!("{name} = '{}'\n", value.replace('\'', "''")));
        }
        Ok(text)
    }

    fn access(&self) -> Result<String, String> {
        let mut text = String::from(ACCESS);
        for line in &self.access {
            if line.contains('\n') || line.split_whitespace().count() < 4 {
                return Err(format!(
                    "`{line}` is no line of pg_hba.conf: write type, database, role, address and \
                     method"
                ));
            }
            text.push_str(&format!("{line}\n"));
        }
        Ok(text)
    }
}
