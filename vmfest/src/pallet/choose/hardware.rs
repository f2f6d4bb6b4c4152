//! Which hardware, and which network.

use std::path::Path;

use pallet_core::compute::ComputeError;
use pallet_core::spec::{HardwareSpec, NodeSpec};
use serde::Deserialize;
use serde_json::Value;

use crate::models::{Adapter, HardwareModel, ImageModel, NatRule, NetworkType, Slots};
use crate::pallet::words::read;

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
    match &spec.network {
        Some(network) => Ok(asked.overlaid_with(&explicit_network(network.clone())?)),
        None => Ok(asked),
    }
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
