//! Which hardware: limits of processors and memory, and the root disk.

use std::collections::BTreeMap;

use pallet_core::compute::ComputeError;
use pallet_core::compute::sizes::{self, BUILT_IN, Size};
use pallet_core::spec::NodeSpec;
use serde_json::Value;

use super::config::HardwareModel;
use super::words::{read, wrong};
use crate::client::{Device, Profile};

/// The hardware models: the service's own over the built-in ones.
pub(super) fn models(own: &BTreeMap<String, HardwareModel>) -> BTreeMap<String, HardwareModel> {
    let built_in = BUILT_IN.iter().map(|(name, memory, processors)| {
        let (memory_size, cpu_count) = (Some(*memory), Some(*processors));
        ((*name).to_owned(), HardwareModel { memory_size, cpu_count, disk_size: None })
    });
    built_in.chain(own.iter().map(|(name, model)| (name.clone(), *model))).collect()
}

/// What a node-spec asks for. What it does not ask for is left to the profiles.
pub(super) fn choose(
    models: &BTreeMap<String, HardwareModel>,
    spec: &NodeSpec,
) -> Result<HardwareModel, ComputeError> {
    let wanted = &spec.hardware;
    let given = models.iter().map(|(name, model)| Size {
        name,
        memory: model.memory_size.unwrap_or(0),
        processors: model.cpu_count.unwrap_or(0),
    });
    let mut model = match sizes::choose(wanted, given)? {
        Some(name) => *models.get(name).ok_or_else(|| {
            let names: Vec<&str> = models.keys().map(String::as_str).collect();
            ComputeError::input(format!("there is no hardware model {name}")).help(format!(
                "there are: {}; more of them stand in the service's \
                               `hardware-models`",
                names.join(", ")
            ))
        })?,
        None => HardwareModel::default(),
    };
    if let Some(keys) = &wanted.hardware_model {
        let over = read(Value::Object(keys.clone()), &["hardware", "hardware-model"]);
        let over = over.map_err(|error: ComputeError| {
            error.help(
                "this service's hardware models have the keys memory-size, cpu-count and \
                        disk-size; keys of one kind of service stand in provider.NAME",
            )
        })?;
        model = model.overlaid_with(over);
    }
    let least = |value: Option<u64>, key: &str, unit: &str| match value.map(u32::try_from) {
        None => Ok(None),
        Some(Ok(value)) => Ok(Some(value)),
        Some(Err(_)) => Err(wrong(&["hardware", key], &format!("no node has that many {unit}"))),
    };
    // What is not limited has enough.
    let raised = |has: Option<u32>, least: Option<u32>| has.map(|has| has.max(least.unwrap_or(0)));
    model.memory_size = raised(model.memory_size, least(wanted.min_ram, "min-ram", "MiB")?);
    model.cpu_count = raised(model.cpu_count, wanted.min_cores);
    // A disk is never without a limit where somebody asks for one.
    model.disk_size = model.disk_size.max(least(wanted.min_disk, "min-disk", "GiB")?);
    for (value, key) in [
        (model.memory_size, "memory-size"),
        (model.cpu_count, "cpu-count"),
        (model.disk_size, "disk-size"),
    ] {
        if value == Some(0) {
            return Err(wrong(&["hardware", key], "has to be 1 at least"));
        }
    }
    Ok(model)
}

/// The settings that make an instance so.
pub(super) fn limits(model: HardwareModel) -> impl Iterator<Item = (String, String)> {
    let memory = model.memory_size.map(|size| ("limits.memory".to_owned(), format!("{size}MiB")));
    let processors = model.cpu_count.map(|count| ("limits.cpu".to_owned(), count.to_string()));
    memory.into_iter().chain(processors)
}

