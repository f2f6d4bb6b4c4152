//! What is noted with a VM, in its extra data, so that it is known again as a node.

use std::collections::BTreeMap;
use std::path::PathBuf;

use pallet_core::facts::Facts;
use serde::{Deserialize, Serialize};

use crate::models::{HardwareModel, ImageModel};

/// The group that a node belongs to. A VM without it is no node.
pub(super) const GROUP: &str = "pallet/group";
/// Whose node it is: nodes of other scopes are left alone.
pub(super) const SCOPE: &str = "pallet/scope";
/// The name of the image model that a node was made from.
pub(super) const IMAGE: &str = "pallet/image";
/// What was known of the image when the node was made.
pub(super) const IMAGE_META: &str = "pallet/image-meta";
/// Whether `bootstrap` has succeeded.
pub(super) const BOOTSTRAPPED: &str = "pallet/bootstrapped";

/// What was known of an image when a node was made. No passwords: the VM's settings are a file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct ImageMeta {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) os_type_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) os_family: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) os_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) os_64_bit: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) packager: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) username: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) no_sudo: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) private_key_path: Option<PathBuf>,
}

impl ImageMeta {
    /// What is known of this image.
    pub(super) fn of(image: &ImageModel) -> Self {
        Self {
            os_type_id: Some(image.os_type_id.clone()),
            os_family: image.os_family.clone(),
            os_version: image.os_version.clone(),
            os_64_bit: image.os_64_bit,
            packager: image.packager.clone(),
            username: image.username.clone(),
            no_sudo: image.no_sudo,
            private_key_path: image.private_key_path.clone(),
        }
    }

    /// The image as far as it was noted.
    pub(super) fn image(&self) -> ImageModel {
        ImageModel {
            os_family: self.os_family.clone(),
            os_version: self.os_version.clone(),
            os_64_bit: self.os_64_bit,
            packager: self.packager.clone(),
            username: self.username.clone(),
            no_sudo: self.no_sudo,
            private_key_path: self.private_key_path.clone(),
            ..ImageModel::new("", self.os_type_id.clone().unwrap_or_default())
        }
    }
}

/// What templates and reports may show of a node's system.
pub(super) fn properties(image_name: String, image: &ImageModel) -> BTreeMap<String, String> {
    let guest = image.os_type_id.as_str();
    let family = image.os_family.clone().or_else(|| family_of(guest).map(str::to_owned));
    let wide = image.os_64_bit.or_else(|| (!guest.is_empty()).then(|| guest.ends_with("_64")));
    let known = [
        ("image", Some(image_name)),
        ("os-family", family),
        ("os-version", image.os_version.clone()),
        ("os-64-bit", wide.map(|wide| wide.to_string())),
        ("packager", image.packager.clone()),
    ];
    let given = known.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    given.collect()
}

/// What nodes of this image and hardware will be.
pub(super) fn facts(image: &ImageModel, hardware: &HardwareModel) -> Facts {
    let known = properties(String::new(), image);
    let of = |key: &str| known.get(key).cloned().unwrap_or_default();
    let hardware = image.effective_hardware(hardware);
    Facts {
        os: of("os-family"),
        os_families: known.get("os-family").cloned().into_iter().collect(),
        os_version: of("os-version"),
        arch: if of("os-64-bit") == "false" { "i686" } else { "x86_64" }.to_owned(),
        cpus: hardware.cpu_count.unwrap_or_default(),
        memory_mib: hardware.memory_size.unwrap_or_default().into(),
        ..Facts::default()
    }
}

/// The family that VirtualBox's name of a system tells of.
fn family_of(os_type_id: &str) -> Option<&'static str> {
    const FAMILIES: [(&str, &str); 8] = [
        ("Ubuntu", "ubuntu"),
        ("Debian", "debian"),
        ("RedHat", "rhel"),
        ("Fedora", "fedora"),
        ("Oracle", "ol"),
        ("OpenSUSE", "opensuse"),
        ("ArchLinux", "arch"),
        ("Gentoo", "gentoo"),
    ];
    FAMILIES.iter().find(|(start, _)| os_type_id.starts_with(start)).map(|(_, family)| *family)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::Secret;

    #[test]
    fn what_is_noted_is_known_again_but_for_passwords() {
        let mut image = ImageModel::new("/x.vdi", "Ubuntu_64");
        image.username = Some("me".to_owned());
        image.password = Some(Secret::new("hunter2"));
        image.private_key_path = Some("/key".into());
        image.no_sudo = true;
        let noted = serde_json::to_string(&ImageMeta::of(&image)).expect("a text");
        assert!(!noted.contains("hunter2"), "{noted}");
        let meta: ImageMeta = serde_json::from_str(&noted).expect("reads");
        let again = meta.image();
        assert_eq!(again.username.as_deref(), Some("me"));
        assert_eq!(again.private_key_path, image.private_key_path);
        assert!(again.no_sudo);
        let shown = properties("ubu".to_owned(), &again);
        assert_eq!(shown["os-family"], "ubuntu", "VirtualBox's name of the system tells it");
        assert_eq!(shown["os-64-bit"], "true");
        let facts = facts(&again, &HardwareModel::default());
        assert_eq!((facts.os.as_str(), facts.arch.as_str()), ("ubuntu", "x86_64"));
        assert_eq!((facts.cpus, facts.memory_mib), (1, 512));
        let unknown = properties("x".to_owned(), &ImageModel::new("/x.vdi", "Other"));
        assert_eq!(unknown.get("os-family"), None, "nothing is made up");
    }
}
