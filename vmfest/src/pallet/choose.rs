//! From a node-spec to models.

use std::cmp::Ordering;

use pallet_core::compute::ComputeError;
use pallet_core::spec::{HardwareSpec, ImageSpec, NodeSpec};
use serde::Deserialize;
use serde_json::Value;

use super::service::failed;
use crate::models::{Adapter, HardwareModel, ImageModel, Models, NatRule, NetworkType};

/// The hardware model of nodes whose spec names none.
const DEFAULT_HARDWARE: &str = "micro";

/// What a node will be made of.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    /// The image model's name.
    pub(super) image_name: String,
    /// The image model, with what the node-spec overrides in it.
    pub(super) image: ImageModel,
    pub(super) hardware: HardwareModel,
}

/// Finds the models that a node-spec asks for.
pub(super) fn choose(models: &Models, spec: &NodeSpec) -> Result<Choice, ComputeError> {
    let (name, image) = choose_image(models, &spec.image)?;
    let mut image = image.clone();
    if let Some(network) = &spec.network {
        // The node-spec's network counts more than the image's.
        let network = network_keys(network)?;
        let own = image.hardware.take().unwrap_or_default();
        image.hardware = Some(own.overlaid_with(&network));
    }
    let hardware = choose_hardware(models, &spec.hardware)?;
    let effective = image.effective_hardware(&hardware);
    effective.check_complete().map_err(|invalid| {
        ComputeError::input(format!("the hardware of the node-spec cannot be made: {invalid}"))
    })?;
    if !image.path.is_file() {
        let missing = crate::Error::ModelFileMissing { path: image.path };
        return Err(failed(&missing));
    }
    Ok(Choice { image_name: name.to_owned(), image, hardware })
}

fn choose_image<'a>(
    models: &'a Models,
    spec: &'a ImageSpec,
) -> Result<(&'a str, &'a ImageModel), ComputeError> {
    if let Some(id) = &spec.image_id {
        let image = models.image(id).map_err(|e| failed(&e))?;
        return match mismatch(image, spec) {
            None => Ok((id, image)),
            Some(what) => Err(ComputeError::input(format!(
                "the image model {id} does not have the {what} that the node-spec asks for"
            ))
            .help("leave one of them out")),
        };
    }
    if *spec == ImageSpec::default() && models.images().len() > 1 {
        let names: Vec<_> = models.images().keys().map(String::as_str).collect();
        return Err(ComputeError::input("the node-spec names no image, and there are several")
            .help(format!("choose one with image-id: {}", names.join(", "))));
    }
    let all = models.images().iter();
    let best = all.filter(|(_, image)| mismatch(image, spec).is_none()).min_by(|a, b| {
        // The newest version, and of these the first by name.
        let versions = |image: &ImageModel| image.os_version.clone().unwrap_or_default();
        compare_versions(&versions(b.1), &versions(a.1)).then_with(|| a.0.cmp(b.0))
    });
    best.map(|(name, image)| (name.as_str(), image)).ok_or_else(|| no_image(models, spec))
}

fn no_image(models: &Models, spec: &ImageSpec) -> ComputeError {
    let asked = [
        spec.os_family.as_ref().map(|v| format!("os-family {v}")),
        spec.os_version.as_ref().map(|v| format!("os-version {v}")),
        spec.os_64_bit.map(|v| format!("os-64-bit {v}")),
    ];
    let asked: Vec<_> = asked.into_iter().flatten().collect();
    let there: Vec<_> = models
        .images()
        .iter()
        .map(|(name, image)| {
            let family = image.os_family.as_deref().unwrap_or("unknown system");
            format!("{name} ({family} {})", image.os_version.as_deref().unwrap_or(""))
        })
        .collect();
    let message = if asked.is_empty() {
        "there is no image model at all".to_owned()
    } else {
        format!("no image model has {}", asked.join(" and "))
    };
    ComputeError::input(message).help(if there.is_empty() {
        "describe an image in a .meta file in the service's model-path".to_owned()
    } else {
        format!("there are {}", there.join(", "))
    })
}

/// What the image has otherwise than the spec wants it.
fn mismatch(image: &ImageModel, spec: &ImageSpec) -> Option<&'static str> {
    let differs = |want: &Option<String>, have: &Option<String>| want.is_some() && want != have;
    if differs(&spec.os_family, &image.os_family) {
        Some("os-family")
    } else if differs(&spec.os_version, &image.os_version) {
        Some("os-version")
    } else if spec.os_64_bit.is_some() && spec.os_64_bit != image.os_64_bit {
        Some("os-64-bit")
    } else {
        None
    }
}

/// Compares versions such as `9.10` and `12.04` number by number.
fn compare_versions(a: &str, b: &str) -> Ordering {
    let numbers = |text: &str| -> Vec<u64> {
        text.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect()
    };
    numbers(a).cmp(&numbers(b))
}

fn choose_hardware(models: &Models, spec: &HardwareSpec) -> Result<HardwareModel, ComputeError> {
    let name = spec.hardware_id.as_deref().unwrap_or(DEFAULT_HARDWARE);
    let mut hardware = models.hardware_model(name).map_err(|e| failed(&e))?.clone();
    if let Some(keys) = &spec.hardware_model {
        let keys: HardwareModel = from_document(Value::Object(keys.clone()), "hardware-model")?;
        hardware = hardware.overlaid_with(&keys);
    }
    if let Some(least) = spec.min_ram {
        let least = u32::try_from(least).unwrap_or(u32::MAX);
        let memory = hardware.memory_size.or(HardwareModel::base().memory_size);
        hardware.memory_size = memory.max(Some(least));
    }
    if let Some(least) = spec.min_cores {
        hardware.cpu_count = hardware.cpu_count.max(Some(least));
    }
    Ok(hardware)
}

