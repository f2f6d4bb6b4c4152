//! Real clusters, one of LXD and one of Incus: two members, each in namespaces of its own, on one
//! wire with the lab's nodes. Instances get their addresses from a DHCP server beside them and can
//! be reached from this machine.

mod image;
mod member;
mod product;
pub(crate) mod root;

use std::fs::{self, File};
use std::path::PathBuf;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

pub use member::Member;
pub use product::Product;

use super::layout::Lab;
use super::nodes::network;
use super::system::debian;
use super::system::holder::Holder;
use super::system::namespace::{ROOT_FUNCTIONS, start_namespaces};
use super::system::say::{say, step};

const DHCP: &str = include_str!("dhcp.sh");
/// The last part of the DHCP server's address.
const DHCP_HOST: u8 = 2;
/// The name that instances' image has in the cluster.
const ALIAS: &str = "debian-12";

/// One of the lab's clusters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// What it is made of.
    pub product: Product,
    /// Its members. The first one alone keeps the cluster's database: without it the others
    /// cannot be asked.
    pub members: Vec<Member>,
    /// A client certificate that the cluster trusts, PEM.
    pub client_certificate: PathBuf,
    /// Its key.
    pub client_key: PathBuf,
    /// The certificate that all members show.
    pub server_certificate: PathBuf,
    /// Alias of the image of instances: Debian 12, where the lab's key logs in as `pallet-admin`.
    pub image: String,
    /// A folder with that image, to be imported once more: `rootfs`, `metadata.yaml`, `image.tar`.
    pub image_folder: PathBuf,
    /// A network that instances can be on besides the wire (`br0`): no way leads into it.
    pub hidden_network: String,
}

impl Cluster {
    /// The first member, which keeps the database.
    pub fn first(&self) -> anyhow::Result<&Member> {
        self.members.first().context("the cluster has no members")
    }

    /// The second member, which can be killed.
    pub fn second(&self) -> anyhow::Result<&Member> {
        self.members.get(1).context("the cluster has no second member")
    }

    /// Keeps members from being killed as long as the returned value lives.
    pub fn sharing(&self) -> anyhow::Result<File> {
        let lock = Lab::from_env()?.lock_file(&self.lock())?;
        lock.lock_shared().context("could not take the lock of the cluster's members")?;
        Ok(lock)
    }

    /// Waits until nobody else uses the cluster, and keeps it so as long as the returned value
    /// lives: for tests that kill members.
    pub fn alone(&self) -> anyhow::Result<File> {
        Lab::from_env()?.lock_named(&self.lock())
    }

    fn lock(&self) -> String {
        format!("{}-members", self.product.name())
    }

    /// Starts what does not run yet.
    pub(crate) fn up(lab: &Lab, product: Product) -> anyhow::Result<Self> {
        root::make(lab, product)?;
        let image_folder = image::make(lab)?;
        network::up(lab)?;
        let members = [1, 2].map(|number| Member::of(lab, product, number));
        let [first, second] = &members;
        let folder = member::folder(lab, &first.name).join("data");
        let cluster = Self {
            product,
            client_certificate: folder.join("client.crt"),
            client_key: folder.join("client.key"),
            server_certificate: folder.join("cluster.crt"),
            image: ALIAS.to_owned(),
            image_folder,
            hidden_network: "hidden".to_owned(),
            members: members.to_vec(),
        };
        start_dhcp(lab, product)?;
        step(format_args!("starting the members of the {} cluster", product.name()), || {
            first.boot(lab)?;
            second.boot(lab)
        })?;
        // Written last: a cluster without it was not finished.
        let formed = lab.cluster_run().join(format!("{}-formed", product.name()));
        if !formed.exists() {
            step("making a cluster of them, with an image", || cluster.form(lab))?;
            debian::write(&formed, "")?;
        }
        Ok(cluster)
    }