/// The device that is the root disk, where the profiles' own is not as it shall be.
pub(super) fn root_disk(
    model: HardwareModel,
    pool: Option<&str>,
    profiles: &[Profile],
) -> Result<Option<(String, Device)>, ComputeError> {
    if model.disk_size.is_none() && pool.is_none() {
        return Ok(None);
    }
    let is_root = |device: &Device| {
        let has = |key: &str, value: &str| device.get(key).is_some_and(|it| it == value);
        has("type", "disk") && has("path", "/")
    };
    let devices = profiles.iter().rev().flat_map(|profile| &profile.devices);
    let own = devices.into_iter().find(|(_, device)| is_root(device));
    let (name, mut device) = match own {
        Some((name, device)) => (name.clone(), device.clone()),
        None => {
            let keys = [("type", "disk"), ("path", "/")];
            let keys = keys.map(|(key, value)| (key.to_owned(), value.to_owned()));
            ("root".to_owned(), Device::from(keys))
        }
    };
    if let Some(pool) = pool {
        device.insert("pool".to_owned(), pool.to_owned());
    }
    if !device.contains_key("pool") {
        return Err(ComputeError::input("no storage pool is known for the root disk")
            .help("give the profile a root disk, or the service a `storage-pool`"));
    }
    if let Some(size) = model.disk_size {
        device.insert("size".to_owned(), format!("{size}GiB"));
    }
    Ok(Some((name, device)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn chosen(hardware: Value) -> Result<HardwareModel, ComputeError> {
        let own = BTreeMap::from([(
            "lab".to_owned(),
            HardwareModel { memory_size: Some(300), disk_size: Some(5), cpu_count: None },
        )]);
        choose(&models(&own), &serde_json::from_value(json!({ "hardware": hardware })).unwrap())
    }

    #[test]
    fn sizes() {
        for (hardware, memory, processors, disk) in [
            (json!({}), None, None, None),
            (json!({"hardware-id": "medium"}), Some(2048), Some(2), None),
            (json!({"hardware-id": "lab"}), Some(300), None, Some(5)),
            (
                json!({"hardware-id": "lab", "min-ram": 512, "min-cores": 2}),
                Some(512),
                None,
                Some(5),
            ),
            (json!({"min-ram": 512, "min-disk": 20}), None, None, Some(20)),
            (
                json!({"hardware-id": "small", "hardware-model": {"cpu-count": 3}}),
                Some(1024),
                Some(3),
                None,
            ),
            (json!({"prefer": "smallest", "min-ram": 1500}), Some(2048), Some(2), None),
            (json!({"prefer": "fastest"}), Some(4096), Some(4), None),
        ] {
            let model = chosen(hardware.clone()).unwrap();
            let found = (model.memory_size, model.cpu_count, model.disk_size);
            assert_eq!(found, (memory, processors, disk), "{hardware}");
        }
        for (hardware, part) in [
            (json!({"hardware-id": "tiny"}), "there is no hardware model tiny"),
            (json!({"prefer": "biggest", "min-ram": 9999}), "no hardware model has 9999 MiB"),
            (json!({"hardware-model": {"vram-size": 1}}), "unknown field `vram-size`"),
            (json!({"hardware-model": {"cpu-count": 0}}), "hardware.cpu-count: has to be 1"),
            (
                json!({"min-disk": 5_000_000_000_u64}),
                "hardware.min-disk: no node has that many GiB",
            ),
        ] {
            let error = chosen(hardware).unwrap_err();
            assert!(error.is_input && error.message.contains(part), "{error}");
        }
    }

    #[test]
    fn the_root_disk_keeps_what_the_profiles_say() {
        let profile = |value: Value| -> Profile { serde_json::from_value(value).unwrap() };
        let disk = json!({"type": "disk", "path": "/", "pool": "fast", "io.cache": "none"});
        let profiles = [
            profile(json!({"devices": {"root": {"type": "disk", "path": "/", "pool": "slow"}}})),
            profile(json!({"devices": {"disk0": disk, "data": {"type": "disk", "path": "/data"}}})),
        ];
        let size = |disk_size| HardwareModel { disk_size, ..HardwareModel::default() };
        assert_eq!(root_disk(size(None), None, &profiles).unwrap(), None);
        let (name, device) = root_disk(size(Some(7)), None, &profiles).unwrap().unwrap();
        let keys = |key: &str| device.get(key).map(String::as_str);
        assert_eq!(name, "disk0", "the last profile counts");
        assert_eq!((keys("size"), keys("pool")), (Some("7GiB"), Some("fast")));
        assert_eq!(keys("io.cache"), Some("none"));
        let (_, device) = root_disk(size(None), Some("big"), &[]).unwrap().unwrap();
        assert_eq!(device.get("pool").map(String::as_str), Some("big"));
        assert!(root_disk(size(Some(1)), None, &[]).is_err());
    }
}
