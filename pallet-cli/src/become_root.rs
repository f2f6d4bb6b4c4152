//! Commands of root's over a connection of somebody else's.

use pallet_core::login::Login;
use pallet_core::shell;
use pallet_core::transport::{Output as Said, Process, Transport};

/// Why something could not be done on a node, and what to do about it.
pub type Trouble = (String, Option<String>);

/// Starts a command.
pub async fn start(transport: &dyn Transport, command: &str) -> Result<Process, Trouble> {
    transport.exec(command).await.map_err(|error| (error.to_string(), error.help()))
}

/// The command as root's, and what has to be written to it first. Whether sudo asks is looked at
/// before: a password that nobody asks for would be read by the command.
pub async fn as_root(
    transport: &dyn Transport,
    login: &Login,
    command: &str,
) -> Result<(String, String), Trouble> {
    if login.username == "root" || login.no_sudo {
        return Ok((command.to_owned(), String::new()));
    }
    let mut look = start(transport, "sudo -k -n true 2>/dev/null").await?;
    let _ = tokio::io::AsyncWriteExt::shutdown(&mut look.stdin).await;
    let mut asks = true;
    while let Some(said) = look.output.recv().await {
        match said {
            Said::Exit(code) => asks = code != 0,
            Said::Lost(error) => return Err((error.to_string(), error.help())),
            Said::Stdout(_) | Said::Stderr(_) => {}
        }
    }
    if !asks {
        let sudo = ["sudo", "-n", "-H", "--", "sh", "-c", command];
        return Ok((shell::command(sudo), String::new()));
    }
    let Some(password) = login.sudo_secret() else {
        let why = format!("sudo asks {} for a password, and none is known", login.username);
        let help = "give [admin-user] a `sudo-password`, or let sudo ask for none";
        return Err((why, Some(help.to_owned())));
    };
    let password = password.reveal().map_err(|error| (error.to_string(), error.help()))?;
    let sudo = ["sudo", "-k", "-S", "-p", "", "-H", "--", "sh", "-c", command];
    Ok((shell::command(sudo), format!("{password}\n")))
}
