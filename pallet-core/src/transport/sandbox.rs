//! Sandboxes as nodes: into their namespaces, without an sshd.

use std::fs;

use async_trait::async_trait;

use super::{Process, Transport, TransportError, child};
use crate::compute::sandbox::{Holder, capabilities};
use crate::login::Login;
use crate::shell::quote;

/// Where users' programs are, as sshd has it.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// Where root's are.
const ROOT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs programs in a sandbox as one of its accounts, as sshd would: through `sh`, in the account's
/// home folder, with a clean environment.
#[derive(Debug)]
pub struct SandboxTransport {
    node: String,
    holder: Holder,
    account: Account,
    capabilities: String,
}

/// A line of the sandbox's `/etc/passwd`.
#[derive(Debug, PartialEq, Eq)]
struct Account {
    name: String,
    user: u32,
    group: u32,
    home: String,
    shell: String,
}

impl SandboxTransport {
    /// Enters a sandbox as `login`. Nothing has to be proven: who may enter is root already.
    pub(crate) fn enter(
        node: &str,
        holder: Holder,
        login: &Login,
        owns_network: bool,
    ) -> Result<Self, TransportError> {
        let passwd = fs::read_to_string(holder.root().join("etc/passwd")).map_err(|error| {
            TransportError::Lost { endpoint: node.to_owned(), reason: error.to_string() }
        })?;
        let account = account(&passwd, &login.username).ok_or_else(|| {
            TransportError::NoAccount { node: node.to_owned(), username: login.username.clone() }
        })?;
        let capabilities = capabilities(owns_network);
        Ok(Self { node: node.to_owned(), holder, account, capabilities })
    }

    /// The program that enters the sandbox and runs a command there.
    fn command(&self, command: &str) -> std::process::Command {
        let Account { name, user, group, home, shell } = &self.account;
        let path = if *user == 0 { ROOT_PATH } else { PATH };
        let mut enter = std::process::Command::new("nsenter");
        enter
            .arg(format!("--target={}", self.holder.pid()))
            .args(["--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd"])
            .args(["env", "-i"])
            .args([format!("PATH={path}").as_str(), "LANG=C.UTF-8"])
            .args([format!("USER={name}"), format!("LOGNAME={name}")])
            .args([format!("HOME={home}"), format!("SHELL={shell}")])
            // Rights first: what is left of them decides what the account can have.
            .args(["setpriv", &format!("--bounding-set={}", self.capabilities), "--inh-caps=-all"])
            .args([
                format!("--reuid={user}"),
                format!("--regid={group}"),
                "--init-groups".to_owned(),
            ])
            .args([
                "sh",
                "-c",
                r#"cd 2>/dev/null || cd /; unset OLDPWD; exec sh -c "$1""#,
                "sh",
                command,
            ]);
        enter
    }
}

#[async_trait]
impl Transport for SandboxTransport {
    async fn exec(&self, command: &str) -> Result<Process, TransportError> {
        if !self.holder.is_alive() {
            return Err(TransportError::Lost {
                endpoint: self.node.clone(),
                reason: "the sandbox has ended".to_owned(),
            });
        }
        child::start(self.command(command).into(), &self.node)
    }

    fn terminal(&self, command: Option<&str>) -> Option<std::process::Command> {
        let term = std::env::var("TERM").unwrap_or_else(|_| "dumb".to_owned());
        let shell = format!("TERM={} exec {} -l", quote(&term), quote(&self.account.shell));
        Some(self.command(command.unwrap_or(&shell)))
    }

    async fn close(&self) {}
}

/// Finds an account in the text of a passwd file.
fn account(passwd: &str, name: &str) -> Option<Account> {
    let mut lines = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let fields = lines.find(|fields| fields.first() == Some(&name))?;
    let text = |field: usize| fields.get(field).map(|value| (*value).to_owned());
    Some(Account {
        name: text(0)?,
        user: fields.get(2)?.parse().ok()?,
        group: fields.get(3)?.parse().ok()?,
        home: text(5)?,
        shell: text(6).filter(|shell| !shell.is_empty()).unwrap_or_else(|| "/bin/sh".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_found_by_their_whole_name() {
        let passwd = "rooter:x:1:1:::\nroot:x:0:0:root:/root:/bin/bash\nodd\n";
        let root = account(passwd, "root").unwrap();
        assert_eq!((root.user, root.home.as_str(), root.shell.as_str()), (0, "/root", "/bin/bash"));
        assert_eq!(account(passwd, "rooter").unwrap().shell, "/bin/sh");
        assert_eq!(account(passwd, "roo"), None);
        assert_eq!(account(passwd, "odd"), None);
    }
}
