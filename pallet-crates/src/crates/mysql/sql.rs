//! Databases and users: what is said to the server.

use pallet_core::plan::{Plan, PlanError};
use pallet_core::secret::Secret;
use pallet_core::shell;

use super::super::support::{OrWrong, reveal};
use super::{Database, DatabaseUser, Flavour};
use crate::actions::ExecScript;

/// Says SQL to the server, as its root, who needs no password on the node itself: `say "$SQL"`.
const SAY: &str = "say() { printf '%s\\n' \"$1\" | \
                   $(command -v mariadb || command -v mysql) --batch --skip-column-names; }\n";

/// A database that is there.
pub(super) fn database(
    plan: &Plan<'_>,
    flavour: Flavour,
    name: &str,
    database: &Database,
) -> Result<ExecScript, PlanError> {
    check_name(plan, name, "a database", b"_")?;
    let mut sql = format!("CREATE DATABASE IF NOT EXISTS `{name}`");
    for (words, value) in
        [("CHARACTER SET", &database.character_set), ("COLLATE", &database.collation)]
    {
        if let Some(value) = value {
            check_name(plan, value, "a character set or collation", b"_")?;
            sql.push_str(&format!(" {words} {value}"));
        }
    }
    sql.push_str(";\n");
    if let Some(init) = &database.init {
        sql.push_str(&format!("USE `{name}`;\n{init}\n"));
    }
    let is_there =
        format!("SELECT 1 FROM information_schema.schemata WHERE schema_name = '{name}';");
    let action = ExecScript::new(format!("set -e -o pipefail\n{SAY}say \"$SQL\"\n"))
        .name(format!("{} database {name}", flavour.name()))
        .env("SQL", sql)
        .unless(format!("{SAY}[ \"$(say {})\" = 1 ]", shell::quote(&is_there)))
        .read_only_guards()
        .affects("/var/lib/mysql");
    action.or_wrong(plan)
}

/// A user with a password and rights.
pub(super) fn user(
    plan: &Plan<'_>,
    flavour: Flavour,
    name: &str,
    user: &DatabaseUser,
) -> Result<ExecScript, PlanError> {
    check_name(plan, name, "a user", b"_-.")?;
    check_name(plan, &user.host, "a host", b"_-.:%/")?;
    let account = format!("'{name}'@'{}'", user.host);
    let mut sql = String::new();
    let mut is_right = format!(
        "[ \"$(say \"SELECT 1 FROM mysql.user WHERE User = '{name}' AND Host = '{}';\")\" = 1 ]",
        user.host
    );
    let mut action_env = Vec::new();
    match &user.password {
        None => sql.push_str(&format!("CREATE USER IF NOT EXISTS {account};\n")),
        Some(password) => {
            let password = reveal(plan, password)?;
            if password.contains(['\0', '\n']) {
                return Err(plan.error(format!("the password of {account} has several lines")));
            }
            let text = quoted(password);
            sql.push_str(&format!(
                "CREATE USER IF NOT EXISTS {account} IDENTIFIED BY {text};\n\
                 ALTER USER {account} IDENTIFIED BY {text};\n"
            ));
            if let Some((code, name, value)) = has_password(flavour, name, &user.host, password) {
                is_right.push_str(&code);
                action_env.push((name, Secret::new(value)));
            }
        }
    }
    for (database, privileges) in &user.grants {
        let grant = Grant::new(plan, database, privileges)?;
        sql.push_str(&grant.sql(&account));
        is_right.push_str(&grant.check(&account, flavour));
    }
    let mut action = ExecScript::new(format!("set -e -o pipefail\n{SAY}say \"$SQL\"\n"))
        .name(format!("{} user {account}", flavour.name()))
        .env("SQL", Secret::new(sql))
        .unless(format!("{SAY}{is_right}"))
        .read_only_guards()
        .affects("/var/lib/mysql")
        .or_wrong(plan)?;
    for (name, value) in action_env {
        action = action.env(name, value);
    }
    Ok(action)
}

