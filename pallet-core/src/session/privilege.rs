//! Becoming root, or another user.

use std::borrow::Cow;

use super::SessionError;
use crate::login::Login;
use crate::secret::Secret;
use crate::shell;

/// How a session's bash is started.
pub(super) struct Invocation<'a> {
    login: &'a Login,
    route: Route<'a>,
    prompt: String,
}

enum Route<'a> {
    /// As the login itself.
    Direct,
    /// Root becoming another user; needs no sudo.
    Runuser { user: &'a str },
    /// Through sudo, which must not ask.
    Sudo { user: &'a str },
    /// Through sudo, which may ask for this.
    SudoAsking { user: &'a str, password: &'a Secret },
}

impl<'a> Invocation<'a> {
    /// `prompt` is what sudo is told to ask with: random, so that nothing else can look like it,
    /// and no secret, since it stands in sudo's argument list.
    pub fn new(login: &'a Login, as_user: Option<&'a str>, prompt: String) -> Self {
        let is_root = login.username == "root";
        // Working as somebody else is said more explicitly than working without sudo.
        let route = match as_user.or(login.sudo_user.as_deref()) {
            Some(user) if user == login.username => Route::Direct,
            None if is_root || login.no_sudo => Route::Direct,
            Some(user) if is_root => Route::Runuser { user },
            other => {
                let user = other.unwrap_or("root");
                match login.sudo_secret() {
                    Some(password) => Route::SudoAsking { user, password },
                    None => Route::Sudo { user },
                }
            }
        };
        Self { login, route, prompt }
    }

    pub fn command(&self, runtime: &str) -> String {
        let runtime = match self.route {
            // runuser leaves the variables of root; an unset HOME makes `~` the account's own.
            Route::Runuser { user } => {
                let user = shell::quote(user);
                let set = format!(
                    "unset HOME; HOME=~ USER={user} LOGNAME={user}; export HOME USER LOGNAME"
                );
                Cow::Owned(format!("{set}\n{runtime}"))
            }
            _ => Cow::Borrowed(runtime),
        };
        let bash = ["bash", "-c", &runtime, "pallet"];
        let route: Vec<&str> = match self.route {
            Route::Direct => Vec::new(),
            Route::Runuser { user } => vec!["runuser", "-u", user, "--"],
            Route::Sudo { user } => vec!["sudo", "-n", "-H", "-u", user, "--"],
            Route::SudoAsking { user, .. } => {
                vec!["sudo", "-k", "-S", "-H", "-p", &self.prompt, "-u", user, "--"]
            }
        };
        shell::command(route.into_iter().chain(bash))
    }

    /// sudo's prompt and the answer, where it may ask.
    pub fn prompt(&self) -> Option<(&str, &Secret)> {
        match self.route {
            Route::SudoAsking { password, .. } => Some((&self.prompt, password)),
            _ => None,
        }
    }

    pub fn username(&self) -> &str {
        &self.login.username
    }

    /// Turns an early end into what it means.
    pub fn explain(&self, error: SessionError, stderr: &str) -> SessionError {
        let SessionError::Ended { reason } = error else { return error };
        let reason = if stderr.is_empty() { reason } else { stderr.to_owned() };
        let speaks_sudo = reason.contains("sudo:") || reason.contains("sudoers");
        match self.route {
            Route::Sudo { .. } | Route::SudoAsking { .. } if speaks_sudo => {
                SessionError::SudoRefused { username: self.login.username.clone(), reason }
            }
            _ => SessionError::NotStarted { reason },
        }
    }
}
