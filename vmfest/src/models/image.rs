//! Image models.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::attach::AttachMode;
use super::hardware::HardwareModel;
use super::network::{NatRule, NetworkType};
use super::secret::Secret;
use super::settings::SessionType;
use super::storage::{BootMountPoint, StorageController};
use crate::paths;

/// A disk image that instances are made from, and what is known about it.
///
/// The image itself is never written to: every instance gets a differencing disk of its own.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ImageModel {
    /// The image file; `:uuid` for historical reasons, also `:path` or `:location`. Relative
    /// paths start at the folder of the meta file, `~` is the home directory. It may also be the
    /// UUID by which VirtualBox knows the image.
    #[serde(rename = "uuid", alias = "path", alias = "location")]
    pub path: PathBuf,
    /// VirtualBox's name of the guest's operating system, such as `Debian_64`.
    pub os_type_id: String,
    /// The image's name for people.
    #[serde(default)]
    pub image_name: Option<String>,
    /// The model's name once more, as the original's tools wrote it.
    #[serde(default)]
    pub image_id: Option<String>,
    /// Operating system family, such as `:debian`.
    #[serde(default)]
    pub os_family: Option<String>,
    /// Operating system version, such as `"12"`.
    #[serde(default)]
    pub os_version: Option<String>,
    /// Whether the guest is a 64-bit system.
    #[serde(default, rename = "os-64-bit", alias = "os-64-bit?")]
    pub os_64_bit: Option<bool>,
    /// The package manager, such as `:apt`.
    #[serde(default)]
    pub packager: Option<String>,
    /// Text for people.
    #[serde(default)]
    pub description: Option<String>,
    /// Account to log in as.
    #[serde(default)]
    pub username: Option<String>,
    /// Its password.
    #[serde(default)]
    pub password: Option<Secret>,
    /// The password that sudo asks for.
    #[serde(default)]
    pub sudo_password: Option<Secret>,
    /// The account is root already; do not use sudo.
    #[serde(default, alias = "no-sudo?")]
    pub no_sudo: bool,
    /// Private key to log in with.
    #[serde(default)]
    pub private_key_path: Option<PathBuf>,
    /// Ready-made network layout.
    #[serde(default)]
    pub network_type: Option<NetworkType>,
    /// Further port forwards.
    #[serde(default)]
    pub nat_rules: Option<Vec<NatRule>>,
    /// Host interface of the `:bridged` layout.
    #[serde(default)]
    pub bridged_interface: Option<String>,
    /// Host-only interface of the `:local` layout.
    #[serde(default)]
    pub local_interface: Option<String>,
    /// Storage controllers that the image needs.
    #[serde(default)]
    pub storage: Option<Vec<StorageController>>,
    /// Where the image wants to be attached.
    #[serde(default)]
    pub boot_mount_point: Option<BootMountPoint>,
    /// Hardware keys that override those of the hardware model.
    #[serde(default)]
    pub hardware: Option<HardwareModel>,
    /// How instances are shown when they start.
    #[serde(default)]
    pub session_type: Option<SessionType>,
    /// How instances use the image; `:multi-attach` if nothing is said.
    #[serde(default)]
    pub attach: Option<AttachMode>,
    /// SHA-256 of the image file, as it was when it became a model.
    #[serde(default)]
    pub sha256: Option<String>,
}

impl ImageModel {
    /// An image about which only the file and the operating system type are known.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, os_type_id: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            os_type_id: os_type_id.into(),
            image_name: None,
            image_id: None,
            os_family: None,
            os_version: None,
            os_64_bit: None,
            packager: None,
            description: None,
            username: None,
            password: None,
            sudo_password: None,
            no_sudo: false,
            private_key_path: None,
            network_type: None,
            nat_rules: None,
            bridged_interface: None,
            local_interface: None,
            storage: None,
            boot_mount_point: None,
            hardware: None,
            session_type: None,
            attach: None,
            sha256: None,
        }
    }

    /// This model with the keys of `upper` laid over it; the file, the operating system type and
    /// `no_sudo` are always those of `upper`.
    #[cfg(feature = "pallet")]
    pub(crate) fn overlaid_with(mut self, upper: &Self) -> Self {
        if self.path != upper.path {
            // It is the other file's.
            self.sha256 = None;
        }
        self.path.clone_from(&upper.path);
        self.os_type_id.clone_from(&upper.os_type_id);
        self.no_sudo = upper.no_sudo;
        if let Some(hardware) = &upper.hardware {
            let lower = self.hardware.take().unwrap_or_default();
            self.hardware = Some(lower.overlaid_with(hardware));
        }
        overlay!(self, upper,
            image_name image_id os_family os_version os_64_bit packager description username
            password sudo_password private_key_path network_type nat_rules bridged_interface
            local_interface storage boot_mount_point session_type attach sha256);
        self
    }

    /// The hardware of an instance of this image, by the rules of [the module](super).
    #[must_use]
    pub fn effective_hardware(&self, hardware: &HardwareModel) -> HardwareModel {
        let own = HardwareModel {
            os_type_id: Some(self.os_type_id.clone()),
            network_type: self.network_type,
            nat_rules: self.nat_rules.clone(),
            bridged_interface: self.bridged_interface.clone(),
            local_interface: self.local_interface.clone(),
            storage: self.storage.clone(),
            boot_mount_point: self.boot_mount_point.clone(),
            session_type: self.session_type,
            ..HardwareModel::default()
        };
        let merged = HardwareModel::base().overlaid_with(hardware).overlaid_with(&own);
        match &self.hardware {
            Some(upper) => merged.overlaid_with(upper),
            None => merged,
        }
    }

    /// Makes the model's paths absolute, as seen from `folder`.
    pub(crate) fn resolve_paths(&mut self, folder: &Path) {
        self.path = resolve_medium(&self.path, folder);
        if let Some(path) = &mut self.private_key_path {
            *path = resolve(path, folder);
        }
        if let Some(controllers) = &mut self.storage {
            resolve_storage(controllers, folder);
        }
        if let Some(hardware) = &mut self.hardware {
            hardware.resolve_paths(folder);
        }
    }
}