/// The keys of a network table.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct NetworkTable {
    network_type: Option<NetworkType>,
    nat_rules: Option<Vec<NatRule>>,
    bridged_interface: Option<String>,
    local_interface: Option<String>,
}

fn network_keys(network: &Value) -> Result<HardwareModel, ComputeError> {
    let network = network.clone();
    Ok(match network {
        Value::String(_) => HardwareModel {
            network_type: Some(from_document(network, "network")?),
            ..HardwareModel::default()
        },
        Value::Array(_) => {
            let adapters: Vec<Option<Adapter>> = from_document(network, "network")?;
            HardwareModel { network: Some(adapters), ..HardwareModel::default() }
        }
        other => {
            let table: NetworkTable = from_document(other, "network")?;
            HardwareModel {
                network_type: table.network_type,
                nat_rules: table.nat_rules,
                bridged_interface: table.bridged_interface,
                local_interface: table.local_interface,
                ..HardwareModel::default()
            }
        }
    })
}

fn from_document<T: serde::de::DeserializeOwned>(
    value: Value,
    key: &str,
) -> Result<T, ComputeError> {
    serde_json::from_value(value)
        .map_err(|e| ComputeError::input(format!("the node-spec's {key} is not right: {e}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    struct Setting {
        models: Models,
        _folder: tempfile::TempDir,
    }

    fn setting() -> Setting {
        let folder = tempfile::tempdir().expect("a folder");
        let mut models = Models::built_in();
        for (name, family, version) in
            [("deb-9", "debian", "9.13"), ("deb-12", "debian", "12"), ("ubu", "ubuntu", "12.04")]
        {
            let file = format!("{name}.vdi");
            std::fs::write(folder.path().join(&file), "").expect("written");
            let mut image = ImageModel::new(file, "Debian_64");
            image.os_family = Some(family.to_owned());
            image.os_version = Some(version.to_owned());
            models.add_image(name, image, folder.path());
        }
        models.add_image("lost", ImageModel::new("/nowhere/x.vdi", "Linux"), folder.path());
        Setting { models, _folder: folder }
    }

    fn spec(value: Value) -> NodeSpec {
        serde_json::from_value(value).expect("a node-spec")
    }

    #[test]
    fn images() {
        let Setting { models, _folder } = setting();
        for (image, expected) in [
            (json!({"image-id": "ubu"}), Ok("ubu")),
            (json!({"os-family": "debian"}), Ok("deb-12")),
            (json!({"os-family": "debian", "os-version": "9.13"}), Ok("deb-9")),
            (json!({}), Err("names no image, and there are several")),
            (json!({"os-family": "centos"}), Err("no image model has os-family centos")),
            (json!({"image-id": "ubuu"}), Err("did you mean ubu?")),
            (json!({"image-id": "ubu", "os-family": "debian"}), Err("does not have the os-family")),
            (json!({"image-id": "lost"}), Err("/nowhere/x.vdi")),
        ] {
            let found = choose(&models, &spec(json!({ "image": image })));
            match (found, expected) {
                (Ok(choice), Ok(name)) => assert_eq!(choice.image_name, name),
                (Err(error), Err(part)) => {
                    assert!(error.is_input, "{error}");
                    assert!(error.message.contains(part), "{error}");
                }
                (found, expected) => panic!("{image}: {found:?}, expected {expected:?}"),
            }
        }
    }

    #[test]
    fn hardware_and_network() {
        let Setting { models, _folder } = setting();
        let made = |mut value: Value| {
            value["image"] = json!({"image-id": "ubu"});
            let choice = choose(&models, &spec(value))?;
            Ok::<_, ComputeError>(choice.image.effective_hardware(&choice.hardware))
        };
        let size = |value: Value| made(value).map(|h| (h.memory_size, h.cpu_count)).expect("fits");
        assert_eq!(size(json!({})), (Some(512), Some(1)));
        assert_eq!(size(json!({"hardware": {"hardware-id": "medium"}})), (Some(2048), Some(2)));
        assert_eq!(
            size(
                json!({"hardware": {"hardware-id": "small", "hardware-model": {"cpu-count": 3}, "min-ram": 700}})
            ),
            (Some(1024), Some(3))
        );
        assert_eq!(
            size(json!({"hardware": {"min-ram": 700, "min-cores": 2}})),
            (Some(700), Some(2))
        );
        let local = made(json!({"network": "local"})).expect("fits");
        assert_eq!(local.network_type, Some(NetworkType::Local));
        let verbatim = made(json!({"network": [null, {"attachment-type": "nat"}]})).expect("fits");
        assert_eq!(verbatim.network.map(|n| n.len()), Some(2));
        for (value, part) in [
            (json!({"network": "wifi"}), "unknown variant `wifi`"),
            (json!({"network": {"kind": "nat"}}), "unknown field `kind`"),
            (json!({"network": "bridged"}), "bridged-interface"),
            (json!({"hardware": {"hardware-model": {"cpus": 3}}}), "unknown field `cpus`"),
            (json!({"hardware": {"hardware-model": {"cpu-count": 0}}}), "out of range"),
            (json!({"hardware": {"hardware-id": "tiny"}}), "no hardware model tiny"),
        ] {
            let error = made(value.clone()).expect_err(part);
            assert!(error.is_input && error.message.contains(part), "{value}: {error}");
        }
    }
}
