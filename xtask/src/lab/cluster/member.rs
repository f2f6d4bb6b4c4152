//! One member of a cluster: a server in namespaces of its own.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use super::product::Product;
use super::root;
use crate::lab::layout::Lab;
use crate::lab::nodes::{cgroup, network};
use crate::lab::system::debian;
use crate::lab::system::holder::Holder;
use crate::lab::system::namespace::{CLEAN_ENVIRONMENT, ROOT_FUNCTIONS, start_namespaces};
use crate::lab::system::tool::{Tool, tail_of_file};

const BOOT: &str = include_str!("member.sh");
/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Port of the members' API.
pub(super) const PORT: u16 = 8443;

/// One member of one of the lab's clusters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// What it runs.
    pub product: Product,
    /// Its name, such as `member-1`.
    pub name: String,
    /// Its API over TLS, `https://…`, which asks for a client certificate.
    pub url: String,
    /// Its API over a unix socket, which lets root in.
    pub socket: PathBuf,
    /// The last part of its address.
    pub(super) host: u8,
}

impl Member {
    /// The member of this number, from 1 on.
    pub(super) fn of(lab: &Lab, product: Product, number: u8) -> Self {
        let name = format!("{}-{number}", product.prefix());
        let host = product.first_host() + number - 1;
        let socket = folder(lab, &name).join("data/unix.socket");
        Self { product, url: format!("https://{}:{PORT}", lab.address(host)), name, socket, host }
    }

    pub(super) fn address(&self, lab: &Lab) -> Ipv4Addr {
        lab.address(self.host)
    }

    /// Whether its first process runs.
    pub fn is_up(&self) -> bool {
        self.holder().is_ok_and(|holder| holder.is_some())
    }

    /// Whether its API answers.
    pub fn answers(&self) -> bool {
        self.client(&["query", "/1.0"]).is_ok()
    }

    /// Kills every instance on it, then itself. Its disk stays. The instances' connections are closed
    /// by their kernel, so that nobody has to wait for an answer that does not come.
    pub fn kill(&self) -> anyhow::Result<()> {
        // All but the first process, which is the server, and the one that does it.
        self.run(&["sh", "-c", "kill -KILL -1; sleep 0.2"])?;
        self.end(&Lab::from_env()?)
    }

    /// Starts it with the disk it had, unless it runs, and waits until its API answers.
    pub fn start(&self) -> anyhow::Result<()> {
        self.boot(&Lab::from_env()?)
    }

    /// Runs its product's client on it as root and returns what it prints.
    pub fn client(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.run(&[&[self.product.client()], arguments].concat())
    }

    /// Runs a program on it as root and returns what it prints.
    pub fn run(&self, command: &[&str]) -> anyhow::Result<String> {
        let Some(holder) = self.holder()? else {
            bail!("the cluster's {} does not run: `cargo xtask lab cluster up`", self.name);
        };
        Tool::new("nsenter")
            .arg(format!("--target={}", holder.pid()))
            .args(["--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup"])
            .args(["--root", "--wdns=/", "env"])
            .args(CLEAN_ENVIRONMENT)
            .args(command)
            .run()
    }

    pub(super) fn end(&self, lab: &Lab) -> anyhow::Result<()> {
        if let Some(holder) = Holder::running(&holder_file(lab, &self.name)) {
            holder.end()?;
        }
        fs::remove_file(holder_file(lab, &self.name)).ok();
        network::unplug(&network::cable(lab, self.host))?;
        cgroup::remove_all(lab, &self.name)
    }

    /// Starts it unless it runs.
    pub(super) fn boot(&self, lab: &Lab) -> anyhow::Result<()> {
        if !self.is_up() {
            self.launch(lab)?;
        }
        self.wait(lab)
    }

    fn launch(&self, lab: &Lab) -> anyhow::Result<()> {
        let folder = folder(lab, &self.name);
        // The overlay's scratch folder never outlives its mount.
        debian::remove(&folder.join("work"))?;
        for part in ["upper", "work", "root", "data"] {
            fs::create_dir_all(folder.join(part))
                .with_context(|| format!("could not make {}", folder.join(part).display()))?;
        }
        // Instances' users have to get through.
        debian::set_mode(&folder.join("data"), 0o711)?;
        let arguments = [
            "sh".to_owned(),
            "-c".to_owned(),
            format!("{ROOT_FUNCTIONS}\n{BOOT}"),
            "member".to_owned(),
            self.name.clone(),
            self.address(lab).to_string(),
            lab.address(1).to_string(),
            network::mtu().to_string(),
            root::folder(lab, self.product).display().to_string(),
            folder.display().to_string(),
            self.product.name().to_owned(),
            self.product.server().to_owned(),
        ];
        cgroup::remove_all(lab, &self.name)?;
        let groups = cgroup::make_all(lab, &self.name)?;
        let kinds = ["--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup"];
        let holder = start_namespaces(&kinds, &groups, &arguments, &lab.log(&self.name))?;
        holder.save(&holder_file(lab, &self.name))?;
        network::plug(lab, self.host, holder.pid())
    }

    fn wait(&self, lab: &Lab) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let log = lab.log(&self.name);
        while !self.answers() {
            let ended = !self.is_up();
            if ended || Instant::now() > deadline {
                bail!(
                    "the cluster's {} {}. The last lines of {}:\n{}",
                    self.name,
                    if ended { "ended at its start" } else { "does not answer" },
                    log.display(),
                    tail_of_file(&log)
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn holder(&self) -> anyhow::Result<Option<Holder>> {
        Ok(Holder::running(&holder_file(&Lab::from_env()?, &self.name)))
    }
}

/// The folder of everything that a member has.
pub(super) fn folder(lab: &Lab, name: &str) -> PathBuf {
    lab.cluster_run().join(name)
}

fn holder_file(lab: &Lab, name: &str) -> PathBuf {
    folder(lab, name).join("holder.json")
}

/// Writes a file into the folder that the member knows as `/var/lib/lxd` or `/var/lib/incus`.
pub(super) fn bring(lab: &Lab, member: &Member, file: &Path, name: &str) -> anyhow::Result<()> {
    let copy = folder(lab, &member.name).join("data").join(name);
    fs::copy(file, &copy)
        .map(drop)
        .with_context(|| format!("could not copy {} to {}", file.display(), copy.display()))
}
