//! Which hardware, and which network.

use std::path::Path;

use pallet_core::compute::sizes::{self, Size};
use pallet_core::compute::{ComputeError, Provider};
use pallet_core::spec::{HardwareSpec, NodeSpec};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::models::{Adapter, HardwareModel, ImageModel, Models, NatRule, NetworkType, Slots};
use crate::pallet::VirtualBox;
use crate::pallet::words::read;

/// The hardware model of nodes whose spec names none.
const DEFAULT: &str = "micro";

/// The architecture of all VMs.
const ARCHITECTURE: &str = "x86_64";

/// Refuses what VirtualBox has nothing for, so that nobody believes to have got it.
pub(super) fn refuse_what_cannot_be(spec: &NodeSpec) -> Result<(), ComputeError> {
    let is_given =
        |table: &Option<Map<String, Value>>| table.as_ref().is_some_and(|t| !t.is_empty());
    let architecture = spec.hardware.architecture.as_deref();
    for (is_asked_for, problem) in [
        (
            is_given(&spec.location),
            "location: VirtualBox has one place, the machine that it runs on; choose a service",
        ),
        (is_given(&spec.qos), "qos: VirtualBox has no kinds of service; leave it out"),
        (
            spec.hardware.min_disk.is_some(),
            "hardware.min-disk: a node's disk is as large as its image's; add further disks with \
             `storage` in hardware.hardware-model",
        ),
        (
            architecture.is_some_and(|wanted| wanted != ARCHITECTURE),
            "hardware.architecture: this service makes x86_64 nodes",
        ),
    ] {
        if is_asked_for {
            return Err(ComputeError::input(format!("in the node-spec, {problem}")));
        }
    }
    Ok(())
}

/// The name of the hardware model that is asked for: by its name, or as the preferred one of those
/// that have enough.
pub(super) fn choose<'a>(
    models: &'a Models,
    spec: &'a HardwareSpec,
) -> Result<&'a str, ComputeError> {
    let sizes = models.hardware().iter().map(|(name, model)| {
        let all = HardwareModel::base().overlaid_with(model);
        let (memory, processors) = (all.memory_size.unwrap_or(0), all.cpu_count.unwrap_or(0));
        Size { name, memory, processors }
    });
    Ok(sizes::choose(spec, sizes)?.unwrap_or(DEFAULT))
}

/// All hardware keys that the node-spec itself gives, the stronger ones over the weaker ones.
pub(super) fn asked(spec: &NodeSpec, base: &Path) -> Result<HardwareModel, ComputeError> {
    let mut asked = HardwareModel::default();
    if let Some(keys) = &spec.hardware.hardware_model {
        asked = read(Value::Object(keys.clone()), &["hardware", "hardware-model"])?;
        asked.resolve_paths(base);
    }
    asked = asked.overlaid_with(&network_of_hardware(&spec.hardware)?);
    if let Some(kind) = &spec.image.session_type {
        asked.session_type = Some(read(kind.as_str().into(), &["image", "session-type"])?);
    }
    if let Some(network) = &spec.network {
        asked = asked.overlaid_with(&explicit_network(network.clone())?);
    }
    for name in std::iter::once(&VirtualBox::NAME).chain(VirtualBox::ALIASES) {
        if let Some(keys) = spec.provider.get(*name) {
            let mut own: HardwareModel = read(Value::Object(keys.clone()), &["provider", name])?;
            own.resolve_paths(base);
            asked = asked.overlaid_with(&own);
        }
    }
    Ok(asked)
}

fn network_of_hardware(spec: &HardwareSpec) -> Result<HardwareModel, ComputeError> {
    let kind = spec.network_type.as_deref();
    let kind = kind.map(|kind| read(kind.into(), &["hardware", "network-type"])).transpose()?;
    let rules = spec.nat_rules.clone();
    let rules = rules.map(|rules| read(rules, &["hardware", "nat-rules"])).transpose()?;
    Ok(HardwareModel {
        network_type: kind,
        nat_rules: rules,
        bridged_interface: spec.bridged_interface.clone(),
        local_interface: spec.local_interface.clone(),
        ..HardwareModel::default()
    })
}

/// The keys of a network table.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct NetworkTable {
    network_type: Option<NetworkType>,
    nat_rules: Option<Vec<NatRule>>,
    bridged_interface: Option<String>,
    local_interface: Option<String>,
    /// Ports that shall be reachable. VirtualBox has no firewall: all of them are, where the
    /// network leads to the node at all.
    #[serde(rename = "inbound-ports")]
    _inbound_ports: Vec<u16>,
}

fn explicit_network(network: Value) -> Result<HardwareModel, ComputeError> {
    let none = HardwareModel::default();
    Ok(match network {
        Value::String(_) => {
            HardwareModel { network_type: Some(read(network, &["network"])?), ..none }
        }
        Value::Array(_) => {
            let Slots(adapters) = read::<Slots<Adapter>>(network, &["network"])?;
            HardwareModel { network: Some(adapters), ..none }
        }
        other => {
            let table: NetworkTable = read(other, &["network"])?;
            HardwareModel {
                network_type: table.network_type,
                nat_rules: table.nat_rules,
                bridged_interface: table.bridged_interface,
                local_interface: table.local_interface,
                ..none
            }
        }
    })
}

/// Raises memory and processors to what is wanted at least.
pub(super) fn raise(
    image: &mut ImageModel,
    hardware: &HardwareModel,
    spec: &HardwareSpec,
) -> Result<(), ComputeError> {
    let effective = image.effective_hardware(hardware);
    let upper = image.hardware.get_or_insert_default();
    if let Some(least) = spec.min_ram {
        let least = u32::try_from(least).map_err(|_| {
            ComputeError::input(format!(
                "in the node-spec, hardware.min-ram: no VM has {least} MiB"
            ))
        })?;
        upper.memory_size = effective.memory_size.max(Some(least));
    }
    if let Some(least) = spec.min_cores {
        upper.cpu_count = effective.cpu_count.max(Some(least));
    }
    Ok(())
}
