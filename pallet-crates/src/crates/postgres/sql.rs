//! Roles and databases: what is said to the server.

use pallet_core::plan::{Plan, PlanError};
use pallet_core::secret::Secret;
use pallet_core::shell;

use super::super::support::{OrWrong, reveal};
use super::{Database, Role};
use crate::actions::ExecScript;

/// Says SQL to the server, as its owner, who needs no password on the node itself: `say "$SQL"`.
fn say(port: u16) -> String {
    format!(
        "cd /; say() {{ printf '%s\\n' \"$1\" | \
         runuser -u postgres -- psql -X -q -A -t -v ON_ERROR_STOP=1 -p {port} -d postgres; }}\n"
    )
}

/// A role that is there, with its rights and its password.
pub(super) fn role(
    plan: &Plan<'_>,
    port: u16,
    name: &str,
    role: &Role,
) -> Result<ExecScript, PlanError> {
    check_name(plan, name, "a role")?;
    let word = |is: bool, word: &str| if is { word.to_owned() } else { format!("NO{word}") };
    let rights = [
        word(role.login, "LOGIN"),
        word(role.superuser, "SUPERUSER"),
        word(role.createdb, "CREATEDB"),
        word(role.createrole, "CREATEROLE"),
    ];
    let say = say(port);
    let mut is_right = format!(
        "[ \"$(say {})\" = 1 ]",
        shell::quote(&format!(
            "SELECT 1 FROM pg_roles WHERE rolname = '{name}' AND rolcanlogin = {} \
             AND rolsuper = {} AND rolcreatedb = {} AND rolcreaterole = {};",
            role.login, role.superuser, role.createdb, role.createrole
        ))
    );
    // CREATE ROLE has no IF NOT EXISTS.
    let mut sql = format!(
        "DO $$ BEGIN CREATE ROLE \"{name}\"; EXCEPTION WHEN duplicate_object THEN NULL; END $$;\n\
         ALTER ROLE \"{name}\" {};\n",
        rights.join(" ")
    );
    let mut password = None;
    if let Some(text) = &role.password {
        let text = reveal(plan, text)?;
        if text.contains(['\0', '\n']) {
            return Err(plan.error(format!("the password of role `{name}` has several lines")));
        }
        // The statement would be in the server's log if that writes down all of them.
        sql.insert_str(0, "SET log_statement = 'none';\n");
        sql.push_str(&format!("ALTER ROLE \"{name}\" PASSWORD {};\n", quoted(text)));
        if role.login {
            is_right.push_str(&format!(
                " && PGPASSWORD=$PASSWORD psql -X -w -h 127.0.0.1 -p {port} -U {name} -d postgres \
                 -c 'SELECT 1'"
            ));
            password = Some(Secret::new(text));
        }
    }
    let action = ExecScript::new(format!("set -e -o pipefail\n{say}say \"$SQL\"\n"))
        .name(format!("postgres role {name}"))
        .env("SQL", Secret::new(sql))
        .unless(format!("{say}{is_right}"))
        .read_only_guards()
        .affects("/var/lib/postgresql")
        .or_wrong(plan)?;
    Ok(match password {
        Some(password) => action.env("PASSWORD", password),
        None => action,
    })
}

/// A database that is there, with its owner and what others may do with it.
pub(super) fn database(
    plan: &Plan<'_>,
    port: u16,
    name: &str,
    database: &Database,
) -> Result<ExecScript, PlanError> {
    check_name(plan, name, "a database")?;
    let owner = database.owner.as_deref().unwrap_or("postgres");
    check_name(plan, owner, "a role")?;
    let is_there = format!("SELECT 1 FROM pg_database WHERE datname = '{name}'");
    let mut conditions = vec![format!("pg_get_userbyid(datdba) = '{owner}'")];
    let mut sql = format!("ALTER DATABASE \"{name}\" OWNER TO \"{owner}\";\n");
    for (role, privileges) in &database.grants {
        check_name(plan, role, "a role")?;
        let mut all = Vec::new();
        for privilege in privileges {
            match privilege.to_uppercase().as_str() {
                "ALL" => all.extend(["CONNECT", "CREATE", "TEMPORARY"]),
                "CONNECT" => all.push("CONNECT"),
                "CREATE" => all.push("CREATE"),
                "TEMPORARY" | "TEMP" => all.push("TEMPORARY"),
                _ => {
                    let error =
                        plan.error(format!("`{privilege}` cannot be granted on a database"));
                    return Err(error.help("use CONNECT, CREATE, TEMPORARY or ALL"));
                }
            }
        }
        for privilege in &all {
            conditions.push(format!("has_database_privilege('{role}', datname, '{privilege}')"));
        }
        if !all.is_empty() {
            let list = all.join(", ");
            sql.push_str(&format!("GRANT {list} ON DATABASE \"{name}\" TO \"{role}\";\n"));
        }
    }
    let is_right = format!("{is_there} AND {};", conditions.join(" AND "));
    let say = say(port);
    // CREATE DATABASE has no IF NOT EXISTS, and cannot be part of a block.
    let script = format!(
        "set -e -o pipefail\n{say}\
         [ \"$(say {})\" = 1 ] || say 'CREATE DATABASE \"{name}\";'\nsay \"$SQL\"\n",
        shell::quote(&format!("{is_there};"))
    );
    let action = ExecScript::new(script)
        .name(format!("postgres database {name}"))
        .env("SQL", sql)
        .unless(format!("{say}[ \"$(say {})\" = 1 ]", shell::quote(&is_right)))
        .read_only_guards()
        .affects("/var/lib/postgresql");
    action.or_wrong(plan)
}

/// A text of SQL.
fn quoted(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

fn check_name(plan: &Plan<'_>, name: &str, what: &str) -> Result<(), PlanError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if !name.is_empty() && !name.starts_with('-') && name.bytes().all(is_plain) {
        return Ok(());
    }
    Err(plan.error(format!("`{name}` cannot be the name of {what}")))
}
