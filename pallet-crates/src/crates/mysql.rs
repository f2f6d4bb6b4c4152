//! The crates `mysql` and `mariadb`.

mod sql;

use std::collections::BTreeMap;

use pallet_core::crates::Crate;
use pallet_core::facts::Facts;
use pallet_core::plan::{Plan, PlanError};
use pallet_core::secret::MaybeSecret;
use pallet_core::spec::ServerSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::support::{Daemon, OrWrong, install, needs_debian, phase, service_phases};
use crate::actions::RemoteFile;

/// The release's own MySQL server, with databases and users: MariaDB on Debian, MySQL on Ubuntu.
///
/// Passwords travel beside the scripts, into the server's standard input, and are in no argument
/// list and no log. A user's password, and what the user may do, are repaired where they differ.
/// (A password of MySQL's can be tried only for users who may log in from the node itself; that of
/// others is set when they are made.) Databases and users that are not named stay.
///
/// ```toml
/// [server-spec.database]
/// extends = ["mysql"]
///
/// [server-spec.database.settings.mysql]
/// bind-address  = "0.0.0.0"
/// options       = { max_connections = "200" }
/// databases.app = {}
/// users.app     = { host = "%", password = "for-the-lab-only", grants = { app = ["ALL"] } }
/// ```
#[derive(Debug)]
pub struct Mysql;

/// MariaDB on every release; otherwise as [`Mysql`].
///
/// ```toml
/// [server-spec.database]
/// extends = ["mariadb"]
/// settings.mariadb = { databases.app = {}, users.app = { grants = { app = ["SELECT"] } } }
/// ```
#[derive(Debug)]
pub struct Mariadb;

/// What the crates `mysql` and `mariadb` can be told.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// The address that is listened on. Default: `127.0.0.1`.
    pub bind_address: String,
    /// The port. Default: 3306.
    pub port: u16,
    /// Options of the section `mysqld`, under the server's own names. Default: none.
    pub options: BTreeMap<String, String>,
    /// Databases by name. Default: none.
    pub databases: BTreeMap<String, Database>,
    /// Users by name. Default: none.
    pub users: BTreeMap<String, DatabaseUser>,
}

/// A database.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Database {
    /// The character set of a new one. Default: the server's.
    pub character_set: Option<String>,
    /// The collation of a new one. Default: the server's.
    pub collation: Option<String>,
    /// SQL that fills a new one. Default: nothing.
    pub init: Option<String>,
}

/// A user of databases.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DatabaseUser {
    /// Where the user may come from; `%` is everywhere. Default: `localhost`.
    pub host: String,
    /// The password. Default: none, so that nobody can log in with one.
    pub password: Option<MaybeSecret>,
    /// What the user may do, by database; `*` is all of them, for which nothing is ever taken away.
    /// `ALL` stands alone. Default: nothing is added.
    pub grants: BTreeMap<String, Vec<String>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bind_address: "127.0.0.1".to_owned(),
            port: 3306,
            options: BTreeMap::new(),
            databases: BTreeMap::new(),
            users: BTreeMap::new(),
        }
    }
}

impl Default for DatabaseUser {
    fn default() -> Self {
        Self { host: "localhost".to_owned(), password: None, grants: BTreeMap::new() }
    }
}

impl Crate for Mysql {
    const NAME: &'static str = "mysql";
    const SUMMARY: &'static str = "The release's MySQL server, with databases and users.";
    const EXAMPLE: &'static str = r#"[server-spec.database]
extends = ["mysql"]

[server-spec.database.settings.mysql]
bind-address  = "0.0.0.0"
options       = { max_connections = "200" }
databases.app = {}
users.app     = { host = "%", password = "for-the-lab-only", grants = { app = ["ALL"] } }
"#;
    type Settings = Settings;

    fn server_spec() -> ServerSpec {
        spec::<Mysql>(Flavour::of)
    }
}

impl Crate for Mariadb {
    const NAME: &'static str = "mariadb";
    const SUMMARY: &'static str = "MariaDB, with databases and users.";
    const EXAMPLE: &'static str = r#"[server-spec.database]
extends = ["mariadb"]
settings.mariadb = { databases.app = {}, users.app = { grants = { app = ["SELECT"] } } }
"#;
    type Settings = Settings;

    fn server_spec() -> ServerSpec {
        spec::<Mariadb>(|_| Flavour::Mariadb)
    }
}

/// Whose server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flavour {
    Mariadb,
    Mysql,
}

impl Flavour {
    /// What the release has.
    fn of(facts: &Facts) -> Self {
        if facts.is_of_family("ubuntu") { Self::Mysql } else { Self::Mariadb }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Mariadb => "mariadb",
            Self::Mysql => "mysql",
        }
    }
}

fn spec<C: Crate<Settings = Settings>>(flavour: fn(&Facts) -> Flavour) -> ServerSpec {
    let of = move |plan: &Plan<'_>| flavour(&plan.target().facts);
    let spec = ServerSpec::new()
        .role("database")
        .phase(
            "install",
            phase(move |plan| {
                needs_debian(plan, C::NAME)?;
                install(plan, [format!("{}-server", of(plan).name()).as_str()])
            }),
        )
        .phase("configure", phase(move |plan| configure::<C>(plan, of(plan))));
    service_phases(spec, move |plan| Ok(of(plan).name().to_owned()))
}

fn configure<C: Crate<Settings = Settings>>(
    plan: &mut Plan<'_>,
    flavour: Flavour,
) -> Result<(), PlanError> {
    let settings = plan.settings_of::<C>()?;
    let text = settings.text().or_wrong(plan)?;
    // Its name makes it the last of the folder: of several values the last one counts.
    let path = match flavour {
        Flavour::Mariadb => "/etc/mysql/mariadb.conf.d/99-pallet.cnf",
        Flavour::Mysql => "/etc/mysql/mysql.conf.d/zz-pallet.cnf",
    };
    let file = RemoteFile::new(path)
        .and_then(|file| file.content(text).owner("root")?.mode("0644"))
        .or_wrong(plan)?;
    let file = plan.action(file);
    let check = match flavour {
        Flavour::Mariadb => "mariadbd --help --verbose >/dev/null",
        Flavour::Mysql => "mysqld --validate-config --user=mysql",
    };
    let daemon = Daemon {
        krate: C::NAME,
        service: flavour.name(),
        reads: "/etc/mysql",
        check,
        restarts: true,
        starts_with_machine: true,
    };
    daemon.settle(plan, &[&file])?;
    for (name, database) in &settings.databases {
        let action = sql::database(plan, flavour, name, database)?;
        plan.action(action);
    }
    for (name, user) in &settings.users {
        let action = sql::user(plan, flavour, name, user)?;
        plan.action(action);
    }
    Ok(())
}

impl Settings {
    fn text(&self) -> Result<String, String> {
        let mut text = format!(
            "# Written by Pallet; changes made here are lost.\n[mysqld]\nbind-address = {}\n\
             port = {}\n",
            self.bind_address, self.port
        );
        for (name, value) in &self.options {
            let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
            if name.is_empty() || !name.bytes().all(is_word) || value.contains(['\n', '\0']) {
                return Err(format!("`{name} = {value}` is no option of the server"));
            }
            text.push_str(&format!("{name} = {value}\n"));
        }
        Ok(text)
    }
}
