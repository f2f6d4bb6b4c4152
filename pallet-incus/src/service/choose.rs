//! What a node-spec asks for, in the API's terms.

use std::collections::BTreeMap;

use pallet_core::compute::{ComputeError, CreateNode, Provider};
use pallet_core::facts::Facts;
use pallet_core::spec::NodeSpec;
use serde_json::{Map, Value};

use super::config::{HardwareModel, Incus, IncusConfig, OwnKeys, Reach};
use super::images::{self, Candidate};
use super::notes::{self, ImageNote};
use super::words::{read, wrong};
use super::{failed, hardware, network, placement};
use crate::client::{
    Client, Device, Group, Image, InstanceType, Member, Network, NewInstance, Profile, hex,
};

/// What there is on the server, as far as node-specs choose among it.
pub(super) struct Stock {
    images: Vec<Image>,
    networks: Vec<Network>,
    members: Vec<Member>,
    groups: Vec<Group>,
    profiles: BTreeMap<String, Profile>,
    runs_machines: bool,
}

/// A node-spec, chosen.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) image: Candidate,
    pub(super) hardware: HardwareModel,
    kind: InstanceType,
    reach: Reach,
    config: BTreeMap<String, String>,
    devices: BTreeMap<String, Device>,
    profiles: Vec<String>,
    target: Option<String>,
}

impl Stock {
    /// Looks at the server; `specs` say which profiles are of interest.
    pub(super) async fn of(
        client: &Client,
        config: &IncusConfig,
        specs: &[&NodeSpec],
    ) -> Result<Self, ComputeError> {
        let looks = async {
            tokio::try_join!(client.images(), client.networks(), client.members(), client.groups())
        };
        let (images, networks, members, groups) = looks.await.map_err(|error| failed(&error))?;
        let mut profiles = BTreeMap::new();
        for spec in specs {
            for name in own_keys(spec)?.profiles.unwrap_or_else(|| config.profile_names()) {
                if profiles.contains_key(&name) {
                    continue;
                }
                let profile = client.profile(&name).await.map_err(|error| {
                    if error.is_not_found() {
                        ComputeError::input(format!("the server has no profile {name}"))
                    } else {
                        failed(&error)
                    }
                })?;
                profiles.insert(name, profile);
            }
        }
        let runs_machines = client.server().environment.driver.contains("qemu");
        Ok(Self { images, networks, members, groups, profiles, runs_machines })
    }

    /// Finds what a node-spec asks for.
    pub(super) fn choose(
        &self,
        config: &IncusConfig,
        spec: &NodeSpec,
    ) -> Result<Choice, ComputeError> {
        let own = own_keys(spec)?;
        if spec.qos.as_ref().is_some_and(|table| !table.is_empty()) {
            let why = "there are no kinds of service; give limits in provider.incus.config";
            return Err(wrong(&["qos"], why));
        }
        let kind = own.kind.unwrap_or(config.kind);
        if kind == InstanceType::VirtualMachine && !self.runs_machines {
            return Err(ComputeError::input("this server runs no virtual machines")
                .help("it needs KVM and QEMU; or take `type = \"container\"`"));
        }
        let image = images::choose(&self.images, &config.images, kind, &spec.image)?;
        if let (Some(wanted), Some(has)) = (&spec.hardware.architecture, &image.traits.architecture)
            && wanted != has
        {
            let problem = format!("the image {} is for {has}", image.traits.id);
            return Err(wrong(&["hardware", "architecture"], &problem));
        }
        let hardware = hardware::choose(&hardware::models(&config.hardware_models), spec)?;
        let location = overlaid(config.location.as_ref(), spec.location.as_ref());
        let target = placement::target(&self.members, &self.groups, location.as_ref())?;
        let names = own.profiles.unwrap_or_else(|| config.profile_names());
        let profiles: Vec<Profile> =
            names.iter().filter_map(|name| self.profiles.get(name).cloned()).collect();
        let pool = own.storage_pool.as_deref().or(config.storage_pool.as_deref());

        let mut devices = network::devices(&self.networks, config.network.as_ref(), spec)?;
        devices.extend(hardware::root_disk(hardware, pool, &profiles)?);
        devices.extend(own.devices);
        let mut settings: BTreeMap<String, String> = hardware::limits(hardware).collect();
        settings.extend(own.config);
        let reach = own.reach.unwrap_or(config.reach);
        let config = settings;
        Ok(Choice { image, hardware, kind, reach, config, devices, profiles: names, target })
    }
}

impl Choice {
    /// The instance that is to be made for a request, in an attempt of this name.
    pub(super) fn instance(self, request: &CreateNode, attempt: &str) -> NewInstance {
        let note = ImageNote {
            name: self.image.traits.id,
            os_family: self.image.traits.os_family,
            os_version: self.image.traits.os_version,
            username: self.image.model.username,
            private_key_path: self.image.model.private_key_path,
            no_sudo: self.image.model.no_sudo,
        };
        let mut config = self.config;
        let note = serde_json::to_string(&note).unwrap_or_default();
        let (node, is) = notes::NODE;
        for (key, value) in [
            (node, is),
            (notes::GROUP, request.group.as_str()),
            (notes::ATTEMPT, attempt),
            (notes::IMAGE, note.as_str()),
        ] {
            config.insert(key.to_owned(), value.to_owned());
        }
        if self.reach == Reach::Exec {
            config.insert(notes::REACH.to_owned(), notes::EXEC.to_owned());
        }
        NewInstance {
            name: request.name.clone(),
            kind: self.kind,
            source: self.image.source,
            config,
            devices: self.devices,
            profiles: self.profiles,
            target: self.target,
        }
    }

    /// What nodes will be.
    pub(super) fn facts(&self) -> Facts {
        let traits = &self.image.traits;
        Facts {
            os: traits.os_family.clone().unwrap_or_default(),
            os_families: traits.os_family.clone().into_iter().collect(),
            os_version: traits.os_version.clone().unwrap_or_default(),
            arch: traits.architecture.clone().unwrap_or_default(),
            cpus: self.hardware.cpu_count.unwrap_or_default(),
            memory_mib: self.hardware.memory_size.unwrap_or_default().into(),
            ..Facts::default()
        }
    }
}

/// A name that no other attempt to make a node has.
pub(super) fn new_attempt() -> Result<String, ComputeError> {
    let mut bytes = [0; 12];
    getrandom::fill(&mut bytes)
        .map_err(|error| ComputeError::failed(format!("no random numbers: {error}")))?;
    Ok(hex(&bytes))
}

/// The node-spec's own table for this kind of service, by either name.
fn own_keys(spec: &NodeSpec) -> Result<OwnKeys, ComputeError> {
    let mut names = std::iter::once(&Incus::NAME).chain(Incus::ALIASES);
    let given = names.find_map(|name| Some((*name, spec.provider.get(*name)?)));
    match given {
        Some((name, keys)) => read(Value::Object(keys.clone()), &["provider", name]),
        None => Ok(OwnKeys::default()),
    }
}

/// The node-spec's place over the service's: one of them counts as a whole.
fn overlaid(
    under: Option<&Map<String, Value>>,
    over: Option<&Map<String, Value>>,
) -> Option<Map<String, Value>> {
    over.filter(|table| !table.is_empty()).or(under).cloned()
}
