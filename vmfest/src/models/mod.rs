//! Image models, hardware models and the `.meta` files they stand in.
//!
//! A `.meta` file is one EDN map. Each key names an image model; the reserved key
//! `:hardware-models` holds a map of hardware models:
//!
//! ```clojure
//! {:debian-12 {:uuid "debian-12.vdi"          ; the disk, beside this file
//!              :os-type-id "Debian_64" :os-family :debian :os-version "12" :os-64-bit true
//!              :username "pallet-admin" :private-key-path "~/.ssh/id_ed25519" :no-sudo false
//!              :network-type :nat}
//!  :hardware-models {:tiny {:memory-size 256 :cpu-count 1}}}
//! ```
//!
//! # What wins
//!
//! The hardware that an instance gets is laid together from these, key by key, later ones
//! winning; a key is taken as a whole (two `:storage` lists are not mixed):
//!
//! 1. the base: 512 MiB, one processor, one SATA controller, the image on its first port, `:nat`;
//! 2. the hardware model: the one of that name in a meta file, else the built-in one;
//! 3. the image's own `:storage`, `:boot-mount-point`, `:network-type`, `:nat-rules`,
//!    `:bridged-interface`, `:local-interface` and `:session-type`;
//! 4. the image's `:hardware`.
//!
//! `:network-type` and `:network` exclude each other in the result: the one that was given at the
//! later step wins.

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
pub use storage::{
    Attachment, BootMountPoint, Bus, ControllerType, Device, DeviceType, DiskFormat, DiskVariant,
    StorageController,
};