/// Code that succeeds if the password is right, with the variable that it needs.
fn has_password(
    flavour: Flavour,
    name: &str,
    host: &str,
    password: &str,
) -> Option<(String, &'static str, String)> {
    match flavour {
        // MariaDB can say itself what it would store.
        Flavour::Mariadb => Some((
            " && [ \"$(say \"$HAS_PASSWORD\")\" = 1 ]".to_owned(),
            "HAS_PASSWORD",
            format!(
                "SELECT JSON_VALUE(Priv, '$.authentication_string') = PASSWORD({}) \
                 FROM mysql.global_priv WHERE User = '{name}' AND Host = '{host}';",
                quoted(password)
            ),
        )),
        // MySQL stores a password with salt: it has to be tried.
        Flavour::Mysql if ["localhost", "%"].contains(&host) => Some((
            " && mysql --defaults-extra-file=<(printf '%s\\n' \"$LOGIN\") -e 'SELECT 1'".to_owned(),
            "LOGIN",
            format!(
                "[client]\nuser={name}\npassword=\"{}\"",
                password.replace('\\', "\\\\").replace('"', "\\\"")
            ),
        )),
        Flavour::Mysql => None,
    }
}

/// What a user may do with a database.
struct Grant {
    /// As SQL writes it.
    on: String,
    privileges: Vec<String>,
}

impl Grant {
    fn new(plan: &Plan<'_>, database: &str, privileges: &[String]) -> Result<Self, PlanError> {
        let on = match database {
            "*" => "*.*".to_owned(),
            name => {
                check_name(plan, name, "a database", b"_")?;
                format!("`{name}`.*")
            }
        };
        let mut all = Vec::new();
        for privilege in privileges {
            let words = privilege.to_uppercase();
            let is_plain = |byte: u8| byte.is_ascii_uppercase() || b" ".contains(&byte);
            if words.is_empty() || !words.bytes().all(is_plain) {
                return Err(plan.error(format!("`{privilege}` is nothing that can be granted")));
            }
            all.push(if words == "ALL" { "ALL PRIVILEGES".to_owned() } else { words });
        }
        all.sort();
        all.dedup();
        if all.is_empty() {
            return Err(plan
                .error(format!("nothing is granted on `{database}`"))
                .help("list privileges such as `SELECT`, or `ALL`"));
        }
        Ok(Self { on, privileges: all })
    }

    /// What is not listed is taken away: it may have been listed before. Taking away is an error
    /// where nothing was given. What holds for all databases only grows: MySQL would take away what
    /// holds for single ones with it.
    fn sql(&self, account: &str) -> String {
        let Self { on, privileges } = self;
        let grant = format!("GRANT {} ON {on} TO {account};\n", privileges.join(", "));
        match self.is_global() {
            true => grant,
            false => format!("{grant}REVOKE ALL PRIVILEGES ON {on} FROM {account};\n{grant}"),
        }
    }

    fn is_global(&self) -> bool {
        self.on == "*.*"
    }

    /// Code that succeeds if the server says the same; it tells them in an order of its own.
    fn check(&self, account: &str, flavour: Flavour) -> String {
        let on = self.on.replace('*', "\\*").replace('.', "\\.");
        let told = format!(
            "say {} | sed -n {} | sed 's/, /\\n/g' | LC_ALL=C sort",
            shell::quote(&format!("SHOW GRANTS FOR {account};")),
            shell::quote(&format!("s/^GRANT \\(.*\\) ON {on} TO .*/\\1/p")),
        );
        // MySQL lists all that there are.
        let all = |word: &String| match (flavour, word.as_str()) {
            (Flavour::Mysql, "ALL PRIVILEGES") if self.is_global() => "SUPER".to_owned(),
            (_, word) => word.to_owned(),
        };
        let lines: Vec<String> = self.privileges.iter().map(all).collect();
        let wanted = lines.join("\n");
        let wanted = shell::quote(&wanted);
        match self.is_global() {
            true => {
                format!(" && [ -z \"$(LC_ALL=C comm -13 <({told}) <(printf '%s\\n' {wanted}))\" ]")
            }
            false => format!(" && [ \"$({told})\" = {wanted} ]"),
        }
    }
}

/// A text of SQL.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

fn check_name(plan: &Plan<'_>, name: &str, what: &str, further: &[u8]) -> Result<(), PlanError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || further.contains(&byte);
    if !name.is_empty() && name.bytes().all(is_plain) {
        return Ok(());
    }
    Err(plan.error(format!("`{name}` cannot be the name of {what}")))
}
