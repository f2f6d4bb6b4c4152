//! SSH on this side: the program, keys, the agent.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use pallet_core::login::Login;
use tokio::process::Command;

use super::{Finding, State};

const AREA: &str = "ssh";

/// Looks at them.
pub(super) async fn look(admin: Option<Login>, limit: Duration) -> Vec<Finding> {
    let mut findings = vec![program(limit).await];
    let agent = agent(limit).await;
    let named = admin.as_ref().and_then(|admin| admin.private_key_path.clone());
    let has_other_way = admin.is_some_and(|it| it.password.is_some() || it.private_key.is_some());
    match named {
        Some(key) => findings.push(key_file(&key, State::Problem)),
        None => {
            let keys = usual_keys();
            if keys.is_empty() && !agent.1 && !has_other_way {
                findings.push(Finding::bad(
                    State::Warning,
                    AREA,
                    "keys",
                    "there is none in ~/.ssh, and no agent has one: nodes can only be logged in to \
                     with passwords",
                    "`ssh-keygen -t ed25519` makes one",
                ));
            }
            findings.extend(keys.iter().map(|key| key_file(key, State::Warning)));
        }
    }
    findings.push(agent.0);
    findings
}

async fn program(limit: Duration) -> Finding {
    let mut ssh = Command::new("ssh");
    let version = output(ssh.arg("-V"), limit).await;
    match version {
        Ok((_, text)) => Finding::fine(AREA, format!("program: {}", text.trim())),
        Err(reason) => Finding::bad(
            State::Warning,
            AREA,
            "program",
            reason,
            "install OpenSSH's client; only `pallet ssh` needs it",
        ),
    }
}

/// What is to be said of the agent, and whether it has a key.
async fn agent(limit: Duration) -> (Finding, bool) {
    if std::env::var_os("SSH_AUTH_SOCK").is_none_or(|socket| socket.is_empty()) {
        return (Finding::fine(AREA, "agent: none is used (SSH_AUTH_SOCK is not set)"), false);
    }
    let bad =
        |reason: String, remedy: &str| Finding::bad(State::Warning, AREA, "agent", reason, remedy);
    match output(Command::new("ssh-add").arg("-l"), limit).await {
        Ok((Some(0), text)) => {
            (Finding::fine(AREA, format!("agent: {} keys", text.lines().count())), true)
        }
        Ok((Some(1), _)) => (bad("it has no keys".to_owned(), "`ssh-add` gives it yours"), false),
        Ok((_, text)) => {
            let remedy = "start it anew, or unset SSH_AUTH_SOCK";
            (bad(format!("it does not answer: {}", text.trim()), remedy), false)
        }
        Err(reason) => (bad(reason, "look whether it hangs, or unset SSH_AUTH_SOCK"), false),
    }
}

/// Runs a program to its end: its exit code, and what it said.
async fn output(command: &mut Command, limit: Duration) -> Result<(Option<i32>, String), String> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let running = command.stdin(Stdio::null()).kill_on_drop(true).output();
    match tokio::time::timeout(limit, running).await {
        Ok(Ok(output)) => {
            let said = [output.stdout, output.stderr].concat();
            Ok((output.status.code(), String::from_utf8_lossy(&said).into_owned()))
        }
        Ok(Err(error)) => Err(format!("cannot start `{name}`: {error}")),
        Err(_) => Err(format!("`{name}` did not end within {} s", limit.as_secs())),
    }
}

fn usual_keys() -> Vec<PathBuf> {
    let Some(home) = std::env::home_dir() else { return Vec::new() };
    let names = ["id_ed25519", "id_ecdsa", "id_rsa"];
    let files = names.map(|name| home.join(".ssh").join(name));
    files.into_iter().filter(|file| file.is_file()).collect()
}

fn key_file(file: &Path, missing: State) -> Finding {
    let what = format!("key {}", file.display());
    let mode = match fs::metadata(file) {
        Ok(found) => found.permissions().mode(),
        Err(error) => {
            let remedy = "check [admin-user] private-key-path, or make it with `ssh-keygen`";
            return Finding::bad(missing, AREA, what, error.to_string(), remedy);
        }
    };
    if mode & 0o077 != 0 {
        let remedy = format!("`chmod 600 {}`", file.display());
        return Finding::bad(
            State::Warning,
            AREA,
            what,
            "others may read it, and OpenSSH does not use such keys",
            remedy,
        );
    }
    Finding::fine(AREA, what)
}
