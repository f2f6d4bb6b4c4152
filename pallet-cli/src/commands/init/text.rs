//! The text of a first pallet.toml.

use super::Provider;
use crate::error::CliError;

/// What it shall describe.
pub(super) struct Wanted<'a> {
    pub(super) provider: Provider,
    /// Machines that exist.
    pub(super) hosts: &'a [String],
}

/// Writes it.
pub(super) fn of(wanted: &Wanted<'_>) -> Result<String, CliError> {
    let service = match wanted.provider {
        Provider::Sandbox => SANDBOX.to_owned(),
        Provider::Virtualbox => VIRTUALBOX.to_owned(),
        Provider::NodeList => node_list(wanted.hosts)?,
    };
    let count = match wanted.provider {
        Provider::NodeList => {
            "# Machines that exist are neither made nor destroyed: there is no `count`.\n"
        }
        _ => "count   = 2    # `pallet converge web=3` makes one more; web=0 destroys them all\n",
    };
    let node = match wanted.provider {
        Provider::Virtualbox => "node-spec = \"small\"\n",
        _ => "",
    };
    Ok(format!("{HEAD}\n{service}\n{SPECS}{node}{count}"))
}

const HEAD: &str = "\
# The machines of this project. `pallet plan` shows what would be done, and changes nothing;
# `pallet converge` does it; a second time there is nothing to do.
# `pallet explain ACTION` tells what a step can be told, `pallet schema` helps editors.
";

const SANDBOX: &str = "\
# Nodes are throw-away copies of this Linux machine, made of namespaces: they take 20 ms and root.
[service.sandbox]
provider = \"sandbox\"
";

const VIRTUALBOX: &str = "\
# Nodes are virtual machines. VirtualBox's web service has to run: `vboxwebsrv -t 0`; without
# passwords, on a machine of your own: `VBoxManage setproperty websrvauthlibrary null`.
[service.vbox]
provider = \"virtualbox\"
# url    = \"http://127.0.0.1:18083\"

# Of the images that `pallet images` lists, the newest Debian.
[node-spec.small]
image    = { os-family = \"debian\" }
hardware = { hardware-id = \"small\" }    # `pallet hardware` lists them
";

const SPECS: &str = "\
# What machines of one kind have in common. Specs build on each other with `extends`.
[server-spec.base.phases]
configure = [
  { remote-file = { path = \"/etc/motd\", content = \"This machine is described by Pallet.\\n\" } },
  { directory = { path = \"/srv/app\", mode = \"0755\" } },
  { id = \"config\", remote-file = { path = \"/srv/app/app.conf\", content = \"listen = 8080\\n\" } },
  # Runs only if the file above was changed.
  { when-changed = \"config\", exec-script = { name = \"note the change\", script = \"date >>/srv/app/changes\" } },
]

# Nodes of one kind.
[group-spec.web]
extends = [\"base\"]
";

/// Machines that exist: the given ones, or this one.
fn node_list(hosts: &[String]) -> Result<String, CliError> {
    let mut text = "\
# Machines that exist already, reached over SSH as in ~/.ssh/config. Their host keys have to be in
# known_hosts: log in once with `ssh`.
[service.machines]
provider = \"node-list\"
nodes = [
"
    .to_owned();
    if hosts.is_empty() {
        text += "  { name = \"here\", group = \"web\" },    # without a host: this machine\n";
        text += "  # { name = \"web-1\", group = \"web\", host = \"192.0.2.10\" },\n";
    }
    let mut user = None;
    for host in hosts {
        let host = Host::parse(host)?;
        if user.is_some() && host.user.is_some() && host.user != user {
            return Err(CliError::input("all machines of a service are administered as one user")
                .hint("give the same USER@ with each --host, or with none"));
        }
        user = host.user.or(user);
        let port = host.port.map_or(String::new(), |port| format!(", port = {port}"));
        let (name, address) = (quoted(&host.name), quoted(&host.address));
        text += &format!("  {{ name = {name}, group = \"web\", host = {address}{port} }},\n");
    }
    text += "]\n\n";
    text += &match user {
        Some(user) => format!(
            "# Who logs in, with your key or agent, and becomes root with sudo.\n\
             [admin-user]\nusername = {}\n",
            quoted(&user)
        ),
        None => "# Who logs in, with your key or agent, and becomes root with sudo; without this table you.\n\
                 # [admin-user]\n# username      = \"admin\"\n\
                 # sudo-password = { env = \"SUDO_PASSWORD\" }\n"
            .to_owned(),
    };
    Ok(text)
}

/// A machine on the command line.
struct Host {
    name: String,
    address: String,
    user: Option<String>,
    port: Option<u16>,
}

impl Host {
    fn parse(text: &str) -> Result<Self, CliError> {
        let odd = || {
            CliError::input(format!("`{text}` is no machine"))
                .hint("say NAME, ADDRESS, USER@ADDRESS or ADDRESS:PORT")
        };
        let (user, place) = match text.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, text),
        };
        let (address, port) = match place.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') => {
                (host, Some(port.parse().map_err(|_| odd())?))
            }
            _ => (place, None),
        };
        let is_word = |word: &str| {
            !word.is_empty() && !word.starts_with('-') && !word.contains(char::is_whitespace)
        };
        if !is_word(address) || !user.is_none_or(is_word) || port == Some(0) {
            return Err(odd());
        }
        // `web-1.example.org` is called `web-1`; addresses are called as a whole.
        let is_address = address.parse::<std::net::IpAddr>().is_ok();
        let first = address.split('.').next().unwrap_or(address);
        let name = if is_address { address } else { first };
        let (name, address) = (name.to_owned(), address.to_owned());
        Ok(Self { name, address, user: user.map(str::to_owned), port })
    }
}

/// A text in TOML.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.escape_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_of_the_command_line() {
        let host = |text: &str| {
            let host = Host::parse(text).ok()?;
            Some((host.name, host.address, host.user, host.port))
        };
        let of = |name: &str, address: &str, user: Option<&str>, port| {
            Some((name.to_owned(), address.to_owned(), user.map(str::to_owned), port))
        };
        assert_eq!(host("web-1.example.org"), of("web-1", "web-1.example.org", None, None));
        assert_eq!(host("me@192.0.2.1:22"), of("192.0.2.1", "192.0.2.1", Some("me"), Some(22)));
        assert_eq!(host("::1"), of("::1", "::1", None, None));
        for wrong in ["", "-x", "a b", "@x", "x:0", "x:y"] {
            assert_eq!(host(wrong), None, "{wrong}");
        }
    }
}
