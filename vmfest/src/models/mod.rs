//! Image models, hardware models and the files they stand in.
//!
//! A file whose name ends in `.meta` is one EDN map. Each key names an image model; the reserved
//! key `:hardware-models` holds a map of hardware models:
//!
//! ```clojure
//! {:debian-12 {:uuid "debian-12.vdi"          ; the disk, beside this file
//!              :os-type-id "Debian_64" :os-family :debian :os-version "12" :os-64-bit true
//!              :username "pallet-admin" :private-key-path "~/.ssh/id_ed25519" :no-sudo false
//!              :network-type :nat}
//!  :hardware-models {:tiny {:memory-size 256 :cpu-count 1}}}
//! ```
//!
//! A file whose name ends in `.toml` says the same in TOML (`pallet.toml` is not read):
//!
//! ```toml
//! [debian-12]
//! path       = "debian-12.vdi"
//! os-type-id = "Debian_64"
//! boot-mount-point = ["SATA", 0]
//! storage = [{ name = "SATA", bus = "sata", devices = ["none", { device-type = "dvd" }] }]
//!
//! [hardware-models.tiny]
//! memory-size = 256
//! boot-order  = ["hard-disk", "network"]
//! ```
//!
//! Files are data: nothing in them is ever evaluated. All keys are fields of [`ImageModel`],
//! [`HardwareModel`] and of the types in them, with dashes; a question mark at the end of a key
//! makes no difference. Words such as `:hard-disk` are strings in TOML, and an empty place in a
//! list is `nil` in EDN and `"none"` in TOML. A key that is not known, a value that cannot be and
//! values that do not fit each other are errors with file, line and column, and a suggestion.
//!
//! # What wins
//!
//! The hardware that an instance gets is laid together from these, key by key, later ones
//! winning; a key is taken as a whole (two `:storage` lists are not mixed), but for `:extra-data`,
//! whose entries join:
//!
//! 1. the base: 512 MiB, one processor, one SATA controller, the image on its first port, `:nat`;
//! 2. the hardware model: the one of that name in a file, else the built-in one;
//! 3. the image's own `:os-type-id`, `:storage`, `:boot-mount-point`, `:network-type`,
//!    `:nat-rules`, `:bridged-interface`, `:local-interface` and `:session-type`;
//! 4. the image's `:hardware`.
//!
//! `:network-type` and `:network` exclude each other in the result: the one that was given at the
//! later step wins.
//!
//! # What is not as it was in the first VMFest
//!
//! - A model of the user's takes the place of a built-in one of the same name.
//! - The image is on a SATA controller and the network is `:nat` where nothing else is said.
//! - Adapters can be switched off, shared folders can be read-only, and words such as `:efi` are
//!   understood wherever VirtualBox has such a word.
//! - Serial port 0 is the console, from which host keys are read.

/// Takes each named key from the upper model where it has one.
macro_rules! overlay {
    ($lower:ident, $upper:ident, $($key:ident)*) => {
        $(if $upper.$key.is_some() { $lower.$key.clone_from(&$upper.$key); })*
    };
}

mod attach;
mod check;
mod hardware;
mod image;
mod known;
mod meta;
mod network;
mod secret;
mod serial;
mod settings;
mod shared_folder;
mod slots;
mod storage;

pub use attach::AttachMode;
pub use check::Invalid;
pub(crate) use check::Limits;
pub use hardware::{HardwareModel, built_in};
pub use image::ImageModel;
pub use known::Models;
pub use meta::{HARDWARE_MODELS_KEY, load_file, load_folder};
pub use network::{
    Adapter, AdapterType, AttachmentType, NatProtocol, NatRule, NetworkType, PromiscuousMode,
};
pub use secret::Secret;
pub use serial::{SerialMode, SerialPort, UartType};
pub use settings::{
    BootDevice, BootOrder, Chipset, ClipboardMode, Firmware, GraphicsController, Keyboard,
    MAX_BOOT_POSITION, Pointing, SessionType,
};
pub use shared_folder::SharedFolder;
#[cfg(feature = "pallet")]
pub(crate) use slots::Slots;
pub use storage::{
    Attachment, BootMountPoint, Bus, ControllerType, Device, DeviceType, DiskFormat, DiskVariant,
    StorageController,
};
