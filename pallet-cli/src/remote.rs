//! Commands over a connection to a node, as root's too.

use pallet_core::login::Login;
use pallet_core::shell;
use pallet_core::transport::{Output as Said, Process, Transport};
use tokio::io::AsyncWriteExt;

/// Why something could not be done on a node, and what to do about it.
pub type Trouble = (String, Option<String>);

/// Starts a command.
pub async fn start(transport: &dyn Transport, command: &str) -> Result<Process, Trouble> {
    transport.exec(command).await.map_err(|error| (error.to_string(), error.help()))
}

/// Runs a command: its exit status, and what it writes.
pub async fn said(
    transport: &dyn Transport,
    command: &str,
    input: &str,
) -> Result<(u32, String, String), Trouble> {
    let mut process = start(transport, command).await?;
    // One that ends early may have closed its end already.
    let _ = process.stdin.write_all(input.as_bytes()).await;
    let _ = process.stdin.shutdown().await;
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    loop {
        match process.output.recv().await {
            Some(Said::Stdout(bytes)) => stdout.extend(bytes),
            Some(Said::Stderr(bytes)) => stderr.extend(bytes),
            Some(Said::Exit(code)) => {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                return Ok((code, text(&stdout), text(&stderr)));
            }
            Some(Said::Lost(error)) => return Err((error.to_string(), error.help())),
            None => return Err(("its end was not reported".to_owned(), None)),
        }
    }
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
    let (status, _, _) = said(transport, "sudo -k -n true", "").await?;
    if status == 0 {
        let sudo = ["sudo", "-n", "-H", "--", "sh", "-c", command];
        return Ok((shell::command(sudo), String::new()));
    }
    let Some(password) = login.sudo_secret() else {
        let why = format!("sudo asks {} for a password, and none is known", login.username);
        let help = "give [admin-user] a `sudo-password`, or let sudo ask for none";
        return Err((why, Some(help.to_owned())));
    };
    let password = password.reveal().map_err(|error| (error.to_string(), Some(error.help())))?;
    let sudo = ["sudo", "-k", "-S", "-p", "", "-H", "--", "sh", "-c", command];
    Ok((shell::command(sudo), format!("{password}\n")))
}