    fn form(&self, lab: &Lab) -> anyhow::Result<()> {
        let (first, second) = (self.first()?, self.second()?);
        let (init, data) = (self.product.init(), format!("/var/lib/{}", self.product.name()));
        let preseed = format!(
            "{init} --preseed <<'PRESEED'
config:
  core.https_address: {address}
  images.auto_update_interval: \"0\"
cluster: {{ enabled: true, server_name: {name} }}
storage_pools: [{{ name: default, driver: dir }}]
profiles:
- name: default
  devices:
    root: {{ type: disk, pool: default, path: / }}
    eth0: {{ type: nic, nictype: bridged, parent: br0, name: eth0 }}
PRESEED",
            address = first.url.trim_start_matches("https://"),
            name = first.name,
        );
        first.run(&["sh", "-euc", &preseed])?;
        let answer = first.client(&["cluster", "add", "--quiet", &second.name])?;
        let token = answer.split_whitespace().last().context("the cluster gave no join token")?;
        let preseed = format!(
            "{init} --preseed <<'PRESEED'
cluster:
  enabled: true
  server_name: {name}
  server_address: {address}
  cluster_token: {token}
  member_config: []
PRESEED",
            address = second.url.trim_start_matches("https://"),
            name = second.name,
        );
        second.run(&["sh", "-euc", &preseed])?;

        // Both members hear of it at once; one that joins later takes its time to learn of it.
        let trusted = format!(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \\
    -subj /CN=pallet-lab -keyout {data}/client.key -out {data}/client.crt
{trust} --name pallet-lab {data}/client.crt",
            trust = self.product.trust(),
        );
        first.run(&["sh", "-euc", &trusted])?;

        // A network that is not on the wire, and a group of members.
        let hidden = self.hidden_network.as_str();
        let subnet = format!("ipv4.address={}/24", lab.hidden_gateway());
        for member in &self.members {
            first.client(&["network", "create", hidden, "--target", &member.name])?;
        }
        first.client(&["network", "create", hidden, &subnet, "ipv6.address=none"])?;
        first.client(&["cluster", "group", "create", "seconds"])?;
        first.client(&["cluster", "group", "assign", &second.name, "default,seconds"])?;

        member::bring(lab, first, &self.image_folder.join("image.tar"), "image.tar")?;
        let image = format!("{data}/image.tar");
        first.client(&["image", "import", "--quiet", &image, "--alias", ALIAS])?;
        fs::remove_file(member::folder(lab, &first.name).join("data/image.tar"))?;
        Ok(())
    }
}

fn dhcp_holder(lab: &Lab) -> PathBuf {
    lab.cluster_run().join("dhcp.json")
}

fn start_dhcp(lab: &Lab, product: Product) -> anyhow::Result<()> {
    if Holder::running(&dhcp_holder(lab)).is_some() {
        return Ok(());
    }
    fs::create_dir_all(lab.cluster_run())
        .with_context(|| format!("could not make {}", lab.cluster_run().display()))?;
    let address = |host| lab.instance_address(host).to_string();
    let arguments = [
        "sh".to_owned(),
        "-c".to_owned(),
        format!("{ROOT_FUNCTIONS}\n{DHCP}"),
        "dhcp".to_owned(),
        address(DHCP_HOST),
        address(1),
        address(10),
        address(250),
        network::mtu().to_string(),
        root::folder(lab, product).display().to_string(),
    ];
    let log = lab.log("cluster-dhcp");
    let holder = start_namespaces(&["--mount", "--pid", "--net"], &[], &arguments, &log)?;
    holder.save(&dhcp_holder(lab))?;
    network::plug(lab, DHCP_HOST, holder.pid())
}

/// Ends the clusters, known to the state or not, and removes all they had; caches stay.
pub(crate) fn down(lab: &Lab) -> anyhow::Result<()> {
    if !lab.cluster_run().exists() {
        return Ok(());
    }
    step("ending the clusters", || {
        for product in Product::ALL {
            for number in [1, 2] {
                Member::of(lab, product, number).end(lab)?;
            }
        }
        if let Some(holder) = Holder::running(&dhcp_holder(lab)) {
            holder.end()?;
        }
        network::unplug(&network::cable(lab, DHCP_HOST))?;
        debian::remove(&lab.cluster_run())
    })?;
    say("the clusters are down; their caches stay");
    Ok(())
}