impl HardwareModel {
    /// Makes the model's paths absolute, as seen from `folder`.
    pub(crate) fn resolve_paths(&mut self, folder: &Path) {
        if let Some(controllers) = &mut self.storage {
            resolve_storage(controllers, folder);
        }
        for shared in self.shared_folders.iter_mut().flatten() {
            shared.host_path = resolve(&shared.host_path, folder);
        }
        if let Some(path) = &mut self.snapshot_folder
            && let Some(absolute) = paths::expand_home(path)
        {
            *path = absolute;
        }
    }
}

fn resolve_storage(controllers: &mut [StorageController], folder: &Path) {
    for device in controllers.iter_mut().flat_map(|c| c.devices.iter_mut().flatten()) {
        if let Some(location) = &mut device.location {
            *location = resolve_medium(location, folder);
        }
    }
}

fn resolve(path: &Path, folder: &Path) -> PathBuf {
    paths::expand_home(path).unwrap_or_else(|| folder.join(path))
}

/// [`resolve`], but leaves a UUID alone, unless there is a file of that name.
fn resolve_medium(path: &Path, folder: &Path) -> PathBuf {
    let file = resolve(path, folder);
    if paths::is_uuid(path) && !file.exists() { path.to_owned() } else { file }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(text: &str) -> ImageModel {
        crate::edn::from_str(text).expect("is a model")
    }

    #[test]
    fn the_image_overrides_hardware_and_its_hardware_key_wins() {
        let image = image(
            r#"{:path "x.vdi" :os-type-id "Debian_64" :network-type :bridged :session-type :gui
                :storage [{:name "IDE" :bus :ide}] :boot-mount-point ["IDE" 2]
                :hardware {:memory-size 700 :session-type :headless}}"#,
        );
        let hardware = HardwareModel {
            memory_size: Some(2048),
            cpu_count: Some(2),
            network_type: Some(NetworkType::Nat),
            ..HardwareModel::default()
        };
        let result = image.effective_hardware(&hardware);
        assert_eq!(result.memory_size, Some(700));
        assert_eq!(result.cpu_count, Some(2));
        assert_eq!(result.network_type, Some(NetworkType::Bridged));
        assert_eq!(result.session_type, Some(SessionType::Headless));
        assert_eq!(
            result.boot_mount_point,
            Some(BootMountPoint { controller: "IDE".into(), position: 2 })
        );
    }

    #[cfg(feature = "pallet")]
    #[test]
    fn no_key_is_forgotten_when_images_are_laid_over_each_other() {
        let upper = image(
            r#"{:uuid "u" :os-type-id "L" :image-name "n" :image-id "i" :os-family :f
                :os-version "1" :os-64-bit true :packager :apt :description "d" :username "u"
                :password "p" :sudo-password "p" :no-sudo true :private-key-path "k"
                :network-type :nat :nat-rules [] :bridged-interface "b" :local-interface "l"
                :storage [] :boot-mount-point ["s" 0] :hardware {:memory-size 5}
                :session-type :gui :attach :immutable
                :sha256 "00"}"#,
        );
        let both = ImageModel::new("x", "y").overlaid_with(&upper);
        assert_eq!(both, upper);
        let keys: Vec<_> = format!("{upper:#?}").lines().map(str::to_owned).collect();
        let own = keys.iter().filter(|line| line.starts_with("    ") && !line.starts_with("     "));
        let missing: Vec<_> = own.filter(|line| line.ends_with(": None,")).collect();
        assert!(missing.is_empty(), "keys without a value in this test: {missing:?}");
    }

    #[test]
    fn a_uuid_is_no_path() {
        let uuid = "1C9A8D3E-0000-4000-8000-5f7f3a6f3f3f";
        let mut image = image(&format!("{{:uuid \"{uuid}\" :os-type-id \"Linux\"}}"));
        image.resolve_paths(Path::new("/models"));
        assert_eq!(image.path, Path::new(uuid));
    }

    #[test]
    fn paths_start_at_the_meta_file() {
        let mut image = image(
            r#"{:uuid "x.vdi" :os-type-id "L" :private-key-path "/k"
                :storage [{:name "S" :bus :sata :devices [nil {:device-type :dvd :location "d.iso"}]}]}"#,
        );
        image.resolve_paths(Path::new("/models"));
        assert_eq!(image.path, Path::new("/models/x.vdi"));
        assert_eq!(image.private_key_path.as_deref(), Some(Path::new("/k")));
        let dvd = image.storage.iter().flatten().flat_map(|c| c.devices.iter().flatten()).next();
        assert_eq!(dvd.and_then(|d| d.location.as_deref()), Some(Path::new("/models/d.iso")));
    }
}
